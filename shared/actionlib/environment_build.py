"""Building an environment: under a lock, in a staging folder, checked, listed, renamed into place.

Whatever is killed half-way leaves a staging folder under a name that nobody executes; the next builder of the
same environment, who then holds the lock, removes it.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import stat
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

from actionlib import environment, environment_install
from actionlib.errors import ActionError

LOCK_DEADLINE_SECONDS = 600.0
LOCK_POLL_SECONDS = 0.05
PROGRESS_SECONDS = 15.0
# What says that this folder will not do, but another one may.
UNUSABLE = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP, errno.ENOLCK, errno.EOPNOTSUPP)
)

Say = Callable[[str], None]


def build(path: str, *, requirements: str, environ: Mapping[str, str], say: Say, repair: bool) -> str:
    """Build the environment `path`, unless another job has done so meanwhile.

    With `repair`, a whole one's contents are checked first. Returns why its folder cannot be used, empty when
    the environment stands. Raises ActionError when the
    packages cannot be installed or do not work.
    """
    parent = os.path.dirname(path)
    umask = os.umask(0o022)
    try:
        with _unwind_on_sigterm(), contextlib.ExitStack() as stack:
            try:
                _make_folder(parent)
                lock = stack.enter_context(_locked(f"{path}.lock", environ=environ, say=say))
            except OSError as error:
                if error.errno not in UNUSABLE:
                    raise
                return error.strerror or str(error)
            _remove_leftovers(path)
            if _still_needed(path, say=say, repair=repair):
                _build_locked(path, requirements=requirements, environ=environ, say=say, lock=lock)
    except OSError as error:
        hint = f"Free space on the file system of {parent}" if error.errno == errno.ENOSPC else ""
        raise ActionError(f"the environment {path} cannot be built: {error}", hint=hint) from error
    finally:
        os.umask(umask)
    return ""


def _still_needed(path: str, *, say: Say, repair: bool) -> bool:
    if environment.find_doubt(path) or environment.find_damage(path):
        return True
    if not repair:
        return False
    if corruption := find_corruption(path):
        say(f"The environment {path} is damaged ({corruption}): building it again")
        return True
    # Compiled files are in nobody's list; Python makes them again.
    for folder, folders, _ in os.walk(path):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
            shutil.rmtree(f"{folder}/__pycache__", ignore_errors=True)
    return False


def find_corruption(path: str) -> str:
    """The first file whose contents are not what its package's RECORD says; empty if there is none."""
    packages = _site_packages(path)
    for name in sorted(os.listdir(packages)):
        record = f"{packages}/{name}/RECORD"
        if not name.endswith(".dist-info"):
            continue
        if not os.path.exists(record):
            return f"{name}/RECORD is missing"
        with Path(record).open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3 and row[1]]
        for relative, recorded, _ in rows:
            algorithm, _, expected = recorded.partition("=")
            if relative.startswith("../"):
                continue  # scripts, which an environment does not keep
            with Path(packages, relative).open("rb") as content:
                digest = hashlib.file_digest(content, algorithm).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != expected:
                return f"{relative} has other contents than its package's"
    return ""


def _build_locked(path: str, *, requirements: str, environ: Mapping[str, str], say: Say, lock: int) -> None:
    begin = time.monotonic()
    stage = f"{path}.stage-{os.getpid()}-{os.urandom(4).hex()}"
    say(f"Building the actions' Python environment {path}")
    try:
        python = _lay_out(stage)
        installer = environment_install.Installer(
            python=python, requirements=requirements, environ=environ, say=say, keep_open=lock
        )
        used = installer.install()
        with installer.check_extensions(_site_packages(stage)):
            _seal(stage)
        _put_in_place(stage, path)
    finally:
        _remove(stage)
    say(f"Built it with {used} in {time.monotonic() - begin:.1f} s")


