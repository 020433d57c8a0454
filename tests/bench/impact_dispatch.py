"""Blocker 8, fallback: traces with outages under the state before, the document's dispatch, and the actions'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from baseline.dispatch import DocumentSimulation
from impact_report import Claim, Part, change, of, percent, prose, reduction, table

from smart_dispatch.simulated_policies import ALWAYS, CLAIRVOYANT, policies, weights_of
from smart_dispatch.simulation import LOST_AFTER_SECONDS, SimulatedJob, Simulation
from smart_dispatch.traces import Trace, synthetic_trace

SEEDS = range(200, 206)  # those of the benchmark: nothing was tuned with them
JOBS = 1500
SLOTS = 4
LATE_SECONDS = 3600.0
DOCUMENT, SCORE, OURS = "document", "score", "expected-time"


@dataclass
class Tally:
    """What became of the jobs of all traces."""

    jobs: int = 0
    lost: int = 0  # their runner went away under them at least once
    late: int = 0  # not lost, and an hour later than on a free host of ours
    cloud_minutes: float = 0.0

    @property
    def failed(self) -> int:
        """Jobs that nobody can rely on."""
        return self.lost + self.late


def run() -> Part:
    """Replay all traces; takes about a minute."""
    tallies: dict[str, Tally] = {}
    outages = 0
    for seed in SEEDS:
        trace = synthetic_trace(seed, jobs=JOBS, slots=SLOTS)
        outages += len(trace.outages)
        for name, make in contenders(trace).items():
            add(tallies.setdefault(name, Tally()), make())
    return part(tallies, outages)


def contenders(trace: Trace) -> dict[str, Callable[[], Simulation]]:
    """Fresh simulations by name."""
    named = policies(weights_of(1.0, 60))

    def plain(name: str) -> Callable[[], Simulation]:
        return lambda: Simulation(trace, slots=SLOTS, policy=named[name])

    return {
        ALWAYS: plain(ALWAYS),
        DOCUMENT: lambda: DocumentSimulation(trace, slots=SLOTS),
        **{name: plain(name) for name in (SCORE, OURS, CLAIRVOYANT)},
    }


def add(tally: Tally, simulation: Simulation) -> None:
    """Play it, and count. What is lost is asked for again by hand; that it ended later does not mend it."""
    lost: set[int] = set()
    ended: dict[int, float] = {}
    give_up, end = simulation._give_up, simulation._end

    def given_up(job: SimulatedJob) -> None:
        lost.add(id(job.of))
        give_up(job)

    def has_ended(job: SimulatedJob) -> None:
        ended[id(job.of)] = simulation._now
        end(job)

    simulation._give_up, simulation._end = given_up, has_ended  # type: ignore[method-assign]
    outcome = simulation.run()
    for job in simulation.trace.jobs:
        late = ended[id(job)] - job.submit > job.self_hosted + LATE_SECONDS
        tally.jobs += 1
        tally.lost += id(job) in lost
        tally.late += id(job) not in lost and late
    tally.cloud_minutes += outcome.cloud_seconds / 60


def part(tallies: dict[str, Tally], outages: int) -> Part:
    """The claims of line 2288."""
    before, document, ours = (tallies[name] for name in (ALWAYS, DOCUMENT, OURS))

    def reliability(tally: Tally) -> float:
        return 1 - tally.failed / tally.jobs

    claims = [
        Claim(
            2288, "99 % reliability by fallback",
            f"{percent(reliability(document))} ({percent(reliability(before))} before)",
            percent(reliability(ours)), reliability(document) >= 0.99, reliability(ours) >= 0.99,
        ),
        Claim(
            2288, "50 % fewer job failures",
            f"{before.failed} before, {document.failed}: {change(before.failed, document.failed)}",
            f"{ours.failed}: {change(before.failed, ours.failed)}",
            reduction(before.failed, document.failed) >= 0.5, reduction(before.failed, ours.failed) >= 0.5,
        ),
    ]  # fmt: skip
    told = {
        ALWAYS: "before: always self-hosted",
        DOCUMENT: "document: health job, dispatcher, job",
        SCORE: "document's score, if it were known without a health job (`policy: score`)",
        OURS: "actions (`policy: expected-time`)",
        CLAIRVOYANT: "clairvoyant, for comparison",
    }
    rows = [
        (told[name], percent(reliability(one)), of(one.failed, one.jobs), one.lost, one.late,
         one.cloud_minutes / one.jobs)
        for name, one in tallies.items()
    ]  # fmt: skip
    columns = ("", "reliable", "failures", "lost with their runner", "an hour late", "cloud minutes per job")
    body = [
        prose(f"""
            **Workload.** {len(SEEDS)} made traces (seeds {SEEDS[0]} to {SEEDS[-1]}) of {JOBS} jobs for a host with
            {SLOTS} slots, with {outages} outages of 15 minutes to 9 hours in all, replayed event by event. A failure
            is a job whose runner went away under it ({LOST_AFTER_SECONDS / 60:.0f} minutes later somebody asks for it
            again), or that ended more than an hour later than a free host of ours would have ended it. A dispatcher
            sees an outage two minutes late.
        """),
        table(columns, rows),
        prose("""
            **Found.** The document's health job (lines 1844-1953) runs on the host that it asks about. While that is
            away, it waits, and the fallback with it: `timeout-minutes` counts from a job's start. It needs a free
            slot, so that each job queues twice. Its score does not see jobs (lines 1872-1873 look for a process name
            that no worker has), and the engine of lines 2096-2286 is called by no workflow. A job that runs when its
            host goes away is lost under every policy that cannot see into the future.
        """),
        "Not shown: failures of tests themselves, outages of the cloud, real queues at GitHub.",
    ]
    return Part("8. Fallback to the cloud", claims, body)
