"""`explain`: the last decision in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.scoped_runs import workspace_of
from actionlib.state import open_state
from smart_dispatch.dispatch_history import DispatchHistory
from smart_dispatch.inputs import Settings
from smart_dispatch.reporting import in_words, summarise

# What facts of another shape do to who tells them.
_NO_DECISION = (
    KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError, RecursionError,
)  # fmt: skip


def run_explain(context: Context, settings: Settings) -> Result:
    """Tell of the decision in `decision-file`, or of the newest on this host. Raises ActionError if there is none."""
    facts = _from_file(context, settings) if settings.decision_file else _last(context, settings)
    try:
        outputs = {name: facts[name] for name in ("strategy", "reason")}
        if not all(isinstance(one, str) for one in outputs.values()):
            raise TypeError("strategy and reason must be texts")
        words = "\n".join(in_words(facts))
        summarise(context.summary, facts)
    except _NO_DECISION as error:
        raise ActionError(
            f"input 'decision-file' is '{settings.decision_file}', which is no decision: {error!r}"[:400],
            hint="Give the file that decide's output json-file names",
        ) from error
    context.out.quote(words)
    return Result(outputs, 0, facts)


def _from_file(context: Context, settings: Settings) -> Mapping[str, Any]:
    path = workspace_of(context.environ) / settings.decision_file
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise ActionError(
            f"input 'decision-file' is '{settings.decision_file}', which cannot be read: {error}",
            hint="Give the file that decide's output json-file names",
        ) from error
    return value


def _last(context: Context, settings: Settings) -> Mapping[str, Any]:
    try:
        facts = DispatchHistory(open_state(context.environ), "").last_decision(settings.job_name)
    except DatabaseFailed as error:
        raise ActionError(str(error)) from error
    if facts is None:
        about = f" about '{settings.job_name}'" if settings.job_name else ""
        raise ActionError(
            f"no decision{about} was made on this host",
            hint="A machine that is thrown away keeps none: give its json-file in 'decision-file'",
        )
    return facts
