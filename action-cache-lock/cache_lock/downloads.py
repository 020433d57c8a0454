"""Fetching models: resumed where the server can, bounded in size, checked before anybody can use them."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from actionlib.errors import ActionError
from actionlib.summary import duration, size
from cache_lock.models import Model, Stamps, digest_of

CONNECT_SECONDS, READ_SECONDS = 15, 60
ATTEMPTS = 4
PROGRESS_SECONDS = 5.0
_CHUNK = 1 << 20


# What the decompressors, and an encrypted archive, raise besides.
_UNPACK_FAULTS = (NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError)


class TooLargeError(Exception):
    """More bytes than allowed."""


def fetch(
    model: Model, folder: Path, stamps: Stamps, *, limit_bytes: int, say: Callable[[str], None]
) -> Path:
    """Download one model into `folder`, verify it, and only then give it its name.

    A part that was downloaded before (by a job that was killed) is continued. The caller holds the lock.
    """
    try:
        return _fetch(model, folder, stamps, limit_bytes=limit_bytes, say=say)
    except OSError as error:
        raise ActionError(
            f"model '{model.name}' cannot be stored in {folder}: {error.strerror or error}",
            hint="Check whether the disk is full, and who owns the directory",
        ) from error


def _fetch(
    model: Model, folder: Path, stamps: Stamps, *, limit_bytes: int, say: Callable[[str], None]
) -> Path:
    target = folder / model.name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{model.sha256[:16]}.part")
    continued = part.exists()
    if continued and not os.access(part, os.W_OK):  # another user's: its folder may let us remove it
        part.unlink()
        continued = False
    _download(model, part, limit_bytes=limit_bytes, say=say)
    found = _digest_durable(part)
    if found != model.sha256 and continued:
        say(f"{model.name}: what an earlier job had left does not fit; downloading it anew")
        part.unlink()
        _download(model, part, limit_bytes=limit_bytes, say=say)
        found = _digest_durable(part)
    if found != model.sha256:
        part.unlink()
        raise ActionError(
            f"{model.url} has sha256 {found}, and the manifest says {model.sha256} for '{model.name}'",
            hint="Nothing was kept. Check the manifest, and whether the server's file was replaced",
        )
    if model.is_unpacked:
        _unpack(part, target, model)
        part.unlink()
    else:
        part.chmod(0o644)
        part.replace(target)
    stamps.write(target, expected=model.sha256, content=digest_of(target) if model.is_unpacked else found)
    return target


def _digest_durable(part: Path) -> str:
    with part.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(model: Model, part: Path, *, limit_bytes: int, say: Callable[[str], None]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(model, part, limit_bytes=limit_bytes, say=say)
        except TooLargeError as error:
            part.unlink(missing_ok=True)
            raise ActionError(
                f"{model.url} has {error}, more than the limit of {size(limit_bytes)}",
                hint="Raise max-size-gb if the model really is that large",
            ) from error
        except requests.HTTPError as error:
            status = error.response.status_code
            if status < 500 and status not in (408, 429):
                raise ActionError(f"{model.url} answers {status} {error.response.reason}") from error
            _pause_or_give_up(model, attempt, f"{status} {error.response.reason}", say)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            _pause_or_give_up(model, attempt, str(error), say)
        else:
            return


def _pause_or_give_up(model: Model, attempt: int, why: str, say: Callable[[str], None]) -> None:
    if attempt == ATTEMPTS:
        raise ActionError(
            f"{model.url} could not be downloaded in {ATTEMPTS} attempts: {why}",
            hint="What has arrived is kept, and the next run continues it",
        )
    pause = 2.0**attempt / 2
    say(f"{model.name}: {why}; trying again in {pause:g} s")
    time.sleep(pause)


def _transfer(model: Model, part: Path, *, limit_bytes: int, say: Callable[[str], None]) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(
        model.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
    ) as response:
        if response.status_code == 416:  # nothing is left to send, or the server's file is shorter now
            if response.headers.get("Content-Range", "") == f"bytes */{have}":
                return
            part.unlink()
            _transfer(model, part, limit_bytes=limit_bytes, say=say)
            return
        response.raise_for_status()
        resumed = response.status_code == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else 0
        if total > limit_bytes:
            raise TooLargeError(size(total))
        with part.open("ab" if resumed else "wb") as file:
            done = _receive(
                response, file.write, have, total, limit_bytes, lambda text: say(f"{model.name}: {text}")
            )
        if total and done < total:
            raise requests.ConnectionError(f"the connection ended after {done} of {total} bytes")


def _receive(
    response: requests.Response,
    write: Callable[[bytes], object],
    have: int,
    total: int,
    limit_bytes: int,
    say: Callable[[str], None],
) -> int:
    started = said = time.monotonic()
    done = have
    # read1, not iter_content: when the connection ends, what has arrived must not be lost with the chunk's rest.
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        done += len(chunk)
        if done > limit_bytes:
            raise TooLargeError(f"over {size(done)}")
        write(chunk)
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            rate = (done - have) / max(said - started, 0.001)
            rest = f" of {size(total)}, {duration((total - done) / rate)} left" if total and rate else ""
            say(f"{size(done)}{rest}, {size(rate)}/s")
    return done


def _extract(tar: tarfile.TarFile, inside: Path) -> None:
    """Unpack without anything that leads out. Python before 3.11.4 has no filters: there, plain files only."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(inside, filter="data")
        return
    for member in tar:
        parts = member.name.split("/")
        if not (member.isreg() or member.isdir()) or ".." in parts or member.name.startswith("/"):
            raise tarfile.ExtractError(
                f"'{member.name}' is no plain file inside; Python 3.11.4 or newer knows more"
            )
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        tar.extract(member, inside, set_attrs=member.isreg())


def _unpack(archive: Path, target: Path, model: Model) -> None:
    """Unpack beside the target, then rename. One directory that holds all of it is taken for the model."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        inside = Path(scratch) / "content"
        inside.mkdir()
        try:
            if urlsplit(model.url).path.lower().endswith(".zip"):
                with zipfile.ZipFile(archive) as file:
                    file.extractall(inside)  # noqa: S202  (zipfile drops absolute paths and `..`)
            else:
                with tarfile.open(archive) as tar:
                    _extract(tar, inside)
        except (zipfile.BadZipFile, tarfile.TarError, *_UNPACK_FAULTS) as error:
            raise ActionError(f"{model.url} cannot be unpacked: {error}") from error
        content = list(inside.iterdir())
        source = content[0] if len(content) == 1 and content[0].is_dir() else inside
        if target.exists():
            shutil.rmtree(target)
        source.rename(target)
    target.chmod(0o755)
