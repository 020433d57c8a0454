"""Guards over the code's layout. Each takes the repository's root and returns a list of violations."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 300
# Where the outside is: these may read the environment …
READ_ENVIRONMENT = {"__main__", "bootstrap", "entrypoint", "coldvox_actions"}
# … and these may print and end the process.
SPEAK = READ_ENVIRONMENT | {"outputs", "cli", "environment"}
STREAMS = {"stdout", "stderr"}
# In pieces, so that this file is none of its own findings.
MACHINE_PATH = re.compile(
    r"(?<![\w.~$}/-])/(?:" + "root|work" + r")(?:/|\b)(?!-)|/" + r"home/(?!runner\b|u\b)[a-z]\w*"
)


def modules(root: Path) -> Iterator[Path]:
    """The code that actions run."""
    yield from _python_files(root, "shared", "action-*")


def all_modules(root: Path) -> Iterator[Path]:
    """The code that actions run, its tests, and what development runs."""
    yield from _python_files(root, "shared", "action-*", "tests", "scripts")


def _python_files(root: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in root.glob(f"{folder}/**/*.py") if path.is_file())


def long_modules(root: Path) -> list[str]:
    """Modules of 300 lines and more."""
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in all_modules(root))
    return [f"{path.relative_to(root)} has {count} lines" for path, count in lengths if count >= MODULE_LINES]


def imports_between_actions(root: Path) -> list[str]:
    """Imports of another action's package, and of any action's package by the shared library."""
    packages = {
        path.name: path.parent.name for path in root.glob("action-*/*") if (path / "__init__.py").is_file()
    }
    found = []
    for path in modules(root):
        own = path.relative_to(root).parts[0]
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            if packages.get(name, own) != own:
                found.append(f"{path.relative_to(root)} imports {name}")
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def environment_reads(root: Path) -> list[str]:
    """`os.environ` and its kin in modules that should be handed a mapping."""
    found = []
    for path, node in _domain_nodes(root, READ_ENVIRONMENT):
        names: set[str] = set()
        if isinstance(node, ast.Attribute) and _is_name(node.value, "os"):
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
        for name in names & {"environ", "environb", "getenv", "putenv", "unsetenv"}:
            found.append(f"{path.relative_to(root)}:{node.lineno} uses os.{name}")
    return found


def speaking(root: Path) -> list[str]:
    """print, sys.exit and the standard streams in modules that should return values."""
    found = []
    for path, node in _domain_nodes(root, SPEAK):
        what = ""
        if isinstance(node, ast.Call) and any(
            _is_name(node.func, name) for name in ("print", "exit", "quit")
        ):
            what = ast.unparse(node.func)
        elif (
            isinstance(node, ast.Attribute)
            and _is_name(node.value, "sys")
            and node.attr in {"exit", *STREAMS}
        ):
            what = ast.unparse(node)
        elif isinstance(node, ast.Name) and node.id == "SystemExit":
            what = node.id
        if what:
            found.append(f"{path.relative_to(root)}:{node.lineno} uses {what}")
    return found


def _domain_nodes(root: Path, edges: set[str]) -> Iterator[tuple[Path, ast.expr | ast.stmt]]:
    """Expressions and statements of all modules but `edges`, without what runs only as a process's entry."""
    for path in modules(root):
        if path.stem in edges:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        entry = {id(node) for block in tree.body if _is_entry(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            if isinstance(node, ast.expr | ast.stmt) and id(node) not in entry:
                yield path, node


def _is_entry(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def machine_paths(root: Path) -> list[str]:
    """Paths of somebody's machine in files that are, or will be, tracked."""
    found = []
    for path in tracked_files(root):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if match := MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(root)}:{number} names {match[0]}")
    return found


def tracked_files(root: Path) -> Iterator[Path]:
    """What git tracks or would track in `root`; links and vanished files left out."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    for name in filter(None, listed.split("\0")):
        path = root / name
        if path.is_file() and not path.is_symlink():
            yield path
