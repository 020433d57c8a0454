"""The fallback, which is no cloud when it names self-hosted runners, and keeps nobody out when these are the primary.

GitHub gives a job to any runner that has all labels that it asks for: fewer labels than the primary's reach it, too.
"""

from __future__ import annotations

from smart_dispatch.job_records import CLOUD, SELF_HOSTED, class_of
from smart_dispatch.runner_labels import RunnerLabels

LAST = RunnerLabels(("ubuntu-latest",))  # where no fallback can be used
# What every self-hosted runner has by itself (actions/runner, `config.sh`), and no runner of GitHub's.
_DEFAULTS = frozenset({SELF_HOSTED, "linux", "windows", "macos", "x64", "x86", "arm", "arm64"})


def class_of_fallback(fallback: RunnerLabels, primary: RunnerLabels) -> str:
    """Where its jobs run. A group that is not the primary's may be of GitHub's larger runners."""
    if is_primary_too(fallback, primary) or {one.lower() for one in fallback.labels} & _DEFAULTS:
        return SELF_HOSTED
    return CLOUD if fallback.group else class_of(fallback.labels, primary)


def is_primary_too(fallback: RunnerLabels, primary: RunnerLabels) -> bool:
    """Whether GitHub may give a job for the fallback to a runner of the primary."""
    if fallback.group and not (primary.group and primary.may_be_in(fallback.group)):
        return False
    known = {SELF_HOSTED, *(one.lower() for one in primary.labels)}
    return {one.lower() for one in fallback.labels} <= known


def clash(fallback: RunnerLabels, primary: RunnerLabels) -> str:
    """Why code is not kept from the primary by the fallback; empty where it is."""
    if not is_primary_too(fallback, primary):
        return ""
    return (
        f"input 'fallback-runner' is '{fallback}', and the runners of 'primary-runner', '{primary}', take jobs for it, "
        "too: name a cloud runner, or a label that they lack"
    )


def refuge(fallback: RunnerLabels, primary: RunnerLabels) -> RunnerLabels:
    """What may stand in outputs for code that is kept from the primary, should a job start in spite of the refusal."""
    return LAST if is_primary_too(fallback, primary) else fallback
