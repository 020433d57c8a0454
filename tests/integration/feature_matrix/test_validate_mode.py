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

from fakes.cargo import TOOLCHAIN, needs_cargo, results_of, rows_of, write_crate
from fakes.steps import poll

pytestmark = needs_cargo

FEATURES = """
[features]
default = ["audio"]
audio = []
display = []
network = []
logging = []
everything = ["audio", "display", "network", "logging"]
"""
SOUND = '#[cfg(feature = "audio")]\npub fn play() {}\n'
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


@pytest.fixture
def crate(workspace):
    """Write the one crate of the workspace, with its lock file."""

    def write(source: str, manifest: str = FEATURES) -> Path:
        write_crate(workspace, manifest, source=source)
        (workspace / "Cargo.lock").write_text(
            'version = 3\n\n[[package]]\nname = "sample"\nversion = "0.1.0"\n'
        )
        return workspace

    return write


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def validate(matrix):
    def run(environ=None, **inputs):
        return matrix(mode="validate", environ=TOOLCHAIN | (environ or {}), **inputs)

    return run


def test_a_sound_crate_passes_every_row_and_leaves_its_results(crate, validate):
    crate(SOUND)
    step = validate()
    assert step.exit_code == 0, step.log
    results = results_of(step)
    assert {row["state"] for row in results.values()} == {"passed"}
    assert int(step.outputs["count"]) == len(results) >= 5
    assert step.outputs["failed"] == "0"
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


def test_the_constraints_hold_while_shrinking(crate, validate):
    folder = crate(
        '#[cfg(not(any(feature = "audio", feature = "display")))]\ncompile_error!("pick one");\n' + CLASH
    )
    (folder / ".github").mkdir()
    (folder / ".github/feature-matrix.yml").write_text(
        "crates:\n  sample:\n    at-least-one-of: [[audio, display]]\n"
    )
    step = validate(commands="check")
    notes = {row["note"] for row in results_of(step).values() if row["state"] == "failed"}
    assert notes == {
        "fails with {audio, network}; without audio it was not tried, as the constraints forbid that"
    }


def test_without_time_to_shrink_the_answer_says_so(crate, validate):
    crate(CLASH)
    step = validate(commands="check", shrink_seconds=0)
    assert step.exit_code == 1
    notes = {row["note"] for row in results_of(step).values() if row["state"] == "failed"}
    assert all(note.endswith("there was no time to try fewer features") for note in notes), notes


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
    assert "took more than 15 s" in step.errors[0]
    assert not runs(int(pid.read_text()))


def test_what_a_test_prints_cannot_act_as_a_workflow_command(crate, validate):
    crate(
        '#[test]\nfn prints() { println!("::error::not ours"); println!("{}", "{\\"reason\\":1"); panic!("x"); }\n',
        manifest="",
    )
    step = validate(commands="test", shrink_seconds=0)
    stop = step.log.index("::stop-commands::")
    token = step.log[stop:].split("::")[2].splitlines()[0]
    assert stop < step.log.index("::error::not ours") < step.log.index(f"::{token}::")


def test_a_job_runs_the_rows_of_its_matrix_entry(crate, validate, matrix):
    crate(SOUND)
    plan = matrix(mode="plan", max_jobs=2, environ=TOOLCHAIN)
    entries = json.loads(plan.outputs["matrix"])["include"]
    done = [results_of(validate(commands="check", rows=json.dumps(entry["rows"]))) for entry in entries]
    assert [set(one) for one in done] == [{row["description"] for row in entry["rows"]} for entry in entries]
    assert len({row["flags"] for one in done for row in one.values()}) == len(rows_of(plan))


def test_parts_of_the_rows_are_all_of_them_and_none_twice(crate, validate):
    crate(SOUND)
    whole = [row["flags"] for row in results_of(validate(commands="check")).values()]
    parts = [
        row["flags"]
        for number in (1, 2, 3)
        for row in results_of(validate(commands="check", shard=f"{number}/3")).values()
    ]
    assert sorted(parts) == sorted(whole)
    beyond = validate(commands="check", shard="200/200")
    assert (beyond.exit_code, beyond.outputs["count"]) == (0, "0")


