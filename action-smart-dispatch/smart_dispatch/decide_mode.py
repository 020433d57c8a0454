"""`decide`: where the job runs. Whatever fails, there is an answer, and in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from actionlib.database import DatabaseFailed
from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.errors import ActionError
from actionlib.github_api import read_event
from smart_dispatch.deciding import Outcome, reach_decision
from smart_dispatch.decision import REFUSED
from smart_dispatch.decision_facts import facts_of, facts_without_knowledge
from smart_dispatch.event_trust import trust_in
from smart_dispatch.inputs import Settings
from smart_dispatch.job_records import CLOUD, SELF_HOSTED
from smart_dispatch.reporting import TITLE, outputs_of, summarise

# Before the deadline: for the decision itself, after the last answer; and for telling it.
DECIDING_SECONDS, TELLING_SECONDS = 0.6, 0.3


def run_decide(context: Context, settings: Settings) -> Result:
    """Decide. Only a refusal fails the step."""
    begin = time.monotonic()
    event = read_event(context.environ)
    # What is known of trust without asking anybody: a fault must let nobody in.
    trust = trust_in(context, settings, event, requests=None)
    box: list[Outcome | Exception] = []

    def work() -> None:
        try:
            last = begin + settings.deadline_seconds - DECIDING_SECONDS
            box.append(reach_decision(context, settings, event, deadline=last))
        except Exception as error:  # whatever it is, the workflow must get a runner
            box.append(error)

    # A daemon, because what hangs (a disk, a name server) must not hold the process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(settings.deadline_seconds - TELLING_SECONDS)
    found = box[0] if box else TimeoutError(f"there was no decision within {settings.deadline_seconds:g} s")
    if isinstance(found, Outcome):
        facts = facts_of(settings, found, seconds=time.monotonic() - begin)
        _remember(found, settings, facts)  # it waits for others no longer than a moment
    else:
        told = (
            str(found)
            if isinstance(found, ActionError | TimeoutError)
            else f"{type(found).__name__}: {found}"
        )
        facts = facts_without_knowledge(settings, trust, told)
    return _tell(context, facts)


def _tell(context: Context, facts: Mapping[str, Any]) -> Result:
    """Summary, annotations, and variables for later steps of the same job."""
    out = context.out
    for note in facts["notes"]:
        out.warning(note, title=TITLE)
    summarise(context.summary, facts)
    kind = facts["legs"][0]["runner-class"]
    out.quote(f"{facts['strategy']}: {facts['runs-on']}, because {facts['reason']}")
    try:
        out.export_variable("EXECUTION_STRATEGY", facts["strategy"])
        out.export_variable("RUNNER_TYPE", SELF_HOSTED if kind == SELF_HOSTED else CLOUD)
    except Exception as error:  # of a file that is gone actions_toolkit raises no narrower one
        told = f"later steps do not see EXECUTION_STRATEGY and RUNNER_TYPE: {error}"
        out.warning(told, title=TITLE)
    if facts["strategy"] != REFUSED:
        return Result(outputs_of(facts), 0, facts)
    out.error(f"no runner for this code: {facts['reason']}", title=TITLE)
    return Result(outputs_of(facts), EXIT_USER_ERROR, facts)


def _remember(found: Outcome, settings: Settings, facts: Mapping[str, Any]) -> None:
    """For `explain`. A host that keeps nothing has nothing to explain."""
    if found.known.store:
        try:
            found.known.store.add_decision(settings.job_name, facts)
        except DatabaseFailed as error:
            facts["notes"].append(str(error))
