"""The `path` input: files, directories, globs, exclusions; and the walk over what they name."""

from __future__ import annotations

import functools
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError

RESTORE_PREFIX = ".coldvox-restore-"
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Roots:
    """The places that stored paths are relative to, so that another runner's directories serve as well."""

    workspace: str
    home: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Roots:
        """Workspace: GITHUB_WORKSPACE, else the working directory. Home: HOME."""
        workspace = os.path.abspath(environ.get("GITHUB_WORKSPACE") or os.getcwd())
        return cls(workspace=workspace, home=os.path.abspath(environ.get("HOME") or Path.home()))

    def locate(self, absolute: str) -> tuple[str, str]:
        """(`workspace`, `home` or `root`, path below it); the path is "." for the root itself."""
        for tag, root in (("workspace", self.workspace), ("home", self.home)):
            if root != "/" and is_below(absolute, root):
                return tag, os.path.relpath(absolute, root)
        return "root", os.path.relpath(absolute, "/")

    def absolute(self, tag: str, relative: str) -> str:
        """The path on this host."""
        root = {"workspace": self.workspace, "home": self.home, "root": "/"}[tag]
        return os.path.normpath(os.path.join(root, relative))


def is_below(path: str, folder: str) -> bool:
    """Whether a normalised absolute path is `folder` or lies in it."""
    return path == folder or folder == "/" or path.startswith(folder + "/")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that the walk found."""

    path: str
    status: os.stat_result

    @property
    def kind(self) -> str:
        """`d`, `f`, `l`, or "" for what cannot be stored (sockets, devices, pipes)."""
        mode = self.status.st_mode
        if stat.S_ISREG(mode):
            return "f"
        if stat.S_ISDIR(mode):
            return "d"
        return "l" if stat.S_ISLNK(mode) else ""


class PathSet:
    """The parsed `path` lines."""

    def __init__(self, lines: Sequence[str], roots: Roots) -> None:
        """Raises ActionError when there is nothing to include, or for the whole file system."""
        self.roots = roots
        self.lines = tuple(lines)
        includes = [line for line in lines if not line.startswith("!")]
        if not includes:
            raise ActionError(
                f"input 'path' names nothing to include: {list(lines)}", hint="Add a line without '!'"
            )
        self._patterns = [_Pattern(*_split_magic(_absolute_pattern(line, roots))) for line in includes]
        for line, pattern in zip(includes, self._patterns, strict=True):
            if pattern.base in ("/", roots.home):
                raise ActionError(
                    f"input 'path' has the line '{line}', which reaches all of {pattern.base}",
                    hint="Name a directory below it",
                )
        excludes = [_absolute_pattern(line[1:].strip(), roots) for line in lines if line.startswith("!")]
        either = "|".join(glob_to_regex(one) for one in excludes) or r"(?!)"
        self._excluded = re.compile(f"(?:{either})(?:/.*)?", re.DOTALL)

    @property
    def bases(self) -> tuple[str, ...]:
        """The fixed directories (or files) that the patterns start from: nothing is restored outside them."""
        return tuple(dict.fromkeys(pattern.base for pattern in self._patterns))

    def exists(self) -> bool:
        """Whether anything that may be saved exists."""
        return any(True for _ in self._selected())

    def walk(self, on_error: Callable[[OSError], None]) -> Iterator[Item]:
        """Everything to save; a directory always before what is in it. Links below the named paths are kept."""
        for start in self._selected():
            try:
                named = Item(start, os.stat(start) if os.path.isdir(start) else os.lstat(start))
            except OSError as error:
                on_error(error)
                continue
            yield named
            if named.kind == "d":
                yield from self._walk_folder(start, on_error)

    def _walk_folder(self, folder: str, on_error: Callable[[OSError], None]) -> Iterator[Item]:
        folders = [folder]
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    found = list(entries)
            except OSError as error:
                on_error(error)
                continue
            for entry in found:
                if entry.name.startswith(RESTORE_PREFIX) or self._excluded.fullmatch(entry.path):
                    continue
                try:
                    item = Item(entry.path, entry.stat(follow_symlinks=False))
                except OSError as error:
                    on_error(error)
                    continue
                yield item
                if item.kind == "d":
                    folders.append(item.path)

    def _selected(self) -> list[str]:
        found: list[str] = []
        for pattern in self._patterns:
            if pattern.rest:
                names = glob.glob(pattern.rest, root_dir=pattern.base, recursive=True, include_hidden=True)
                is_real = _no_links_below(pattern.base)
                found += [
                    os.path.normpath(os.path.join(pattern.base, name))
                    for name in names
                    if RESTORE_PREFIX not in name and is_real(os.path.dirname(name))
                ]
            elif os.path.lexists(pattern.base):
                found.append(pattern.base)
        chosen: list[str] = []
        for path in sorted(set(found), key=lambda path: path.split("/")):
            inside = chosen and is_below(path, chosen[-1]) and os.path.isdir(chosen[-1])
            if not inside and not self._excluded.fullmatch(path):
                chosen.append(path)
        return chosen


def _no_links_below(base: str) -> Callable[[str], bool]:
    """A check that a relative folder is reached without symbolic links: glob's `**` follows them, in circles too."""

    @functools.cache
    def check(folder: str) -> bool:
        return not folder or (
            check(os.path.dirname(folder)) and not os.path.islink(os.path.join(base, folder))
        )

    return check


@dataclass(frozen=True, slots=True)
class _Pattern:
    base: str
    rest: str


def _absolute_pattern(line: str, roots: Roots) -> str:
    if not line:
        raise ActionError("input 'path' has an empty exclusion '!'", hint="Write '!' and a pattern")
    if line == "~" or line.startswith("~/"):
        return os.path.normpath(glob.escape(roots.home) + line[1:])
    if line.startswith("~"):
        raise ActionError(f"input 'path' has the line '{line}'; allowed: '~/…' for the home directory")
    return os.path.normpath(os.path.join(glob.escape(roots.workspace), line))


def _split_magic(pattern: str) -> tuple[str, str]:
    """The part without wild cards, unescaped, and the rest."""
    parts = pattern.split("/")
    fixed: list[str] = []
    while parts:
        literal = re.sub(r"\[([*?\[])\]", r"\1", parts[0])
        if glob.escape(literal) != parts[0] and _MAGIC.search(parts[0]):
            break
        fixed.append(literal)
        parts.pop(0)
    return "/".join(fixed) or "/", "/".join(parts)


def glob_to_regex(pattern: str) -> str:
    """A regular expression for whole paths: `**` spans directories, `*` and `?` stay within one name."""
    if pattern.endswith("/**"):
        return glob_to_regex(pattern[:-3]) + "/.+"
    out = ""
    for position, part in enumerate(pattern.split("/")):
        if part == "**":
            out += "(?:/[^/]+)*"
            continue
        out += "/" if position else ""
        index = 0
        while index < len(part):
            close = part.find("]", index + 2)
            if part[index] == "[" and close > 0:
                body = re.sub(r"([\\\[&|~])", r"\\\1", part[index + 1 : close])
                out += f"[{'^' + body[1:] if body[0] == '!' else body.replace('^', chr(92) + '^', 1)}]"
                index = close
            else:
                out += {"*": "[^/]*", "?": "[^/]"}.get(part[index], re.escape(part[index]))
            index += 1
    return out
