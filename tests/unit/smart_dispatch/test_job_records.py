"""Which class a job of GitHub's API belongs to."""

from __future__ import annotations

import pytest

from smart_dispatch.job_records import CLOUD, SELF_HOSTED, base_name, class_of
from smart_dispatch.runner_labels import RunnerLabels

LABELS, GROUP = RunnerLabels(("gpu",)), RunnerLabels((), "ci")


@pytest.mark.parametrize(
    ("primary", "labels", "group", "expected"),
    [
        (LABELS, ["GPU", "x"], "Default", SELF_HOSTED),
        (LABELS, ["ubuntu-latest"], "GitHub Actions", CLOUD),
        (LABELS, ["Self-Hosted"], "", SELF_HOSTED),
        (LABELS, [], "big", CLOUD),
        (GROUP, [], "CI", SELF_HOSTED),
        (GROUP, [], "", SELF_HOSTED),  # it waits, and is asked for by its group
        (GROUP, [], "big", CLOUD),
        (GROUP, ["ubuntu-latest"], "GitHub Actions", CLOUD),
        (GROUP, ["ubuntu-latest"], "", CLOUD),
        (RunnerLabels(("gpu",), "ci"), ["gpu"], "ci", SELF_HOSTED),
        (RunnerLabels(("gpu",), "ci"), ["gpu"], "", SELF_HOSTED),
        (RunnerLabels(("gpu",), "ci"), ["gpu"], "big", CLOUD),
    ],
)
def test_labels_and_group_tell_whose_runner_a_job_is_for(primary, labels, group, expected):
    assert class_of(labels, primary, group=group) == expected


@pytest.mark.parametrize(
    ("job", "base"),
    [
        ("build", "build"),
        ("Test (audio)", "Test"),
        ("Test (features 1/3)", "Test"),
        ("CI / Test (audio, 3.11)", "Test"),
        ("Features (app: all (but one))", "Features"),
        ("Deploy (a) to b", "Deploy (a) to b"),
        ("(all)", "(all)"),
        ("unbalanced)", "unbalanced)"),
    ],
)
def test_a_jobs_name_without_its_leg(job, base):
    assert base_name(job) == base
