"""What a run waited for: memory, I/O, the CPU, or nothing.

Judged by pressure stall information (docs.kernel.org/accounting/psi.html) where the kernel has it: the share of time in
which work stood still for want of a resource. High use alone is no bottleneck, except of the CPU, where it means that
more cores would have been used.
"""

from __future__ import annotations

from dataclasses import dataclass

from perf_monitor.limits import BUSY_PERCENT
from perf_monitor.report import Report
from perf_monitor.wording import percent, plain, span

# The share of the run in which a resource must have been short before the run counts as limited by it. Lower for
# what hurts more: a host that is short of memory for a tenth of the time has lost its page cache for much longer.
SHARES = {"memory": 0.10, "io": 0.20, "cpu": 0.30}
NAMES = {"memory": "memory", "io": "disk I/O", "cpu": "the CPU"}
_QUOTA_THROTTLED_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """`kind` is memory, io, cpu, none or unknown; `evidence` a sentence with the figures, without its full stop."""

    kind: str
    evidence: str
    others: tuple[str, ...] = ()


def find_bottleneck(report: Report) -> Bottleneck:
    """The resource that was short for the longest, memory before I/O before the CPU where they are even.

    Unknown when the file has neither pressure nor the use of the CPU (one of the old script).
    """
    measured = {"cpu_percent", "pressure_cpu_percent", "pressure_io_full_percent"} & report.statistics.keys()
    short = {kind: share for kind, share in _shares(report).items() if share >= SHARES[kind]}
    ranked = sorted(short, key=lambda kind: short[kind], reverse=True)  # stable: memory, io, cpu
    if ranked:
        first = ranked[0]
        return Bottleneck(first, _evidence(report, first), tuple(ranked[1:]))
    if not measured:
        return Bottleneck("unknown", "the file has no figures that could tell")
    return Bottleneck("none", _quiet(report))


def _shares(report: Report) -> dict[str, float]:
    length = report.seconds_over.get("measured", 0.0)

    def share(*metrics: str) -> float:
        return max(report.seconds_over.get(metric, 0.0) for metric in metrics) / length if length > 0 else 0.0

    throttled = report.statistics.get("cgroup_throttled_percent")
    return {
        "memory": 1.0 if report.totals.get("oom_kills", 0) > 0 else share("pressure-memory-percent"),
        "io": share("pressure-io-percent"),
        "cpu": 1.0
        if throttled and throttled.mean >= _QUOTA_THROTTLED_PERCENT
        else share("pressure-cpu-percent", "cpu-busy"),
    }


def _mean(report: Report, column: str) -> str | None:
    found = report.statistics.get(column)
    return percent(found.mean) if found else None


def _evidence(report: Report, kind: str) -> str:
    parts: list[str] = []
    if kind == "memory":
        if kills := report.totals.get("oom_kills", 0):
            parts.append(
                f"the kernel killed {kills:.0f} process{'' if kills == 1 else 'es'} for want of memory"
            )
        if stalled := _mean(report, "pressure_memory_full_percent"):
            parts.append(f"everything stood still for memory in {stalled} of the time")
        if found := report.statistics.get("memory_percent"):
            parts.append(f"memory was {percent(found.peak)} full at its peak")
    elif kind == "io":
        if stalled := _mean(report, "pressure_io_full_percent"):
            parts.append(f"everything stood still for I/O in {stalled} of the time")
        if waiting := _mean(report, "pressure_io_percent"):
            parts.append(f"something waited for it in {waiting}")
    else:
        if busy := report.statistics.get("cpu_percent"):
            long = report.seconds_over.get("cpu-busy", 0.0)
            parts.append(
                f"the cores were {percent(busy.mean)} busy on average, above {BUSY_PERCENT:g} % for {span(long)}"
            )
        if waiting := _mean(report, "pressure_cpu_percent"):
            parts.append(f"a task waited for a core in {waiting} of the time")
        throttled = report.statistics.get("cgroup_throttled_percent")
        if throttled and throttled.mean >= _QUOTA_THROTTLED_PERCENT:
            parts.append(f"the container's CPU quota ran out in {percent(throttled.mean)} of its periods")
    return "; ".join(parts)


def _quiet(report: Report) -> str:
    waits = [
        f"{name} {value}"
        for name, column in (
            ("CPU", "pressure_cpu_percent"),
            ("memory", "pressure_memory_full_percent"),
            ("I/O", "pressure_io_full_percent"),
        )
        if (value := _mean(report, column))
    ]
    if waits:
        return f"shares of the time spent waiting: {', '.join(waits)}"
    busy = report.statistics.get("cpu_percent")
    load = report.statistics.get("load_avg")
    return (
        f"CPU {percent(busy.mean)} busy, average load {plain(load.mean) if load else 'unknown'}"
        if busy
        else ""
    )


def headline(report: Report, found: Bottleneck) -> str:
    """One sentence, read first: how long it took and what held it up, with peak memory."""
    length = span(report.duration_seconds)
    if found.kind == "unknown":
        verdict = ""
    elif found.kind == "none":
        verdict = ", held up by nothing"
    else:
        others = f" (also by {' and '.join(NAMES[kind] for kind in found.others)})" if found.others else ""
        verdict = f", limited by {NAMES[found.kind]}{others}"
    return f"{length}{verdict}: {_use(report)}" if _use(report) else f"{length}{verdict}"


def _use(report: Report) -> str:
    parts: list[str] = []
    if busy := report.statistics.get("cpu_percent"):
        parts.append(f"CPU {percent(busy.mean)} busy on average")
    if load := report.statistics.get("load_avg"):
        cores = report.meta.get("cores")
        parts.append(f"load up to {plain(load.peak)}{f' on {cores:g} cores' if cores else ''}")
    if used := report.statistics.get("memory_percent"):
        parts.append(f"memory up to {percent(used.peak)}")
    return ", ".join(parts)
