"""Comments on a pull request, as GitHub's API has them; see github_server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes.github_server import BOT, TIME, Answer, GitHubServer, serving, user


@dataclass
class GitHubApi(GitHubServer):
    """One pull request. `login` is who the token belongs to; an app's token may not ask for it."""

    login: str = BOT
    failures: dict[str, list[int]] = field(
        default_factory=dict
    )  # by method: statuses that come before any success
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)

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

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """Status, JSON and headers."""
        if self.failures.get(method):
            with self.lock:
                self.requests.append(f"{method} {target}")
                return self.failures[method].pop(0), {"message": "told to fail"}, {}
        return super().answer(method, target, body)

    def act(
        self, method: str, template: str, groups: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Answer:
        """See GitHubServer."""
        if template == "/user":
            return (403, {"message": "Resource not accessible by integration"}, {}) if self.login == BOT else (
                200, self._me(), {}
            )  # fmt: skip
        if template.endswith("{issue_number}"):
            return 200, self._issue(), {}
        if template.endswith("/comments"):
            if method == "POST":
                return 201, self.comments[self.add_comment(body["body"], login=self.login)], {}
            rows = [self.comments[number] for number in sorted(self.comments)]
            part, headers = self.page(rows, query, "/repos/octo/repo/issues/7/comments")
            return 200, part, headers
        number = int(groups[-1])
        if number not in self.comments:
            return 404, {"message": "Not Found"}, {}
        if method == "DELETE":
            del self.comments[number]
            return 204, None, {}
        self.comments[number]["body"] = body["body"]
        return 200, self.comments[number], {}

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


@contextmanager
def github_api(**settings: Any) -> Iterator[GitHubApi]:
    """Serve while the block lasts."""
    with serving(GitHubApi(**settings)) as api:
        yield api
