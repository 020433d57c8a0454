"""The code is laid out as DESIGN asks: small modules, independent actions, one edge to the outside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from contract import layout_rules

ROOT = Path(__file__).resolve().parents[2]


def test_modules_are_found():
    found = {str(path.relative_to(ROOT)) for path in layout_rules.modules(ROOT)}
    assert found >= {
        "shared/bootstrap.py",
        "shared/actionlib/inputs.py",
        "action-cache-lock/cache_lock/inputs.py",
    }
    everything = {str(path.relative_to(ROOT)) for path in layout_rules.all_modules(ROOT)}
    assert everything - found >= {"tests/conftest.py", "tests/fakes/runner.py", "scripts/changelog.py"}


def test_modules_stay_below_300_lines():
    assert layout_rules.long_modules(ROOT) == []


def test_actions_do_not_import_each_other():
    assert layout_rules.imports_between_actions(ROOT) == []


def test_only_the_edge_reads_the_environment():
    assert layout_rules.environment_reads(ROOT) == []


def test_only_the_edge_prints_and_exits():
    assert layout_rules.speaking(ROOT) == []


def test_no_tracked_file_names_a_path_of_somebody_s_machine():
    assert layout_rules.machine_paths(ROOT) == []


# Each guard is shown a broken example.


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text)


@pytest.mark.parametrize("folder", ["shared/actionlib", "action-a/a", "tests/unit/a", "tests", "scripts"])
def test_a_module_of_300_lines_is_a_violation(tmp_path, folder):
    write(tmp_path, f"{folder}/small.py", "pass\n" * 299)
    write(tmp_path, f"{folder}/large.py", "pass\n" * 300)
    assert layout_rules.long_modules(tmp_path) == [f"{folder}/large.py has 300 lines"]


@pytest.mark.parametrize("name", ["action-b/b/module.py", "shared/actionlib/module.py"])
@pytest.mark.parametrize("statement", ["import a.thing", "from a import thing", "def f():\n    import a"])
def test_an_import_of_another_action_is_a_violation(tmp_path, name, statement):
    write(tmp_path, "action-a/a/thing.py", "import a.other\n")
    write(tmp_path, name, f"{statement}\nimport os\n")
    assert layout_rules.imports_between_actions(tmp_path) == [f"{name} imports a"]


READS = [
    "import os\nx = os.environ",
    "import os\nos.getenv('X')",
    "from os import environ",
    "import os\nos.putenv('A', '')",
]


@pytest.mark.parametrize("code", READS)
def test_reading_the_environment_in_the_domain_is_a_violation(tmp_path, code):
    write(tmp_path, "action-a/a/thing.py", code)
    assert len(layout_rules.environment_reads(tmp_path)) == 1


@pytest.mark.parametrize("code", READS)
def test_reading_the_environment_at_the_edge_is_none(tmp_path, code):
    write(tmp_path, "shared/actionlib/entrypoint.py", code)
    write(tmp_path, "action-a/a/thing.py", "import os\nif __name__ == '__main__':\n    print(os.environ)\n")
    assert layout_rules.environment_reads(tmp_path) == []


SAYINGS = [
    "print(1)",
    "import sys\nsys.exit(1)",
    "raise SystemExit",
    "exit(1)",
    "import sys\nsys.stderr.write('x')",
]


@pytest.mark.parametrize("code", SAYINGS)
def test_printing_or_exiting_in_the_domain_is_a_violation(tmp_path, code):
    write(tmp_path, "action-a/a/thing.py", code)
    assert len(layout_rules.speaking(tmp_path)) == 1


@pytest.mark.parametrize("code", SAYINGS)
def test_printing_and_exiting_at_the_edge_is_none(tmp_path, code):
    write(tmp_path, "shared/actionlib/outputs.py", code)
    write(tmp_path, "action-a/a/__main__.py", code)
    assert layout_rules.speaking(tmp_path) == []


def path_of(*parts: str) -> str:
    """A path in pieces, so that this file is none of the guard's findings."""
    return "/".join(("", *parts))


@pytest.mark.parametrize(
    "text",
    [
        path_of("root", ".cache"),
        f"cd {path_of('work', 'main')}",
        f'"{path_of("home", "somebody")}/x"',
        path_of("root"),
    ],
)
def test_a_path_of_a_machine_is_a_violation(tmp_path, text):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "notes.txt").write_text(f"first\n{text}\n")
    (found,) = layout_rules.machine_paths(tmp_path)
    assert found.startswith("notes.txt:2 names /")


@pytest.mark.parametrize(
    "text",
    [
        "state/root/x",
        "$HOME/work/x",
        "https://host/work/x",
        "_work/_tool",
        path_of("home", "runner", "_work"),
        "${base}/root/x",
    ],
)
def test_other_paths_are_none(tmp_path, text):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "notes.txt").write_text(text)
    assert layout_rules.machine_paths(tmp_path) == []
