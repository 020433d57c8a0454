"""Does the compositor answer with all that text injection needs, and does its clipboard work?"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping

from headless_env.health import Unhealthy
from headless_env.wayland_wire import Compositor, Survey, WaylandError, display_path

PROBE_SECONDS = 1.0
TOOL_SECONDS = 5.0
_RETRY_SECONDS = 0.002
_NEEDED = (
    ("wl_seat",),
    ("wl_output",),
    ("zwp_virtual_keyboard_manager_v1",),
    ("ext_data_control_manager_v1", "zwlr_data_control_manager_v1"),
)


def probe(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless there are an output, a seat with a keyboard, and the protocols of wtype and wl-copy."""
    found = _survey(environ, seconds=PROBE_SECONDS)
    for names in _NEEDED:
        if not any(name in found.interfaces for name in names):
            raise Unhealthy(
                f"the compositor should offer {' or '.join(names)}, found {len(found.interfaces)} others"
            )
    if found.size is None:
        raise Unhealthy("the compositor's output should have a size, found none")
    if not found.has_keyboard:
        raise Unhealthy("the compositor's seat should have a keyboard, found none")
    return f"{found.size[0]}x{found.size[1]}, keyboard"


def verify(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless wl-paste finds what wl-copy has copied.

    What was in the clipboard is lost, as with any copy; afterwards it is empty.
    """
    detail = probe(environ)
    copy, paste = (shutil.which(tool, path=environ.get("PATH")) for tool in ("wl-copy", "wl-paste"))
    if not copy or not paste:
        return f"{detail}; clipboard not checked (wl-clipboard is not installed)"
    token = f"headless-env {secrets.token_hex(8)}"
    # In the foreground, so that the owner is ours to end; with a type, or it asks xdg-mime for one.
    owner = subprocess.Popen(
        [copy, "--foreground", "--type", "text/plain", "--", token], env=dict(environ), cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        _await_token(owner, [paste, "--no-newline", "--type", "text/plain"], environ, token)
    finally:
        owner.kill()
        owner.communicate()
    return f"{detail}, clipboard round trip"


def _await_token(
    owner: subprocess.Popen[bytes], argv: list[str], environ: Mapping[str, str], token: str
) -> None:
    """Paste until it is the token: a copy in the foreground does not tell when it owns the clipboard."""
    deadline = time.monotonic() + TOOL_SECONDS
    found = "nothing"
    while (left := deadline - time.monotonic()) > 0:
        try:
            pasted = subprocess.run(
                argv, env=dict(environ), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=left
            )
        except subprocess.TimeoutExpired:
            break
        if pasted.returncode == 0 and pasted.stdout == token.encode():
            return
        found = repr((pasted.stdout or pasted.stderr).decode("utf-8", "replace").strip()[:200])
        if owner.poll() is not None and owner.stderr is not None:
            said = owner.stderr.read().decode("utf-8", "replace").strip()[:500]
            raise Unhealthy(
                f"wl-copy should keep the clipboard, but exited with code {owner.returncode}: {said}"
            )
        time.sleep(_RETRY_SECONDS)
    raise Unhealthy(f"wl-paste should find {token!r} within {TOOL_SECONDS:g} s, found {found}")


def _survey(environ: Mapping[str, str], *, seconds: float) -> Compositor:
    try:
        with Survey(display_path(environ)) as survey:
            return survey.complete(seconds=seconds)
    except WaylandError as error:
        raise Unhealthy(f"Wayland: {error}") from error
