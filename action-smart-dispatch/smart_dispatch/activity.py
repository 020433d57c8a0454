"""What GitHub shows of runners and jobs now, in few requests: some are read, and the rest is taken to be like them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from smart_dispatch.github_requests import Requests
from smart_dispatch.heartbeats import Told
from smart_dispatch.job_records import ActiveJob, JobRecord, active_job, as_time, ended_job
from smart_dispatch.runner_labels import RunnerLabels

ACTIVE = ("queued", "in_progress")
DAY_SECONDS = 86400.0  # GitHub gives a job up that has waited so long for a self-hosted runner
OLD_SECONDS = 6 * 3600.0  # a run that has gone on for so long is read last: it hardly stands before others
ACTIVE_RUNS_READ = 3  # of a decision, at least
SAMPLE = 4  # active runs that are read where not all can be: the rest is taken to be like them
ENDED_RUNS_LOOKED_AT = 8  # the newest; what was read once is remembered
RUNNER_PAGES = 3
STATUS_PAGES = 2  # only where the newest hundred statuses of a commit hold no heartbeat


@dataclass(frozen=True, slots=True)
class RunnerState:
    """A registered self-hosted runner that has the labels, and perhaps more."""

    name: str
    online: bool
    busy: bool
    labels: tuple[str, ...]


@dataclass(slots=True)
class Activity:
    """Everything that was seen. `runners`: None when they could not be listed. `asked`: the API was asked at all.

    `runs_active` runs were under way (-1: not known), of which the jobs of `runs_read` (their numbers) were read;
    `ended_runs` (number, attempt) are completed runs that were read whole.
    """

    asked: bool = False
    runners: list[RunnerState] | None = None
    heartbeats: list[Told] = field(default_factory=list)
    jobs: list[ActiveJob] = field(default_factory=list)
    ended: list[JobRecord] = field(default_factory=list)
    ended_runs: list[tuple[int, int]] = field(default_factory=list)
    runs_active: int = -1
    runs_read: set[int] = field(default_factory=set)
    young_runs: list[tuple[int, str, float]] = field(default_factory=list)  # number, workflow, begin

    def extrapolation(self) -> float:
        """How many active jobs there are for each that was read."""
        read = len(self.runs_read)
        return self.runs_active / read if read and self.runs_active > read else 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `scope`: where runners are listed; `none`: nowhere."""

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
    runs: dict[int, dict[str, Any]] = {}
    totals: dict[str, int] = {}
    requests.together([
        partial(_read_runners, requests, wanted, activity),
        partial(_read_runs, requests, wanted, "", runs, totals),
        *(partial(_read_heartbeats, requests, wanted, path, activity) for path in wanted.heartbeat_paths[:1]),
    ])  # fmt: skip
    newest = list(runs.values())
    oldest = min((begun for one in newest if (begun := as_time(one.get("created_at")))), default=now)
    more: list[Callable[[], None]] = []
    if totals.get("", -1) > len(newest) and now - oldest < DAY_SECONDS:  # older ones may still be under way
        more += [partial(_read_runs, requests, wanted, status, runs, totals) for status in ACTIVE]
    if not activity.heartbeats:
        more += [
            partial(_read_heartbeats, requests, wanted, path, activity) for path in wanted.heartbeat_paths[1:]
        ]
    requests.together(more)
    found = list(runs.values())  # a late answer adds to `runs` no more
    active = [one for one in found if one.get("status") in ACTIVE]
    if any(total >= 0 for total in totals.values()):
        activity.runs_active = max(len(active), sum(max(0, totals.get(status, 0)) for status in ACTIVE))
    activity.young_runs = [
        (one["id"], str(one.get("name") or ""), begun)
        for one in active
        if (begun := as_time(one.get("run_started_at"))) is not None
    ]
    _read_jobs(requests, wanted, activity, _by_weight(active, now), _unread(found, wanted, known))
    return activity


def _by_weight(active: Sequence[Mapping[str, Any]], now: float) -> list[int]:
    """Active runs, the oldest first, for their jobs are ahead; but those that have gone on for hours last."""

    def key(one: Mapping[str, Any]) -> tuple[bool, float]:
        created = as_time(one.get("created_at")) or now
        return now - created > OLD_SECONDS, created

    return [int(one["id"]) for one in sorted(active, key=key)]


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
    active: Sequence[int],
    unread: Sequence[tuple[int, int]],
) -> None:
    """Jobs of active runs, of some that ended, and with what is left of more active ones: of all, or of a sample."""
    left = requests.left()
    first = list(active[: min(ACTIVE_RUNS_READ, left)])
    ended = list(unread[: max(0, left - len(first))])
    room = left - len(ended)
    first += active[len(first) : room if room >= len(active) else min(room, SAMPLE)]
    requests.together([
        *(partial(_read_active_run, requests, wanted, activity, number) for number in first),
        *(partial(_read_ended_run, requests, wanted, activity, *one) for one in ended),
    ])  # fmt: skip
    if activity.runs_active > len(activity.runs_read):
        requests.note(
            f"{activity.runs_active} runs are under way: the jobs of {len(activity.runs_read)} were read, and the rest "
            "taken to be like them"
        )


