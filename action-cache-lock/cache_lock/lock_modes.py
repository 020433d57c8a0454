"""Modes `acquire` and `release`."""

from __future__ import annotations

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.jobs import current_job
from actionlib.locking import FileLocks
from actionlib.locking.file_backend import FileLease
from actionlib.scoped_runs import run_in_workspace, script_result
from actionlib.state import StateRoot, open_state
from actionlib.summary import code, duration
from cache_lock.held_locks import AcquireRequest, HeldLocks
from cache_lock.inputs import Settings
from cache_lock.reporting import owner_labels, waiting_line


def open_locks(state: StateRoot) -> FileLocks:
    """The host's locks."""
    return FileLocks(state.folder("locks", "v1"), shared_by_group=state.shared_by_group)


def acquire(context: Context, settings: Settings) -> Result:
    """Take a lock: for one script (`run`), or across steps until `release` or the job's end."""
    state = open_state(context.environ)
    held = HeldLocks(open_locks(state), state, current_job(context.environ))
    request = AcquireRequest(
        name=settings.lock_name,
        slots=settings.slots,
        priority=settings.priority,
        timeout_seconds=settings.timeout_seconds,
        max_hold_seconds=settings.max_hold_seconds,
        owner=owner_labels(context.environ),
    )
    lease = held.wait_for(request, waiting_line(context.out.say, f"lock '{request.name}'"))
    with lease:
        context.out.say(f"Lock '{request.name}' acquired after {duration(lease.waited_seconds)}.")
        if settings.run:
            return _run_locked(context, settings, lease)
        held.keep(lease, request, action_path=context.action_path, environ=context.environ)
    _report(context, settings, lease, "held until `release` or the end of the job")
    return Result(_outputs(lease), facts=_facts(settings, lease))


def _run_locked(context: Context, settings: Settings, lease: FileLease) -> Result:
    result = run_in_workspace(context, settings.run, timeout_seconds=settings.max_hold_seconds)
    if not lease.is_held():
        raise ActionError(
            f"lock '{settings.lock_name}' was lost while the script ran: its ticket was removed",
            hint="Somebody deleted files below the state root; what ran was not protected",
        )
    if result.timed_out:
        context.out.error(
            f"the script was ended after max-hold-seconds ({settings.max_hold_seconds:g} s) under lock "
            f"'{settings.lock_name}'"
        )
    _report(context, settings, lease, f"held for {duration(result.seconds)}, exit code {result.exit_code}")
    return script_result(result, _outputs(lease), _facts(settings, lease))


def _outputs(lease: FileLease) -> dict[str, str]:
    return {"lock-token": lease.token, "waited-seconds": f"{lease.waited_seconds:.3f}"}


def _facts(settings: Settings, lease: FileLease) -> dict[str, object]:
    return {"lock": settings.lock_name, "token": lease.token, "waited-seconds": lease.waited_seconds}


def _report(context: Context, settings: Settings, lease: FileLease, what: str) -> None:
    context.summary.heading(f"Lock {code(settings.lock_name)}")
    context.summary.facts({"waited": duration(lease.waited_seconds), "slots": settings.slots, "lock": what})


def release(context: Context, settings: Settings) -> Result:
    """Give a lock back that an earlier step of this job acquired."""
    state = open_state(context.environ)
    held = HeldLocks(open_locks(state), state, current_job(context.environ))
    records = held.release(name=settings.lock_name, token=settings.lock_token)
    for record in records:
        context.out.say(f"Lock '{record.name}' is released.")
    context.summary.heading(f"Lock {code(records[0].name)}")
    context.summary.facts({"lock": "released"})
    facts = {"lock": records[0].name, "released": [record.token for record in records]}
    return Result(facts=facts)
