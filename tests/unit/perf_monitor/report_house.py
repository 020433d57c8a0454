"""Writes the files of a monitor as a believable run would leave them: a cargo build on eight cores, seeded.

`write_run(folder)` is a run of an hour of samples every 5 s with five steps, one spike of memory, a cache that grows
and three alerts; its `seconds` and `interval` make it shorter, longer or finer.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from perf_monitor.monitor_files import MonitorFiles
from perf_monitor.samples import SampleWriter

CORES, MEMORY_MB, STARTED = 8, 15884, 1795487400
SPIKE_MB = 13771.0  # in one sample only, while linking
# step, share of the run, busy share of the CPU, waiting for a core, for I/O, MB/s written, MB/s received
STEPS = (
    ("checkout", 0.04, 0.07, 1, 6, 20, 9),
    ("restore-cache", 0.08, 0.14, 2, 22, 150, 0.2),
    ("build", 0.58, 0.96, 71, 2, 28, 0.1),
    ("test", 0.22, 0.62, 18, 3, 9, 0.1),
    ("save-cache", 0.08, 0.16, 3, 27, 130, 0.1),
)
PROGRAMS = (
    ("rustc", 0.71, 3200, 418),
    ("ld.lld", 0.09, 5900, 37),
    ("cargo", 0.05, 410, 3),
    ("voice_app-7f3a", 0.08, 880, 64),
)


def write_run(
    folder: Path, *, seconds: float = 724, interval: float = 5, seed: int = 7, job: str = "build-and-test"
) -> MonitorFiles:
    """Write all files of a run that `stop` ended."""
    files = MonitorFiles(folder / f"metrics_20261124_023000_{job}")
    chance = random.Random(seed)
    count = int(seconds / interval)
    writer = SampleWriter(files.csv, ("models",))
    spike = int(count * 0.62)
    used: dict[str, float] = {name: 0.0 for name, *_ in STEPS}
    load, rust = 0.6, 1830.0
    received = sent = read = written = 90_000_000
    try:
        for index in range(1, count + 1):
            at = index * interval
            name, busy, waits, stalls, disk, net = _step(at / seconds)
            cpu = min(1.0, max(0.01, busy + chance.gauss(0, 0.05)))
            load += (cpu * CORES * (1 + waits / 120) - load) * (1 - 2.718 ** (-interval / 60))
            memory = 2900 + 5200 * cpu * min(1, at / seconds * 3) + chance.gauss(0, 130)
            memory = SPIKE_MB if index == spike else memory
            rust += 2.1 * interval if name == "build" and at < 0.8 * seconds else 0
            down, up = net * interval * 1e6 * chance.uniform(0.4, 1.4), 4000 * interval
            out, back = (
                disk * interval * 1e6 * chance.uniform(0.2, 1.6),
                disk * interval * 3e5 * chance.random(),
            )
            received, sent = received + int(down), sent + int(up)
            read, written = read + int(back) // 512, written + int(out) // 512
            burnt = cpu * CORES * interval * 0.94
            used[name] += burnt
            writer.add(
                {
                    "timestamp": f"2026-11-24 {2 + int(at) // 3600:02}:{int(at) // 60 % 60:02}:{int(at) % 60:02}",
                    "load_avg": load,
                    "load_5": load * 0.8,
                    "load_15": load * 0.5,
                    "load_per_core": load / CORES,
                    "memory_mb": memory,
                    "memory_available_mb": MEMORY_MB - memory,
                    "disk_pct": 71 + 6 * at / seconds,
                    "memory_percent": 100 * memory / MEMORY_MB,
                    "swap_used_mb": 12.0,
                    "swap_percent": 0.6,
                    "network_rx": received,
                    "network_tx": sent,
                    "disk_read": read,
                    "disk_write": written,
                    "network_rx_bytes": down,
                    "network_tx_bytes": up,
                    "disk_read_bytes": back,
                    "disk_write_bytes": out,
                    "cache_size_mb": 412,
                    "rust_cache_mb": rust,
                    "models_mb": 48,
                    "active_jobs": 1,
                    "workflow_id": "19876543210",
                    "job_name": job,
                    "run_attempt": "1",
                    "step_name": name,
                    "unix_seconds": STARTED + at,
                    "elapsed_seconds": at,
                    "interval_seconds": interval,
                    "cpu_percent": 100 * cpu,
                    "cpu_user_percent": 88 * cpu,
                    "cpu_system_percent": 11 * cpu,
                    "pressure_cpu_percent": _near(chance, waits),
                    "pressure_memory_percent": 0.3 if index == spike else 0,
                    "pressure_memory_full_percent": 0,
                    "pressure_io_percent": _near(chance, stalls * 1.7),
                    "pressure_io_full_percent": _near(chance, stalls),
                    "oom_kills": 0,
                    "disk_free_mb": 61000 - at,
                    "job_cpu_seconds": burnt,
                    "job_memory_mb": memory - 2400,
                    "job_processes": 4 + 20 * cpu,
                    "processes": 240 + int(20 * cpu),
                }
            )
    finally:
        writer.close()
    files.meta.write_text(json.dumps(meta(job=job, interval=interval)))
    files.steps.write_text(json.dumps(_attribution(used, seconds=seconds, samples=count)))
    files.alerts.write_text("".join(json.dumps(alert) + "\n" for alert in _alerts(spike * interval, seconds)))
    return files


def meta(*, job: str = "build-and-test", interval: float = 5) -> dict[str, Any]:
    """What `start` knows."""
    return {
        "format": 1,
        "started_unix": STARTED,
        "repository": "coldvox/coldvox",
        "workflow": "CI",
        "job": job,
        "run_id": "19876543210",
        "run_attempt": "1",
        "run_url": "https://github.com/coldvox/coldvox/actions/runs/19876543210",
        "ref": "refs/heads/main",
        "sha": "4be1c2f09a7d55e3b8f0a1c2d3e4f5a6b7c8d9e0",
        "event": "push",
        "pull_request": None,
        "runner": "nobara-2",
        "host": "nobara",
        "operating_system": "Nobara Linux 42",
        "cores": CORES,
        "memory_mb": MEMORY_MB,
        "interval_seconds": interval,
        "max_runtime_seconds": 3600,
        "disk_path": "/",
        "caches": {"rust_cache": "~/.cargo"},
        "thresholds": {"load-per-core": {"warning": 1.5, "critical": 3.0}},
        "versions": {"python": "3.13.1", "psutil": "7.1.0", "action": "v1"},
        "mode": "start",
    }


def _near(chance: random.Random, value: float) -> float:
    return min(100.0, max(0.0, value * chance.uniform(0.7, 1.25)))


def _step(part: float) -> tuple[str, float, float, float, float, float]:
    end = 0.0
    for name, share, *rest in STEPS:
        end += share
        if part <= end:
            return (name, *rest)
    return (STEPS[-1][0], *STEPS[-1][2:])


def _attribution(used: dict[str, float], *, seconds: float, samples: int) -> dict[str, Any]:
    steps, begin = [], 0.0
    for number, (name, share, *_) in enumerate(STEPS):
        end = begin + share * seconds
        peak = (240, 510, 10870, 2950, 480)[number]
        steps.append(
            {
                "step": name,
                "cpu_seconds": used[name],
                "peak_memory_mb": peak,
                "first_seconds": begin,
                "last_seconds": end,
                "processes": (6, 4, 561, 92, 4)[number],
            }
        )
        begin = end
    whole = sum(used.values())
    return {
        "steps": steps,
        "unseen_cpu_seconds": 0.04 * whole,
        "other_cpu_seconds": 3.4,
        "ended": "stop",
        "programs": [
            {"name": name, "cpu_seconds": share * whole, "peak_memory_mb": peak, "processes": number}
            for name, share, peak, number in PROGRAMS
        ],
        "sampler": {"cpu_seconds": 0.0009 * samples, "peak_memory_mb": 13.6, "samples": samples},
    }


def _alerts(spike: float, seconds: float) -> list[dict[str, Any]]:
    crossed = (
        (0.31 * seconds, "pressure-cpu-percent", "concerning", 64.0, 60.0),
        (0.36 * seconds, "load-per-core", "concerning", 1.52, 1.5),
        (spike, "memory-percent", "concerning", 86.7, 80.0),
    )
    return [
        {
            "elapsed_seconds": at,
            "unix_seconds": STARTED + at,
            "metric": metric,
            "level": level,
            "value": value,
            "limit": limit,
            "text": f"{metric} {value:g} (limit {limit:g})",
        }
        for at, metric, level, value, limit in crossed
    ]
