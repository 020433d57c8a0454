"""A host's heartbeat: small enough for a commit status, and told only while it is fresh."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from actionlib.summary import duration
from smart_dispatch.source_score import DEGRADED_FROM, HEALTHY_FROM

VERSION = 1
MOST_CHARACTERS = 140  # of a commit status's description (GitHub's REST API)
AHEAD_SECONDS = 120.0  # how far another machine's clock may run ahead of ours
MOST_SLOTS = 10_000  # of one host
MOST_NUMBER = 1e12  # of any figure; later than all times of people
OFF_SECONDS = 86400.0  # a host that is silent for so long is off, which needs no remark
UNREADABLE = "it cannot be read"
_KEYS = {
    "time": "t",
    "health_score": "h",
    "load": "l",
    "load_per_core": "c",
    "memory_percent": "m",
    "disk_percent": "d",
    "slots": "s",
    "active_jobs": "a",
}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a host was at `time` (seconds since 1970). `slots`: its runner services; None: not known."""

    time: float
    health_score: int
    load: float | None = None
    load_per_core: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    slots: int | None = None
    active_jobs: int | None = None

    def text(self) -> str:
        """As JSON of at most MOST_CHARACTERS."""
        short = {"v": VERSION, "t": int(self.time), "h": self.health_score}
        for name, digits in (("load", 2), ("load_per_core", 2), ("memory_percent", 1), ("disk_percent", 1)):
            if (value := getattr(self, name)) is not None:
                short[_KEYS[name]] = round(value, digits)
        for name in ("slots", "active_jobs"):
            if (value := getattr(self, name)) is not None:
                short[_KEYS[name]] = value
        return json.dumps(short, separators=(",", ":"))

    def age(self, now: float) -> float:
        """Seconds since then; a clock that is a little ahead makes it 0."""
        return max(0.0, now - self.time)


def parse_heartbeat(text: str) -> Heartbeat:
    """Read what `text()` wrote. Raises ValueError for anything else: somebody else may have written it."""
    value = json.loads(text)
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise ValueError("this is no heartbeat of version 1")
    numbers = {name: _number(value, key) for name, key in _KEYS.items()}
    if numbers["time"] is None or numbers["health_score"] is None:
        raise ValueError("a heartbeat has a time (t) and a health score (h)")
    if max(numbers["slots"] or 0, numbers["active_jobs"] or 0) > MOST_SLOTS:
        raise ValueError(f"more than {MOST_SLOTS} slots or jobs")
    return Heartbeat(
        time=numbers["time"],
        health_score=min(100, int(numbers["health_score"])),
        load=numbers["load"],
        load_per_core=numbers["load_per_core"],
        memory_percent=numbers["memory_percent"],
        disk_percent=numbers["disk_percent"],
        slots=None if numbers["slots"] is None else int(numbers["slots"]),
        active_jobs=None if numbers["active_jobs"] is None else int(numbers["active_jobs"]),
    )


class Told(NamedTuple):
    """What a source holds of a host. `received`: when GitHub got it, by its own clock; None: not known."""

    host: str
    text: str
    received: float | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the heartbeats say together. None of them is fresh: `beat` is None, and `why` says so.

    `last` is when the last one was, fresh or not (seconds since 1970); 0 without any. `unreadable`: there was nothing
    else than what is no heartbeat. `doubts`: clocks and timers that somebody should look at.
    """

    beat: Heartbeat | None
    why: str = ""
    last: float = 0.0
    unreadable: bool = False
    doubts: tuple[str, ...] = ()


def pulse_of(told: Iterable[Told], *, now: float, ttl_seconds: float) -> Pulse:
    """Read heartbeats. Of each host the newest counts.

    Slots and jobs are sums of what is told; the others are means over the hosts, weighted by slots. With an ill host
    among them, on which a job may land, the score is at most that of a degraded one.
    """
    why, last = "there is none", 0.0
    newest: dict[str, Heartbeat] = {}
    latest: dict[
        str, tuple[float, float, str]
    ] = {}  # of each host, fresh or not: its times, and what is doubtful
    for host, text, received in told:
        try:
            one = parse_heartbeat(text)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            why = f"{UNREADABLE}: {error}"[:200]
            continue
        when = one.time if received is None else received
        last = max(last, min(when, now))
        doubt = _doubt(host or "the host", one.time - now, received, now=now, ttl_seconds=ttl_seconds)
        latest[host] = max(latest.get(host, (0.0, 0.0, "")), (when, one.time, doubt))
        if one.time > now + AHEAD_SECONDS:
            why = f"it is {one.time - now:.0f} s in the future: a clock is wrong"
        elif one.age(now) > ttl_seconds:
            why = f"it is {one.age(now) / 60:.0f} minutes old"
        elif host not in newest or one.time > newest[host].time:
            newest[host] = one
    beats = list(newest.values())
    doubts = tuple(doubt for *_, doubt in latest.values() if doubt)
    if beats:
        return Pulse(_together(beats), "", last, doubts=doubts)
    return Pulse(None, why, last, unreadable=why.startswith(UNREADABLE), doubts=doubts)


def _doubt(host: str, ahead: float, received: float | None, *, now: float, ttl_seconds: float) -> str:
    """What is wrong with a heartbeat that is so many seconds ahead of `now`; empty if nothing is.

    GitHub's time tells whose clock it is. Without it a heartbeat that is late may also be one that has stopped.
    """
    if received is not None:
        skew = now + ahead - received
        if received - now > AHEAD_SECONDS:
            return f"this machine's clock is {duration(received - now)} behind GitHub's: set it, for example by NTP"
        if abs(skew) > AHEAD_SECONDS:
            side = "ahead of" if skew > 0 else "behind"
            return f"the clock of {host} is {duration(abs(skew))} {side} GitHub's: set it, for example by NTP"
    elif ahead > AHEAD_SECONDS:
        return (
            f"the heartbeat of {host} is {duration(ahead)} in the future: set its clock or this machine's, "
            "for example by NTP"
        )
    elif ttl_seconds < -ahead <= OFF_SECONDS:
        return (
            f"the heartbeat of {host} is {duration(-ahead)} old: if it is up, look at its clock and its timer, "
            f"or raise 'heartbeat-ttl-minutes' ({ttl_seconds / 60:g})"
        )
    return ""


def _together(beats: Sequence[Heartbeat]) -> Heartbeat:
    if len(beats) == 1:
        return beats[0]

    def mean(name: str) -> float | None:
        known = [(getattr(one, name), one.slots or 1) for one in beats if getattr(one, name) is not None]
        weight = sum(slots for _, slots in known)
        return sum(value * slots for value, slots in known) / weight if weight else None

    def total(name: str) -> int | None:
        known = [getattr(one, name) for one in beats if getattr(one, name) is not None]
        return sum(known) if known else None

    score = int(mean("health_score") or 0)
    ill = min(one.health_score for one in beats) < DEGRADED_FROM
    return Heartbeat(
        time=min(one.time for one in beats),
        health_score=min(score, HEALTHY_FROM - 1) if ill else score,
        load=mean("load"),
        load_per_core=mean("load_per_core"),
        memory_percent=mean("memory_percent"),
        disk_percent=mean("disk_percent"),
        slots=total("slots"),
        active_jobs=total("active_jobs"),
    )


def _number(value: Mapping[str, object], key: str) -> float | None:
    number = value.get(key)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= MOST_NUMBER:
        raise ValueError(f"'{key}' is {str(number)[:40]}")
    return float(number)
