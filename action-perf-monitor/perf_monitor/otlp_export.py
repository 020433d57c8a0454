"""The report as OpenTelemetry metrics, sent as JSON over HTTP.

Names: OpenTelemetry's semantic conventions for system metrics and CI/CD (`system.*`, `cicd.*`); encoding: OTLP
specification, "JSON Protobuf Encoding" (64-bit integers as text, names in lowerCamelCase).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from perf_monitor.report import Report

TIMEOUT_SECONDS = 5.0
MIB = 1 << 20
Point = dict[str, Any]


def send(endpoint: str, report: Report, *, headers: Mapping[str, str]) -> str:
    """Send a report. Returns what went wrong, for a warning; empty when it was taken. Never raises."""
    import requests
    from urllib3.exceptions import HTTPError

    data = json.dumps(payload(report, now=time.time()))
    all_headers = {**headers, "Content-Type": "application/json"}
    try:
        # Streamed, because an answer without an end would hold the job up: the time limit is that of each read.
        with requests.post(
            endpoint,
            data=data,
            headers=all_headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if 200 <= answer.status_code < 300:
                return ""
            said = answer.raw.read1(200, decode_content=False)
            return f"it answered {answer.status_code} {said.decode(errors='replace')!r}"
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
        # The exception's own text would show the value, which may be a password.
        return "OTEL_EXPORTER_OTLP_HEADERS holds what cannot be a header's name or value"
    except (requests.RequestException, HTTPError, OSError) as error:
        return f"{type(error).__name__}: {error}"[:300]


def parse_headers(text: str) -> dict[str, str]:
    """`OTEL_EXPORTER_OTLP_HEADERS`: pairs name=value, separated by commas, values percent-encoded."""
    from urllib.parse import unquote

    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, equals, value in pairs if equals and name.strip()}


def payload(report: Report, *, now: float) -> dict[str, Any]:
    """An ExportMetricsServiceRequest. `now`: seconds since 1970, for runs whose beginning is not known."""
    begin = float(report.meta.get("started_unix") or now - report.duration_seconds)
    times = {
        "startTimeUnixNano": str(int(begin * 1e9)),
        "timeUnixNano": str(int((begin + report.duration_seconds) * 1e9)),
    }
    metrics = [
        {"name": name, "unit": unit, "description": meaning, kind: data}
        for name, unit, meaning, kind, points in _metrics(report)
        for data in (_data(kind, [{**times, **point} for point in points]),)
    ]
    scope = {"name": "coldvox-actions/perf-monitor"}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": _attributes(_resource(report))},
                "scopeMetrics": [{"scope": scope, "metrics": metrics}],
            }
        ]
    }


def _data(kind: str, points: list[Point]) -> dict[str, Any]:
    # 2 is AGGREGATION_TEMPORALITY_CUMULATIVE: a run's totals, from its beginning.
    return {"dataPoints": points} | (
        {"aggregationTemporality": 2, "isMonotonic": True} if kind == "sum" else {}
    )


def _resource(report: Report) -> dict[str, str]:
    meta = report.meta
    found = {
        "service.name": "github-actions",
        "host.name": meta.get("host"),
        "os.description": meta.get("operating_system"),
        "cicd.pipeline.name": meta.get("workflow"),
        "cicd.pipeline.run.id": meta.get("run_id"),
        "cicd.pipeline.run.url.full": meta.get("run_url"),
        "cicd.pipeline.task.name": meta.get("job"),
        "cicd.worker.name": meta.get("runner"),
        "vcs.repository.name": meta.get("repository"),
        "vcs.ref.head.name": meta.get("ref"),
        "vcs.ref.head.revision": meta.get("sha"),
    }
    return {name: str(value) for name, value in found.items() if value}


def _metrics(report: Report) -> Iterator[tuple[str, str, str, str, list[Point]]]:
    """Name, unit (UCUM), meaning, kind and points."""
    yield (
        "cicd.pipeline.run.duration",
        "s",
        "Time that was monitored.",
        "gauge",
        [_point(report.duration_seconds)],
    )
    for key, name, unit, meaning, factor in (
        ("cpu_percent", "system.cpu.utilization", "1", "Share of all cores.", 0.01),
        ("load_avg", "system.cpu.load_average.1m", "{run_queue_item}", "Load average of one minute.", 1.0),
        ("memory_mb", "system.memory.usage", "By", "Memory that is not available.", MIB),
        ("memory_percent", "system.memory.utilization", "1", "Share of memory that is not available.", 0.01),
        ("disk_pct", "system.filesystem.utilization", "1", "Share of the disk in use.", 0.01),
        ("job_memory_mb", "process.memory.usage", "By", "Resident sets of the job's processes.", MIB),
    ):
        if found := report.statistics.get(key):
            values = {"mean": found.mean, "p95": found.p95, "max": found.peak}
            points = [_point(value * factor, statistic=kind) for kind, value in values.items()]
            yield name, unit, meaning, "gauge", points
    for name, direction, pairs in (
        (
            "system.network.io",
            "network.io.direction",
            {"receive": "network_rx_bytes", "transmit": "network_tx_bytes"},
        ),
        ("system.disk.io", "disk.io.direction", {"read": "disk_read_bytes", "write": "disk_write_bytes"}),
    ):
        points = [
            _point(report.totals[key], **{direction: value})
            for value, key in pairs.items()
            if key in report.totals
        ]
        if points:
            yield name, "By", "Of the host, during the run.", "sum", points
    if "job_cpu_seconds" in report.totals:
        meaning = "CPU time of the job's processes."
        yield "process.cpu.time", "s", meaning, "sum", [_point(report.totals["job_cpu_seconds"])]


def _point(value: float, **attributes: str) -> Point:
    return {"asDouble": float(value), "attributes": _attributes(attributes)}


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in values.items()]
