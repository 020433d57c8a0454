"""The action's inputs as one checked value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from actionlib.errors import ActionError
from actionlib.inputs import Inputs
from actionlib.metrics import METRICS, Metric, parse_thresholds
from smart_dispatch.decision import POLICIES
from smart_dispatch.job_records import CLASSES, OUTCOMES
from smart_dispatch.matrix_legs import parse_legs
from smart_dispatch.runner_labels import RunnerLabels, parse_labels
from smart_dispatch.source_score import SCORED
from smart_dispatch.traces import MOST_JOBS
from smart_dispatch.trust_rules import TrustRules, parse_rules

MODES = ("decide", "health", "heartbeat", "record", "explain", "simulate")
SINKS = ("status", "variable", "file", "none")
MINUTES_OF_FIVE_DAYS = 7200  # GitHub ends a job after five days on a self-hosted runner


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run of the action was asked for. Field names are the inputs' names."""

    mode: str
    job_name: str
    primary_runner: RunnerLabels
    fallback_runner: RunnerLabels
    enable_fallback: bool
    timeout_minutes: float
    token: str
    token_file: str
    policy: str
    cost_factor: float
    max_wait_minutes: float
    legs: tuple[object, ...]
    untrusted: str
    trust_rules: TrustRules
    changed_files: tuple[str, ...]
    runner_scope: str
    history: str
    history_file: str
    thresholds: dict[str, Metric]
    heartbeat: str
    heartbeat_sink: str
    heartbeat_name: str
    heartbeat_ref: str
    heartbeat_ttl_minutes: float
    repository: str
    loop: bool
    interval_seconds: float
    cache_paths: tuple[str, ...]
    disk_path: str
    network_host: str
    fail_on: str
    peak_hours: tuple[int, int] | None
    timezone: tzinfo
    deadline_seconds: float
    runner_type: str
    outcome: str
    duration_seconds: float | None
    queue_seconds: float | None
    decision_file: str
    trace: str
    seed: int
    jobs: int
    slots: int
    trace_file: str


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError that names the input, its value and what is allowed."""
    settings = Settings(
        mode=inputs.choice("mode", MODES),
        job_name=_one_line(inputs, "job-name", most=300),
        primary_runner=parse_labels(inputs.text("primary-runner"), name="primary-runner", plain=False),
        fallback_runner=_fallback(inputs),
        enable_fallback=inputs.boolean("enable-fallback"),
        timeout_minutes=inputs.number("timeout-minutes", minimum=1, maximum=MINUTES_OF_FIVE_DAYS),
        token=inputs.text("token"),
        token_file=inputs.text("token-file"),
        policy=inputs.choice("policy", POLICIES),
        cost_factor=inputs.number("cost-factor", minimum=0.01, maximum=100),
        max_wait_minutes=inputs.number("max-wait-minutes", minimum=0, maximum=MINUTES_OF_FIVE_DAYS),
        legs=parse_legs(inputs.text("legs")),
        untrusted=inputs.choice("untrusted", ("fallback", "primary", "refuse")),
        trust_rules=parse_rules(inputs.lines("trust-rules"), name="trust-rules"),
        changed_files=inputs.lines("changed-files"),
        runner_scope=inputs.choice("runner-scope", ("auto", "repository", "organization", "none")),
        history=inputs.choice("history", ("api", "local", "both")),
        history_file=inputs.text("history-file"),
        thresholds=_thresholds(inputs),
        heartbeat=inputs.text("heartbeat"),
        heartbeat_sink=inputs.choice("heartbeat-sink", SINKS),
        heartbeat_name=_name(inputs.text("heartbeat-name")),
        heartbeat_ref=_ref(inputs.text("heartbeat-ref")),
        heartbeat_ttl_minutes=inputs.number("heartbeat-ttl-minutes", minimum=0.1, maximum=1440),
        repository=_repository(inputs.text("repository")),
        loop=inputs.boolean("loop"),
        interval_seconds=inputs.number("interval-seconds", minimum=1, maximum=3600),
        cache_paths=inputs.lines("cache-paths"),
        disk_path=inputs.text("disk-path"),
        network_host=inputs.host("network-host"),
        fail_on=inputs.choice("fail-on", ("never", "degraded", "unhealthy")),
        peak_hours=_hours(inputs.text("peak-hours")),
        timezone=_zone(inputs.text("timezone")),
        deadline_seconds=inputs.number("deadline-seconds", minimum=1, maximum=300),
        runner_type=inputs.choice("runner-type", ("", *CLASSES)),
        outcome=inputs.choice("outcome", ("", *OUTCOMES)),
        duration_seconds=inputs.optional_number("duration-seconds", minimum=0, maximum=60 * MINUTES_OF_FIVE_DAYS),
        queue_seconds=inputs.optional_number("queue-seconds", minimum=0, maximum=60 * MINUTES_OF_FIVE_DAYS),
        decision_file=inputs.text("decision-file"),
        trace=inputs.text("trace"),
        seed=inputs.integer("seed", minimum=0, maximum=10**9),
        jobs=inputs.integer("jobs", minimum=1, maximum=MOST_JOBS),
        slots=inputs.integer("slots", minimum=1, maximum=1000),
        trace_file=inputs.text("trace-file"),
    )  # fmt: skip
    _check_combination(settings)
    return settings


def _fallback(inputs: Inputs) -> RunnerLabels:
    text = inputs.text("fallback-runner")
    if not text and inputs.boolean("enable-fallback"):
        raise ActionError(
            "input 'fallback-runner' is empty, and 'enable-fallback' is 'true'",
            hint="Name a cloud runner such as ubuntu-latest, or set 'enable-fallback: false'",
        )
    return parse_labels(text or "ubuntu-latest", name="fallback-runner", plain=True)


def _thresholds(inputs: Inputs) -> dict[str, Metric]:
    """The metrics that the input sets."""
    lines = inputs.lines("thresholds")
    metrics = parse_thresholds(lines, name="thresholds")
    given = {line.partition("=")[0].strip() for line in lines}
    for name in given - set(SCORED):
        raise ActionError(
            f"input 'thresholds' holds '{name}', which is no part of the health score; allowed: {', '.join(SCORED)}"
        )
    return {name: metrics[name] for name in METRICS if name in given}


def _hours(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text)
    begin, end = map(int, match.groups()) if match else (99, 99)
    if begin > 23 or end > 23:
        raise ActionError(
            f"input 'peak-hours' is '{text}'; allowed: HOUR-HOUR, each from 0 to 23", hint="For example 9-17"
        )
    return begin, end


def _zone(text: str) -> tzinfo:
    try:
        return UTC if text == "UTC" else ZoneInfo(text)  # a slim image has no database of zones
    except (OSError, ValueError, KeyError) as error:
        raise ActionError(
            f"input 'timezone' is '{text[:60]}'; allowed: a name of the IANA time zone database",
            hint="For example Europe/Berlin, or UTC",
        ) from error


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", text):
        raise ActionError(
            f"input 'heartbeat-name' is '{text[:120]}'; allowed: up to 100 letters, digits and _, no digit first"
        )
    return text


def _repository(text: str) -> str:
    if text and not re.fullmatch(r"(?!\.)[\w.-]+/(?!\.{1,2}$)[\w.-]+", text):
        raise ActionError(f"input 'repository' is '{text[:120]}'; allowed: OWNER/NAME")
    return text


def _ref(text: str) -> str:
    """A branch, tag or commit; the signs that git refuses (git-check-ref-format) would be another path of the API."""
    if text and (not re.fullmatch(r"[^\s~^:?*\[\\/-][^\s~^:?*\[\\]{0,199}", text) or ".." in text):
        raise ActionError(
            f"input 'heartbeat-ref' is '{text[:120]}'; allowed: the name of a branch or tag, or a commit",
            hint="For example heartbeat, or main",
        )
    return text


def _one_line(inputs: Inputs, name: str, *, most: int) -> str:
    text = inputs.text(name)
    if len(text) > most or not text.isprintable() or text.startswith("-"):
        raise ActionError(f"input '{name}' is '{text[:60]}'; allowed: one line of up to {most} characters")
    return text


def _check_combination(settings: Settings) -> None:
    if settings.token and settings.token_file:
        raise ActionError("inputs 'token' and 'token-file' are both given", hint="Leave one of them empty")
    if settings.mode == "record" and not settings.job_name:
        raise ActionError("input 'job-name' is empty, and mode 'record' needs it", hint="Set 'job-name:'")
    if settings.mode == "heartbeat" and settings.heartbeat_sink == "none":
        raise ActionError(
            "input 'heartbeat-sink' is 'none', and mode 'heartbeat' publishes nothing then",
            hint=f"Allowed: {', '.join(SINKS[:-1])}",
        )
