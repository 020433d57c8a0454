"""The action's inputs as one checked value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from actionlib.errors import ActionError
from actionlib.host_metrics import JOB_PATTERN
from actionlib.inputs import Inputs
from actionlib.metrics import LEVELS, Metric, parse_thresholds
from perf_monitor.samples import SOURCE_CACHES, cache_column, columns

MODES = ("start", "stop", "run", "health", "report", "compare", "monitor")
_DEFAULT_CACHES = dict(
    zip(SOURCE_CACHES, ("~/ActionRunnerCache", "~/ActionRunnerCache/vosk-models", "~/.cargo"), strict=True)
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run of the action was asked for. Field names are the inputs' names."""

    mode: str
    run: str
    sample_interval_seconds: float
    max_runtime_seconds: float
    timeout_seconds: float
    output_dir: str
    metrics_file: str
    disk_path: str
    cache_paths: Mapping[str, str]  # by name; `~` is not yet expanded
    cache_paths_given: bool  # else the defaults, which need not exist
    job_key: str
    job_pattern: str
    thresholds: Mapping[str, Metric]
    network_host: str
    fail_on: str
    comment_pr: bool
    token: str
    baseline: bool
    fail_on_regression: bool
    prometheus_textfile: str
    otlp_endpoint: str


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError that names the input, its value and what is allowed."""
    mode = inputs.choice("mode", MODES)
    mode = "start" if mode == "monitor" else mode
    settings = Settings(
        mode=mode,
        run=inputs.script_of_run_mode(mode),
        sample_interval_seconds=inputs.number("sample-interval-seconds", minimum=0.5, maximum=3600),
        max_runtime_seconds=inputs.number("max-runtime-seconds", minimum=1, maximum=432_000),
        timeout_seconds=inputs.number("timeout-seconds", minimum=1, maximum=432_000),
        output_dir=inputs.text("output-dir"),
        metrics_file=inputs.text("metrics-file"),
        disk_path=inputs.text("disk-path"),
        cache_paths=_cache_paths(inputs.lines("cache-paths")),
        cache_paths_given=bool(inputs.lines("cache-paths")),
        job_key=_one_line(inputs.text("job-key"), "job-key"),
        job_pattern=_pattern(inputs.text("job-pattern")),
        thresholds=parse_thresholds(inputs.lines("thresholds"), name="thresholds"),
        network_host=inputs.host("network-host"),
        fail_on=inputs.choice("fail-on", ("never", *LEVELS[1:3])),
        comment_pr=inputs.boolean("comment-pr"),
        token=inputs.text("token"),
        baseline=inputs.boolean("baseline"),
        fail_on_regression=inputs.boolean("fail-on-regression"),
        prometheus_textfile=_textfile(inputs.text("prometheus-textfile")),
        otlp_endpoint=_url(inputs.text("otlp-endpoint")),
    )
    _check_combination(settings)
    return settings


def _cache_paths(lines: tuple[str, ...]) -> dict[str, str]:
    taken = set(columns(()))
    found: dict[str, str] = {}
    for line in lines:
        name, equals, path = (part.strip() for part in line.partition("="))
        if not equals or not path or not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise ActionError(
                f"input 'cache-paths' holds '{line}'; allowed: NAME=PATH, a name of lower-case letters, digits and _",
                hint="For example cargo_registry=~/.cargo/registry",
            )
        if name in found or (cache_column(name) in taken and name not in SOURCE_CACHES):
            raise ActionError(
                f"input 'cache-paths' holds '{line}': the column {cache_column(name)} is taken",
                hint="Use another name",
            )
        found[name] = path
    return found or dict(_DEFAULT_CACHES)


def _one_line(text: str, name: str) -> str:
    if len(text) > 200 or not text.isprintable():
        raise ActionError(f"input '{name}' is '{text[:60]}'; allowed: one line of up to 200 characters")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ActionError(
            f"input 'job-pattern' is '{text}': {error}", hint="Allowed: a regular expression of Python's `re`"
        ) from error
    return text or JOB_PATTERN


def _textfile(text: str) -> str:
    if text:
        from perf_monitor.prometheus_export import check_textfile

        check_textfile(text)
    return text


def _url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise ActionError(
            f"input 'otlp-endpoint' is '{text}'; allowed: an http:// or https:// URL",
            hint="For example http://127.0.0.1:4318/v1/metrics",
        )
    return text


def _check_combination(settings: Settings) -> None:
    if settings.comment_pr and not settings.token:
        raise ActionError(
            "input 'comment-pr' is 'true', and 'token' is empty",
            hint="Set 'token' to the job's github.token, and give the job `pull-requests: write`",
        )
    if settings.fail_on_regression and not settings.baseline:
        raise ActionError(
            "input 'fail-on-regression' is 'true', and 'baseline' is 'false': there is nothing to compare with",
            hint="Set 'baseline: true'",
        )
    if settings.metrics_file and settings.mode not in ("report", "compare"):
        raise ActionError(
            f"input 'metrics-file' is '{settings.metrics_file}', and mode '{settings.mode}' reads none",
            hint="Use mode 'report' or 'compare'",
        )
