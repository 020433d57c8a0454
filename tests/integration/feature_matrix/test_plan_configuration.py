"""`plan` with a configuration: constraints, curated rows, and what a person sees at the prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, rows_of
from fakes.feature_crates import enabled
from fakes.steps import ROOT

VOICE_APP_FEATURES = tomllib.loads((ROOT / "examples/voice-app/app/Cargo.toml").read_text())["features"]
CONFIGURATION = """
crates:
  coldvox-app:
    exclusive: [[no-stt, whisper]]
rows:
  - {crate: coldvox-app, features: vosk, description: Vosk only, deps: libvosk, default: false}
  - {crate: coldvox-app, features: level3, deprecated: true}
  - {crate: coldvox-app, features: examples, dev: true, description: For developers}
"""


@needs_cargo
@pytest.mark.parametrize(("event", "developers"), [("push", 0), ("workflow_dispatch", 1)])
def test_constraints_and_curated_rows_come_from_the_configuration(matrix, voice_app, event, developers):
    (voice_app / ".github").mkdir(exist_ok=True)
    (voice_app / ".github/feature-matrix.yml").write_text(CONFIGURATION)
    step = matrix(mode="plan", packages="coldvox-app", environ={**TOOLCHAIN, "GITHUB_EVENT_NAME": event})
    assert step.exit_code == 0, step.log
    rows = rows_of(step)
    assert not [row for row in rows if {"no-stt", "whisper"} <= set(row["features"].split(","))]
    assert rows[0]["description"] == "coldvox-app: Vosk only"
    assert rows[0]["needs"] == ["libvosk"]
    assert any(
        "a deprecated combination is tested: coldvox-app: level3 (line 7)" in one for one in step.warnings
    )
    assert sum("For developers" in row["description"] for row in rows) == developers


@needs_cargo
def test_the_sample_application_says_what_its_features_need_and_which_rows_are_for_whom(matrix, voice_app):
    configuration = (ROOT / "examples/voice-app/.github/feature-matrix.yml").read_text()
    (voice_app / "rows.yml").write_text(configuration)
    push = {**TOOLCHAIN, "GITHUB_EVENT_NAME": "push"}
    step = matrix(mode="plan", config="rows.yml", packages="coldvox-app", environ=push)
    assert step.exit_code == 0, step.log
    called = {row["description"].removeprefix("coldvox-app: ") for row in rows_of(step)}
    assert called > {"Vosk only", "Typing without recognition", "The fixed threshold of the first version"}
    assert "Examples" not in called
    assert len(step.warnings) == 1
    for row in rows_of(step):
        on = enabled(VOICE_APP_FEATURES, ("coldvox-text-injection",), row["features"].split(","))
        assert ("gui" in row["needs"]) == ("text-injection" in on)
        assert ("libvosk" in row["needs"]) == ("vosk" in on)


def at_prompt(folder: Path, tmp_path: Path, *arguments: str) -> str:
    """What `coldvox-actions feature-matrix --mode plan` shows there."""
    command = [
        sys.executable,
        ROOT / "shared/coldvox_actions.py",
        "feature-matrix",
        "--mode",
        "plan",
        *arguments,
    ]
    outside = ("GITHUB_", "RUNNER_", "INPUT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    environ["COLDVOX_ACTIONS_HOME"] = str(tmp_path / "state")
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


@needs_cargo
def test_a_person_is_shown_the_combinations_and_why_and_gets_development_rows(voice_app, tmp_path):
    (voice_app / "rows.yml").write_text(CONFIGURATION)
    shown = at_prompt(voice_app, tmp_path, "--config", "rows.yml", "--packages", "coldvox-app")
    lines = [line.split(maxsplit=3) for line in shown.splitlines()]
    assert ["default", "features", "default"] in lines
    assert ["curated,", "line", "8", "For developers"] in lines
    assert "include" not in shown
    assert max(map(len, shown.splitlines())) < 400


@needs_cargo
def test_the_matrix_can_be_had_as_json_at_the_prompt(voice_app, tmp_path):
    facts = json.loads(at_prompt(voice_app, tmp_path, "--json", "--max-jobs", "3"))
    assert [entry["shard"] for entry in facts["matrix"]["include"]] == ["1/3", "2/3", "3/3"]


@needs_cargo
def test_a_contradiction_in_the_configuration_is_an_error_that_names_both_lines(matrix, voice_app):
    (voice_app / "odd.yml").write_text(
        "crates:\n  coldvox-app:\n    exclusive: [[vosk, whisper]]\n    requires: {vosk: whisper}\n"
    )
    message = matrix(mode="plan", config="odd.yml", environ=TOOLCHAIN).error()
    assert "exclusive [vosk, whisper] (line 3) and requires vosk: [whisper] (line 4) contradict" in message


@needs_cargo
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"config": "absent.yml"}, "input 'config' is 'absent.yml', where there is no file"),
        ({"strategy": "curated"}, "there is no .github/feature-matrix.yml"),
    ],
)
def test_a_configuration_that_is_not_there_is_told(matrix, voice_app, inputs, said):
    assert said in matrix(mode="plan", environ=TOOLCHAIN, **inputs).error()
