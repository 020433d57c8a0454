"""What leaves the host, where names, answers and networks are odd."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from perf_monitor import otlp_export, prometheus_export
from perf_monitor.building import build_report
from perf_monitor.report import Report
from unit.perf_monitor.report_house import write_run


@pytest.fixture
def report(tmp_path) -> Report:
    return build_report(write_run(tmp_path))


def renamed(report: Report, **meta: str) -> Report:
    return dataclasses.replace(report, meta={**report.meta, **meta})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"job": "test (a)"}, {"job": "test-a"}),
        ({"job": "größe"}, {"job": "gr-e"}),
        ({"workflow": "a", "job": "b_c"}, {"workflow": "a_b", "job": "c"}),
        ({"job": "x" * 300 + "1"}, {"job": "x" * 300 + "2"}),
    ],
)
def test_jobs_whose_names_look_alike_have_files_of_their_own(report, tmp_path, one, other):
    paths = [prometheus_export.textfile_path(str(tmp_path), renamed(report, **meta)) for meta in (one, other)]
    assert paths[0] != paths[1]
    for path in paths:
        prometheus_export.write_textfile(path, report)
        assert path.suffix == ".prom"
        assert path.parent == tmp_path


@pytest.mark.parametrize(
    "name", ["line\r\nbreak", 'quote" } 1\n# EOF', "trailing\\", "\x00\x1b[31m", "größe ✓"]
)
def test_no_name_breaks_out_of_its_label(report, tmp_path, name):
    path = tmp_path / "job.prom"
    prometheus_export.write_textfile(path, renamed(report, workflow=name))
    families = list(text_string_to_metric_families(path.read_bytes().decode("utf-8")))
    for sample in (one for family in families for one in family.samples):
        assert sample.labels["repository"] == report.meta["repository"]
        if name.isprintable():
            assert sample.labels["workflow"] == name


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A receiver that reads what arrives first and then does as told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/metrics"


def drip(status: bytes) -> Callable[[socket.socket], None]:
    """A body of which every byte comes before any read is given up."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.2)

    return talk


def keep_silent(connection: socket.socket) -> None:
    connection.settimeout(30)
    connection.recv(65536)  # until the sender gives up


@pytest.mark.parametrize(
    "talk", [drip(b"200 OK"), drip(b"500 No"), keep_silent], ids=["taken", "refused", "silent"]
)
def test_a_receiver_that_never_ends_its_answer_holds_nobody_up(report, talk):
    begun = time.monotonic()
    with answering(talk) as endpoint:
        otlp_export.send(endpoint, report, headers={})
    assert time.monotonic() - begun < otlp_export.TIMEOUT_SECONDS + 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.1 401 x\r\nContent-Length: 900\r\n\r\n\xff",
    ],
)
def test_an_answer_that_is_none_is_told_and_no_error(report, answer):
    with answering(lambda connection: connection.sendall(answer)) as endpoint:
        assert otlp_export.send(endpoint, report, headers={})


@pytest.mark.parametrize("status", [b"202 Accepted", b"204 No Content"])
def test_any_success_is_one(report, status):
    with answering(
        lambda connection: connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    ) as endpoint:
        assert otlp_export.send(endpoint, report, headers={}) == ""


@pytest.mark.parametrize("headers", ["x=%0d%0aInjected: 1", "x=%E2%82%AC", "bad name=1", "é=1"])
def test_a_header_that_cannot_be_sent_is_told_and_no_error(report, headers):
    said = otlp_export.send("http://127.0.0.1:9/", report, headers=otlp_export.parse_headers(headers))
    assert said


@pytest.mark.parametrize(
    "endpoint", ["http://[", "http://a..b/", "http://127.0.0.1:99999/", "http://" + "a" * 300 + "/"]
)
def test_an_address_that_is_none_is_told_and_no_error(report, endpoint):
    assert otlp_export.send(endpoint, report, headers={})


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer t0p\n"}, {"Authorization": "Bearer t0p€"}])
def test_what_went_wrong_does_not_repeat_a_secret(report, headers):
    said = otlp_export.send("http://127.0.0.1:9/", report, headers=headers)
    assert "OTEL_EXPORTER_OTLP_HEADERS" in said
    assert "t0p" not in said
