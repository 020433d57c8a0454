"""What GitHub shows of runners and jobs now, in few requests: some are read, and the rest is taken to be like them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from smart_dispatch.github_requests import Requests
from smart_dispatch.job_records import ActiveJob, JobRecord, active_job, as_time, ended_job
from smart_dispatch.runner_labels import RunnerLabels

ACTIVE = ("queued", "in_progress")
ACTIVE_RUNS_READ = 3  # of a decision: the rest is taken to be like them
ENDED_RUNS_LOOKED_AT = 8  # the newest; what was read once is remembered
RUNNER_PAGES = 3


@dataclass(frozen=True, slots=True)
class RunnerState:
    """A registered self-hosted runner that has the labels."""

    name: str
    online: bool
    busy: bool


@dataclass(slots=True)
class Activity:
    """Everything that was seen. `runners`: None when the token may not list them. `asked`: the API was asked at all.

    `runs_active` runs were under way, of which the jobs of `runs_read` were read; `ended_runs` (number, attempt) are
    completed runs that were read whole.
    """

    asked: bool = False
    runners: list[RunnerState] | None = None
    heartbeats: list[tuple[str, str]] = field(default_factory=list)  # host and text
    jobs: list[ActiveJob] = field(default_factory=list)
    ended: list[JobRecord] = field(default_factory=list)
    ended_runs: list[tuple[int, int]] = field(default_factory=list)
    runs_active: int = -1  # not known
    runs_read: int = 0
    young_runs: list[tuple[int, str, float]] = field(default_factory=list)  # number, workflow, begin

    def extrapolation(self) -> float:
        """How many active jobs there are for each that was read."""
        return (
            self.runs_active / self.runs_read if self.runs_read and self.runs_active > self.runs_read else 1.0
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for."""

    repository: str
    scope: str
    labels: RunnerLabels
    workflow: str
    heartbeat_paths: tuple[str, ...]
    heartbeat_name: str
    history: bool


# Which of these runs (number, attempt) are known already.
KnownRuns = Callable[[Collection[tuple[int, int]]], set[tuple[int, int]]]


def look(requests: Requests, wanted: Wanted, *, known: KnownRuns, now: float) -> Activity:
    """Look at runners, runs and heartbeats side by side, and then at jobs, as far as the requests reach."""
    activity = Activity(asked=True)
    base = f"/repos/{wanted.repository}"
    runs: dict[int, dict[str, Any]] = {}
    totals: dict[str, int] = {}

    def read_runs(status: str) -> None:
        given = {"status": status} if status else {}
        found, totals[status] = requests.pages(f"{base}/actions/runs", "workflow_runs", most=1, **given)
        runs.update({one["id"]: one for one in found if isinstance(one.get("id"), int)})

    requests.together([
        partial(_read_runners, requests, wanted, activity),
        *(partial(read_runs, status) for status in ("", *ACTIVE)),
        *(partial(_read_heartbeats, requests, wanted, path, activity) for path in wanted.heartbeat_paths[:1]),
    ])  # fmt: skip
    if not activity.heartbeats:
        for path in wanted.heartbeat_paths[1:]:
            _read_heartbeats(requests, wanted, path, activity)
    found = list(runs.values())  # a late answer adds to `runs` no more
    active = sorted(
        (one for one in found if one.get("status") in ACTIVE), key=lambda one: str(one.get("created_at"))
    )
    if any(total >= 0 for total in totals.values()):
        counted = sum(max(0, totals.get(status, 0)) for status in ACTIVE)
        activity.runs_active = max(len(active), counted)
    activity.young_runs = [
        (one["id"], str(one.get("name") or ""), begun)
        for one in active
        if (begun := as_time(one.get("run_started_at"))) is not None
    ]
    _read_jobs(requests, wanted, activity, active, _unread(found, wanted, known), now=now)
    return activity


def _unread(runs: Sequence[Mapping[str, Any]], wanted: Wanted, known: KnownRuns) -> list[tuple[int, int]]:
    """Completed runs whose jobs are not known, this workflow's first, the newest first."""
    if not wanted.history:
        return []
    ended = sorted(
        (one for one in runs if one.get("status") == "completed" and one.get("conclusion") != "skipped"),
        key=lambda one: (one.get("name") == wanted.workflow, str(one.get("created_at"))),
        reverse=True,
    )
    numbers = [(int(one["id"]), int(one.get("run_attempt") or 1)) for one in ended[:ENDED_RUNS_LOOKED_AT]]
    found = known(numbers)
    return [one for one in numbers if one not in found]


