"""What changed: as the inputs list it, or as git tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.git import run_git, split_names
from actionlib.scoped_runs import workspace_of
from feature_matrix.inputs import Settings
from feature_matrix.manifests import Workspace
from feature_matrix.selection import text_of

THIS_BUNDLE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class ChangedFiles:
    """Names of files that changed, relative to `folder`."""

    folder: Path
    names: tuple[str, ...]


def changed_files(context: Context, settings: Settings, workspace: Workspace) -> ChangedFiles | None:
    """What the inputs say that has changed; None where they do not, and all is tested.

    Raises ActionError for a file that cannot be read, names in a form that is not theirs, and a base that git does not
    know.
    """
    folder = workspace_of(context.environ)
    if settings.base_ref:
        return changed_since(settings.base_ref, workspace)
    if settings.changed_files_file:
        text = text_of(context, "changed-files-file", settings.changed_files_file)
        return ChangedFiles(folder, tuple(names_in("changed-files-file", text.splitlines(), folder)))
    if settings.changed_files is None:
        return None
    return ChangedFiles(folder, tuple(names_in("changed-files", settings.changed_files, folder)))


def changed_since(base: str, workspace: Workspace) -> ChangedFiles:
    """Files of the workspace's checkout that differ between the merge base with `base` and the working tree.

    A file that was moved is told at both places; new ones count that git is not told to ignore. Raises ActionError
    where git does not know the base: a shallow checkout does not have it.
    """
    why, hint = (
        f"input 'base-ref' ('{base}')",
        "Check out with `fetch-depth: 0`, or give the files in 'changed-files'",
    )
    root = workspace.root.resolve()
    checkout = next((one for one in (root, *root.parents) if (one / ".git").exists()), root)

    def git(*arguments: str) -> bytes:
        return run_git(checkout, *arguments, why=why, hint=hint)

    begin = git("merge-base", base, "HEAD").decode().strip()
    differ = split_names(git("diff", "--name-only", "--no-renames", "--no-relative", "-z", begin))
    new = split_names(git("ls-files", "--others", "--exclude-standard", "-z"))
    # A job may fetch this action into the checkout, and cargo may build where git is not told to ignore it.
    aside = (THIS_BUNDLE, workspace.target_directory.resolve())
    new = [one for one in new if not _is_below(checkout / one, [some for some in aside if some != checkout])]
    return ChangedFiles(checkout, tuple(dict.fromkeys((*differ, *new))))


def names_in(name: str, lines: Sequence[str], folder: Path) -> Iterator[str]:
    """The names of the input `name`, one a line, or all of them as a JSON list.

    Raises ActionError for a line in another form, which would stand for a file that there never was.
    """
    lines = [line.strip() for line in lines if line.strip()]
    listed = _json_list("\n".join(lines))
    if listed is not None:
        yield from listed
        return
    for line in lines:
        if not re.search(r'^["\[]|[\s,]', line) or _is_known(line, folder):
            yield line
            continue
        raise ActionError(
            f"input '{name}' holds the line '{line[:120]}', which names no file in {folder} or at its HEAD; "
            "allowed: one file a line, or all as a JSON list of texts",
            hint="Set the separator of the action that lists the files to a line break (tj-actions/changed-files: "
            '`separator: "\\n"`), let git print names as they are (`git -c core.quotePath=false diff --name-only`), '
            "or use 'base-ref'",
        )


def _json_list(text: str) -> list[str] | None:
    """An empty one says that nothing changed."""
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if all(isinstance(one, str) for one in values) else None


def _is_known(name: str, folder: Path) -> bool:
    try:
        if (folder / name).exists():
            return True
        return bool(
            run_git(folder, "ls-tree", "--name-only", "HEAD", "--", name, why="", hint="", check=False)
        )
    except (ActionError, OSError):  # no git, or a text too long for a name
        return False


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    path = path.resolve()
    return any(one in (path, *path.parents) for one in folders)
