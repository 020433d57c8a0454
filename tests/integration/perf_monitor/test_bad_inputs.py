"""Every wrong input is refused with its name, its value and what is allowed, and nothing is run."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mode": "start", "sample-interval-seconds": "0"}, "input 'sample-interval-seconds' is '0'; allowed: a "),
        ({"mode": "start", "sample-interval-seconds": "often"}, "input 'sample-interval-seconds' is 'often'"),
        ({"mode": "start", "thresholds": "loud=3"}, "there is no metric 'loud'"),
        ({"mode": "start", "thresholds": "lod=3"}, "Did you mean 'load'?"),
        ({"mode": "start", "thresholds": "load=9,3"}, "input 'thresholds' holds 'load=9,3'"),
        ({"mode": "start", "cache-paths": "Mine"}, "input 'cache-paths' holds 'Mine'; allowed: NAME=PATH"),
        ({"mode": "start", "cache-paths": "memory=/tmp"}, "the column memory_mb is taken"),
        ({"mode": "start", "disk-path": "/absent"}, "input 'disk-path' is '/absent': /absent does not exist"),
        ({"mode": "start", "job-pattern": "("}, "input 'job-pattern' is '('"),
        ({"mode": "start", "output-dir": "file/below"}, "cannot be written"),
        ({"mode": "start", "run": "true"}, "input 'run' is set, and mode 'start' runs nothing"),
        ({"mode": "run"}, "input 'run' is empty, and mode 'run' needs it"),
        ({"mode": "run", "run": "true", "comment-pr": "true"}, "input 'comment-pr' is 'true', and 'token' is empty"),
        ({"mode": "run", "run": "true", "fail-on-regression": "true", "baseline": "false"}, "nothing to compare with"),
        ({"mode": "run", "run": "true", "otlp-endpoint": "localhost"}, "input 'otlp-endpoint' is 'localhost'"),
        ({"mode": "run", "run": "touch ran", "prometheus-textfile": "/absent/x.prom"}, "'prometheus-textfile' is"),
        ({"mode": "health", "network-host": "http://x"}, "input 'network-host' is 'http://x'"),
        ({"mode": "health", "fail-on": "bad"}, "input 'fail-on' is 'bad'; allowed: never, concerning, critical"),
        ({"mode": "report"}, "mode 'report': there is no metrics file"),
        ({"mode": "report", "metrics-file": "absent.csv"}, "absent.csv cannot be read: No such file"),
        ({"mode": "report", "metrics-file": "empty.csv"}, "empty.csv is empty"),
        ({"mode": "report", "metrics-file": "text.csv"}, "text.csv is no metrics file"),
        ({"mode": "report", "metrics-file": "header.csv"}, "holds no samples"),
        ({"mode": "watch"}, "input 'mode' is 'watch'; allowed: start, stop, run, health, report, compare"),
    ],
    ids=lambda value: str(sorted(value.items()))[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_bad_input_is_named_with_what_is_allowed(monitor, workspace, inputs, message):
    (workspace / "file").touch()
    (workspace / "empty.csv").touch()
    (workspace / "text.csv").write_text("hello\n")
    (workspace / "header.csv").write_text("timestamp,load_avg\n")
    step = monitor(**inputs)
    assert step.exit_code == 1
    assert message in step.error()
    assert not (workspace / "ran").exists()
