"""`report` as a step, on files that were written earlier."""

from __future__ import annotations

import json
from pathlib import Path

HALF = {"sample-interval-seconds": "0.5"}


def test_a_report_of_a_file_of_the_earlier_script(monitor, workspace):
    head = (
        "timestamp,load_avg,memory_mb,memory_available_mb,disk_pct,runner_cpu,runner_mem,network_rx,network_tx,"
        "disk_read,disk_write,cache_size_mb,vosk_model_mb,rust_cache_mb,active_jobs,workflow_id,job_name,run_attempt,"
        "step_name"
    )
    rows = [
        f"2026-11-24 02:00:{second:02},{1 + second / 10},4000,20000,40,0.5,0.1,{second * 1000},5,6,7,100,50,20,1,"
        "4711,build,1,unknown"
        for second in range(0, 60, 5)
    ]
    (workspace / "old.csv").write_text("\n".join([head, "[2026-11-24] Starting", *rows]) + "\n2026-11")
    step = monitor(mode="report", metrics_file="old.csv")
    assert step.exit_code == 0, step.log
    assert step.outputs["samples"] == "12"
    assert step.outputs["peak-load"] == "6.50"
    assert "cut off" in step.summary


def test_at_most_ten_alerts_become_annotations(monitor, workspace):
    files = monitor(mode="run", run="true", **HALF).outputs["metrics-file"]
    alert = {
        "elapsed_seconds": 1,
        "unix_seconds": 2,
        "metric": "load",
        "level": "critical",
        "value": 9,
        "limit": 8,
    }
    lines = [json.dumps({**alert, "text": f"alert {number}"}) + "\n" for number in range(40)]
    Path(files.removesuffix(".csv") + ".alerts.jsonl").write_text("".join(lines))
    step = monitor(mode="report", metrics_file=files)
    assert step.log.count("::warning") == 10
    assert "31 more alerts are in the report" in step.log
    assert step.outputs["health"] == "critical"
