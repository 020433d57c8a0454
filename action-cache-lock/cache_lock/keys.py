"""Keys that differ where a cache would not fit: system, libc, toolchain, inputs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.errors import ActionError
from actionlib.programs import EXIT_NOT_STARTED, EXIT_TIMED_OUT, ask
from cache_lock.inputs import KEY_LIMIT
from cache_lock.paths import PathSet, Roots

_DEADLINE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BuiltKey:
    """A key, the prefixes to fall back to, and what each segment means."""

    key: str
    restore_keys: tuple[str, ...]
    segments: tuple[tuple[str, str], ...]


def build_key(
    *,
    prefix: str,
    labels: Sequence[str],
    segments: Sequence[str],
    hash_files: Sequence[str],
    roots: Roots,
    environ: Mapping[str, str],
) -> BuiltKey:
    """Build a key of the segments prefix, system, libc, labels, rustc, free segments, hash of files.

    The restore keys drop the hash, then one free segment after the other. What a cache must agree on
    (system, libc, labels, toolchain) is never dropped.
    """
    required = [
        ("prefix", _clean(prefix or "coldvox")),
        ("system", _clean(f"{platform.system().lower()}-{platform.machine()}")),
        ("libc", _clean(libc_version())),
        ("labels", "-".join(sorted({_clean(label.lower()) for label in labels}))),
        ("rustc", _clean(rustc_version(environ, roots.workspace))),
    ]
    required = [(name, value) for name, value in required if value]
    free = [("segment", _clean(segment)) for segment in segments]
    hashed = [("files", hash_of_files(hash_files, roots))] if hash_files else []
    everything = [*required, *free, *hashed]
    key = "-".join(value for _, value in everything)
    if len(key) > KEY_LIMIT:
        raise ActionError(
            f"the built key has {len(key)} characters; allowed: up to {KEY_LIMIT}",
            hint="Use fewer or shorter labels and segments",
        )
    shorter = [everything[:length] for length in range(len(everything) - 1, len(required) - 1, -1)]
    return BuiltKey(
        key=key,
        restore_keys=tuple("-".join(value for _, value in parts) + "-" for parts in shorter),
        segments=tuple(everything),
    )


def _clean(text: str) -> str:
    """Characters that are safe in a key everywhere: no comma, no space, no path separator."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("_")


def libc_version() -> str:
    """`glibc2.36`, or `musl`: a build against a newer glibc does not run on an older one."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        name, version = "", ""
    return f"{name}{version}" if name else "musl"


def rustc_version(environ: Mapping[str, str], folder: str) -> str:
    """`rustc1.95.0-59807616e-x86_64-unknown-linux-gnu`, or empty where there is no Rust.

    Asked for in the workspace, because rust-toolchain.toml decides. The commit hash tells apart the same
    release from two vendors, whose compiled crates do not fit each other.
    """
    command = [environ.get("RUSTC") or "rustc", "--version", "--verbose"]
    answer = ask(command, environ=environ, folder=folder, seconds=_DEADLINE_SECONDS)
    if answer.exit_code == EXIT_NOT_STARTED:
        return ""
    if answer.exit_code == EXIT_TIMED_OUT:
        raise ActionError(f"`{' '.join(command)}` did not answer in {_DEADLINE_SECONDS} s")
    if answer.exit_code and not _is_rust(folder):
        return ""  # rustup is there, and no toolchain: this job builds nothing with it
    if answer.exit_code:
        raise ActionError(
            f"`{' '.join(command)}` failed with {answer.exit_code}: {answer.errors.strip()[:300]}",
            hint="Install the toolchain that rust-toolchain.toml names before this step",
        )
    facts = dict(line.split(": ", 1) for line in answer.text.splitlines() if ": " in line)
    return (
        f"rustc{facts.get('release', '')}-{facts.get('commit-hash', 'unknown')[:9]}-{facts.get('host', '')}"
    )


def _is_rust(folder: str) -> bool:
    names = ("Cargo.toml", "rust-toolchain.toml", "rust-toolchain")
    return any(Path(folder, name).exists() for name in names)


def hash_of_files(globs: Sequence[str], roots: Roots) -> str:
    """First 16 hex digits of SHA-256 over the files' relative paths and digests, in sorted order."""
    paths = PathSet(globs, roots)
    total = hashlib.sha256()
    count = 0

    def fail(error: OSError) -> None:
        raise ActionError(f"input 'hash-files': {error.filename} cannot be read: {error.strerror}")

    for item in sorted(paths.walk(fail), key=lambda item: item.path):
        if item.kind != "f":
            continue
        try:
            with Path(item.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            fail(error)
            raise
        total.update(
            f"{os.path.relpath(item.path, roots.workspace)}\0{digest}\n".encode(errors="surrogateescape")
        )
        count += 1
    if not count:
        checked_out = Path(roots.workspace, ".git").exists()
        question = "are the files committed?" if checked_out else "is the repository checked out?"
        raise ActionError(
            f"input 'hash-files' matches no file: {', '.join(globs)}",
            hint=f"The globs are relative to {roots.workspace}; {question}",
        )
    return total.hexdigest()[:16]
