"""A fallback that names self-hosted runners, and one that names the primary's."""

from __future__ import annotations

import json

import pytest

from smart_dispatch.fallbacks import clash, class_of_fallback, is_primary_too, refuge
from smart_dispatch.runner_labels import RunnerLabels, parse_labels

PRIMARY = RunnerLabels(("self-hosted", "linux", "gpu"))
GROUP = RunnerLabels((), "ci")


def of(value: object) -> RunnerLabels:
    return parse_labels(json.dumps(value), name="fallback-runner", plain=True)


@pytest.mark.parametrize(
    ("primary", "fallback", "too", "kind"),
    [
        (PRIMARY, "ubuntu-latest", False, "cloud"),
        (PRIMARY, "linux", True, "self-hosted"),
        (PRIMARY, ["GPU", "Self-Hosted"], True, "self-hosted"),
        (PRIMARY, ["self-hosted", "linux", "gpu"], True, "self-hosted"),
        (PRIMARY, ["self-hosted", "apart"], False, "self-hosted"),
        (PRIMARY, {"group": "big"}, False, "cloud"),  # GitHub's larger runners, perhaps
        (RunnerLabels(("gpu",)), "self-hosted", True, "self-hosted"),  # which every such runner has
        (GROUP, {"group": "CI"}, True, "self-hosted"),
        (GROUP, {"group": "CI", "labels": ["apart"]}, False, "cloud"),
        (GROUP, {"group": "big"}, False, "cloud"),
        (GROUP, ["self-hosted"], True, "self-hosted"),
        (GROUP, "ubuntu-latest", False, "cloud"),
        (RunnerLabels(("gpu",), "ci"), "gpu", True, "self-hosted"),
    ],
)
def test_fewer_labels_than_the_primarys_reach_it_too(primary, fallback, too, kind):
    asked = of(fallback)
    assert is_primary_too(asked, primary) is too
    assert class_of_fallback(asked, primary) == kind
    assert refuge(asked, primary) == (RunnerLabels(("ubuntu-latest",)) if too else asked)
    assert (
        "'fallback-runner'" in clash(asked, primary) and "'primary-runner'" in clash(asked, primary)
    ) is too
