"""Single flight with real processes: whoever is killed, fails or hangs, one command runs at a time."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from fakes.steps import ActionStarter, poll

# Each run writes its number of the run into the counter and holds until it is let go.
SCRIPT = """
echo run >> "$COUNTER"
touch "$STARTED"
while [ ! -e "$GO" ]; do sleep 0.01; done
mkdir -p out
echo made > out/file
echo "answer=42" >> "$GITHUB_OUTPUT"
"""


class Flight:
    """Steps that populate one key, each in a workspace of its own, as parallel jobs have them."""

    def __init__(self, action: ActionStarter, folder: Path) -> None:
        self._action = action
        self._folder = folder
        self.go = folder / "go"
        self.counter = folder / "counter"
        self.workspaces: list[Path] = []

    def start(self, name: str, **inputs: object):
        workspace = self._folder / name
        workspace.mkdir()
        self.workspaces.append(workspace)
        environ = {
            "GITHUB_WORKSPACE": str(workspace),
            "COUNTER": str(self.counter),
            "STARTED": str(self.started(name)),
            "GO": str(self.go),
        }
        given = {"mode": "populate", "key": "k", "path": "out", "run": SCRIPT} | inputs
        return self._action.start(environ=environ, **given)

    def started(self, name: str) -> Path:
        return self._folder / f"{name}.started"

    def runs(self) -> int:
        return len(self.counter.read_text().splitlines()) if self.counter.exists() else 0

    def waiting(self) -> int:
        locks = self._action(mode="status").facts["locks"]
        return sum(len(lock["waiting"]) for lock in locks)

    def made(self) -> list[bool]:
        return [(workspace / "out/file").exists() for workspace in self.workspaces]


@pytest.fixture
def flight(action: ActionStarter, tmp_path) -> Flight:
    # All jobs of the test belong to one repository: the workspace names it where GITHUB_REPOSITORY does not.
    action.environ["GITHUB_REPOSITORY"] = "o/r"
    (tmp_path / "flight").mkdir()
    return Flight(action, tmp_path / "flight")


def test_of_eight_jobs_that_miss_a_key_one_runs_the_command_and_all_get_the_files(flight: Flight) -> None:
    steps = [flight.start(f"job{number}") for number in range(8)]
    poll(lambda: flight.waiting() == 7)
    flight.go.touch()
    results = [step.wait() for step in steps]
    assert [one.exit_code for one in results] == [0] * 8
    assert flight.runs() == 1
    assert flight.made() == [True] * 8
    assert sorted(one.outputs["populated"] for one in results) == ["ran"] + ["waited"] * 7
    (ran,) = [one for one in results if one.outputs["populated"] == "ran"]
    assert json.loads(ran.outputs["run-outputs"]) == {"answer": "42"}
    assert all(one.outputs["cache-hit"] == "true" for one in results if one is not ran)
    assert flight.start("later").wait().outputs["populated"] == "hit"


def test_when_the_command_fails_the_next_in_the_queue_runs_it(flight: Flight) -> None:
    failing = flight.start(
        "failing", run='touch "$STARTED"\nwhile [ ! -e "$GO" ]; do sleep 0.01; done\nexit 3'
    )
    poll(flight.started("failing").exists)
    next_one = flight.start("next")
    poll(lambda: flight.waiting() == 1)
    flight.go.touch()
    result = failing.wait()
    assert (result.exit_code, result.outputs["exit-code"]) == (3, "3")
    assert next_one.wait().outputs["populated"] == "ran"
    assert flight.made() == [False, True]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_populating_job_is_ended_the_next_in_the_queue_runs_it(flight: Flight, number: int) -> None:
    first = flight.start("first")
    poll(flight.started("first").exists)
    second = flight.start("second")
    poll(lambda: flight.waiting() == 1)
    first.signal(number)
    poll(flight.started("second").exists)
    flight.go.touch()
    assert second.wait().outputs["populated"] == "ran"
    assert first.wait().exit_code != 0
    assert flight.start("third").wait().outputs["populated"] == "hit"


def test_when_the_wait_is_over_the_command_runs_unlocked_by_default(flight: Flight) -> None:
    first = flight.start("first")
    poll(flight.started("first").exists)
    second = flight.start("second", timeout_seconds=1)
    poll(flight.started("second").exists)
    flight.go.touch()
    result = second.wait()
    assert result.outputs["populated"] == "ran-unlocked"
    assert any("was not free within 1 s; held by" in text for text in result.warnings)
    assert first.wait().exit_code == 0
    assert flight.made() == [True, True]
    assert flight.start("third").wait().outputs["populated"] == "hit"


def test_when_the_wait_is_over_it_fails_if_asked_to(flight: Flight) -> None:
    first = flight.start("first")
    poll(flight.started("first").exists)
    message = flight.start("second", timeout_seconds=0.5, on_wait_timeout="fail").wait().error()
    assert "was not free within 0.5 s" in message
    assert flight.runs() == 1
    flight.go.touch()
    assert first.wait().exit_code == 0


def test_a_command_that_leaves_nothing_is_an_error_and_saves_nothing(flight: Flight, action) -> None:
    message = flight.start("empty", run="true").wait().error()
    assert "left nothing at input 'path' (out)" in message
    assert action(mode="status").facts["entries"] == []


def test_the_command_starts_from_the_entry_that_a_restore_key_names(flight: Flight) -> None:
    flight.go.touch()
    assert flight.start("old", key="build-1").wait().exit_code == 0
    step = flight.start("new", key="build-2", restore_keys="build", run="cat out/file > out/copy")
    result = step.wait()
    assert result.outputs["populated"] == "ran"
    assert result.outputs["cache-matched-key"] == "build-1"
    assert result.outputs["cache-hit"] == "false"
    assert (flight.workspaces[1] / "out/copy").read_text() == "made\n"


def test_a_full_store_does_not_fail_the_command(flight: Flight) -> None:
    flight.go.touch()
    result = flight.start("job", max_size_gb="0").wait()
    assert result.exit_code == 0
    assert any("exceed the store's whole budget" in text for text in result.warnings)


def test_it_says_who_holds_the_key_and_how_many_wait(flight: Flight, action) -> None:
    first = flight.start("first")
    poll(flight.started("first").exists)
    second = flight.start("second")
    poll(lambda: "Waiting for key 'k'" in second.log(), timeout_seconds=40)
    assert "held by o/r" in second.log()
    assert "1 waiting" in second.log()
    flight.go.touch()
    assert second.wait().exit_code == first.wait().exit_code == 0


def test_clean_gives_the_command_empty_paths_also_on_a_miss(action: ActionStarter, workspace) -> None:
    (workspace / "out").mkdir()
    (workspace / "out/stale").touch()
    step = action(mode="populate", key="k", path="out", clean=True, run="ls out > listing; touch out/new")
    assert step.exit_code == 0
    assert (workspace / "listing").read_text() == ""
