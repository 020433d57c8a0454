"""Files that users hand over, odd as JSON and CSV may be: an error that names them, and no traceback."""

from __future__ import annotations

import json

import pytest

REPOSITORY = {"GITHUB_REPOSITORY": "octo/repo", "GITHUB_WORKFLOW": "CI"}
DEEP = "[" * 100_000
HUGE = "1" + "0" * 400
HEAD = "submit-seconds,self-hosted-seconds,cloud-seconds\n"
DECISION = {
    "job": "b", "strategy": "x", "runs-on": "[]", "reason": "r", "otherwise": "o", "policy": "p",
    "confidence-score": 1, "fallback-recommendation": "f", "requests": 1, "legs": [], "notes": [], "evidence": [],
    "expected-minutes": {"self-hosted": 1, "cloud": 1},
}  # fmt: skip
LEG = {"leg": "a", "runs-on": 1, "expected-minutes": "x"}
ROW = '{"what": "a", "value": "b", "source": "c", "age_seconds": 1e400}'


def test_the_decision_that_is_changed_below_is_one(dispatch, workspace):
    (workspace / "d.json").write_text(json.dumps(DECISION))
    assert dispatch(mode="explain", **{"decision-file": "d.json"}).exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        json.dumps({**DECISION, "legs": [LEG, LEG]}),
        json.dumps({**DECISION, "evidence": ["ROW"]}).replace('"ROW"', ROW),
        json.dumps({**DECISION, "evidence": ["x"]}),
        json.dumps({**DECISION, "legs": ["x", "y"]}),
        json.dumps({**DECISION, "strategy": ["a"]}),
        json.dumps({**DECISION, "expected-minutes": [1]}),
    ],
    ids=["deep", "minutes", "age", "evidence", "legs", "strategy", "expected"],
)
def test_an_odd_decision_file_is_named(dispatch, workspace, text):
    (workspace / "d.json").write_text(text)
    message = dispatch(mode="explain", **{"decision-file": "d.json"}).error()
    assert "input 'decision-file' is 'd.json'" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        f"{HEAD}1,2,{'9' * 200_000}\n",
        f"{HEAD}1e308,1e308,1e308\n1e308,1e308,1e308\n",
        f'[{{"submit-seconds":{HUGE},"self-hosted-seconds":1,"cloud-seconds":1}}]',
        f"{HEAD}0001-01-01T00:00:00,1,1\n",
    ],
    ids=["deep", "long field", "1e308", "digits", "year 1"],
)
def test_an_odd_trace_is_named(dispatch, workspace, text):
    (workspace / "t").write_text(text)
    message = dispatch(mode="simulate", trace="t").error()
    assert "input 'trace'" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    "text", [DEEP, f'{{"cloud": {{"total_runs": {HUGE}}}}}', '{"cloud": {"total_runs": 1e300}}']
)
def test_an_odd_job_history_is_named(dispatch, workspace, text):
    (workspace / "h.json").write_text(text)
    given = {"duration-seconds": "5", "history-file": "h.json"}
    message = dispatch(mode="record", job_name="b", environ=REPOSITORY, **given).error()
    assert "input 'history-file' is" in message
    assert len(message) < 600
    decided = dispatch(mode="decide", job_name="b", environ=REPOSITORY, **{"history-file": "h.json"})
    assert decided.exit_code == 0
    assert any("input 'history-file' is" in one for one in decided.warnings)


def test_an_event_and_labels_that_are_too_deep_are_no_crash(dispatch, decide, tmp_path):
    path = tmp_path / "event.json"
    path.write_text(DEEP)
    event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)}
    assert decide(environ=event).outputs["trusted"] == "false"
    assert "input 'primary-runner' is" in dispatch(mode="decide", primary_runner=DEEP).error()


@pytest.mark.parametrize("path", ["/nonexistent/disk", "~nobody-of-this-name/x"])
def test_a_disk_path_that_is_not_there_is_named_and_not_another_disk_told(dispatch, api, path):
    given = {"disk-path": path}
    assert (
        f"input 'disk-path' is '{path}', which cannot be looked at"
        in dispatch(mode="health", **given).error()
    )
    environ = {"GITHUB_REPOSITORY": "octo/repo", "GITHUB_API_URL": api.url}
    assert dispatch(mode="heartbeat", token="t0ken", environ=environ, **given).exit_code == 1
    assert not api.statuses


def test_a_job_status_that_is_none_is_not_recorded(dispatch):
    given = {"job_name": "b", "duration-seconds": "5"}
    step = dispatch(mode="record", environ=REPOSITORY | {"JOB_STATUS": "weird"}, **given)
    assert "JOB_STATUS is 'weird', and input 'outcome' is empty; allowed: success, failure" in step.error()
    step = dispatch(mode="record", environ=REPOSITORY | {"JOB_STATUS": "weird"}, outcome="failure", **given)
    assert step.exit_code == 0


@pytest.mark.parametrize("path", ["/nonexistent/env", "/dev/full"])
def test_an_environment_file_that_cannot_be_written_costs_no_decision(decide, api, path):
    api.add_runner("r1")
    step = decide(environ={"GITHUB_ENV": path}, legs=2)
    assert step.exit_code == 0
    assert step.outputs["strategy"] == "self-hosted-monitored"
    assert len(json.loads(step.outputs["legs"])) == 2
    assert any("later steps do not see EXECUTION_STRATEGY" in one for one in step.warnings)
