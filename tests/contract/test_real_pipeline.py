"""The pipeline for real use stays the one that is tried: both files say the same, but for what each is for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TRIED = ROOT / "examples/workflows/coldvox-ci.yml"
REAL = ROOT / "examples/coldvox/ci.yml"
IN_THE_CLOUD = "${{ runner.environment == 'github-hosted' }}"
# What another repository has elsewhere: its paths, its names, and the script that is marked as its own.
OWN = {"path", "manifest", "hash-files", "run"}


def jobs(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())["jobs"]


def steps(job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The actions of a job and their inputs, without the checkout and without what only a cloud runner does."""
    found = []
    for step in job["steps"]:
        name = re.sub(r"^(\./|OWNER/coldvox-actions/)|@.*$", "", str(step.get("uses", step.get("name"))))
        if step.get("if") == IN_THE_CLOUD or name == "actions/checkout":
            continue
        inputs = {key: value for key, value in step.get("with", {}).items() if key not in OWN}
        found.append((name, {key: str(value).replace("voice-app-", "") for key, value in inputs.items()}))
    return found


@pytest.mark.parametrize("job", jobs(TRIED))
def test_the_real_pipeline_has_the_same_steps_as_the_one_that_is_tried(job: str):
    assert steps(jobs(REAL)[job]) == steps(jobs(TRIED)[job])


@pytest.mark.parametrize("job", jobs(TRIED))
@pytest.mark.parametrize("key", ["name", "needs", "if", "runs-on", "timeout-minutes", "outputs", "strategy"])
def test_the_real_pipeline_has_the_same_jobs(job: str, key: str):
    assert jobs(REAL)[job].get(key) == jobs(TRIED)[job].get(key)


def test_no_job_is_only_in_one_of_them():
    assert list(jobs(REAL)) == list(jobs(TRIED))


def test_every_leg_that_is_decided_on_has_its_job():
    (decide,) = [step for step in jobs(REAL)["dispatch"]["steps"] if step.get("id") == "decide"]
    legs, most = yaml.safe_load(decide["with"]["legs"]), 3
    plan = next(step for step in jobs(REAL)["plan"]["steps"] if step.get("id") == "plan")
    assert int(plan["with"]["max-jobs"]) == most
    prefix = f"{decide['with']['job-name']} ("
    names = [jobs(REAL)[job]["name"] for job in ("features", "desktop")]
    shards = [names[0].replace("${{ matrix.shard }}", f"{number}/{most}") for number in range(1, most + 1)]
    assert [f"{prefix}{leg})" for leg in legs] == [*shards, names[1]]
    assert f"[{legs.index('desktop')}].runs-on" in jobs(REAL)["desktop"]["runs-on"]
