"""The store stays within its budget: least recently used first, and never what somebody uses."""

from __future__ import annotations

import os
import signal
import time

import pytest

from fakes import trees
from fakes.steps import poll

MIB = 1 << 20
GIB = 1 << 30


@pytest.fixture
def three(action, workspace, state_home):
    """Entries `old`, `middle`, `new` of 1 MiB each, used that many hours ago: 3, 2, 1."""
    for number, key in enumerate(("old", "middle", "new")):
        trees.build(workspace, {"out/a": key.ljust(MIB)})
        assert action(mode="save", key=key, path="out").exit_code == 0
        set_age(state_home, key, hours=3 - number)


def set_age(state_home, key, *, hours):
    """As if the entry had been made and last used so many hours ago."""
    (record,) = state_home.glob(f"store/v1/entries/*/*/{key}/entry.json")
    stamp = time.time() - hours * 3600
    text = record.read_text()
    start = text.index('"created": ') + len('"created": ')
    end = text.index(",", start)
    record.write_text(f"{text[:start]}{stamp}{text[end:]}")
    os.utime(record.with_name("used"), (stamp, stamp))


def removed(step):
    return [one["key"] for one in step.facts["removed"]]


@pytest.mark.parametrize(
    ("budget_mib", "expected"),
    [(3, []), (2.9, ["old"]), (1, ["old", "middle"]), (0, ["old", "middle", "new"])],
)
def test_the_least_recently_used_go_first_and_no_more_than_needed(
    action, state_home, three, budget_mib, expected
):
    dry = action(mode="prune", max_size_gb=budget_mib / 1024, dry_run=True)
    assert removed(dry) == expected
    assert "would remove" in dry.summary.lower()
    assert trees.entry_keys(state_home) == {"old", "middle", "new"}
    step = action(mode="prune", max_size_gb=budget_mib / 1024)
    assert removed(step) == expected
    assert step.facts["freed-bytes"] == len(expected) * MIB
    assert trees.entry_keys(state_home) == {"old", "middle", "new"} - set(expected)
    assert trees.leftovers(state_home) == []


def test_a_hit_makes_an_entry_recently_used_and_a_lookup_does_not(action, state_home, three):
    action(mode="restore", key="old", path="out")
    action(mode="restore", key="middle", path="out", lookup_only=True)
    assert removed(action(mode="prune", max_size_gb=1 / 1024)) == ["middle", "new"]


def test_max_age_removes_what_was_not_used_for_so_long(action, state_home, three):
    step = action(mode="prune", max_age_days=1.5 / 24)
    assert removed(step) == ["old", "middle"]
    assert "not used for 0.1 days" in step.facts["removed"][0]["reason"]
    assert removed(action(mode="prune", max_age_days=30)) == []


def test_saving_evicts_until_the_new_entry_fits(action, workspace, state_home, three):
    trees.build(workspace, {"out/a": "n" * MIB})
    assert action(mode="save", key="newest", path="out", max_size_gb=2 / 1024).exit_code == 0
    assert trees.entry_keys(state_home) == {"new", "newest"}


def test_an_entry_larger_than_the_whole_budget_is_not_saved_and_evicts_nothing(
    action, workspace, state_home, three
):
    trees.build(workspace, {"out/a": "n" * MIB})
    step = action(mode="save", key="huge", path="out", max_size_gb=0.5 / 1024)
    assert step.exit_code == 0
    assert (
        "'huge' was not saved: 1 files, 1.0 MiB exceed the store's whole budget of 512.0 KiB"
        in step.warnings[0]
    )
    assert trees.entry_keys(state_home) == {"old", "middle", "new"}
    assert trees.leftovers(state_home) == []


def test_the_budget_is_20_percent_of_the_disk_unless_given(action, workspace, state_home, mount_tmpfs):
    mount_tmpfs(state_home, 20)
    assert action(mode="status").facts["budget-bytes"] == 4 * MIB
    for number in range(4):
        trees.build(workspace, {"out/a": os.urandom(int(1.5 * MIB))})
        assert action(mode="save", key=f"k{number}", path="out").warnings == []
    assert trees.entry_keys(state_home) == {"k2", "k3"}
    assert action(mode="status", max_size_gb=1).facts["budget-bytes"] == GIB


def test_the_default_budget_is_at_most_50_gib(action):
    assert action(mode="status").facts["budget-bytes"] <= 50 * GIB


def test_an_entry_in_use_stays_and_the_next_in_line_goes_instead(action, workspace, state_home, three):
    with (workspace / "out/zeros").open("wb") as file:
        file.truncate(512 * MIB)
    assert action(mode="save", key="busy", path="out").exit_code == 0
    set_age(state_home, "busy", hours=9)
    (workspace / "out/zeros").unlink()
    step = action.start(mode="restore", key="busy", path="out", materialize="copy")
    poll(lambda: list((workspace / "out").glob(".coldvox-restore-*/zeros")))
    step.signal(signal.SIGSTOP)
    pruned = action(mode="prune", max_size_gb=514 / 1024)
    assert removed(pruned) == ["old", "middle"]  # without being in use, `busy` alone would have gone
    step.signal(signal.SIGCONT)
    assert step.wait().outputs["cache-hit"] == "true"
    trees.remove(state_home)
    trees.remove(workspace / "out")


def test_trash_of_an_interrupted_removal_and_old_quarantine_go(action, state_home, three):
    store = state_home / "store/v1"
    trees.build(store / "trash/abc", {"data/x": "x"})
    trees.build(store / "quarantine/old~1", {"data/x": "x"})
    trees.build(store / "quarantine/fresh~2", {"data/x": "x"})
    long_ago = time.time() - 15 * 86_400
    os.utime(store / "quarantine/old~1", (long_ago, long_ago))
    assert sorted(removed(action(mode="prune", dry_run=True))) == ["abc", "old~1"]
    assert sorted(removed(action(mode="prune"))) == ["abc", "old~1"]
    assert trees.leftovers(state_home) == [store / "quarantine/fresh~2"]


def test_several_prunes_at_once_remove_each_entry_once(action, state_home, three):
    steps = [one.wait() for one in [action.start(mode="prune", max_size_gb=0) for _ in range(4)]]
    assert [step.exit_code for step in steps] == [0] * 4
    assert sorted(key for step in steps for key in removed(step)) == ["middle", "new", "old"]


def test_pruning_an_empty_store_says_that_there_was_nothing(action):
    step = action(mode="prune")
    assert step.facts["removed"] == []
    assert "Removed 0 items" in step.summary
