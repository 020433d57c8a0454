"""Every action has the same shape, and its action.yml agrees with its code and its README."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from contract import action_shape

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = sorted(path.parent for path in ROOT.glob("action-*/action.yml"))
# The least that makes each action's `inputs.parse` succeed.
MINIMAL_INPUTS = {
    "action-cache-lock": {"mode": "status"},
    "action-feature-matrix": {"mode": "plan"},
    "action-headless-env": {"mode": "doctor"},
    "action-perf-monitor": {"mode": "health"},
    "action-smart-dispatch": {"mode": "decide"},
}

every_action = pytest.mark.parametrize("folder", ACTIONS, ids=lambda folder: folder.name)


def readme_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "scripts/readme_tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_actions_and_each_has_minimal_inputs_here():
    assert ACTIONS
    assert {folder.name for folder in ACTIONS} == set(MINIMAL_INPUTS)


def test_every_action_folder_has_an_action_yml():
    assert sorted(ROOT.glob("action-*")) == ACTIONS


@every_action
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "action.yml",
        "examples/README.md",
        ".github/ISSUE_TEMPLATE/bug.yml",
    ],
)
def test_every_page_that_lists_the_actions_names_it(folder, page):
    assert folder.name in (ROOT / page).read_text()


@every_action
def test_an_action_has_all_files_of_the_shape(folder):
    assert action_shape.file_violations(folder) == []


@every_action
def test_an_action_has_the_one_run_line(folder):
    assert action_shape.run_violations(folder) == []


@every_action
def test_an_action_declares_names_descriptions_defaults_and_values(folder):
    assert action_shape.declaration_violations(folder) == []


@every_action
def test_every_input_is_read(folder):
    assert action_shape.unread_inputs(folder, MINIMAL_INPUTS[folder.name]) == []


@every_action
def test_every_output_is_set(folder):
    assert action_shape.unset_outputs(folder) == []


def test_readme_tables_are_what_action_yml_says():
    assert [path.name for path, _ in readme_tables().outdated(ROOT)] == []


# Each guard is shown a broken example.

SOUND = """
name: Example
description: Shows the guards at work.
inputs:
  first:
    description: The first.
    default: ""
  second-one:
    description: The second.
    required: true
outputs:
  result:
    description: The result.
    value: ${{ steps.main.outputs.result }}
runs:
  using: composite
  steps:
    - id: main
      shell: bash
      run: exec sh "$GITHUB_ACTION_PATH/../shared/launch.sh"
      env:
        INPUTS: ${{ toJSON(inputs) }}
        ACTION_REF: ${{ github.action_ref }}
        JOB_STATUS: ${{ job.status }}
"""
README = "# Example\n\n<!-- inputs -->\n<!-- /inputs -->\n\n<!-- outputs -->\n<!-- /outputs -->\n"


@pytest.fixture
def example(tmp_path) -> Path:
    folder = tmp_path / "action-contract-example"
    package = folder / "contract_example"
    package.mkdir(parents=True)
    (folder / "action.yml").write_text(SOUND)
    (folder / "README.md").write_text(README)
    (package / "__init__.py").write_text('"""Example."""\n')
    (package / "__main__.py").write_text('"""Entrypoint."""\n')
    (package / "inputs.py").write_text(
        'def parse(inputs):\n    return inputs.text("first"), {"result": ""}\n'
    )
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    assert old in SOUND
    (folder / "action.yml").write_text(SOUND.replace(old, new))


def test_a_sound_example_has_no_violations(example):
    assert action_shape.file_violations(example) == []
    assert action_shape.run_violations(example) == []
    assert action_shape.declaration_violations(example) == []
    assert action_shape.unset_outputs(example) == []


@pytest.mark.parametrize("name", ["README.md", "contract_example/inputs.py", "contract_example/__main__.py"])
def test_a_missing_file_is_a_violation(example, name):
    (example / name).unlink()
    assert action_shape.file_violations(example) == [f"action-contract-example/{name} is missing"]


def test_a_long_entrypoint_is_a_violation(example):
    (example / "contract_example/__main__.py").write_text("pass\n" * 16)
    assert len(action_shape.file_violations(example)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("exec sh", "sh"),
        ("shell: bash", "shell: sh"),
        ("id: main", "id: first"),
        ("        ACTION_REF: ${{ github.action_ref }}\n", ""),
        ("toJSON(inputs)", "inputs.first"),
        ("job.status }}\n", "job.status }}\n        MORE: x\n"),
        ("job.status }}\n", "job.status }}\n        JOB_TOKEN: x\n"),
    ],
)
def test_another_run_line_is_a_violation(example, old, new):
    edit(example, old, new)
    assert len(action_shape.run_violations(example)) == 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("second-one:", "second_one:", "kebab-case"),
        ("description: The first.", 'description: " "', "no description"),
        ('    default: ""\n', "", "needs either a default"),
        ("required: true", 'required: true\n    default: "x"', "needs either a default"),
        ('default: ""', "default: true", "not a quoted string"),
        ("description: The result.", "description:", "no description"),
        ("description: The result.", "description: For `${{ x }}`.", "has an expression in its description"),
        ("main.outputs.result", "main.outputs.other", "has the value"),
        ("name: Example", "name:", "'name' is empty"),
    ],
)
def test_a_bad_declaration_is_a_violation(example, old, new, complaint):
    edit(example, old, new)
    (violation,) = action_shape.declaration_violations(example)
    assert complaint in violation


def test_an_unread_input_is_a_violation(example, monkeypatch):
    monkeypatch.syspath_prepend(str(example))
    found = action_shape.unread_inputs(example, {"second-one": "x"})
    assert found == ["action-contract-example: nothing reads input 'second-one'"]


def test_an_output_that_only_a_docstring_names_is_a_violation(example):
    (example / "contract_example/inputs.py").write_text('"""result"""\ndef parse(inputs):\n    "result"\n')
    assert action_shape.unset_outputs(example) == ["action-contract-example: nothing sets output 'result'"]


def test_outdated_tables_are_found_and_written_tables_are_current(example):
    tables = readme_tables()
    ((path, text),) = tables.outdated(example.parent)
    assert "| `second-one` | **required** | The second. |" in text
    path.write_text(text)
    assert list(tables.outdated(example.parent)) == []
    edit(example, "The result.", "Another | result.")
    ((_, changed),) = tables.outdated(example.parent)
    assert "| `result` | Another \\| result. |" in changed


def test_a_readme_without_the_marks_is_an_error(example):
    (example / "README.md").write_text(README.replace("<!-- /outputs -->", ""))
    tables = readme_tables()
    with pytest.raises(tables.MarkerError, match=r"action-contract-example/README\.md needs the lines"):
        list(tables.outdated(example.parent))


def test_the_example_is_shaped_like_our_actions(example):
    """So that the broken examples break what the real ones are held to."""
    for folder in ACTIONS:
        shutil.copy(folder / "action.yml", example / "action.yml")
        assert action_shape.run_violations(example) == []
