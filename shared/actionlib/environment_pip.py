"""Finding a pip: the host's own, a wheel that it carries, or one fetched with the standard library alone."""

from __future__ import annotations

import base64
import contextlib
import glob
import hashlib
import html
import os
import re
import site
import ssl
import sysconfig
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from actionlib.environment_install import InstallError

WHEEL = "pip-26.3-py3-none-any.whl"
WHEEL_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
PUBLIC_INDEX = "https://pypi.org/simple"
ATTEMPTS = 3
TIMEOUT_SECONDS = 30.0
MAXIMUM_BYTES = 50_000_000


def find_pip(stage: str, *, environ: Mapping[str, str], say: Callable[[str], None]) -> str:
    """The path of a pip that the Python in `stage` can run as a script.

    A fetched one is kept beside `stage`. Raises InstallError when the host has none and none can be fetched.
    """
    for packages in site.getsitepackages():
        # The file by which pip runs in a foreign interpreter (`pip --python`), there since 22.3.
        if os.path.isfile(runner := f"{packages}/pip/__pip-runner__.py"):
            return runner
    bundled = f"{os.path.dirname(os.__file__)}/ensurepip/_bundled"
    for place in (bundled, sysconfig.get_config_var("WHEEL_PKG_DIR"), "/usr/share/python-wheels"):
        if place and (wheels := glob.glob(f"{glob.escape(place)}/pip-*.whl")):
            return f"{max(wheels, key=_version)}/pip"
    return f"{_keep_pip(Path(stage), environ=environ, say=say)}/pip"


def _version(wheel: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", os.path.basename(wheel).split("-")[1])]


def _keep_pip(stage: Path, *, environ: Mapping[str, str], say: Callable[[str], None]) -> str:
    kept = stage.with_name(WHEEL)
    with contextlib.suppress(OSError):
        if hashlib.sha256(kept.read_bytes()).hexdigest() == WHEEL_SHA256:
            return str(kept)
    say(f"This host has neither uv nor pip: fetching {WHEEL}")
    index = environ.get("PIP_INDEX_URL") or PUBLIC_INDEX
    try:
        content = fetch_wheel(index, WHEEL, certificates=environ.get("PIP_CERT"))
    except (OSError, ValueError) as error:
        raise InstallError("fetching pip", f"{_without_password(index)}: {error}\n") from error
    if (found := hashlib.sha256(content).hexdigest()) != WHEEL_SHA256:
        raise InstallError("fetching pip", f"hash mismatch: {WHEEL} is {found}, expected {WHEEL_SHA256}\n")
    # Written where the next builder cleans up if we are killed.
    staged = stage / WHEEL
    staged.write_bytes(content)
    staged.replace(kept)
    return str(kept)


def fetch_wheel(index: str, wheel: str, *, certificates: str | None = None) -> bytes:
    """The contents of the file `wheel` from the simple index (PEP 503) at `index`.

    The caller checks the digest. `certificates` is a CA bundle to trust instead of the system's. Raises
    OSError, or ValueError when the index does not list the file.
    """
    project = wheel.split("-")[0]
    context = ssl.create_default_context(cafile=certificates or None)
    page_url = f"{index.rstrip('/')}/{project}/"
    page = _read(page_url, context).decode("utf-8", "replace")
    for link in re.findall(r"""href\s*=\s*["']([^"']+)["']""", page):
        url = urllib.parse.urljoin(page_url, html.unescape(link))
        parts = urllib.parse.urlsplit(url)
        if urllib.parse.unquote(parts.path.rsplit("/", 1)[-1]) == wheel:
            return _read(urllib.parse.urlunsplit(parts._replace(fragment="")), context)
    raise ValueError(f"the index does not list {wheel}")


def _without_password(url: str) -> str:
    """`url` as it may be shown."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _read(url: str, context: ssl.SSLContext) -> bytes:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(_request(url), timeout=TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310
                content: bytes = answer.read(MAXIMUM_BYTES)
                return content
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise
        except OSError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(attempt)
    raise AssertionError("unreachable")


def _request(url: str) -> urllib.request.Request:
    """A request whose credentials, if the URL has any, go in a header (urllib knows no other way)."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise ValueError(f"'{parts.scheme}' is not a scheme that packages can be fetched by")
    credentials, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=host)))  # noqa: S310
    if credentials:
        encoded = base64.b64encode(urllib.parse.unquote(credentials).encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    return request
