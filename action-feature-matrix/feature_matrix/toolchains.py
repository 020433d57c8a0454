"""Rust toolchains by version: the one on PATH, those that rustup has, and those that it can fetch."""

from __future__ import annotations

import re
import shutil
import subprocess

from actionlib.entrypoint import Context
from actionlib.errors import ActionError

ASK_SECONDS = 60
INSTALL_SECONDS = 900


def toolchain_for(context: Context, version: str, *, install: bool) -> str:
    """The name for `cargo +NAME` of a Rust version such as `1.75`; empty where the Rust on PATH is it.

    `1.75` is satisfied by any 1.75.x, for a patch release mends and takes nothing away. Raises ActionError, with the
    remedy, where the version is not here and may not or cannot be installed.
    """
    told = _ask(context, "rustc", "--version").split()
    if len(told) > 1 and _is(told[1], version):
        return ""
    listed = [line.split()[0] for line in _ask(context, "rustup", "toolchain", "list").splitlines() if line]
    if found := next((name for name in listed if _is(name.split("-")[0], version)), ""):
        return found
    if not install:
        raise ActionError(
            f"Rust {version}, which is declared as the minimum, is not installed here",
            hint=f"Set 'install: true', or run: rustup toolchain install {version} --profile minimal",
        )
    if shutil.which("rustup", path=context.environ.get("PATH")) is None:
        raise ActionError(
            f"Rust {version} cannot be installed: there is no rustup on PATH",
            hint="Install rustup on the runner, or that version of Rust by other means",
        )
    context.out.say(f"Installing Rust {version}")
    command = ["rustup", "toolchain", "install", version, "--profile", "minimal", "--no-self-update"]
    try:
        done = subprocess.run(
            command,
            env=dict(context.environ),
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ActionError(f"rustup did not install Rust {version} in {INSTALL_SECONDS} s") from error
    if done.returncode:
        said = done.stderr[
            max(0, done.stderr.find("error:")) :
        ].strip()  # progress before it, a backtrace after it
        raise ActionError(f"rustup cannot install Rust {version}: {said[:1000]}")
    return version


def _is(found: str, version: str) -> bool:
    return re.fullmatch(rf"{re.escape(version)}([.]\d+)?", found) is not None


def _ask(context: Context, *command: str) -> str:
    """What a program says; empty where there is none, or it fails."""
    try:
        done = subprocess.run(
            command,
            env=dict(context.environ),
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
