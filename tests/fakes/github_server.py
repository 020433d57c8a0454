"""GitHub's REST API on 127.0.0.1, held against GitHub's own OpenAPI description.

What a client asks and what it is answered is checked with the schemas of `openapi/github.json`, which
scripts/openapi_excerpt.py makes: a violation fails the test that used the server. Subclasses say what is answered.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator

DESCRIPTION = json.loads((Path(__file__).parent / "openapi/github.json").read_text())
BOT = "github-actions[bot]"
TIME = "2026-11-24T02:00:00Z"
# Faults that a request can meet beside a status: see `_Handler`.
FAULTS = ("html", "empty", "reset", "hang", "drip", "list", "null")


def as_json_schema(value: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type of null."""
    if isinstance(value, list):
        return [as_json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: as_json_schema(one) for key, one in value.items() if key != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if value.get("nullable") is True else made


COMPONENTS = as_json_schema(DESCRIPTION["components"])


def user(login: str, *, number: int = 1) -> dict[str, Any]:
    """A simple-user."""
    base = f"https://api.github.com/users/{login}"
    names = (
        "followers_url following_url gists_url starred_url subscriptions_url organizations_url repos_url events_url "
        "received_events_url"
    )
    return {
        "login": login, "id": number, "node_id": "U_1", "avatar_url": "https://avatars.githubusercontent.com/u/1",
        "gravatar_id": "", "url": base, "html_url": f"https://github.com/{login}",
        "type": "Bot" if login.endswith("[bot]") else "User", "site_admin": False,
        **{name: f"{base}/{name.removesuffix('_url')}" for name in names.split()},
    }  # fmt: skip


Answer = tuple[int, Any, dict[str, str]]


@dataclass
class GitHubServer:
    """One repository, octo/repo. `faults`: what happens to requests whose path holds a text, or to all (`""`).

    A fault is a status, or one of FAULTS. `checked`: hold everything against the description.
    """

    page_size: int = 30
    checked: bool = True
    faults: dict[str, int | str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    before_answer: Callable[[str], None] = lambda _request: None
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def act(
        self, method: str, template: str, groups: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Answer:
        """Status, JSON and headers for an operation that the description has."""
        raise NotImplementedError

    def fault(self, target: str) -> int | str | None:
        """What happens to this request."""
        return next((fault for part, fault in self.faults.items() if part in target), None)

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """Status, JSON and headers."""
        split = urlsplit(target)
        with self.lock:
            self.requests.append(f"{method} {target}")
            if isinstance(status := self.fault(target), int):
                return status, {"message": "told to fail"}, {}
            for template, methods in DESCRIPTION["paths"].items():
                found = re.fullmatch(re.sub(r"\{\w+\}", r"([^/]+)", template), split.path)
                operation = methods.get(method.lower())
                if found and operation:
                    self._check_request(operation, body, f"{method} {template}")
                    query = {name: values[0] for name, values in parse_qs(split.query).items()}
                    status, answer, headers = self.act(method, template, found.groups(), query, body)
                    self._check_answer(operation, status, answer, f"{method} {template}")
                    return status, answer, headers
        self.violations.append(f"{method} {target}: GitHub's description has no such operation")
        return 404, {"message": "Not Found"}, {}

    def page(self, rows: list[Any], query: dict[str, str], path: str) -> tuple[list[Any], dict[str, str]]:
        """One page of a list, with the header that names the next."""
        size, page = int(query.get("per_page", self.page_size)), int(query.get("page", 1))
        more = page * size < len(rows)
        link = f'<{self.url}{path}?per_page={size}&page={page + 1}>; rel="next"'
        return rows[(page - 1) * size : page * size], {"Link": link} if more else {}

    def _check_request(self, operation: Any, body: Any, name: str) -> None:
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self._check(schema, body, f"{name}: the request")

    def _check_answer(self, operation: Any, status: int, answer: Any, name: str) -> None:
        described = operation["responses"].get(str(status))
        while described and "$ref" in described:
            described = DESCRIPTION["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        if described is None:
            if status < 400:  # every operation may refuse
                self.violations.append(f"{name}: GitHub never answers {status}")
        elif "content" in described and status < 300:
            self._check(described["content"]["application/json"]["schema"], answer, f"{name}: our answer")

    def _check(self, schema: Any, value: Any, name: str) -> None:
        if not self.checked:
            return
        full = {"allOf": [as_json_schema(schema)], "components": COMPONENTS}
        for error in Draft202012Validator(full).iter_errors(value):
            self.violations.append(f"{name}: {error.json_path}: {error.message[:300]}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, api: GitHubServer, *arguments: Any) -> None:
        self.api = api
        super().__init__(*arguments)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, answer, headers = self.api.answer(self.command, self.path, body)
        self.api.before_answer(f"{self.command} {self.path}")
        text = b"" if answer is None else json.dumps(answer).encode()
        kind = "application/json"
        match self.api.fault(self.path):
            case "html":
                text, kind = b"<html><body>A proxy says hello</body></html>", "text/html"
            case "empty":
                text = b""
            case "list":
                text = b"[1, 2]"
            case "null":
                text = b"null"
            case "reset":
                self.close_connection = True
                self.connection.close()
                return
            case "hang":
                time.sleep(30)
            case "drip":
                self._drip(text)
                return
        self.send_response(status)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _drip(self, text: bytes) -> None:
        """A byte a second, half a minute of blanks first: no single read ever times out."""
        text = b" " * 30 + text
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with suppress(OSError):
            for byte in text[:30]:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(1)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  (http.server's names)

    def log_message(self, *_: object) -> None:
        pass


Server = TypeVar("Server", bound=GitHubServer)


@contextmanager
def serving(api: Server) -> Iterator[Server]:
    """Serve while the block lasts; afterwards every request and answer must have been GitHub's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, api))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients may go away
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
    assert api.violations == []
