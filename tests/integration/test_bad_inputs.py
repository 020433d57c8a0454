"""Every wrong input ends in one error that names it, and changes nothing."""

from __future__ import annotations

import os

import pytest

from fakes.steps import ActionStarter

SAVE = {"mode": "save", "key": "k", "path": "out"}
RESTORE = {"mode": "restore", "key": "k", "path": "out"}
POPULATE = {"mode": "populate", "key": "k", "path": "out", "run": "true"}
ACQUIRE = {"mode": "acquire", "lock-name": "l"}
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mode": "restor", "key": "k"}, "input 'mode' is 'restor'; allowed: key, restore, save"),
        (RESTORE | {"kee": "x"}, "unknown input 'kee'. Did you mean 'key'?"),
        (RESTORE | {"key": ""}, "input 'key' is empty, and mode 'restore' needs it"),
        (RESTORE | {"path": ""}, "input 'path' is empty, and mode 'restore' needs it"),
        (SAVE | {"key": "a,b"}, "input 'key' is 'a,b'; allowed: no comma"),
        (SAVE | {"key": "a\nb"}, "input 'key' is 'a\\nb'; allowed: no comma, no newline"),
        (SAVE | {"key": "x" * 513}, "input 'key' has 513 characters"),
        (RESTORE | {"restore-keys": "ok\na,b"}, "input 'restore-keys' is 'a,b'"),
        (SAVE | {"path": "!out"}, "input 'path' names nothing to include"),
        (SAVE | {"path": "/"}, "input 'path' has the line '/', which reaches all of /"),
        (SAVE, "nothing to save: no file matches input 'path' (out)"),
        (SAVE | {"run": "true"}, "input 'run' is set, and mode 'save' runs nothing"),
        (SAVE | {"materialize": "hardlink"}, "input 'materialize' is 'hardlink'; mode 'save' always"),
        (POPULATE | {"materialize": "symlink"}, "input 'materialize' is 'symlink' without 'read-only: true'"),
        (RESTORE | {"materialize": "move"}, "input 'materialize' is 'move'; allowed: auto, reflink"),
        (RESTORE | {"clean": "yes"}, "input 'clean' is 'yes'; allowed: true, false"),
        (RESTORE | {"share": "world"}, "input 'share' is 'world'; allowed: repository, host"),
        (RESTORE | {"dry-run": "true"}, "input 'dry-run' is 'true', and mode 'restore' does not know it"),
        (POPULATE | {"run": ""}, "input 'run' is empty, and mode 'populate' needs it"),
        (POPULATE | {"timeout-seconds": "-1"}, "input 'timeout-seconds' is '-1'; allowed: a number from 0"),
        (POPULATE | {"on-wait-timeout": "wait"}, "input 'on-wait-timeout' is 'wait'; allowed: run, fail"),
        (ACQUIRE | {"lock-name": ""}, "input 'lock-name' is empty, and mode 'acquire' needs it"),
        (ACQUIRE | {"lock-name": "a\nb"}, "input 'lock-name' is 'a\\nb'"),
        (ACQUIRE | {"slots": "0"}, "input 'slots' is '0'; allowed: a whole number from 1"),
        (ACQUIRE | {"priority": "high"}, "input 'priority' is 'high'; allowed: a whole number from -100"),
        (ACQUIRE | {"max-hold-seconds": "0"}, "input 'max-hold-seconds' is '0'"),
        ({"mode": "release"}, "mode 'release' needs the input 'lock-name' or 'lock-token'"),
        ({"mode": "release", "lock-name": "l"}, "lock 'l' was not acquired by this job"),
        ({"mode": "release", "lock-token": "t"}, "lock-token 't' is not one that this job got"),
        ({"mode": "verify"}, "input 'manifest' is empty, and mode 'verify' needs it"),
        ({"mode": "verify", "manifest": "absent.txt"}, "input 'manifest' is 'absent.txt'"),
        ({"mode": "verify", "manifest": "m:sha256:12"}, "input 'manifest' line 1 has the digest '12'"),
        ({"mode": "verify", "manifest": f"m:sha256:{DIGEST}", "path": "a\nb"}, "input 'path' has 2 lines"),
        ({"mode": "verify", "manifest": f"m:sha256:{DIGEST}"}, "model 'm' is missing"),
        ({"mode": "prune", "max-size-gb": "-1"}, "input 'max-size-gb' is '-1'; allowed: a number from 0"),
        ({"mode": "prune", "max-age-days": "old"}, "input 'max-age-days' is 'old'"),
        ({"mode": "key", "hash-files": "*.lok"}, "input 'hash-files' matches no file: *.lok"),
    ],
)
def test_a_wrong_input_is_named_with_its_value_and_what_is_allowed(
    action: ActionStarter, workspace, inputs: dict[str, str], message: str
) -> None:
    before = sorted(os.listdir(workspace))
    step = action(**inputs)
    assert message in step.error()
    assert sorted(os.listdir(workspace)) == before
    assert action(mode="status").facts["entries"] == []


def test_a_state_root_that_cannot_be_written_is_named(action: ActionStarter, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    step = action(mode="status", environ={"COLDVOX_ACTIONS_HOME": str(tmp_path / "file/state")})
    assert f"the state root {tmp_path}/file/state cannot be made" in step.error()


def test_a_read_only_state_root_is_not_replaced_by_another_one(action: ActionStarter, state_home) -> None:
    state_home.mkdir(mode=0o500)
    step = action.start(mode="status", ordinary=True).wait()
    assert f"the state root {state_home}" in step.error()
    assert "cannot be written" in step.error()


def test_a_path_that_holds_the_state_root_is_refused(action: ActionStarter, workspace) -> None:
    (workspace / "out").mkdir()
    step = action(
        mode="save", key="k", path="out", environ={"COLDVOX_ACTIONS_HOME": str(workspace / "out/state")}
    )
    assert "which holds the state root" in step.error()


def test_two_slot_counts_for_one_lock_are_both_named(action: ActionStarter) -> None:
    run = 'touch "$STARTED"; while [ ! -e "$STOP" ]; do sleep 0.02; done'
    marks = {name: f"{action.environ['RUNNER_TEMP']}/{name}" for name in ("STARTED", "STOP")}
    holder = action.start(**ACQUIRE, slots=2, run=run, environ=marks)
    try:
        while not os.path.exists(marks["STARTED"]):
            assert holder.process.poll() is None, holder.log()
        step = action(**ACQUIRE, slots=3)
        assert "lock 'l' is in use with 2 slots, and this step asks for 3" in step.error()
    finally:
        with open(marks["STOP"], "w"):  # noqa: PTH123
            pass
        holder.wait()
