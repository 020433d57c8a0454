from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actionlib.cli import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_flags_are_the_inputs_of_the_action(tmp_path, capsys) -> None:
    environ = {"COLDVOX_ACTIONS_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""}
    assert (
        main(
            ["cache-lock", "--mode", "key", "--key", "mine", "--segments", "a b"], root=ROOT, environ=environ
        )
        == 0
    )
    assert "key: mine-linux-" in capsys.readouterr().out


def test_json_is_all_that_standard_output_gets(tmp_path, capsys) -> None:
    environ = {"COLDVOX_ACTIONS_HOME": str(tmp_path / "state")}
    assert main(["cache-lock", "--mode", "status", "--json"], root=ROOT, environ=environ) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["entries"] == []
    assert facts["locks"] == []


def test_help_lists_every_input_with_its_default(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cache-lock", "--help"], root=ROOT, environ={})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--on-wait-timeout" in text
    assert "(default: 300)" in text


def test_a_boolean_flag_needs_no_value(tmp_path, capsys) -> None:
    environ = {"COLDVOX_ACTIONS_HOME": str(tmp_path / "state")}
    assert main(["cache-lock", "--mode", "prune", "--dry-run"], root=ROOT, environ=environ) == 0
    assert main(["cache-lock", "--mode", "prune", "--dry-run", "maybe"], root=ROOT, environ=environ) == 1
    assert "input 'dry-run' is 'maybe'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--timeout-second", "5"], "no flag or value --timeout-second (did you mean --timeout-seconds?)."),
        (["--nope", "1"], "there is no flag or value --nope."),
        (["--mode"], "argument --mode: expected one argument."),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(arguments: list[str], said: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["cache-lock", *arguments], root=ROOT, environ={})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("coldvox-actions cache-lock: ")
    assert said in line
    assert line.endswith("`coldvox-actions cache-lock --help` shows all flags")


@pytest.mark.parametrize(
    "arguments", [[], ["no-such-action"], ["cache-lock", "--mod"], ["cache-lock", "--nope", "1"]]
)
def test_a_wrong_command_line_is_told_and_ends_with_2(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, root=ROOT, environ={})
    assert ended.value.code == 2
    assert "--help` shows all flags" in capsys.readouterr().err


@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_goes_away_changes_nothing(tmp_path, reader: str) -> None:
    script = f'set -o pipefail; "$0" "$1" cache-lock --mode status | {reader} >/dev/null'
    command = ["bash", "-c", script, sys.executable, str(ROOT / "shared/coldvox_actions.py")]
    environ = os.environ | {"COLDVOX_ACTIONS_HOME": str(tmp_path / "state")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
