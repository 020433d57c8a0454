"""How long a job will run on each class, and how often it gets through, from few samples and many.

A mean of n samples is drawn towards what wider experience says, with the weight of a few samples (the posterior mean of
a normal with known variance ratio; Gelman et al., Bayesian Data Analysis, 2.5). Wider is: the job's time on the other
class times the ratio of the classes, the workflow, the repository, and at last fixed values.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

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


class Durations:
    """What is known from records, newest last, and from aggregates by job and class."""

    def __init__(
        self,
        records: Iterable[JobRecord],
        *,
        aggregates: Mapping[tuple[str, str], Aggregate] | None = None,
    ) -> None:
        self._aggregates = aggregates or {}
        self._samples: dict[tuple[str, str, str], list[JobRecord]] = {}
        for one in sorted(records, key=lambda one: one.ended):
            self.add(one)

    def add(self, record: JobRecord) -> None:
        """Learn of one more job that has ended."""
        for name in {record.job, base_name(record.job)}:  # a leg is also a sample of its job
            kept = self._samples.setdefault((record.workflow, name, record.runner_class), [])
            kept.append(record)
            del kept[:-RECENT]
        self.__dict__.pop("_ratio", None)

    def estimate(self, job: str, workflow: str, runner_class: str) -> Estimate:
        """Of one more run of this job."""
        seconds = self._seconds(job, workflow, runner_class)
        prior, source = self._prior(job, workflow, runner_class)
        count, mean = len(seconds), statistics.fmean(seconds) if seconds else 0.0
        if known := self._aggregates.get((job, runner_class)):
            mean = (mean * count + known.mean_seconds * min(known.runs, RECENT)) / (
                count + min(known.runs, RECENT)
            )
            count += min(known.runs, RECENT)
        value = (mean * count + prior * PRIOR_WEIGHT) / (count + PRIOR_WEIGHT)
        told = f"{count} run{'' if count == 1 else 's'}" if count else source
        return Estimate(value, count, told, self._reliable(job, workflow, runner_class))

    def remaining(self, job: str, workflow: str, runner_class: str, elapsed_seconds: float) -> float:
        """What a job still needs that has run for so long: the mean of those that took longer, less that."""
        longer = [one for one in self._seconds(job, workflow, runner_class) if one > elapsed_seconds]
        if longer:
            return statistics.fmean(longer) - elapsed_seconds
        expected = self.estimate(job, workflow, runner_class).seconds
        return max(expected - elapsed_seconds, LONGER_BY * min(elapsed_seconds, expected))

    def start_seconds(self, runner_class: str, *, default: float) -> float:
        """The median wait of this class's jobs for a runner."""
        waits = [
            one.queue_seconds
            for (_, _, kind), some in self._samples.items()
            if kind == runner_class
            for one in some
            if one.queue_seconds is not None
        ]
        return statistics.median(waits) if waits else default

    def success_percent(self, job: str, workflow: str, runner_class: str) -> int:
        """Successes among the runs of a job, in percent, as the source document's history has them."""
        records = self._of(job, workflow, runner_class)
        known = self._aggregates.get((job, runner_class))
        runs = len(records) + (known.runs if known else 0)
        if not runs:
            return round(100 * DEFAULT_SUCCESS[runner_class])
        good = sum(one.outcome == SUCCESS for one in records)
        return int(100 * (good + (known.runs * known.success_share if known else 0.0)) / runs)

    def _prior(self, job: str, workflow: str, runner_class: str) -> tuple[float, str]:
        legs = base_name(job)
        if legs != job and (seconds := self._seconds(legs, workflow, runner_class)):
            return statistics.fmean(seconds), f"{len(seconds)} runs of its other legs"
        other = CLOUD if runner_class == SELF_HOSTED else SELF_HOSTED
        if elsewhere := self._seconds(job, workflow, other):
            factor = 1 / self._ratio if runner_class == SELF_HOSTED else self._ratio
            return statistics.fmean(elsewhere) * factor, f"its {len(elsewhere)} runs on {other}"
        for wider, name in ((workflow, "workflow"), (None, "repository")):
            means = [
                statistics.fmean(seconds)
                for (of_workflow, of_job, kind) in self._samples
                if kind == runner_class
                and wider in (None, of_workflow)
                and base_name(of_job) != legs
                and (seconds := self._seconds(of_job, of_workflow, kind))
            ]
            if means:
                weight = len(means)
                default = DEFAULT_SECONDS[runner_class]
                value = (sum(means) + default * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT)
                return value, f"{weight} other jobs of the {name}"
        return DEFAULT_SECONDS[runner_class], "no history"

    @cached_property
    def _ratio(self) -> float:
        """How many times longer the cloud takes, over all jobs that ran on both."""
        default = DEFAULT_SECONDS[CLOUD] / DEFAULT_SECONDS[SELF_HOSTED]
        ratios = []
        for workflow, job, kind in self._samples:
            here = self._seconds(job, workflow, SELF_HOSTED)
            if kind == CLOUD and here and (there := self._seconds(job, workflow, CLOUD)):
                ratios.append(statistics.fmean(there) / statistics.fmean(here))
        middle = statistics.median(ratios) if ratios else default
        return (middle * len(ratios) + default * PRIOR_WEIGHT) / (len(ratios) + PRIOR_WEIGHT)

    def _reliable(self, job: str, workflow: str, runner_class: str) -> float:
        """The share of runs that the class itself does not spoil; the code's own failures are the same everywhere."""
        records = [
            one for (_, _, kind), some in self._samples.items() if kind == runner_class for one in some
        ]
        own = self._of(job, workflow, runner_class)
        spoilt = sum(one.outcome == INFRASTRUCTURE for one in records)
        wide = 1 - spoilt / len(records) if records else 1.0
        good = sum(one.outcome != INFRASTRUCTURE for one in own)
        return (good + wide * PRIOR_WEIGHT) / (len(own) + PRIOR_WEIGHT)

    def _of(self, job: str, workflow: str, runner_class: str) -> list[JobRecord]:
        return self._samples.get((workflow, job, runner_class), [])

    def _seconds(self, job: str, workflow: str, runner_class: str) -> list[float]:
        """Of runs that say how long the work takes: a cancelled or lost one does not."""
        return [
            one.duration_seconds
            for one in self._of(job, workflow, runner_class)
            if one.outcome in (SUCCESS, FAILURE)
        ]