def _lay_out(stage: str) -> str:
    """Make what `venv --without-pip` makes, without the 60 ms of importing it. Returns the stage's Python."""
    interpreter = environment.find_interpreter()
    _make_folder(stage)
    os.makedirs(_site_packages(stage))
    os.mkdir(f"{stage}/bin")
    os.symlink(interpreter, f"{stage}/bin/python")
    if sys.platlibdir != "lib":  # Fedora's compiled packages go to lib64
        os.symlink("lib", f"{stage}/{sys.platlibdir}")
    version = ".".join(map(str, sys.version_info[:3]))
    home = os.path.dirname(interpreter)
    text = f"home = {home}\ninclude-system-site-packages = false\nversion = {version}\n"
    Path(stage, "pyvenv.cfg").write_bytes(os.fsencode(text))
    return f"{stage}/bin/python"


def _site_packages(path: str) -> str:
    return sysconfig.get_path("purelib", scheme="venv", vars={"base": path, "installed_base": path})


def _seal(stage: str) -> None:
    """Keep others out of every file, then list them all with their sizes, last of all and on the disk."""
    for name in os.listdir(f"{stage}/bin"):
        if name != "python":  # they name the staging folder in their first line, and nobody runs them
            _remove(f"{stage}/bin/{name}")
    lines = []
    for folder, folders, files in os.walk(stage):
        folders[:] = [name for name in folders if name != "__pycache__"]
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        for name in files + links:
            file = f"{folder}/{name}"
            status = os.lstat(file)
            if stat.S_ISREG(status.st_mode):
                _own(file, status)
            lines.append(b"%d %s\n" % (status.st_size, os.fsencode(os.path.relpath(file, stage))))
    with Path(stage, environment.COMPLETE).open("xb") as file_list:
        file_list.write(b"files %d\n" % len(lines) + b"".join(lines))
        file_list.flush()
        os.fsync(file_list.fileno())


def _own(file: str, status: os.stat_result) -> None:
    """Replace a file that somebody else could write by our own copy (uv links files from its cache)."""
    if status.st_uid == os.geteuid() and not status.st_mode & environment.WRITABLE_BY_OTHERS:
        return
    shutil.copyfile(file, f"{file}.own")
    os.chmod(f"{file}.own", stat.S_IMODE(status.st_mode) & ~environment.WRITABLE_BY_OTHERS)
    os.replace(f"{file}.own", file)


def _put_in_place(stage: str, path: str) -> None:
    aside = ""
    if os.path.lexists(path):
        aside = f"{path}.old-{os.getpid()}-{os.urandom(4).hex()}"
        os.rename(path, aside)
    os.rename(stage, path)
    if aside:
        _remove(aside)


def _make_folder(path: str) -> None:
    """mkdir -p, mode 0755 whatever a default ACL says; a state root that this makes is private."""
    parent = os.path.dirname(path)
    os.makedirs(os.path.dirname(parent), exist_ok=True)
    for folder, mode in ((parent, 0o700 if path.endswith("/environments") else 0o755), (path, 0o755)):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
            os.chmod(folder, mode)
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


def _remove_leftovers(path: str) -> None:
    """Remove what killed builders left behind: who holds the lock knows that none of it is in use."""
    parent, name = os.path.split(path)
    for entry in os.listdir(parent):
        if entry.startswith((f"{name}.stage-", f"{name}.old-")):
            _remove(f"{parent}/{entry}")


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


@contextlib.contextmanager
def _locked(path: str, *, environ: Mapping[str, str], say: Say) -> Iterator[int]:
    """Hold the exclusive lock on the file `path`, which is never unlinked; yields its descriptor."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        begin = time.monotonic()
        told = begin - PROGRESS_SECONDS
        while not _try_lock(handle):
            now = time.monotonic()
            owner = os.pread(handle, 300, 0).decode("utf-8", "replace").strip() or "another process"
            if now - begin > LOCK_DEADLINE_SECONDS:
                raise ActionError(
                    f"waited {LOCK_DEADLINE_SECONDS:.0f} s for {owner} to build the environment",
                    hint=f"End it if it hangs (it holds {path})",
                )
            if now - told >= PROGRESS_SECONDS:
                say(
                    f"Waiting for {owner}, which builds the actions' Python environment ({now - begin:.0f} s)"
                )
                told = now
            time.sleep(LOCK_POLL_SECONDS)
        where = environ.get("RUNNER_NAME") or os.uname().nodename
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} of {where}\n".encode("utf-8", "surrogateescape"), 0)
        yield handle
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _unwind_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack as SIGINT does, so that a cancelled build removes its stage."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
