"""Rust toolchains by version: the one on PATH, those that rustup has, and those that it can fetch."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.programs import ask

ASK_SECONDS = 60
INSTALL_SECONDS = 900


def toolchain_for(context: Context, version: str, *, folder: Path, install: bool) -> str:
    """The name for `cargo +NAME` of a Rust version such as `1.75`; empty where it is the Rust of this folder.

    `1.75` is satisfied by any 1.75.x, for a patch release mends and takes nothing away. Raises ActionError, with the
    remedy, where the version is not here and may not or cannot be installed.
    """

    def said(*command: str) -> str:
        answer = ask(command, environ=context.environ, folder=folder, seconds=ASK_SECONDS)
        return "" if answer.exit_code else answer.text

    told = said("rustc", "--version").split()
    if len(told) > 1 and _is(told[1], version):
        return ""
    listed = [line.split()[0] for line in said("rustup", "toolchain", "list").splitlines() if line]
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
    answer = ask(command, environ=context.environ, folder=folder, seconds=INSTALL_SECONDS)
    if answer.exit_code:
        raise ActionError(f"rustup cannot install Rust {version}: {answer.why}")
    return version


def _is(found: str, version: str) -> bool:
    return re.fullmatch(rf"{re.escape(version)}([.]\d+)?", found) is not None
