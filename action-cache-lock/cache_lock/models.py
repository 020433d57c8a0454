"""Models verified against a manifest of SHA-256 digests, without reading again what has not changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from actionlib.errors import ActionError

ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")


@dataclass(frozen=True, slots=True)
class Model:
    """One line of the manifest: `name:sha256:hex [URL]`."""

    name: str
    sha256: str
    url: str = ""

    @property
    def is_unpacked(self) -> bool:
        """Whether the digest is that of an archive at `url`, and `name` the directory unpacked from it."""
        return _archive_suffix(urlsplit(self.url).path) != "" and _archive_suffix(self.name) == ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `state`: `unchanged` (by its stamp), `verified`, `fetched`, `missing`, `mismatch`, `unknown`.

    `unknown` is a directory that this host did not unpack itself, while the manifest has its archive's digest.
    """

    model: Model
    path: Path
    state: str
    found: str = ""
    bytes: int = 0


def parse_manifest(text: str, origin: str) -> list[Model]:
    """Read the manifest. `#` starts a comment. Raises ActionError naming the line."""
    models = [
        _parse_line(line.strip(), number, origin)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise ActionError(f"{origin} names '{name}' more than once", hint="Keep one line for each model")
    if not models:
        raise ActionError(f"{origin} names no model", hint="Write lines like `name:sha256:hex`")
    return models


def _parse_line(line: str, number: int, origin: str) -> Model:
    where = f"{origin} line {number}"
    entry, *rest = line.split(None, 1)
    url = re.split(r"(?:^|\s)#", rest[0], maxsplit=1)[0].strip() if rest else ""
    parts = entry.rsplit(":", 2)
    if len(parts) != 3 or not parts[2]:
        raise ActionError(f"{where} has no digest: '{line}'; allowed: `name:sha256:hex [URL]`")
    name, algorithm, digest = parts
    if algorithm != "sha256":
        raise ActionError(f"{where} uses '{algorithm}'; allowed: sha256")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ActionError(f"{where} has the digest '{digest}'; allowed: 64 hexadecimal digits")
    parts = name.split("/")
    if not name.strip("./") or not parts[0] or ".." in parts or re.search(r"[:\x00-\x1f]", name):
        raise ActionError(f"{where} names '{name}'; allowed: a relative path without '..' and ':'")
    if url and (urlsplit(url).scheme not in ("http", "https") or re.search(r"\s", url)):
        raise ActionError(f"{where} has the URL '{url}'; allowed: http:// or https://")
    return Model(name, digest.lower(), url)


def _archive_suffix(path: str) -> str:
    return next((suffix for suffix in ARCHIVE_SUFFIXES if path.lower().endswith(suffix)), "")


# --- digests -----------------------------------------------------------------------------------------------


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes; of a directory: of its sorted lines `relative path NUL file digest LF`.

    A link to a file counts as that file; any other link, in a directory, by its text.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if path.is_symlink() and not path.is_dir():
        return _link_digest(path)
    if not path.is_dir():
        raise ActionError(f"{path} is neither a file nor a directory", hint="Remove it")
    total = hashlib.sha256()
    for file_path in _files_in(path):
        digest = _link_digest(file_path) if file_path.is_dir() else digest_of(file_path)
        total.update(os.fsencode(file_path.relative_to(path)) + b"\0" + digest.encode() + b"\n")
    return total.hexdigest()


def _link_digest(path: Path) -> str:
    return hashlib.sha256(b"link " + os.fsencode(path.readlink())).hexdigest()


def _files_in(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=_fail):
        found += [Path(folder, name) for name in names]
        found += [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
    yield from sorted(found, key=lambda one: os.fsencode(one.relative_to(path)))


def _fail(error: OSError) -> None:
    raise error


def _fingerprint(path: Path) -> tuple[str, int]:
    """Identity of every file by device, inode, size, mtime and ctime; and the bytes in all."""
    lines: list[str] = []
    total = 0
    for file_path in _files_in(path):
        status = file_path.stat() if file_path.is_file() else file_path.lstat()
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        lines.append(f"{file_path.relative_to(path)}\0{identity}")
        total += status.st_size
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest(), total


class Stamps:
    """Notes that a path was verified while its files had a certain identity."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, path: Path, *, expected: str, content: str, fingerprint: str = "") -> None:
        """`expected` is the manifest's digest, `content` what the files themselves hash to.

        `fingerprint` was taken before they were read, so that a change meanwhile is seen the next time.
        """
        fields = {"expected": expected, "content": content}
        fields["fingerprint"] = fingerprint or _fingerprint(path)[0]
        temporary = self._path(path).with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(fields), encoding="ascii")
        temporary.replace(self._path(path))

    def read(self, path: Path) -> dict[str, str]:
        """The note, or an empty dictionary."""
        try:
            fields = json.loads(self._path(path).read_text(encoding="ascii"))
            return {str(name): str(value) for name, value in fields.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _path(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}.json"


def verify(model: Model, folder: Path, stamps: Stamps) -> Verdict:
    """Hold one model against its digest; reads it only when its stamp no longer fits.

    Raises ActionError for what cannot be read.
    """
    path = folder / model.name
    try:
        return _verify(model, path, stamps) if path.exists() else Verdict(model, path, "missing")
    except OSError as error:
        raise ActionError(
            f"model '{model.name}': {error.filename} cannot be read: {error.strerror}",
            hint="Check its permissions, and that nothing else is changing it",
        ) from error


def _verify(model: Model, path: Path, stamps: Stamps) -> Verdict:
    fingerprint, size = _fingerprint(path)
    stamp = stamps.read(path)
    known = stamp.get("expected") == model.sha256
    if known and stamp.get("fingerprint") == fingerprint:
        return Verdict(model, path, "unchanged", bytes=size)
    found = digest_of(path)
    if found == model.sha256 or (known and found == stamp.get("content")):
        stamps.write(path, expected=model.sha256, content=found, fingerprint=fingerprint)
        return Verdict(model, path, "verified", found, size)
    unjudged = model.is_unpacked and not known
    return Verdict(model, path, "unknown" if unjudged else "mismatch", found, size)


def quarantine(path: Path, clock: Callable[[], float] = time.time) -> Path:
    """Move a wrong copy aside, beside itself, so that nothing uses it and somebody can look at it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
    for number in range(1000):
        target = path.with_name(f"{path.name}.quarantined-{stamp}" + (f"-{number}" if number else ""))
        if not os.path.lexists(target):
            path.rename(target)
            return target
    raise ActionError(f"{path} has been quarantined a thousand times in one second")