def _jobs_of(requests: Requests, wanted: Wanted, number: int) -> tuple[list[dict[str, Any]], int]:
    path = f"/repos/{wanted.repository}/actions/runs/{number}/jobs"
    return requests.pages(path, "jobs", most=1, filter="latest")


def _read_active_run(requests: Requests, wanted: Wanted, activity: Activity, number: int) -> None:
    jobs, total = _jobs_of(requests, wanted, number)
    if total < 0:
        return
    seen = [job for one in jobs if (job := active_job(one, wanted.labels))]
    if len(jobs) < total:  # the rest of a very large run is like what was read
        seen = seen * round(total / max(1, len(jobs)))
        requests.note(f"{total} jobs of one run: {len(jobs)} were read, and the rest taken to be like them")
    activity.jobs += seen
    activity.ended += [record for one in jobs if (record := ended_job(one, wanted.labels))]
    activity.runs_read.add(number)


def _read_ended_run(
    requests: Requests, wanted: Wanted, activity: Activity, number: int, attempt: int
) -> None:
    jobs, total = _jobs_of(requests, wanted, number)
    if total < 0:
        return
    activity.ended += [record for one in jobs if (record := ended_job(one, wanted.labels))]
    if len(jobs) == total:
        activity.ended_runs.append((number, attempt))


def _read_runs(
    requests: Requests, wanted: Wanted, status: str, runs: dict[int, dict[str, Any]], totals: dict[str, int]
) -> None:
    """The newest hundred runs, or those with one status."""
    given = {"status": status} if status else {}
    path = f"/repos/{wanted.repository}/actions/runs"
    found, totals[status] = requests.pages(path, "workflow_runs", most=1, **given)
    runs.update({one["id"]: one for one in found if isinstance(one.get("id"), int)})


def _read_runners(requests: Requests, wanted: Wanted, activity: Activity) -> None:
    path = _runners_path(requests, wanted, activity)
    if not path:
        return
    runners, total = requests.pages(path, "runners", most=RUNNER_PAGES)
    if total < 0:
        return
    if len(runners) < total:
        requests.note(f"{total} runners are registered, and {len(runners)} were read")
    states = [
        RunnerState(
            str(one.get("name", "")),
            online=one.get("status") == "online",
            busy=bool(one.get("busy")),
            labels=tuple(
                str(label.get("name", "")) for label in one.get("labels") or () if isinstance(label, dict)
            ),
        )
        for one in runners
    ]
    activity.runners = [one for one in states if wanted.labels.are_met_by(one.labels)]


def _runners_path(requests: Requests, wanted: Wanted, activity: Activity) -> str:
    """Where the runners are listed; empty where that is nowhere."""
    owner, group = wanted.repository.partition("/")[0], wanted.labels.group
    if wanted.scope == "none":
        return ""
    if wanted.scope == "repository":
        if group:
            requests.note(f"the runners of group '{group}' are listed with 'runner-scope: organization' only")
        return "" if group else f"/repos/{wanted.repository}/actions/runners"
    if not group:
        return f"/orgs/{owner}/actions/runners"
    groups, total = requests.pages(f"/orgs/{owner}/actions/runner-groups", "runner_groups", most=1)
    found = next((one for one in groups if str(one.get("name", "")).lower() == group.lower()), None)
    if found is None:
        if total >= 0:
            requests.note(f"the organisation {owner} has no runner group '{group}'")
            activity.runners = []
        return ""
    return f"/orgs/{owner}/actions/runner-groups/{found['id']}/runners"


def _read_heartbeats(requests: Requests, wanted: Wanted, path: str, activity: Activity) -> None:
    """From a repository variable, or from the statuses of a commit, whose contexts are NAME/HOST and more."""
    if path.endswith("/statuses"):
        _read_statuses(requests, wanted, path, activity)
        return
    data = requests.get(path)
    if isinstance(data, dict) and isinstance(data.get("value"), str):
        activity.heartbeats.append(Told("", data["value"]))


def _read_statuses(requests: Requests, wanted: Wanted, path: str, activity: Activity) -> None:
    """The newest ones, which GitHub lists first: the combined status has the newest of each context, in any order."""
    for page in range(1, STATUS_PAGES + 1):
        part = requests.get(path, per_page=100, page=page)
        if part is None:
            return
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            requests.note(f"{path}: the answer is no list of statuses")
            return
        for one in part:
            name, *host = str(one.get("context", "")).split("/")
            if name == wanted.heartbeat_name:
                received = as_time(one.get("updated_at")) or as_time(one.get("created_at"))
                told = Told("".join(host[:1]), str(one.get("description") or ""), received)
                activity.heartbeats.append(told)
        if activity.heartbeats or len(part) < 100:
            return