def test_times_are_kept_and_balance_the_next_plan(crate, validate, matrix, state_home):
    crate(SOUND)
    assert validate(commands="check").exit_code == 0
    (file,) = state_home.glob("feature-matrix/v1/*.json")
    times = json.loads(file.read_text())
    slow = next(iter(times["seconds"]))
    times["seconds"][slow] = 1000.0
    file.write_text(json.dumps(times))
    plan = matrix(mode="plan", shards=2, environ=TOOLCHAIN)
    entries = json.loads(plan.outputs["matrix"])["include"]
    assert [[row["flags"] for row in entry["rows"]] for entry in entries if len(entry["rows"]) == 1] == [
        [slow]
    ]
    file.write_text("not json")
    plan = matrix(mode="plan", shards=2, environ=TOOLCHAIN)
    assert plan.exit_code == 0
    assert "is damaged, and begun anew" in plan.warnings[0]


def test_times_can_come_from_results_of_other_runners(crate, validate, matrix, workspace):
    crate(SOUND)
    facts = validate(commands="check").facts
    slow = facts["rows"][0]
    slow["seconds"] = 1000.0
    (workspace / "results").mkdir()
    (workspace / "results/1.json").write_text(json.dumps(facts))
    plan = matrix(mode="plan", shards=2, timings_file="results", environ=TOOLCHAIN)
    entries = json.loads(plan.outputs["matrix"])["include"]
    assert [slow["flags"]] in [[row["flags"] for row in entry["rows"]] for entry in entries]
    (workspace / "results/2.json").write_text("[]")
    error = matrix(mode="plan", timings_file="results", environ=TOOLCHAIN).error()
    assert "results/2.json is no result of mode 'validate'" in error


def test_a_disk_that_is_too_full_skips_the_rows_after_emptying_the_target(crate, validate, workspace):
    crate(SOUND)
    (workspace / "target/debug").mkdir(parents=True)
    (workspace / "target/debug/old").write_text("x")
    step = validate(commands="check", min_free_mib=1 << 20)
    assert step.exit_code == 1
    assert {row["state"] for row in step.facts["rows"]} == {"skipped"}
    assert not (workspace / "target").exists()
    assert any("min-free-mib wants" in text for text in step.warnings)


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


def test_a_crate_with_its_own_toolchain_is_run_with_it(crate, validate, matrix):
    folder = crate(SOUND)
    (folder / ".github").mkdir()
    (folder / ".github/feature-matrix.yml").write_text(
        "crates:\n  sample:\n    toolchain: no-such-toolchain\n    platform: windows\n"
    )
    entry = json.loads(matrix(mode="plan", environ=TOOLCHAIN).outputs["matrix"])["include"][0]
    assert (entry["toolchain"], entry["platform"]) == ("no-such-toolchain", "windows")
    step = validate(commands="check", shard="1/9")
    assert "cargo +no-such-toolchain check" in step.log
    assert step.exit_code == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"shard": "5/4"}, "input 'shard' is '5/4'; allowed: K/N with K from 1 to N"),
        ({"shard": "0/4"}, "input 'shard' is '0/4'"),
        ({"rows": "{"}, "input 'rows' is no JSON"),
        ({"rows": "{}"}, "input 'rows' is dict; allowed: a list"),
        ({"rows": '[{"crate": "absent"}]'}, "input 'rows' names the crate 'absent'"),
        ({"rows": '[{"crate": "sample", "features": "absent"}]'}, "names the feature 'absent'"),
        ({"rows": '[{"crate": "sample", "toolchain": "; rm"}]'}, "input 'rows' has toolchain '; rm'"),
        ({"commands": "check --workspace"}, "'--workspace' is for each row to say"),
        ({"commands": "test -- --features=x\nrun '"}, "whose quotes do not match"),
        ({"commands": "+nightly check"}, "allowed: cargo's subcommands"),
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
