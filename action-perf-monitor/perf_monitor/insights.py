"""What the figures mean, in sentences: at most six, the most important first.

The first two rules, on average load and average memory, are those of the script that this action replaces; its limits
(a load of 4, 20000 MB) were one laptop's, so they are relative here wherever the size of the host is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from perf_monitor.bottleneck import NAMES, Bottleneck
from perf_monitor.limits import limit_of
from perf_monitor.report import Insight, Report
from perf_monitor.wording import memory, percent, plain, printable, span

MOST = 6
SOURCE_LOAD = 4.0  # the old script's limit, for files that do not say how many cores there were
UNSEEN_SHARE = 0.20
DOMINANT_SHARE = 0.60
OWN_COST_CORES = 0.01  # more than one per cent of a core is worth a word
_SWAP_MB = 256.0
_GROWTH_MB = 100.0

Ranked = tuple[int, Insight]  # the higher, the more important


def find_insights(report: Report, bottleneck: Bottleneck) -> list[Insight]:
    """All that applies, cut to the most important."""
    rules = (
        _out_of_memory,
        _disk,
        _load,
        _memory,
        _swap,
        _unseen,
        _steps,
        _caches,
        _one_core,
        _neighbours,
        _own_cost,
    )
    found = [*_waiting(bottleneck), *(ranked for rule in rules for ranked in rule(report, bottleneck))]
    found.sort(key=lambda ranked: -ranked[0])
    return [insight for _, insight in found[:MOST]]


def _waiting(bottleneck: Bottleneck) -> Iterator[Ranked]:
    if bottleneck.kind == "none":
        text = f"Neither the CPU nor memory nor I/O was short; {bottleneck.evidence}."
        yield 44, Insight("good", "No bottleneck", text)
    elif bottleneck.kind != "unknown":
        also = "".join(f" It was also short of {NAMES[kind]}." for kind in bottleneck.others)
        title = {"cpu": "CPU bottleneck", "io": "I/O bottleneck", "memory": "Memory bottleneck"}[
            bottleneck.kind
        ]
        yield 90, Insight("warning", title, f"{_sentence(bottleneck.evidence)}.{also}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _out_of_memory(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    kills = report.totals.get("oom_kills", 0)
    if kills > 0:
        some = "1 process was" if kills == 1 else f"{kills:.0f} processes were"
        text = f"{some} killed on this host for want of memory while it ran; a failure may be due to that."
        yield 100, Insight("warning", "Out of memory", text)


def _disk(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    used, limit = report.statistics.get("disk_pct"), limit_of(report.meta, "disk-percent")
    if used and limit is not None and used.peak >= limit:
        free = report.statistics.get("disk_free_mb")
        left = f", {memory(free.minimum)} free at the least" if free else ""
        text = f"The disk was {percent(used.peak)} full{left}; at 100 % jobs fail."
        yield 85, Insight("warning", "Disk nearly full", text)


def _load(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    load, per_core = report.statistics.get("load_avg"), report.statistics.get("load_per_core")
    if load is None:
        return
    if per_core:
        limit = limit_of(report.meta, "load-per-core")
        value, known = per_core.mean, f"{plain(load.mean)}, {plain(per_core.mean)} per core"
    else:
        limit, value = SOURCE_LOAD, load.mean
        known = f"{plain(load.mean)}; the number of cores is not known"
    if limit is not None and value > limit:
        text = (
            f"The average load ({known}) is above {plain(limit)}: more work than the cores could do at once."
        )
        yield 75, Insight("warning", "High CPU usage", text)
    elif bottleneck.kind != "cpu":
        yield 30, Insight("good", "CPU usage", f"Normal load average ({known}).")


def _memory(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    used, share = report.statistics.get("memory_mb"), report.statistics.get("memory_percent")
    limit = limit_of(report.meta, "memory-percent")
    if used is None or share is None or limit is None:
        return
    if share.mean >= limit:
        text = f"On average {memory(used.mean)} ({percent(share.mean)}) were in use, near what the host has."
        yield 74, Insight("warning", "High memory usage", text)
    elif share.peak >= limit:
        text = (
            f"It reached {memory(used.peak)} ({percent(share.peak)}); the average was {percent(share.mean)}."
        )
        yield 55, Insight("note", "Memory peak", text)
    elif bottleneck.kind != "memory":
        known = f"{memory(used.mean)}, {percent(share.mean)}; peak {percent(share.peak)}"
        yield 29, Insight("good", "Memory usage", f"Normal memory consumption ({known}).")


def _swap(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    used, share = report.statistics.get("swap_used_mb"), report.statistics.get("swap_percent")
    if used is None:
        return
    grown, limit = used.peak - used.minimum, limit_of(report.meta, "swap-percent")
    full = share is not None and limit is not None and share.peak >= limit
    if full or grown >= _SWAP_MB:
        part = f" ({percent(share.peak)} of it)" if share else ""
        text = f"Up to {memory(used.peak)} were swapped out{part}; it grew by {memory(grown)} meanwhile."
        yield 70, Insight("warning" if full else "note", "Swapping", text)


def _unseen(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    seen = sum(step.cpu_seconds for step in report.steps)
    whole = seen + report.unseen_cpu_seconds
    if whole > 0 and report.unseen_cpu_seconds / whole > UNSEEN_SHARE:
        share = percent(100 * report.unseen_cpu_seconds / whole)
        text = f"{share} of the CPU time is of processes that no sample saw; shorten the interval to attribute it."
        yield 60, Insight("note", "Short-lived processes", text)


def _steps(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    whole = sum(step.cpu_seconds for step in report.steps) + report.unseen_cpu_seconds
    if len(report.steps) < 2 or whole <= 1:
        return
    dearest = max(report.steps, key=lambda step: step.cpu_seconds)
    if dearest.cpu_seconds / whole >= DOMINANT_SHARE:
        share = percent(100 * dearest.cpu_seconds / whole)
        name = printable(dearest.name, limit=60)
        text = f"Step '{name}' took {share} of the job's CPU time ({span(dearest.cpu_seconds)}): look there first."
        yield 50, Insight("note", "One step dominates", text)


def _caches(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    grown = {
        name: last - first
        for name, (first, last) in report.caches_mb.items()
        if last - first >= _GROWTH_MB and last >= 1.1 * first
    }
    if grown:
        names = sorted(grown, key=lambda name: -grown[name])
        each = ", ".join(f"'{printable(name, limit=40)}' by {memory(grown[name])}" for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield 45, Insight("note", "Caches grew", f"{each}{more}: prune them if that happens at every run.")


def _one_core(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    busy, cores = report.statistics.get("job_cpu_percent"), report.meta.get("cores", 0)
    if busy and cores >= 4 and bottleneck.kind == "none":
        used = busy.mean * cores / 100
        if 0.7 <= used <= 1.3:
            text = f"The job used {plain(used)} of {cores:g} cores on average: it may run faster in parallel."
            yield 48, Insight("note", "Mostly one core", text)


def _neighbours(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    jobs = report.statistics.get("active_jobs")
    if jobs and jobs.peak >= 2:
        text = (
            f"Up to {jobs.peak:.0f} jobs ran on this host at once; the host's figures are about all of them."
        )
        yield 42, Insight("note", "Shared host", text)


def _own_cost(report: Report, bottleneck: Bottleneck) -> Iterator[Ranked]:
    cpu = report.sampler.get("cpu_seconds")
    if cpu is None or report.duration_seconds <= 0:
        return
    cores = cpu / report.duration_seconds
    held = f", {report.sampler['peak_memory_mb']:.0f} MiB" if "peak_memory_mb" in report.sampler else ""
    cost = f"{cpu:.2f} s of CPU ({100 * cores:.2f} % of a core){held}"
    if cores > OWN_COST_CORES:
        yield 65, Insight("note", "The monitor itself", f"It used {cost}; a longer interval costs less.")
    else:
        yield 10, Insight("good", "The monitor itself", f"It used {cost}.")
