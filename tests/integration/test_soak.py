"""Random saves, restores, populates and prunes by parallel processes, many of them killed, also on a full disk."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.locking import FileLocks
from actionlib.scripts import ScriptResult
from actionlib.state import StateRoot, open_state
from cache_lock import populate, pruning, restoring, saving
from cache_lock.paths import PathSet, Roots
from cache_lock.scopes import HOST_SCOPE
from cache_lock.store import Store
from fakes.steps import ActionStarter

SOAK = os.environ.get("SOAK") == "1"
ROUNDS = 2000 if SOAK else 100
AT_ONCE = 4
FORK = multiprocessing.get_context("fork")
ROOMY = 1 << 40
LOST, WRONG = 7, 8


class Actor:
    """One process of one round: does one thing to the store, in a workspace of its own."""

    def __init__(self, state: StateRoot, folder: Path, saved: Path, budget: int) -> None:
        self.state, self.folder, self.saved, self.budget = state, folder, saved, budget
        self.store = Store(state)
        self.locks = FileLocks(state.folder("locks", "v1"))
        self.paths = PathSet(["out"], Roots(workspace=str(folder), home="/nonexistent"))

    def save(self, key: str) -> None:
        make(self.folder / "out", key)
        self.save_made(key)

    def save_made(self, key: str) -> None:
        request = saving.SaveRequest(HOST_SCOPE, key, self.paths, read_only=False, source_mtimes=False)
        done = saving.save(
            self.store,
            request,
            lambda needed: pruning.make_room(self.store, budget=self.budget, needed=needed),
        )
        note(self.saved.with_name("outcomes"), done.outcome)
        if done.outcome == "saved":
            note(self.saved, key)

    def restore(self, key: str) -> bool:
        entry = self.store.find(HOST_SCOPE, key)
        if entry is None:
            return False
        request = restoring.RestoreRequest(self.paths, "auto", verify_content=False, clean=True)
        with entry.in_use() as ours:
            if not ours:
                return False
            try:
                restoring.restore(entry, request, self.state)
            except restoring.DamagedEntryError:
                os._exit(WRONG)
            entry.count_hit()
        if fingerprint(self.folder / "out") != expected(key):
            os._exit(WRONG)
        return True

    def populate(self, key: str) -> None:
        def run() -> ScriptResult:
            make(self.folder / "out", key)
            return ScriptResult(0)

        parts = populate.SingleFlight(
            restore_exact=lambda: self.restore(key),
            restore_similar=lambda: None,
            run=run,
            save=lambda: self.save_made(key),
            run_after_timeout=True,
            on_timeout=lambda _error: None,
        )
        populate.populate(
            parts, self.locks, lock_name=key, timeout_seconds=5, priority=0, owner={}, on_wait=lambda *_: None
        )

    def prune(self, _key: str) -> None:
        pruning.prune(self.store, budget=self.budget)


def content(key: str) -> dict[str, bytes]:
    """Files of a key: always the same, a few of them, some large."""
    chance = random.Random(key)
    return {
        f"d{number % 3}/f{number}": chance.randbytes(chance.choice((0, 10, 5_000, 150_000)))
        for number in range(8)
    }


def make(out: Path, key: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    for name, data in content(key).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)


def expected(key: str) -> str:
    parts = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(content(key).items())]
    return "\n".join(parts)


def fingerprint(out: Path) -> str:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    parts = [f"{path.relative_to(out)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return "\n".join(sorted(parts))


def note(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def act(actor: Actor, what: str, key: str) -> None:
    actor.folder.mkdir()
    try:
        getattr(actor, what)(key)
    except (OSError, ActionError) as error:
        if "No space left on device" not in str(error):  # a full disk is part of the game
            raise
        note(actor.saved.with_name("outcomes"), "disk-full")
    finally:
        shutil.rmtree(actor.folder, ignore_errors=True)


def play(chance: random.Random, make_actor: Callable[[int], Actor], deeds: list[str]) -> None:
    """Run the rounds; a third of the processes is killed at a random moment."""
    running: list[tuple[BaseProcess, float]] = []
    for number in range(ROUNDS):
        key = f"key-{chance.randrange(10)}"
        process = FORK.Process(target=act, args=(make_actor(number), chance.choice(deeds), key))
        process.start()
        doomed = chance.random() < 1 / 3
        running.append((process, time.monotonic() + chance.random() * 0.04 if doomed else float("inf")))
        while len(running) >= AT_ONCE:
            running = [one for one in running if not finish(*one)]
    for process, _ in running:
        process.join(60)
        check(process, killed=False)


def finish(process: BaseProcess, doom: float) -> bool:
    process.join(0.001)
    if process.is_alive() and time.monotonic() < doom:
        return False
    killed = process.is_alive()
    if killed:
        process.kill()
    process.join(60)
    check(process, killed=killed)
    return True


def check(process: BaseProcess, *, killed: bool) -> None:
    assert process.exitcode == 0 or (killed and process.exitcode == -9), f"exit code {process.exitcode}"


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 30)))
    print(f"SOAK_SEED={seed}")
    return random.Random(seed)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("disk", ["roomy", "full"])
def test_killed_and_crowded_jobs_leave_a_store_that_is_whole(
    action: ActionStarter, state_home, tmp_path, chance, request, disk: str
) -> None:
    if disk == "full":
        # Room for about three entries, and a budget for ten: saves meet evictions and a full disk.
        request.getfixturevalue("mount_tmpfs")(state_home, 2)
    budget = ROOMY if disk == "roomy" else 1_800_000
    state = open_state({"COLDVOX_ACTIONS_HOME": str(state_home)})
    saved = tmp_path / "saved"
    (tmp_path / "work").mkdir()

    def make_actor(number: int) -> Actor:
        return Actor(state, tmp_path / "work" / str(number), saved, budget)

    deeds = ["save", "restore", "populate", "populate"] + (["prune"] if disk == "full" else [])
    play(chance, make_actor, deeds)

    outcomes = (tmp_path / "outcomes").read_text().split()
    assert {"saved", "already-saved"} <= set(outcomes)
    assert ("disk-full" in outcomes) == (disk == "full")
    probe = make_actor(ROUNDS)
    probe.folder.mkdir()
    entries = probe.store.all_entries()
    for entry in entries:
        assert probe.restore(entry.record.key), f"{entry.record.key} cannot be restored"
    if disk == "roomy":
        lost = set(saved.read_text().split()) - {entry.record.key for entry in entries}
        assert lost == set()
    assert probe.store.quarantined() == []
    assert probe.locks.list() == ()
    facts = action(mode="status").facts
    assert facts["bytes"] == sum(entry.record.bytes for entry in entries)
    assert sorted(one["key"] for one in facts["entries"]) == sorted(entry.record.key for entry in entries)
    pruning.prune(probe.store, budget=ROOMY)
    assert probe.store.leftovers() == []
    assert len(probe.store.all_entries()) == len(entries)
    probe.locks.remove_idle()
    assert list((state_home / "locks/v1").iterdir()) == []
