"""Questions to cargo about the dependencies, in the cargo workspace's folder and with its lock file as it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.programs import Answer, ask
from feature_matrix.manifests import Workspace
from feature_matrix.toml_files import read_toml

DEADLINE_SECONDS = 900  # it may have to fetch packages


def require_cargo(context: Context) -> None:
    """Raise ActionError that says how to get it where there is no cargo."""
    path = context.environ.get("PATH", "")
    if shutil.which("cargo", path=path) is None:
        raise ActionError(
            f"input 'mode' is '{context.inputs.text('mode')}', and there is no cargo on PATH ({path})",
            hint="Install Rust first, for example with dtolnay/rust-toolchain or rustup on the runner",
        )


def require_commands(
    context: Context, workspace: Workspace, *, toolchains: Iterable[str], subcommands: Iterable[str]
) -> None:
    """Make sure that rows can fail for their own reasons only.

    Raises ActionError for a toolchain or a subcommand that is not here, and for dependencies that cannot be resolved.
    """
    for toolchain in toolchains:
        _require_toolchain(context, workspace, toolchain)
        listed = _ask(context, workspace, ["--list"], toolchain)
        known = {line.split()[0] for line in listed.text.splitlines() if line.startswith(" ")}
        for word in subcommands:
            # rustup puts a cargo-clippy on PATH that has nothing behind it in a minimal toolchain.
            found = word in known and (
                word != "clippy" or not _ask(context, workspace, ["clippy", "--version"], toolchain).exit_code
            )
            if not found:
                raise ActionError(
                    f"input 'commands' holds '{word}', and there is no `cargo {word}`{_with(toolchain)} here",
                    hint="Install it before this step (clippy with `rustup component add clippy`), or leave it out",
                )
        # Only what is built here is fetched; `cargo metadata` fetches the packages of all targets.
        words = ["tree", "--workspace"] if "tree" in known else ["metadata", "--format-version=1"]  # < 1.44
        ask_cargo(context, workspace, words, toolchain=toolchain)


def ask_cargo(context: Context, workspace: Workspace, words: Sequence[str], *, toolchain: str = "") -> str:
    """What cargo prints. Raises ActionError with cargo's reason, and what to do about it."""
    lock = workspace.root / "Cargo.lock"
    locked = ["--locked"] if lock.is_file() else []
    place = [f"--manifest-path={workspace.root / 'Cargo.toml'}", *locked]
    answer = _ask(context, workspace, [*words, *place], toolchain)
    if not answer.exit_code:
        return answer.text
    why = answer.why
    if twice := re.search(r"more than one crate with links=(\S+?)\.?$", why, re.MULTILINE):
        raise ActionError(
            f"{_that_link(workspace, twice[1])} link the same native library '{twice[1]}', "
            f"which no build may hold twice: {why}",
            hint="Make one of them no member of this workspace (`exclude`), or let both use one crate that links it",
        )
    if "links to the native library" in why or "links = " in why:
        raise ActionError(
            f"two packages link the same native library, which no combination of features may hold: {why}",
            hint="Put one of them into a crate of its own that is no member of this workspace",
        )
    if "--locked" in why:
        raise ActionError(
            f"{lock} does not fit the manifests{_with(toolchain)}: {why}",
            hint="Run `cargo update --workspace` (or `cargo generate-lockfile`, for the newest of everything), "
            "and commit Cargo.lock",
        )
    raise ActionError(f"cargo {words[0]} cannot resolve the dependencies{_with(toolchain)}: {why}")


def _that_link(workspace: Workspace, library: str) -> str:
    """The members that say so; of two versions of one lock file cargo itself names none."""
    tables = {name: read_toml(crate.manifest).get("package") for name, crate in workspace.crates.items()}
    names = [
        name for name, table in tables.items() if isinstance(table, dict) and table.get("links") == library
    ]
    return (
        f"the members {' and '.join(names)}" if len(names) > 1 else " and ".join([*names, "other packages"])
    )


def _require_toolchain(context: Context, workspace: Workspace, toolchain: str) -> None:
    if not toolchain or not _ask(context, workspace, ["--version"], toolchain).exit_code:
        return
    has_rustup = shutil.which("rustup", path=context.environ.get("PATH")) is not None
    raise ActionError(
        f"the toolchain '{toolchain}', which the configuration names, is not installed here",
        hint=f"Run: rustup toolchain install {toolchain}"
        if has_rustup
        else f"Install rustup, and with it: rustup toolchain install {toolchain}",
    )


def _ask(context: Context, workspace: Workspace, words: Sequence[str], toolchain: str) -> Answer:
    chosen = [f"+{toolchain}"] if toolchain else []
    return ask(
        ["cargo", *chosen, *words],
        environ=context.environ,
        folder=workspace.root,
        seconds=DEADLINE_SECONDS,
    )


def _with(toolchain: str) -> str:
    return f" with toolchain {toolchain}" if toolchain else ""
