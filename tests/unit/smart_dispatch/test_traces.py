"""Traces from files and from seeds."""

from __future__ import annotations

import json

import pytest

from actionlib.errors import ActionError
from smart_dispatch.traces import Outage, TraceJob, read_trace, synthetic_trace

JOB = {"submit-seconds": 10, "self-hosted-seconds": 300, "cloud-seconds": 700, "name": "build"}


def test_json_and_csv_say_the_same(tmp_path):
    (tmp_path / "t.json").write_text(
        json.dumps(
            {"jobs": [JOB, {**JOB, "submit-seconds": 5}], "outages": [{"begin-seconds": 1, "end-seconds": 9}]}
        )
    )
    (tmp_path / "t.csv").write_text(
        "kind,name,submit_seconds,self_hosted_seconds,cloud_seconds,begin-seconds,end-seconds\n"
        "job,build,10,300,700,,\njob,build,5,300,700,,\noutage,,,,,1,9\n"
    )
    one, other = (read_trace(tmp_path / name) for name in ("t.json", "t.csv"))
    assert one == other
    assert one.jobs == (TraceJob("build", 5, 300, 700), TraceJob("build", 10, 300, 700))
    assert one.outages == (Outage(1, 9),)


def test_times_of_a_calendar_begin_at_the_first_job(tmp_path):
    jobs = [{**JOB, "submit-seconds": f"2026-11-24T10:0{minute}:00Z"} for minute in (1, 0)]
    outage = {"begin-seconds": "2026-11-24T10:05:00+00:00", "end-seconds": "2026-11-24T11:00:00Z"}
    (tmp_path / "t.json").write_text(json.dumps({"jobs": jobs, "outages": [outage]}))
    trace = read_trace(tmp_path / "t.json")
    assert [one.submit for one in trace.jobs] == [0, 60]
    assert trace.outages == (Outage(300, 3600),)


def test_outages_that_touch_are_one(tmp_path):
    outages = [
        {"begin-seconds": begin, "end-seconds": end} for begin, end in ((50, 60), (0, 10), (10, 20), (5, 7))
    ]
    (tmp_path / "t.json").write_text(json.dumps({"jobs": [JOB], "outages": outages}))
    assert read_trace(tmp_path / "t.json").outages == (Outage(0, 20), Outage(50, 60))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no job"),
        ("{}", "has no job"),
        ("{", "is no JSON"),
        ('{"jobs": 3}', "needs lists"),
        ("[3]", "job 1 has no 'submit-seconds'"),
        (json.dumps([{**JOB, "cloud-seconds": ""}]), "job 1 has no 'cloud-seconds'"),
        ("name,submit-seconds,self-hosted-seconds\nbuild,1,2\n", "job 1 has no 'cloud-seconds'"),
        (json.dumps([JOB, {**JOB, "cloud-seconds": "fast"}]), "job 2 has cloud-seconds 'fast'"),
        (json.dumps([{**JOB, "submit-seconds": -1}]), "has submit-seconds '-1'"),
        (json.dumps([{**JOB, "submit-seconds": "NaN"}]), "allowed: seconds from 0"),
        (json.dumps({"jobs": [JOB], "outages": [{"begin-seconds": 9}]}), "outage 1 has no 'end-seconds'"),
        (
            json.dumps({"jobs": [JOB], "outages": [{"begin-seconds": 9, "end-seconds": 3}]}),
            "ends before it begins",
        ),
    ],
)
def test_a_mistake_is_told_with_its_row_and_what_is_missing(tmp_path, text, said):
    (tmp_path / "t").write_text(text)
    with pytest.raises(ActionError) as caught:
        read_trace(tmp_path / "t")
    assert "input 'trace'" in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ActionError, match="cannot be read"):
        read_trace(tmp_path / "none")


def test_a_seed_makes_one_trace():
    assert synthetic_trace(3, jobs=50) == synthetic_trace(3, jobs=50)
    assert synthetic_trace(3, jobs=50) != synthetic_trace(4, jobs=50)
    assert len(synthetic_trace(3, jobs=50).jobs) == 50
