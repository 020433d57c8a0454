"""How long a job will run on each class, and how often it gets through, from few samples and many.

A mean of n samples is drawn towards what wider experience says, with the weight of one sample (the posterior mean of a
normal with known variance ratio; Gelman et al., Bayesian Data Analysis, 2.5). Wider is: the job's other legs, its time
on the other class times the ratio of the classes, its workflow, the repository, and at last fixed values.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smart_dispatch.job_records import (
    CLOUD,
    FAILURE,
    INFRASTRUCTURE,
    SELF_HOSTED,
    SUCCESS,
    JobRecord,
    base_name,
)

# The source of these is the script that teams come from: seconds, and percent of successes.
DEFAULT_SECONDS: Mapping[str, float] = {SELF_HOSTED: 300.0, CLOUD: 480.0}
DEFAULT_SUCCESS: Mapping[str, float] = {SELF_HOSTED: 1.0, CLOUD: 0.95}
DEFAULT_RATIO = DEFAULT_SECONDS[CLOUD] / DEFAULT_SECONDS[SELF_HOSTED]
PRIOR_WEIGHT = 1.0  # in samples
RECENT = 30  # samples that count: an older build says little
LONGER_BY = 0.25  # of its time, what a job is expected to need that has run longer than any before


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of a run on one class, and the share of runs that the class does not spoil. `source` says from what."""

    seconds: float
    samples: int
    source: str
    reliable_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A history that was kept as sums only: runs, their mean seconds and the share of successes."""

    runs: int
    mean_seconds: float
    success_share: float


@dataclass(frozen=True, slots=True)
class _Name:
    """One job on one class."""

    workflow: str
    job: str
    runner_class: str


class Durations:
    """What is known from records and from aggregates by job and class. Records are looked at by their end."""

    def __init__(
        self, records: Iterable[JobRecord], *, aggregates: Mapping[tuple[str, str], Aggregate] | None = None
    ) -> None:
        self._aggregates = aggregates or {}
        self._records: dict[_Name, list[JobRecord]] = {}  # each under its own name
        self._legs: dict[_Name, list[JobRecord]] = {}  # of all legs, under the job's
        self._means: dict[_Name, float] = {}  # of each job's legs
        for one in sorted(records, key=lambda one: one.ended):
            self.add(one)

    def add(self, record: JobRecord) -> None:
        """Learn of one more job that has ended."""
        base = _Name(record.workflow, base_name(record.job), record.runner_class)
        for kept in (
            self._records.setdefault(_Name(record.workflow, record.job, record.runner_class), []),
            self._legs.setdefault(base, []),
        ):
            kept.append(record)
            del kept[:-RECENT]
        if seconds := _seconds(self._legs[base]):
            self._means[base] = statistics.fmean(seconds)

    def estimate(self, job: str, workflow: str, runner_class: str) -> Estimate:
        """Of one more run of this job."""
        name = _Name(workflow, job, runner_class)
        count, mean = self._own(name)
        if count:
            prior, _ = self._prior(name)
            seconds = (mean * count + prior * PRIOR_WEIGHT) / (count + PRIOR_WEIGHT)
            return Estimate(seconds, count, f"{count} run{'' if count == 1 else 's'}", self._reliable(name))
        seconds, source = self._prior(name)
        return Estimate(seconds, 0, source, self._reliable(name))

    def remaining(self, job: str, workflow: str, runner_class: str, elapsed_seconds: float) -> float:
        """What a job still needs that has run for so long: the mean of those that took longer, less that."""
        samples = _seconds(self._records.get(_Name(workflow, job, runner_class), []))
        longer = [one for one in samples if one > elapsed_seconds]
        if longer:
            return statistics.fmean(longer) - elapsed_seconds
        expected = self.estimate(job, workflow, runner_class).seconds
        return max(expected - elapsed_seconds, LONGER_BY * min(elapsed_seconds, expected))

    def start_seconds(self, runner_class: str, *, default: float) -> float:
        """The median wait of this class's jobs for a runner."""
        waits = [
            one.queue_seconds
            for name, some in self._legs.items()
            if name.runner_class == runner_class
            for one in some
            if one.queue_seconds is not None
        ]
        return statistics.median(waits) if waits else default

    def plain_figures(self, job: str, workflow: str, runner_class: str) -> tuple[float, float]:
        """Success in percent and mean seconds over all runs, as the source document's history has them."""
        records = self._legs.get(_Name(workflow, base_name(job), runner_class), [])
        known = self._aggregates.get((job, runner_class)) or Aggregate(0, 0.0, 0.0)
        runs = len(records) + known.runs
        if not runs:
            return 100 * DEFAULT_SUCCESS[runner_class], DEFAULT_SECONDS[runner_class]
        good = sum(one.outcome == SUCCESS for one in records) + known.runs * known.success_share
        seconds = sum(one.duration_seconds for one in records) + known.runs * known.mean_seconds
        return 100 * good / runs, seconds / runs

    def _own(self, name: _Name) -> tuple[int, float]:
        """Number and mean of the job's own samples."""
        seconds = _seconds(self._records.get(name, []))
        count, mean = len(seconds), statistics.fmean(seconds) if seconds else 0.0
        known = self._aggregates.get((name.job, name.runner_class))
        if known is None:
            return count, mean
        more = min(known.runs, RECENT)
        return count + more, (mean * count + known.mean_seconds * more) / (count + more)

    def _prior(self, name: _Name) -> tuple[float, str]:
        base = _Name(name.workflow, base_name(name.job), name.runner_class)
        if base.job != name.job and base in self._means:
            return self._means[base], f"{len(self._legs[base])} runs of its other legs"
        other = _Name(name.workflow, name.job, CLOUD if name.runner_class == SELF_HOSTED else SELF_HOSTED)
        count, mean = self._own(other)
        wide, source = self._wider(base)
        if not count:
            return wide, source
        # Both are drawn towards wider experience alike: else one short run on one class would speak for the other.
        mean = (mean * count + self._wider(other)[0] * PRIOR_WEIGHT) / (count + PRIOR_WEIGHT)
        factor = self._ratio() if name.runner_class == CLOUD else 1 / self._ratio()
        return mean * factor, f"its {count} runs on {other.runner_class}"

    def _wider(self, base: _Name) -> tuple[float, str]:
        """From other jobs of the workflow, or of the repository, or from nothing."""
        default = DEFAULT_SECONDS[base.runner_class]
        for within, told in ((base.workflow, "workflow"), (None, "repository")):
            means = [
                mean
                for name, mean in self._means.items()
                if name.runner_class == base.runner_class
                and name.job != base_name(base.job)
                and within in (None, name.workflow)
            ]
            if means:
                value = (sum(means) + default * PRIOR_WEIGHT) / (len(means) + PRIOR_WEIGHT)
                return value, f"{len(means)} other job{'' if len(means) == 1 else 's'} of the {told}"
        return default, "no history"

    def _ratio(self) -> float:
        """How many times longer the cloud takes, over all jobs that ran on both."""
        ratios = [
            there / here
            for name, there in self._means.items()
            if name.runner_class == CLOUD
            and (here := self._means.get(_Name(name.workflow, name.job, SELF_HOSTED), 0.0)) > 0
        ]
        middle = statistics.median(ratios) if ratios else DEFAULT_RATIO
        return max(0.01, (middle * len(ratios) + DEFAULT_RATIO * PRIOR_WEIGHT) / (len(ratios) + PRIOR_WEIGHT))

    def _reliable(self, name: _Name) -> float:
        """The share of runs that the class itself does not spoil; the code's own failures are the same everywhere."""
        every = [
            one for of, some in self._legs.items() if of.runner_class == name.runner_class for one in some
        ]
        own = self._records.get(name, [])
        lost = sum(one.outcome == INFRASTRUCTURE for one in every)
        wide = 1 - lost / len(every) if every else 1.0
        good = sum(one.outcome != INFRASTRUCTURE for one in own)
        return (good + wide * PRIOR_WEIGHT) / (len(own) + PRIOR_WEIGHT)


def _seconds(records: Iterable[JobRecord]) -> list[float]:
    """Of runs that say how long the work takes: successes, or failures if there is none, for a failure ends early."""
    found: dict[str, list[float]] = {SUCCESS: [], FAILURE: []}
    for one in records:
        if one.outcome in found:
            found[one.outcome].append(one.duration_seconds)
    return found[SUCCESS] or found[FAILURE]