def _read_jobs(
    requests: Requests,
    wanted: Wanted,
    activity: Activity,
    active: Sequence[Mapping[str, Any]],
    unread: Sequence[tuple[int, int]],
    *,
    now: float,
) -> None:
    """Jobs of active runs, the oldest first (they are ahead), and of some that ended."""
    chosen = active[: min(ACTIVE_RUNS_READ, requests.left())]
    ended = unread[: max(0, requests.left() - len(chosen))]
    read: list[tuple[bool, list[dict[str, Any]], int]] = []

    def read_one(number: int, *, ended_attempt: int) -> None:
        path = f"/repos/{wanted.repository}/actions/runs/{number}/jobs"
        jobs, total = requests.pages(path, "jobs", most=1, filter="latest")
        if total >= 0:
            read.append((ended_attempt > 0, jobs, total))
            if ended_attempt and len(jobs) == total:
                activity.ended_runs.append((number, ended_attempt))

    requests.together([
        *(partial(read_one, int(one["id"]), ended_attempt=0) for one in chosen),
        *(partial(read_one, number, ended_attempt=attempt) for number, attempt in ended),
    ])  # fmt: skip
    for has_ended, jobs, total in list(read):
        activity.ended += [record for one in jobs if (record := ended_job(one))]
        if not has_ended:
            activity.runs_read += 1
            seen = [job for one in jobs if (job := active_job(one))]
            if len(jobs) < total:  # the rest of a very large run is like what was read
                seen = seen * round(total / len(jobs))
                requests.note(
                    f"{total} jobs of one run: {len(jobs)} were read, and the rest taken to be like them"
                )
            activity.jobs += seen
    if activity.runs_active > activity.runs_read:
        requests.note(
            f"{activity.runs_active} runs are under way: the jobs of {activity.runs_read} were read, and the rest "
            "taken to be like them"
        )


def _read_runners(requests: Requests, wanted: Wanted, activity: Activity) -> None:
    owner = wanted.repository.partition("/")[0]
    path = (
        f"/orgs/{owner}/actions/runners"
        if wanted.scope == "organization"
        else f"/repos/{wanted.repository}/actions/runners"
    )
    if wanted.labels.group and wanted.scope == "organization":
        groups, total = requests.pages(f"/orgs/{owner}/actions/runner-groups", "runner_groups", most=1)
        name = wanted.labels.group.lower()
        group = next((one for one in groups if str(one.get("name", "")).lower() == name), None)
        if total < 0:
            return
        if group is None:
            requests.note(f"the organisation {owner} has no runner group '{wanted.labels.group}'")
            activity.runners = []
            return
        path = f"/orgs/{owner}/actions/runner-groups/{group['id']}/runners"
    runners, total = requests.pages(path, "runners", most=RUNNER_PAGES)
    if total < 0:
        return
    if len(runners) < total:
        requests.note(f"{total} runners are registered, and {len(runners)} were read")
    activity.runners = [
        RunnerState(
            str(one.get("name", "")), online=one.get("status") == "online", busy=bool(one.get("busy"))
        )
        for one in runners
        if wanted.labels.are_met_by([str(label.get("name", "")) for label in one.get("labels") or ()])
    ]


def _read_heartbeats(requests: Requests, wanted: Wanted, path: str, activity: Activity) -> None:
    """From a repository variable, or from the statuses of a commit, whose contexts are NAME/HOST and more."""
    if path.endswith("/status"):
        statuses, _ = requests.pages(path, "statuses", most=1)
        for one in statuses:
            name, *host = str(one.get("context", "")).split("/")
            if name == wanted.heartbeat_name:
                activity.heartbeats.append(("".join(host[:1]), str(one.get("description") or "")))
        return
    data = requests.get(path)
    if isinstance(data, dict) and isinstance(data.get("value"), str):
        activity.heartbeats.append(("", data["value"]))
