"""Input prometheus-textfile in steps: refused before a script runs, afterwards never in the way of its exit code."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

HALF = {"sample_interval_seconds": "0.5"}


@pytest.mark.parametrize("name", ["absent/x.prom", "metrics.txt"])
def test_a_file_that_nobody_would_read_is_refused_before_the_script_runs(monitor, tmp_path, name):
    note = tmp_path / "ran"
    step = monitor(mode="run", run=f"touch {note}; exit 3", prometheus_textfile=tmp_path / name, **HALF)
    assert step.exit_code == 1
    assert "input 'prometheus-textfile' is " in step.error()
    assert not note.exists()


def test_a_folder_that_goes_away_meanwhile_is_a_warning_and_the_script_keeps_its_code(monitor, tmp_path):
    folder = tmp_path / "collector"
    folder.mkdir()
    step = monitor(mode="run", run=f"rmdir {folder}; exit 3", prometheus_textfile=folder / "x.prom", **HALF)
    assert step.exit_code == 3
    assert "::warning" in step.log
    assert "prometheus-textfile" in step.log
    assert step.outputs["exit-code"] == "3"


def test_a_step_writes_a_file_that_prometheus_reads(monitor, tmp_path):
    step = monitor(mode="run", run="true", prometheus_textfile=tmp_path, **HALF)
    assert step.exit_code == 0, step.log
    (path,) = tmp_path.glob("*.prom")
    families = {one.name for one in text_string_to_metric_families(path.read_text())}
    assert "coldvox_job_duration_seconds" in families
