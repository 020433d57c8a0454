"""Traces of jobs: when each was wanted and how long it takes on both classes, and when the host was away."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from actionlib.errors import ActionError

COLUMNS = ("submit-seconds", "self-hosted-seconds", "cloud-seconds")
OUTAGE_COLUMNS = ("begin-seconds", "end-seconds")
MOST_JOBS = 50_000
MOST_SECONDS = 1e12  # later than all times of a calendar


@dataclass(frozen=True, slots=True)
class TraceJob:
    """One job: when it is wanted, in seconds from the trace's begin, and its seconds on each class."""

    name: str
    submit: float
    self_hosted: float
    cloud: float


@dataclass(frozen=True, slots=True)
class Outage:
    """All slots are away from `begin` to `end`; what runs there is lost."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs by submit time, and outages by begin; outages do not overlap."""

    jobs: tuple[TraceJob, ...]
    outages: tuple[Outage, ...]


def read_trace(path: Path) -> Trace:
    """A trace from a CSV or JSON file.

    JSON: an object with `jobs` and `outages`, or a list of jobs. CSV: a line for each job with the same columns; a line
    whose `kind` is `outage` has `begin-seconds` (or `submit-seconds`) and `end-seconds`. Times are numbers of seconds,
    or ISO 8601. Raises ActionError that names the file, the row and what is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ActionError(f"input 'trace' is '{path}', which cannot be read: {error}") from error
    if text.lstrip()[:1] in ("{", "["):
        jobs, outages = _from_json(text, path)
    else:
        try:
            rows = list(csv.DictReader(text.splitlines()))
        except csv.Error as error:
            raise ActionError(f"input 'trace': {path} is no CSV: {error}") from error
        jobs = [one for one in rows if _field(one, "kind") != "outage"]
        outages = [one for one in rows if _field(one, "kind") == "outage"]
    if not jobs:
        raise ActionError(f"input 'trace': {path} has no job", hint=f"It needs {', '.join(COLUMNS)} for each")
    if len(jobs) > MOST_JOBS:
        raise ActionError(f"input 'trace': {path} has {len(jobs)} jobs; allowed: {MOST_JOBS}")
    return _trace(jobs, outages, path)


def _from_json(text: str, path: Path) -> tuple[list[Any], list[Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ActionError(f"input 'trace': {path} is no JSON: {error}") from error
    if isinstance(value, list):
        return value, []
    jobs, outages = value.get("jobs", []), value.get("outages", [])
    if not isinstance(jobs, list) or not isinstance(outages, list):
        raise ActionError(f"input 'trace': {path} needs lists 'jobs' and 'outages'")
    return jobs, outages


def _trace(jobs: Iterable[Any], outages: Iterable[Any], path: Path) -> Trace:
    read = []
    for number, one in enumerate(jobs, 1):
        submit, here, there = (_number(one, name, f"{path}, job {number}") for name in COLUMNS)
        read.append((str(_field(one, "name") or "job"), submit, here, there))
    gone = []
    for number, one in enumerate(outages, 1):
        where = f"{path}, outage {number}"
        begin = _number(
            one,
            "begin-seconds" if _field(one, "begin-seconds") not in (None, "") else "submit-seconds",
            where,
        )
        end = _number(one, "end-seconds", where)
        if end < begin:
            raise ActionError(f"input 'trace': {where} ends before it begins")
        gone.append((begin, end))
    zero = min(submit for _, submit, _, _ in read)
    zero = zero if zero > 10**6 else 0.0  # times of a calendar
    return Trace(
        tuple(sorted((TraceJob(name, s - zero, h, c) for name, s, h, c in read), key=lambda one: one.submit)),
        _merged((begin - zero, end - zero) for begin, end in gone),
    )


def _merged(outages: Iterable[tuple[float, float]]) -> tuple[Outage, ...]:
    found: list[Outage] = []
    for begin, end in sorted(outages):
        if found and begin <= found[-1].end:
            found[-1] = Outage(found[-1].begin, max(end, found[-1].end))
        else:
            found.append(Outage(begin, end))
    return tuple(found)


def _field(row: object, name: str) -> object:
    """A column, however its words are joined."""
    if not isinstance(row, Mapping):
        return None
    return next(
        (value for key, value in row.items() if str(key).strip().lower().replace("_", "-") == name), None
    )


def _number(row: object, name: str, where: str) -> float:
    value = _field(row, name)
    if value is None or value == "":
        raise ActionError(
            f"input 'trace': {where} has no '{name}'",
            hint=f"A job has {', '.join(COLUMNS)} and a name; an outage {', '.join(OUTAGE_COLUMNS)}",
        )
    try:
        number = float(str(value))
    except ValueError:
        try:
            number = datetime.fromisoformat(str(value)).timestamp()
        except (ValueError, OverflowError):
            number = math.nan
    if not 0 <= number <= MOST_SECONDS:
        raise ActionError(
            f"input 'trace': {where} has {name} '{str(value)[:60]}'; allowed: seconds from 0 to {MOST_SECONDS:.0e}, "
            "or an ISO 8601 time"
        )
    return number


def synthetic_trace(seed: int, *, jobs: int, slots: int = 4, speed: float = 2.5) -> Trace:
    """A made trace: working days with bursts of pushes, each a workflow of several jobs, and outages of the host.

    `speed`: how many times faster the host is than the cloud. The load is about what keeps `slots` half busy by day.
    """
    chance = random.Random(f"dispatch trace {seed}")  # noqa: S311  (no secret)
    kinds = [
        (
            f"job-{number}",
            math.exp(chance.gauss(math.log(280), 0.8)),
            chance.uniform(0.12, 0.45),
            speed * chance.uniform(0.8, 1.25),
        )
        for number in range(8)
    ]
    made: list[TraceJob] = []
    now = 8 * 3600.0
    while len(made) < jobs:
        hour = now / 3600 % 24
        busy = 1.0 if 9 <= hour < 18 else 0.25
        now += chance.expovariate(busy * slots / 4 / 1500)
        for _ in range(chance.choice((1, 1, 2, 3))):  # a push, and its amendments
            for name, middle, spread, factor in chance.sample(kinds, chance.randint(2, 6)):
                seconds = middle * math.exp(chance.gauss(0, spread))
                made.append(TraceJob(name, now, seconds, seconds * factor * math.exp(chance.gauss(0, 0.12))))
            now += chance.uniform(20, 240)
    made = made[:jobs]
    span = made[-1].submit
    outages = [
        (begin, begin + chance.choice((900.0, 3600.0, 4 * 3600.0, 9 * 3600.0)))
        for begin in (chance.uniform(0.02, 0.95) * span for _ in range(max(1, round(span / (2 * 86400)))))
    ]
    return Trace(tuple(made), _merged(outages))
