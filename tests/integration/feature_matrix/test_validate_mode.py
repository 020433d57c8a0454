"""`validate` as a step, with the real cargo, on crates with mistakes in them."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from fakes.cargo import SOUND, TOOLCHAIN, needs_cargo, results_of
from fakes.steps import poll

pytestmark = needs_cargo

CLASH = """
#[cfg(feature = "audio")]
pub fn output() {}
#[cfg(feature = "network")]
pub fn output() {}
"""
LOST_IMPLICATION = """
#[cfg(feature = "logging")]
pub mod sink { pub fn write() {} }
#[cfg(feature = "network")]
pub fn send() { crate::sink::write(); }
"""
MISSING_CFG = """
#[cfg(feature = "display")]
pub mod window { pub fn open() {} }
pub fn start() { crate::window::open(); }
"""
FAILING_TEST = """
#[cfg(test)]
mod tests {
    #[test]
    fn both() {
        assert!(!(cfg!(feature = "audio") && cfg!(feature = "display")), "they share a device");
    }
}
"""


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_sound_crate_passes_every_row_and_leaves_its_results(crate, validate):
    crate(SOUND)
    step = validate()
    assert step.exit_code == 0, step.log
    results = results_of(step)
    assert {row["state"] for row in results.values()} == {"passed"}
    assert int(step.outputs["count"]) == len(results) >= 5
    assert step.outputs["failed"] == "0"
    assert {row["command"] for row in results.values()} == {""}
    suite = ElementTree.parse(step.outputs["junit-file"]).getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (
        "sample",
        str(len(results)),
        "0",
    )
    assert f"{len(results)} combinations pass" in step.summary


@pytest.mark.parametrize(
    ("source", "expected", "line"),
    [
        (CLASH, "fails with exactly {audio, network}; each alone is fine", 5),
        (LOST_IMPLICATION, "fails with exactly {network}; passes with {logging} added", 5),
        (MISSING_CFG, "fails with no features at all; passes with {display} added", 4),
    ],
    ids=["clash", "lost implication", "missing cfg"],
)
def test_a_mistake_is_found_and_shrunk_to_the_exact_features(crate, validate, source, expected, line):
    crate(source)
    step = validate(commands="check")
    assert step.exit_code == 1
    failed = [row for row in results_of(step).values() if row["state"] == "failed"]
    assert failed
    assert {row["note"] for row in failed} == {expected}
    assert int(step.outputs["failed"]) == len(failed)
    assert expected in step.summary.split("|")[0]  # before all tables
    assert "::error title=Feature matrix,file=src/lib.rs,line=" in step.log
    assert {row["error"]["line"] for row in failed} == {line}
    (message,) = step.errors
    assert message.startswith(f"sample {expected}: ")
    cases = ElementTree.parse(step.outputs["junit-file"]).getroot().findall(".//failure")
    assert {case.get("message") for case in cases} == {expected}


def test_two_mistakes_are_told_apart(crate, validate):
    crate(CLASH + '#[cfg(feature = "logging")]\npub fn log() -> u8 { "text" }\n')
    step = validate(commands="check")
    notes = {row["note"] for row in results_of(step).values() if row["state"] == "failed"}
    assert "fails with exactly {logging}" in notes
    assert any("fails with exactly {audio, network}" in note for note in notes), notes


def test_a_failing_test_is_shrunk_too_and_its_panic_is_annotated(crate, validate):
    crate(FAILING_TEST)
    step = validate()
    (message,) = step.errors
    expected = "sample fails with exactly {audio, display}; each alone is fine: they share a device"
    assert message == expected
    assert "file=src/lib.rs,line=6" in step.log


def test_nextest_runs_the_tests_and_its_failures_are_shrunk_too(crate, matrix):
    crate(SOUND + FAILING_TEST)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    step = matrix(mode="validate", commands="nextest run", environ=TOOLCHAIN | {"PATH": path})
    assert step.exit_code == 1, step.log
    failed = [row for row in results_of(step).values() if row["state"] == "failed"]
    assert {row["note"] for row in failed} == {"fails with exactly {audio, display}; each alone is fine"}
    assert "they share a device" in step.summary


def test_the_constraints_hold_while_shrinking(crate, configure, validate):
    crate('#[cfg(not(any(feature = "audio", feature = "display")))]\ncompile_error!("pick one");\n' + CLASH)
    configure("crates:\n  sample:\n    at-least-one-of: [[audio, display]]\n")
    step = validate(commands="check")
    notes = {row["note"] for row in results_of(step).values() if row["state"] == "failed"}
    assert notes == {
        "fails with {audio, network}; without audio it was not tried, as the constraints forbid that"
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "fewer features were not tried, as shrink-seconds is 0"),
        (0.001, "there was no time to try fewer features"),
    ],
)
def test_without_time_to_shrink_the_answer_says_so(crate, validate, seconds, said):
    crate(CLASH)
    step = validate(commands="check", shrink_seconds=seconds)
    assert step.exit_code == 1
    notes = {row["note"] for row in results_of(step).values() if row["state"] == "failed"}
    assert all(note.endswith(f"; {said}") for note in notes), notes


def test_a_row_that_is_shrunk_keeps_its_time_its_units_and_its_whole_command(crate, validate):
    """Also where two rows are the same: each has its own."""
    crate(FAILING_TEST)
    whole = {"crate": "sample", "features": "everything"}
    step = validate(rows=json.dumps([whole, whole]))
    first, second = step.facts["rows"]
    assert (first["note"], second["note"]) == ("fails with exactly {audio, display}; each alone is fine",) * 2
    assert (first["units"], second["units"]) == (3, 0)  # for `check`; the library, and its tests
    assert first["seconds"] > second["seconds"]
    assert first["command"].startswith("cargo test --manifest-path=/")
    assert first["command"] in step.log


def test_keep_going_false_stops_at_the_first_failure(crate, validate):
    crate(MISSING_CFG)
    step = validate(commands="check", keep_going="false")
    states = [row["state"] for row in results_of(step).values()]
    assert states == ["failed", *["skipped"] * (len(states) - 1)]
    assert "keep-going is false" in step.warnings[0]


def test_a_row_that_hangs_is_ended_with_all_that_it_started(crate, validate, tmp_path):
    pid = tmp_path / "pid"
    crate(
        "#[test]\nfn hangs() {\n"
        f'    let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();\n'
        f'    std::fs::write("{pid}", child.id().to_string()).unwrap();\n'
        "    std::thread::sleep(std::time::Duration::from_secs(600));\n}\n",
        manifest="",
    )
    step = validate(commands="test", row_timeout_seconds=15)
    assert step.exit_code == 1
    (row,) = step.facts["rows"]
    assert row["state"] == "timed out"
    assert step.errors[0] == "sample: none: cargo test took more than the 15 s of 'row-timeout-seconds'"
    assert not runs(int(pid.read_text()))


def test_each_row_that_takes_too_long_is_told_with_its_command(crate, validate):
    crate(SOUND)
    step = validate(commands="check", row_timeout_seconds="0.01")
    names = [row["description"] for row in step.facts["rows"]]
    assert len(names) > 3
    assert step.errors == [
        f"{name}: cargo check took more than the 0.01 s of 'row-timeout-seconds'" for name in names
    ]


def test_what_a_test_prints_cannot_act_as_a_workflow_command(crate, validate):
    crate(
        '#[test]\nfn prints() { println!("::error::not ours"); println!("{}", "{\\"reason\\":1"); panic!("x"); }\n',
        manifest="",
    )
    step = validate(commands="test", shrink_seconds=0)
    stop = step.log.index("::stop-commands::")
    token = step.log[stop:].split("::")[2].splitlines()[0]
    assert stop < step.log.index("::error::not ours") < step.log.index(f"::{token}::")


def test_a_cancelled_job_ends_cargo_and_reports_what_it_has(crate, matrix, tmp_path):
    mark = tmp_path / "started"
    crate(
        f'#[test]\nfn hangs() {{ std::fs::write("{mark}", std::process::id().to_string()).unwrap(); '
        "std::thread::sleep(std::time::Duration::from_secs(600)); }\n",
        manifest="",
    )
    step = matrix.start(mode="validate", environ=TOOLCHAIN)
    poll(lambda: mark.exists() and mark.read_text())
    step.signal(signal.SIGINT)
    done = step.wait(30)
    assert done.exit_code == 130, done.log
    assert done.facts["rows"][0]["state"] == "skipped"
    assert not runs(int(mark.read_text()))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"shard": "5/4"}, "input 'shard' is '5/4'; allowed: K/N with K from 1 to N"),
        ({"shard": "0/4"}, "input 'shard' is '0/4'"),
        ({"rows": "{"}, "input 'rows' is no JSON"),
        ({"rows": "{}"}, "input 'rows' is {}; allowed: a list"),
        ({"rows": "null"}, "input 'rows' is null; allowed: a list"),
        ({"rows": "[" * 50000}, "input 'rows' is no JSON"),
        ({"rows": '[{"crate": "absent"}]'}, "input 'rows' names the crate 'absent'"),
        ({"rows": '[{"crate": "sample", "features": "absent"}]'}, "names the feature 'absent'"),
        ({"rows": "[1]"}, "input 'rows' holds 1; allowed: objects with crate and features"),
        (
            {"rows": '[{"crate": "sample", "features": 3}]'},
            'whose features are 3; allowed: a text such as "a,b", or a list of texts',
        ),
        ({"rows": '[{"crate": "sample", "features": [1]}]'}, "whose features are [1]; allowed: a text"),
        ({"rows": "[]", "rows_file": "rows.json"}, "inputs 'rows' and 'rows-file' are both given"),
        ({"rows_file": "rows.json"}, "input 'rows-file' is 'rows.json', which cannot be read"),
        ({"rows_file": "Cargo.toml"}, "input 'rows-file' is no JSON"),
        ({"commands": " "}, "input 'commands' holds no command"),
        ({"commands": "check --workspace"}, "'--workspace' is for each row to say"),
        ({"commands": "check -pother"}, "'-pother' is for each row to say"),
        ({"commands": "check -Fnetwork"}, "'-Fnetwork' is for each row to say"),
        ({"commands": "check -vF network"}, "'-vF' is for each row to say"),
        ({"row_timeout_seconds": " "}, "input 'row-timeout-seconds' is ''; allowed: a number from 0 to"),
        ({"row_timeout_seconds": "-1"}, "input 'row-timeout-seconds' is '-1'; allowed: a number from 0 to"),
        ({"commands": "test -- --features=x\nrun '"}, "whose quotes do not match"),
        ({"commands": "cargo + check"}, "the toolchain is for the configuration to say"),
        (
            {"commands": "cargo +beta check"},
            "Write `crates: {NAME: {toolchain: beta}}` in .github/feature-matrix",
        ),
        ({"commands": "Check"}, "allowed: cargo's subcommands"),
        ({"environ": {"PATH": "/nonexistent"}}, "there is no cargo on PATH"),
    ],
)
def test_bad_input_is_named_and_builds_nothing(crate, validate, workspace, inputs, said):
    crate(SOUND)
    environ = inputs.get("environ", {})
    if environ:
        environ = {"PATH": os.defpath if not Path("/usr/bin/cargo").exists() else "/nonexistent"}
    step = validate(**{name: value for name, value in inputs.items() if name != "environ"}, environ=environ)
    assert said in step.error()
    assert not (workspace / "target").exists()
