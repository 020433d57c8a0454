"""A GitHub that refuses, delays or is none: the comment is given up in time, and nothing fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from perf_monitor.pr_comment import comment

Answer = tuple[int, dict[str, str], bytes]
SOON_SECONDS = 10.0


class Server:
    """Answers every request alike, with what the test sets."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str], Answer] = lambda _method, _path: (200, {}, b"")
        self.methods: list[str] = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *arguments: Any) -> None:
        self.played = server
        super().__init__(*arguments)

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.played.methods.append(self.command)
        status, headers, body = self.played.answer(self.command, self.path)
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            **headers,
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  (http.server's names)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    played = Server()
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, played))
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    played.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield played
    running.shutdown()
    running.server_close()


@pytest.fixture
def environ(server, tmp_path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    return {"GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": "octo/repo", "GITHUB_EVENT_PATH": str(event)}


def put(environ: dict[str, str], *, token: str = "t0ken") -> tuple[str, bool]:
    """In a thread of its own: a wait of an hour fails the test in seconds."""
    said: list[tuple[str, bool]] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            said.append(comment(environ, "text", token=token, identity={"job": "build"}))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON_SECONDS)
    assert failed == []
    assert said, f"still waiting after {SOON_SECONDS:g} s"
    return said[0]


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "HOUR"}, "API rate limit exceeded"),
        (403, {"Retry-After": "60"}, "You have exceeded a secondary rate limit"),
        (403, {}, "You have exceeded a secondary rate limit"),
        (429, {"Retry-After": "120"}, "Too many requests"),
        (503, {"Retry-After": "120"}, "Unavailable"),
    ],
)
def test_a_limit_is_told_and_not_waited_for(server, environ, status, headers, message):
    hour = str(int(time.time()) + 3600)
    answer = (status, {name: value.replace("HOUR", hour) for name, value in headers.items()})
    server.answer = lambda _method, _path: (*answer, json.dumps({"message": message}).encode())
    said, there = put(environ)
    assert not there
    assert f"{status} {message}" in said
    assert "fork" not in said


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"),
        (200, {}, b"{}"),
        (200, {}, b"null"),
        (301, {"Location": "/elsewhere"}, b""),
    ],
    ids=["html", "empty", "null", "redirect"],
)
def test_a_server_that_is_not_github_is_told_and_no_error(server, environ, status, headers, body):
    server.answer = lambda _method, _path: (status, headers, body)
    said, there = put(environ)
    assert not there
    assert said.startswith("no comment: ")


def test_a_comment_whose_writer_or_text_is_gone_is_passed_over(server, environ):
    def answer(method: str, path: str) -> Answer:
        if path == "/user":
            return 403, {}, b'{"message": "Resource not accessible by integration"}'
        if method == "POST":
            return (
                201,
                {},
                json.dumps({"id": 9, "body": "text", "html_url": "https://x/9", "url": server.url}).encode(),
            )
        return (
            200,
            {},
            json.dumps(
                [{"id": 1, "body": None, "user": None}, {"id": 2, "body": "x", "user": None}]
            ).encode(),
        )

    server.answer = answer
    assert put(environ) == ("the comment https://x/9 was written", True)


def test_what_may_have_been_written_is_not_sent_again(server, environ):
    server.answer = lambda method, _path: (502, {}, b"{}") if method == "POST" else (200, {}, b"[]")
    said, there = put(environ)
    assert (there, "502" in said) == (False, True)
    assert server.methods.count("POST") == 1


def test_a_token_that_is_none_is_not_repeated(environ):
    said, there = put(environ, token="s3cret\n")
    assert not there
    assert "input 'token'" in said
    assert "s3cret" not in said
