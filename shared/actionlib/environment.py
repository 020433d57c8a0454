"""The environment of third-party packages that actions run in: its name, its places, whether it is whole.

This is the warm path of every step: it imports next to nothing (a Python that starts in 11 ms pays 5 ms for
`hashlib` and 10 ms for `dataclasses`). What builds an environment is in `environment_build`.
"""

from __future__ import annotations

import os
import stat
import sys

from actionlib.errors import ActionError

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL first
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # importing typing would cost as much as all that this module does
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMAT = b"1"  # of the environment's layout; another one gets another name
COMPLETE = ".complete"
SYSTEM_ROOT = "/var/lib/coldvox-actions"
ABSENT = "there is none"
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def ensure(
    requirements: str, *, environ: Mapping[str, str], say: Callable[[str], None], repair: bool = False
) -> str:
    """The path of the Python of a trusted, whole environment for the lock file `requirements`.

    With `repair`, contents are held against the packages' own digests before it is used. Raises ActionError
    when there is none and none can be built.
    """
    with open(requirements, "rb") as file:  # noqa: PTH123  # pathlib costs 5 ms
        name = name_environment(file.read(), interpreter=find_interpreter())
    tried = []
    for parent in list_parents(environ):
        path = f"{parent}/{name}"
        doubt = find_doubt(path)
        damage = find_damage(path)
        if not damage and not doubt and not repair:
            return f"{path}/bin/python"
        obstacle = _find_obstacle(parent, path, doubt=doubt)
        if not obstacle:
            if doubt:
                warn(f"the environment {path} is not trusted ({doubt}): building it again", say)
            elif damage not in ("", ABSENT):
                say(f"The environment {path} is damaged ({damage}): building it again")
            from actionlib import environment_build

            obstacle = environment_build.build(
                path, requirements=requirements, environ=environ, say=say, repair=repair
            )
        if not obstacle:
            return f"{path}/bin/python"
        tried.append(f"{parent}: {obstacle}")
        if doubt or damage != ABSENT:
            warn(f"the environment {path} is not used: {doubt or damage or obstacle}", say)
    raise ActionError(
        f"the actions' Python environment can be built nowhere ({'; '.join(tried) or 'no folder is known'})",
        hint="Make the tool cache (RUNNER_TOOL_CACHE) or the state root (COLDVOX_ACTIONS_HOME) writable",
    )


def warn(text: str, say: Callable[[str], None]) -> None:
    """Say `text` as a warning annotation."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    say(f"::warning title=coldvox-actions::{text}")


def find_interpreter() -> str:
    """The real path of the interpreter, also when it was started through a link or a virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def name_environment(requirements: bytes, *, interpreter: str) -> str:
    """A name that holds all that must not be mixed: containers mount the tool caches of their hosts."""
    system = os.uname()
    word = "" if sys.maxsize > 2**32 else "_32bit"  # a 32-bit container sees its host's 64-bit machine name
    digest = blake2b(b"\0".join((FORMAT, os.fsencode(interpreter), requirements)), digest_size=8).hexdigest()
    python = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    return f"{python}-{system.sysname.lower()}-{system.machine}{word}-{name_libc()}-{digest}"


def name_libc(*, loaders: str = "/lib") -> str:
    """`glibc2.36`, `musl` (whose loader lies in `loaders`), or `libc` for others: wheels differ by it."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        version = None
    if version:
        return version.replace(" ", "")
    try:
        return "musl" if any(name.startswith("ld-musl-") for name in os.listdir(loaders)) else "libc"
    except OSError:
        return "libc"


def list_parents(environ: Mapping[str, str]) -> list[str]:
    """The folders that may hold environments, best first."""
    base = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or os.path.expanduser('~')}/.local/state"
    default = SYSTEM_ROOT if os.path.isdir(SYSTEM_ROOT) else f"{base}/coldvox-actions"
    folders = [f"{environ.get('COLDVOX_ACTIONS_HOME') or default}/environments"]
    if cache := environ.get("RUNNER_TOOL_CACHE"):
        folders.insert(0, f"{cache}/coldvox-actions")
    if temporary := environ.get("RUNNER_TEMP"):
        folders.append(f"{temporary}/coldvox-actions")
    return [os.path.normpath(folder) for folder in folders if os.path.isabs(folder)]


def find_doubt(path: str) -> str:
    """Why what is at `path` must not be executed: somebody else could have written it. Empty when fine."""
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    facts = f"owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
    if not stat.S_ISDIR(status.st_mode):
        return f"not a folder, {facts}"
    if status.st_uid not in (os.geteuid(), 0):
        return f"{facts}; its owner is neither this user nor root"
    if status.st_mode & WRITABLE_BY_OTHERS:
        return f"{facts}; others may write it"
    return find_looseness(os.path.dirname(path))


def find_looseness(parent: str) -> str:
    """Whether others may exchange what lies in `parent` (sticky folders forbid it). Empty when not."""
    mode = os.stat(parent).st_mode
    loose = mode & WRITABLE_BY_OTHERS and not mode & stat.S_ISVTX
    return f"others may write its folder {parent}, mode {stat.S_IMODE(mode):04o}" if loose else ""


def find_damage(path: str) -> str:
    """What is missing from the environment at `path`, or has another size than when it was built.

    Empty when it is whole, ABSENT when there is nothing. About 3 ms for 700 files.
    """
    try:
        with open(f"{path}/{COMPLETE}", "rb") as file:  # noqa: PTH123
            header, *lines = file.read().split(b"\n")
    except OSError as error:
        return f"{COMPLETE}: {error.strerror}" if os.path.lexists(path) else ABSENT
    # The count finds a list that was itself cut short.
    if header != b"files %d" % (len(lines) - 1) or lines[-1]:
        return f"{COMPLETE} is cut short"
    prefix = os.fsencode(path) + b"/"
    name = b""
    try:
        for line in lines[:-1]:
            size, _, name = line.partition(b" ")
            if os.lstat(prefix + name).st_size != int(size):
                return f"{os.fsdecode(name)} has another size"
    except (OSError, ValueError) as error:
        return f"{os.fsdecode(name)}: {getattr(error, 'strerror', None) or error}"
    return ""


def _find_obstacle(parent: str, path: str, *, doubt: str) -> str:
    """Why nothing can be built in `parent`. Cheap: with a read-only first choice each start asks."""
    if doubt and os.lstat(path).st_uid != os.geteuid():
        return "what stands there belongs to somebody else"
    existing = parent
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.access(existing, os.W_OK | os.X_OK):
        return "it cannot be written"
    if os.statvfs(existing).f_flag & os.ST_NOEXEC:
        return "its file system is mounted noexec"
    return find_looseness(parent) if existing == parent else ""
