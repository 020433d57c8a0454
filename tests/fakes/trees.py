"""Folders of files: built from a few words, and photographed for comparison."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

PAST_NS = 1_600_000_000_123_456_789


def build(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below `folder`; a name that ends with `/` is an empty directory."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def photo(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """Relative path -> kind, mode, mtime_ns and content of everything below `folder`, and of itself (b".").

    Of files with several names the content is followed by all of them.
    """
    seen: dict[bytes, tuple[object, ...]] = {}
    names: dict[tuple[int, int], list[bytes]] = {}
    top = os.fsencode(folder)
    paths = [top]
    for parent, folders, files in os.walk(top):
        paths += [os.path.join(parent, name) for name in (*folders, *files)]
    for path in sorted(paths):
        relative = os.path.relpath(path, top)
        status = os.lstat(path)
        mode, mtime_ns = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        if stat.S_ISLNK(status.st_mode):
            seen[relative] = ("link", os.readlink(path))
        elif stat.S_ISDIR(status.st_mode):
            seen[relative] = ("folder", mode, mtime_ns)
        elif stat.S_ISREG(status.st_mode):
            seen[relative] = ("file", mode, mtime_ns, Path(os.fsdecode(path)).read_bytes())
            names.setdefault((status.st_dev, status.st_ino), []).append(relative)
        else:
            seen[relative] = ("other",)
    for group in names.values():
        if len(group) > 1:
            for name in group:
                seen[name] += (tuple(group),)
    return seen


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of every regular file below `folder`; links are followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def remove(folder: Path) -> None:
    """Remove a tree, also below directories without write permission."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)


def age(folder: Path) -> None:
    """Give everything below and at `folder` distinct modification times in the past, with nanoseconds."""
    everything = sorted(folder.rglob("*"), reverse=True)
    for number, path in enumerate([*everything, folder]):
        stamp = PAST_NS + number * 1_000_000_007
        os.utime(path, ns=(stamp, stamp), follow_symlinks=False)


def only(folder: Path) -> Path:
    """The one thing in a folder."""
    (one,) = folder.iterdir()
    return one


def entry_folder(state: Path) -> Path:
    """The folder of the one entry in a state root."""
    (record,) = state.glob("store/v1/entries/*/*/*/entry.json")
    return record.parent


def entry_keys(state: Path) -> set[str]:
    """Names of all entries' folders."""
    return {path.parent.name for path in state.glob("store/v1/entries/*/*/*/entry.json")}


def leftovers(state: Path) -> list[Path]:
    """What should not be in a store at rest."""
    return [path for name in ("stage", "trash", "quarantine") for path in state.glob(f"store/v1/{name}/*")]
