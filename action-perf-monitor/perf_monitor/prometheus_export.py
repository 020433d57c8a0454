"""The report as a file for node_exporter's textfile collector.

Format: Prometheus' "Exposition formats", text version 0.0.4. No timestamps: the collector refuses files with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from actionlib.errors import ActionError
from perf_monitor.report import Report

MIB = 1 << 20
_LABELS = ("repository", "workflow", "job", "runner", "host")


def check_textfile(text: str) -> None:
    """Raise ActionError unless this is a `*.prom` file in a folder that exists, or such a folder."""
    path = Path(text)
    if not path.is_dir() and not (path.suffix == ".prom" and path.parent.is_dir()):
        raise ActionError(
            f"input 'prometheus-textfile' is '{text}'; allowed: a folder that exists, or a file *.prom in one",
            hint="For example /var/lib/node_exporter/textfile_collector",
        )


def textfile_path(text: str, report: Report) -> Path:
    """Where to write. In a folder each job has a file of its own: two that write one would hide each other."""
    path = Path(text)
    if path.is_dir():
        names = [str(report.meta.get(name, "")) for name in ("repository", "workflow", "job", "runner")]
        stem = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(filter(None, names))).strip("_")[:100]
        # Names that look alike once they fit a file's name (`test (a)`, `test-a`) are told apart by their digest.
        digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]
        return path / f"coldvox_{stem or 'job'}_{digest}.prom"
    return path


def write_textfile(path: Path, report: Report) -> None:
    """Write, then rename: the collector never reads half a file. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(render(report), encoding="utf-8")
        draft.chmod(0o644)  # the collector is another user
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def render(report: Report) -> str:
    """The exposition of a report; what was not measured is absent."""
    labels = {name: str(report.meta.get(name, "")) for name in _LABELS}
    lines = []
    for name, meaning, samples in _families(report):
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_braces({**labels, **more})} {value!r}" for more, value in samples]
    return "".join(f"{line}\n" for line in lines)


def _families(report: Report) -> Iterator[tuple[str, str, list[tuple[dict[str, str], float]]]]:
    """Name, meaning and samples, in base units."""
    yield "coldvox_job_duration_seconds", "How long the job was monitored.", [({}, report.duration_seconds)]
    yield "coldvox_job_samples", "Samples that were taken.", [({}, float(report.samples))]
    totals = (
        ("job_cpu_seconds", "coldvox_job_cpu_seconds", "CPU time of the job's processes."),
        ("network_rx_bytes", "coldvox_job_network_receive_bytes", "Received by the host meanwhile."),
        ("network_tx_bytes", "coldvox_job_network_transmit_bytes", "Sent by the host meanwhile."),
        ("disk_read_bytes", "coldvox_job_disk_read_bytes", "Read by the host meanwhile."),
        ("disk_write_bytes", "coldvox_job_disk_written_bytes", "Written by the host meanwhile."),
        ("oom_kills", "coldvox_job_oom_kills", "Processes killed for want of memory meanwhile."),
    )
    for key, name, meaning in totals:
        if key in report.totals:
            yield name, meaning, [({}, float(report.totals[key]))]
    statistics = (
        ("load_avg", "coldvox_host_load1", "Load average of one minute.", 1.0),
        ("cpu_percent", "coldvox_host_cpu_ratio", "Share of all cores.", 0.01),
        ("memory_mb", "coldvox_host_memory_used_bytes", "Memory that is not available.", float(MIB)),
        ("disk_pct", "coldvox_host_disk_used_ratio", "Share of the disk in use.", 0.01),
        ("job_memory_mb", "coldvox_job_memory_bytes", "Resident sets of the job's processes.", float(MIB)),
    )
    for key, name, meaning, factor in statistics:
        if found := report.statistics.get(key):
            shown = {"mean": found.mean, "p95": found.p95, "peak": found.peak}
            yield name, meaning, [({"statistic": kind}, value * factor) for kind, value in shown.items()]
    if report.caches_mb:
        sizes = [({"cache": name}, last * MIB) for name, (_, last) in report.caches_mb.items()]
        yield "coldvox_host_cache_bytes", "Size of a cache folder at the end.", sizes
    if report.steps:
        steps = [({"step": one.name}, one.cpu_seconds) for one in report.steps]
        yield "coldvox_step_cpu_seconds", "CPU time of a step's processes.", steps


def _braces(labels: Mapping[str, str]) -> str:
    def escape(value: str) -> str:
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"
