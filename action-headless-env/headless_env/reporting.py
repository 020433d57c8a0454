"""What people and later steps get to read about an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actionlib.entrypoint import Context
from actionlib.errors import ActionError
from actionlib.summary import duration, escape_cell
from headless_env.components import recorder
from headless_env.environments import ENV_FILE
from headless_env.health import Finding
from headless_env.inputs import Settings
from headless_env.launching import Running

_VARIABLE_OUTPUTS = (
    "display", "xauthority", "wayland-display", "swaysock", "xdg-runtime-dir", "dbus-session-bus-address",
    "dbus-session-bus-pid", "at-spi-bus-address", "pulse-server", "pulse-runtime-path", "pipewire-runtime-dir",
    "alsa-config-path", "coldvox-microphone-sink",
)  # fmt: skip


def environment_outputs(exports: Mapping[str, str], *, folder: Path, log_dir: Path) -> dict[str, str]:
    """The variables and files of an environment as outputs: `display` is DISPLAY."""
    found = {name: exports.get(name.upper().replace("-", "_"), "") for name in _VARIABLE_OUTPUTS}
    return found | {"env-file": str(folder / ENV_FILE), "log-dir": str(log_dir)}


def running_outputs(running: Running) -> dict[str, str]:
    """Outputs of a step that has started an environment."""
    found = environment_outputs(running.exports, folder=running.folder, log_dir=running.log_dir)
    return found | {"ready-milliseconds": str(running.ready_milliseconds)}


def running_facts(
    running: Running, findings: Sequence[Finding], verified_milliseconds: int
) -> dict[str, Any]:
    """The same and more, as JSON."""
    return {
        "environment": running.record.identity,
        "components": dict(running.record.components),
        "variables": running.exports,
        "unset": list(running.record.unset),
        "ready-milliseconds": running.ready_milliseconds,
        "verified-milliseconds": verified_milliseconds,
        "component-seconds": running.unit_seconds,
        "checks": [finding_facts(finding) for finding in findings],
        "cleaned-up": running.removed,
        "log-dir": str(running.log_dir),
    }


def finding_facts(finding: Finding) -> dict[str, Any]:
    """One check as JSON."""
    return {
        "unit": finding.unit,
        "check": finding.check,
        "seconds": round(finding.seconds, 4),
        "detail": finding.detail,
        "problem": finding.problem,
    }


def describe(components: Mapping[str, str]) -> str:
    """The components in a line: `Xvfb, openbox, …`."""
    return ", ".join(components.values())


def tell_start(context: Context, running: Running) -> None:
    """What is there, in one line, and what had to be cleaned up first."""
    for identity in running.removed:
        context.out.say(f"Cleaned up environment {identity}, whose supervisor had been killed.")
    display = running.exports.get("DISPLAY") or running.exports.get("WAYLAND_DISPLAY") or "no display"
    context.out.say(
        f"Headless environment {running.record.identity} on {display}: {describe(running.record.components)}; "
        f"ready {running.ready_milliseconds} ms after the first line."
    )


def table_of_checks(context: Context, components: Mapping[str, str], findings: Sequence[Finding]) -> None:
    """The summary's table: a row for each check."""
    rows = [
        (
            escape_cell(finding.check),
            escape_cell(components.get(finding.unit, finding.unit)),
            "✅" if not finding.problem else "❌",
            duration(finding.seconds),
            escape_cell((finding.problem or finding.detail)[:300]),
        )
        for finding in findings
    ]
    if rows:
        context.summary.table(("check", "component", "", "time", "found"), rows)


def refuse_unhealthy(
    context: Context, settings: Settings, running: Running, findings: Sequence[Finding]
) -> None:
    """Raise ActionError when a check has found a problem, after a capture of what there is to see."""
    bad = [finding for finding in findings if finding.problem]
    if not bad:
        return
    if settings.screenshot != "never":
        from headless_env import failure

        failure.tell(
            context, failure.capture(running.environ(context.environ), running.log_dir), running.log_dir
        )
    components = running.record.components
    lines = [f"- {one.check} ({components.get(one.unit, one.unit)}): {one.problem}" for one in bad]
    raise ActionError(
        "the environment does not work:\n" + "\n".join(lines),
        hint=f"The components' logs are in {running.log_dir}",
        outputs=running.outputs_of_failure,
    )


def recordings(log_dir: Path) -> list[Path]:
    """Videos in an environment's log folder."""
    return sorted(log_dir.glob(recorder.FILES))
