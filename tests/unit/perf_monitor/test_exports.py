"""What leaves the host, read by the parsers of those who take it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from actionlib.errors import ActionError
from perf_monitor import otlp_export, prometheus_export
from perf_monitor.building import build_report
from perf_monitor.report import Report
from unit.perf_monitor.report_house import write_run

ODD = 'a "quoted" \\ back\nslash'


@pytest.fixture
def report(tmp_path) -> Report:
    found = build_report(write_run(tmp_path))
    return dataclasses.replace(found, meta={**found.meta, "workflow": ODD})


def test_prometheus_reads_every_family_in_base_units(report):
    families = {one.name: one for one in text_string_to_metric_families(prometheus_export.render(report))}
    (duration,) = families["coldvox_job_duration_seconds"].samples
    assert duration.value == report.duration_seconds
    assert duration.labels["workflow"] == ODD
    assert duration.timestamp is None
    peak = next(
        one for one in families["coldvox_host_memory_used_bytes"].samples if one.labels["statistic"] == "peak"
    )
    assert peak.value == report.statistics["memory_mb"].peak * 2**20
    steps = {one.labels["step"]: one.value for one in families["coldvox_step_cpu_seconds"].samples}
    assert steps == {one.name: one.cpu_seconds for one in report.steps}
    assert all(one.documentation and one.type == "gauge" for one in families.values())


def test_a_textfile_is_replaced_at_once_and_readable_by_the_collector(report, tmp_path):
    path = tmp_path / "job.prom"
    path.write_text("old")
    reader = path.open()
    prometheus_export.write_textfile(path, report)
    assert reader.read() == "old"  # renamed, not written into
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.glob("*.prom*")] == ["job.prom"]


def test_in_a_folder_each_job_has_a_file_of_its_own(report, tmp_path):
    other = dataclasses.replace(report, meta={**report.meta, "job": "other"})
    paths = {prometheus_export.textfile_path(str(tmp_path), one) for one in (report, other)}
    assert len(paths) == 2
    assert all(path.parent == tmp_path and path.suffix == ".prom" for path in paths)


@pytest.mark.parametrize("text", ["/absent/x.prom", "metrics.txt"])
def test_a_textfile_that_nobody_would_read_is_refused(text):
    with pytest.raises(ActionError, match="input 'prometheus-textfile' is "):
        prometheus_export.check_textfile(text)


def test_the_payload_is_opentelemetrys(report):
    request = json_format.Parse(
        json.dumps(otlp_export.payload(report, now=0)),
        ExportMetricsServiceRequest(),
        ignore_unknown_fields=False,
    )
    (resource,) = request.resource_metrics
    attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert attributes["cicd.pipeline.name"] == ODD
    assert attributes["cicd.worker.name"] == report.meta["runner"]
    metrics = {one.name: one for one in resource.scope_metrics[0].metrics}
    (duration,) = metrics["cicd.pipeline.run.duration"].gauge.data_points
    assert duration.as_double == report.duration_seconds
    assert duration.time_unix_nano - duration.start_time_unix_nano == pytest.approx(
        report.duration_seconds * 1e9, rel=1e-6
    )
    network = metrics["system.network.io"].sum
    assert network.is_monotonic
    assert {one.attributes[0].value.string_value: one.as_double for one in network.data_points} == {
        "receive": report.totals["network_rx_bytes"],
        "transmit": report.totals["network_tx_bytes"],
    }


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    received: list[tuple[dict[str, str], bytes]] = []  # noqa: RUF012
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.received.append((dict(self.headers), body))
        self.send_response(Receiver.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    Receiver.received, Receiver.status = [], 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/metrics"
    server.shutdown()
    server.server_close()


def test_a_receiver_gets_payload_and_headers(report, endpoint):
    headers = otlp_export.parse_headers("Authorization=Bearer%20abc, x-team = ci,nonsense")
    assert otlp_export.send(endpoint, report, headers=headers) == ""
    ((got, body),) = Receiver.received
    assert got["Authorization"] == "Bearer abc"
    assert got["x-team"] == "ci"
    assert got["Content-Type"] == "application/json"
    json_format.Parse(body, ExportMetricsServiceRequest())


def test_a_receiver_that_refuses_is_told_and_no_error(report, endpoint):
    Receiver.status = 503
    assert "503" in otlp_export.send(endpoint, report, headers={})


def test_nobody_there_is_told_and_no_error(report):
    assert "Connection" in otlp_export.send("http://127.0.0.1:9/v1/metrics", report, headers={})
