"""`health` as a step and at the prompt: points, levels, and when it fails."""

from __future__ import annotations

import subprocess


def test_health_fails_the_step_only_as_it_was_told(monitor):
    fine = monitor(mode="health", thresholds=["memory-mb=1,2"])
    assert fine.exit_code == 0
    assert fine.outputs["health"] == "critical"
    failed = monitor(mode="health", thresholds=["memory-mb=1,2"], fail_on="critical")
    assert failed.exit_code == 1
    assert "the host's health is critical" in failed.error()
    assert 0 <= int(failed.outputs["health-score"]) <= 100


def test_health_knows_missing_caches_and_hosts_that_do_not_answer(monitor):
    step = monitor(mode="health", cache_paths="models=/absent", network_host="127.0.0.1:9")
    points = {one["metric"]: one["points"] for one in step.facts["penalties"]}
    assert points["caches-missing"] == 15
    assert points["network-unreachable"] == 20
    assert int(step.outputs["health-score"]) <= 65
    levels = {one["metric"]: one["level"] for one in step.facts["checks"]}
    assert levels["caches-missing"] == "concerning"
    assert levels["network-unreachable"] == "critical"
    assert step.outputs["health"] == "critical"


def test_a_host_that_must_be_reached_fails_the_step(monitor):
    step = monitor(mode="health", network_host="127.0.0.1:9", fail_on="critical")
    assert step.exit_code == 1
    forgiving = monitor(
        mode="health", network_host="127.0.0.1:9", thresholds=["network-unreachable=off"], fail_on="critical"
    )
    assert "network-unreachable" not in {one["metric"] for one in forgiving.facts["checks"]}


def test_at_the_prompt_the_exit_status_is_the_level(monitor):
    argv, environ = monitor.command(mode="health", thresholds=["memory-mb=1,2"])
    prompt = {name: value for name, value in environ.items() if not name.startswith(("GITHUB_", "RUNNER_"))}
    done = subprocess.run(argv, env=prompt, cwd=monitor.worker, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
