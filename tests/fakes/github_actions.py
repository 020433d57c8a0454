"""Runners, runs, jobs, variables and statuses, as GitHub's API has them; see github_server.

    api.add_runner("r1", busy=True)
    run = api.add_run("CI", status="in_progress", age=60)
    api.add_job(run, "build", status="queued", labels=["self-hosted", "linux"], age=30)

Ages are seconds before now. A token may list runners and variables if `admin` is true, as GitHub has it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fakes.github_server import Answer, GitHubServer, user

LABELS = ("self-hosted", "linux")
# What a decision puts out for `runs-on`, unless it is told otherwise.
PRIMARY, CLOUD = json.dumps(LABELS), '["ubuntu-latest"]'
SHA = "a" * 40
_URLS = (
    "archive assignees blobs branches collaborators comments commits compare contents contributors deployments "
    "downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels "
    "languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags "
    "teams trees"
)


def moment(age: float) -> str:
    """So many seconds ago."""
    return datetime.fromtimestamp(time.time() - age, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def repository() -> dict[str, Any]:
    """A minimal-repository."""
    base = "https://api.github.com/repos/octo/repo"
    return {
        "id": 1, "node_id": "R_1", "name": "repo", "full_name": "octo/repo", "private": True, "owner": user("octo"),
        "html_url": "https://github.com/octo/repo", "description": None, "fork": False, "url": base,
        **{f"{name}_url": f"{base}/{name}" for name in _URLS.split()},
    }  # fmt: skip


@dataclass
class GitHubActions(GitHubServer):
    """A repository with runners and runs."""

    admin: bool = True
    runners: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by commit
    variables: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def add_runner(
        self,
        name: str,
        *,
        labels: Sequence[str] = LABELS,
        online: bool = True,
        busy: bool = False,
        group: str = "",
    ) -> None:
        """A self-hosted runner."""
        one = {
            "id": len(self.runners) + 1, "name": name, "os": "linux", "busy": busy,
            "status": "online" if online else "offline",
            "labels": [{"id": number, "name": label, "type": "custom"} for number, label in enumerate(labels, 1)],
        }  # fmt: skip
        self.runners.append(one)
        if group:
            self.groups.setdefault(group, []).append(one)

    def add_run(self, workflow: str, *, status: str = "in_progress", age: float = 60) -> int:
        """A run of a workflow; returns its number."""
        number = 1000 + len(self.runs)
        url = f"https://api.github.com/repos/octo/repo/actions/runs/{number}"
        links = ["jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow", "html"]
        self.runs.append({
            "id": number, "node_id": "WFR_1", "name": workflow, "head_branch": "main", "run_number": len(self.runs) + 1,
            "run_attempt": 1, "display_title": "A change", "event": "push", "status": status, "head_sha": SHA,
            "conclusion": "success" if status == "completed" else None, "path": ".github/workflows/ci.yml",
            "workflow_id": 1, "url": url, **{f"{name}_url": f"{url}/{name}" for name in links},
            "created_at": moment(age), "updated_at": moment(0), "run_started_at": moment(age), "head_commit": None,
            "head_repository": repository(), "repository": repository(), "pull_requests": [],
        })  # fmt: skip
        self.jobs[number] = []
        return number

    def add_job(
        self,
        run: int,
        name: str,
        *,
        status: str = "completed",
        conclusion: str | None = None,
        labels: Sequence[str] = LABELS,
        age: float = 60,
        seconds: float = 300,
        queue: float = 5,
        runner: str | None = "r1",
        steps: bool = True,
        group: str = "",
    ) -> None:
        """A job: created `age` seconds ago, begun after `queue`, and, if completed, ended after `seconds` more.

        `runs-on` with a group only has no labels. The group of GitHub's own runners is "GitHub Actions".
        """
        group = group or ("Default" if "self-hosted" in {one.lower() for one in labels} else "GitHub Actions")
        number = 100 * run + len(self.jobs[run])
        began = age - queue
        ended = status == "completed"
        conclusion = conclusion or ("success" if ended else None)
        url = f"https://api.github.com/repos/octo/repo/actions/jobs/{number}"
        queued = status == "queued"
        step = {"status": status if not queued else "queued", "started_at": moment(began)}
        self.jobs[run].append({
            "id": number, "node_id": "J_1", "run_id": run, "run_attempt": 1, "run_url": url, "head_sha": SHA,
            "workflow_name": next(one["name"] for one in self.runs if one["id"] == run), "head_branch": "main",
            "name": name, "url": url, "html_url": url, "status": status, "conclusion": conclusion,
            "created_at": moment(age), "started_at": moment(began),
            "completed_at": moment(began - seconds) if ended else None, "check_run_url": url, "labels": list(labels),
            "runner_id": None if queued else 1, "runner_name": None if queued else runner,
            "runner_group_id": None if queued else 1, "runner_group_name": None if queued else group,
            "steps": [
                {**step, "name": "Set up job", "number": 1, "conclusion": "success", "completed_at": moment(began)},
                {**step, "name": "Run", "number": 2, "conclusion": conclusion, "completed_at": None},
            ] if steps and not queued else [],
        })  # fmt: skip

    def add_status(self, context: str, description: str, *, sha: str = "HEAD", age: float = 0) -> None:
        """A commit status; `HEAD` is the default branch's."""
        base = f"https://api.github.com/repos/octo/repo/statuses/{SHA}"
        self.statuses.setdefault(sha, []).append({
            "id": 1, "node_id": "SC_1", "url": base, "avatar_url": None, "state": "success", "target_url": None,
            "description": description, "context": context, "created_at": moment(age), "updated_at": moment(age),
            "creator": user("octo"),
        })  # fmt: skip

    def act(
        self, method: str, template: str, groups: tuple[str, ...], query: dict[str, str], body: Any
    ) -> Answer:
        """See GitHubServer."""
        path = template.split("/actions/")[-1]
        if not self.admin and ("runner" in path or "variables" in path):
            return 403, {"message": "Resource not accessible by integration"}, {}
        if path == "runners":
            return self._listed("runners", self.runners, query)
        if path == "runner-groups":
            return self._listed("runner_groups", self._groups(), query)
        if path.endswith("}/runners"):
            return self._listed("runners", list(self.groups.values())[int(groups[-1]) - 1], query)
        if path == "runs":
            rows = [one for one in reversed(self.runs) if query.get("status", one["status"]) == one["status"]]
            return self._listed("workflow_runs", rows, query)
        if path.endswith("/jobs"):
            return self._listed("jobs", self.jobs[int(groups[-1])], query)
        if "variables" in path:
            return self._variable(method, groups[-1], body)
        if template.endswith("/files"):
            part, headers = self.page([_file(name) for name in self.files], query, template)
            return 200, part, headers
        if template.endswith("/commits/{ref}/statuses"):  # the newest first
            part, headers = self.page(self.statuses.get(groups[-1], [])[::-1], query, template)
            return 200, part, headers
        return self._status(method, groups[-1], query, body)

    def _listed(self, key: str, rows: list[Any], query: dict[str, str]) -> Answer:
        part, headers = self.page(rows, query, "/page")
        return 200, {"total_count": len(rows), key: part}, headers

    def _groups(self) -> list[dict[str, Any]]:
        return [
            {
                "id": number, "name": name, "visibility": "all", "default": False, "runners_url": "https://x.invalid",
                "inherited": False, "allows_public_repositories": False,
            }
            for number, name in enumerate(self.groups, 1)
        ]  # fmt: skip

    def _variable(self, method: str, name: str, body: Any) -> Answer:
        if method == "POST":
            self.variables[body["name"]] = body["value"]
            return 201, {}, {}
        if name not in self.variables:
            return 404, {"message": "Not Found"}, {}
        if method == "PATCH":
            self.variables[name] = body["value"]
            return 204, None, {}
        times = {"created_at": moment(0), "updated_at": moment(0)}
        return 200, {"name": name, "value": self.variables[name], **times}, {}

    def _status(self, method: str, ref: str, query: dict[str, str], body: Any) -> Answer:
        if method == "POST":
            if len(body.get("description", "")) > 140:
                return 422, {"message": "description is too long (maximum is 140 characters)"}, {}
            self.add_status(body["context"], body["description"], sha="HEAD" if ref == SHA else ref)
            return 201, self.statuses["HEAD" if ref == SHA else ref][-1], {}
        newest = {one["context"]: one for one in self.statuses.get(ref, [])}
        part, headers = self.page(list(newest.values()), query, f"/commits/{ref}/status")
        base = f"https://api.github.com/repos/octo/repo/commits/{ref}"
        return 200, {
            "state": "success", "sha": SHA if ref == "HEAD" else ref, "total_count": len(newest),
            "statuses": part, "repository": repository(), "commit_url": base, "url": f"{base}/status",
        }, headers  # fmt: skip


def _file(name: str) -> dict[str, Any]:
    url = "https://github.com/octo/repo/blob/x"
    return {
        "sha": SHA, "filename": name, "status": "modified", "additions": 1, "deletions": 0, "changes": 1,
        "blob_url": url, "raw_url": url, "contents_url": url,
    }  # fmt: skip
