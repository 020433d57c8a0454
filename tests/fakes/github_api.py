"""GitHub's REST API for comments on issues, on 127.0.0.1, held against GitHub's own OpenAPI description.

What a client asks and what it is answered is checked with the schemas of `openapi/github.json`, which
scripts/openapi_excerpt.py makes: a violation fails the test that used the server.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator

DESCRIPTION = json.loads((Path(__file__).parent / "openapi/github.json").read_text())
BOT = "github-actions[bot]"
TIME = "2026-11-24T02:00:00Z"


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


@dataclass
class GitHubApi:
    """One repository, one pull request. `login` is who the token belongs to; an app's token may not ask for it."""

    login: str = BOT
    page_size: int = 30
    failures: dict[str, list[int]] = field(
        default_factory=dict
    )  # by method: statuses that come before any success
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    before_answer: Callable[[str], None] = lambda _request: None
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add_comment(self, body: str, *, login: str) -> int:
        """A comment that is there already."""
        number = max(self.comments, default=1000) + 1
        base = f"{self.url}/repos/octo/repo/issues"
        self.comments[number] = {
            "id": number, "node_id": "IC_1", "url": f"{base}/comments/{number}", "body": body, "user": user(login),
            "html_url": f"https://github.com/octo/repo/pull/7#issuecomment-{number}", "created_at": TIME,
            "updated_at": TIME, "issue_url": f"{base}/7", "author_association": "NONE",
        }  # fmt: skip
        return number

    def bodies(self, login: str) -> list[str]:
        """What that user's comments say."""
        return [one["body"] for one in self.comments.values() if one["user"]["login"] == login]

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers."""
        split = urlsplit(target)
        with self.lock:
            self.requests.append(f"{method} {target}")
            if self.failures.get(method):
                return self.failures[method].pop(0), {"message": "told to fail"}, {}
            for template, methods in DESCRIPTION["paths"].items():
                found = re.fullmatch(re.sub(r"\{\w+\}", r"([^/]+)", template), split.path)
                operation = methods.get(method.lower())
                if found and operation:
                    self._check_request(operation, body, f"{method} {template}")
                    query = {name: values[0] for name, values in parse_qs(split.query).items()}
                    status, answer, headers = self._act(method, template, found.groups(), query, body)
                    self._check_answer(operation, status, answer, f"{method} {template}")
                    return status, answer, headers
        self.violations.append(f"{method} {target}: GitHub's description has no such operation")
        return 404, {"message": "Not Found"}, {}

    def _act(
        self, method: str, template: str, groups: tuple[str, ...], query: dict[str, str], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        if template == "/user":
            return (403, {"message": "Resource not accessible by integration"}, {}) if self.login == BOT else (
                200, self._me(), {}
            )  # fmt: skip
        if template.endswith("{issue_number}"):
            return 200, self._issue(), {}
        if template.endswith("/comments"):
            if method == "POST":
                return 201, self.comments[self.add_comment(body["body"], login=self.login)], {}
            return self._page(query)
        number = int(groups[-1])
        if number not in self.comments:
            return 404, {"message": "Not Found"}, {}
        if method == "DELETE":
            del self.comments[number]
            return 204, None, {}
        self.comments[number]["body"] = body["body"]
        return 200, self.comments[number], {}

    def _page(self, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        size, page = int(query.get("per_page", self.page_size)), int(query.get("page", 1))
        rows = [self.comments[number] for number in sorted(self.comments)]
        part = rows[(page - 1) * size : page * size]
        more = page * size < len(rows)
        link = f'<{self.url}/repos/octo/repo/issues/7/comments?per_page={size}&page={page + 1}>; rel="next"'
        return 200, part, {"Link": link} if more else {}

    def _me(self) -> dict[str, Any]:
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        texts = dict.fromkeys(("name", "company", "blog", "location", "email", "bio"), "")
        return {
            **user(self.login),
            **counts,
            **texts,
            "hireable": None,
            "created_at": TIME,
            "updated_at": TIME,
        }

    def _issue(self) -> dict[str, Any]:
        base = f"{self.url}/repos/octo/repo/issues/7"
        names = ("labels", "comments", "events")
        return {
            "id": 7, "node_id": "I_7", "url": base, "repository_url": f"{self.url}/repos/octo/repo", "number": 7,
            "html_url": "https://github.com/octo/repo/pull/7", "state": "open", "title": "A change", "body": "",
            "user": user("octocat"), "labels": [], "assignee": None, "assignees": [], "milestone": None,
            "locked": False, "comments": len(self.comments), "closed_at": None, "created_at": TIME,
            "updated_at": TIME, "author_association": "OWNER",
            **{f"{name}_url": f"{base}/{name}{'{/name}' if name == 'labels' else ''}" for name in names},
        }  # fmt: skip

    def _check_request(self, operation: Any, body: Any, name: str) -> None:
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self._check(schema, body, f"{name}: the request")

    def _check_answer(self, operation: Any, status: int, answer: Any, name: str) -> None:
        described = operation["responses"].get(str(status))
        while described and "$ref" in described:
            described = DESCRIPTION["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        if described is None:
            self.violations.append(f"{name}: GitHub never answers {status}")
        elif "content" in described and status < 300:
            self._check(described["content"]["application/json"]["schema"], answer, f"{name}: our answer")

    def _check(self, schema: Any, value: Any, name: str) -> None:
        full = {"allOf": [as_json_schema(schema)], "components": COMPONENTS}
        for error in Draft202012Validator(full).iter_errors(value):
            self.violations.append(f"{name}: {error.json_path}: {error.message[:300]}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, api: GitHubApi, *arguments: Any) -> None:
        self.api = api
        super().__init__(*arguments)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, answer, headers = self.api.answer(self.command, self.path, body)
        self.api.before_answer(f"{self.command} {self.path}")
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {
            **headers,
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  (http.server's names)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def github_api(**settings: Any) -> Iterator[GitHubApi]:
    """Serve while the block lasts; afterwards every request and answer must have been GitHub's."""
    api = GitHubApi(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, api))
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
    assert api.violations == []
