"""Which entry is found: exact before similar, newest first, and only in scopes that may be read."""

from __future__ import annotations

import json

import pytest

from fakes import trees

MAIN = {"GITHUB_REF": "refs/heads/main"}
PULL = {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "release", "GITHUB_HEAD_REF": "patch"}


def save(action, workspace, key, content, **more):
    trees.build(workspace, {"out/a": content})
    step = action(mode="save", key=key, path="out", **more)
    assert step.exit_code == 0, step.log
    return step


def restored(action, workspace, key, *restore_keys, **more):
    """What a restore brings: (content or None, matched key)."""
    (workspace / "out/a").unlink(missing_ok=True)
    step = action(mode="restore", key=key, restore_keys=restore_keys, path="out", **more)
    assert step.exit_code == 0, step.log
    assert step.outputs["cache-primary-key"] == step.outputs["key"] == key
    matched = step.outputs["cache-matched-key"]
    assert step.outputs["cache-hit"] == ("true" if matched == key else "false")
    content = (workspace / "out/a").read_text() if (workspace / "out/a").exists() else None
    assert (content is None) == (matched == "")
    return content, matched


def test_the_exact_key_wins_over_a_newer_similar_one(action, workspace):
    save(action, workspace, "cargo-1", "exact")
    save(action, workspace, "cargo-1-newer", "similar")
    assert restored(action, workspace, "cargo-1", "cargo-1") == ("exact", "cargo-1")


def test_of_similar_keys_the_newest_comes_back_and_the_first_restore_key_goes_first(action, workspace):
    for number in ("old", "middle", "new"):
        save(action, workspace, f"cargo-linux-{number}", number)
    save(action, workspace, "cargo-mac-newest", "mac")
    assert restored(action, workspace, "cargo-x", "cargo-linux-", "cargo-") == ("new", "cargo-linux-new")
    assert restored(action, workspace, "cargo-x", "cargo-none", "cargo-") == ("mac", "cargo-mac-newest")
    assert restored(action, workspace, "cargo-x", "car") == (None, "")


def test_a_restore_key_matches_only_up_to_a_separator(action, workspace):
    save(action, workspace, "vosk-models-2", "wrong")
    assert restored(action, workspace, "k", "vosk-model") == (None, "")
    save(action, workspace, "vosk-model.2", "right")
    assert restored(action, workspace, "k", "vosk-model") == ("right", "vosk-model.2")


def test_a_pull_request_reads_its_own_scope_its_base_s_and_the_default_branch_s(action, workspace, tmp_path):
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"default_branch": "main"}}))
    pull = PULL | {"GITHUB_EVENT_PATH": str(event)}
    save(action, workspace, "only-main", "main", environ=MAIN)
    save(action, workspace, "both", "main", environ=MAIN)
    save(action, workspace, "both", "release", environ={"GITHUB_REF": "refs/heads/release"})
    save(action, workspace, "other", "other", environ={"GITHUB_REF": "refs/heads/other"})
    assert restored(action, workspace, "only-main", environ=pull)[0] == "main"
    assert restored(action, workspace, "both", environ=pull)[0] == "release"
    assert restored(action, workspace, "other", "oth", environ=pull)[0] is None
    save(action, workspace, "both", "pull", environ=pull)
    assert restored(action, workspace, "both", environ=pull)[0] == "pull"
    assert restored(action, workspace, "only-main", environ=PULL)[0] is None  # nobody said what is default


def test_what_a_fork_s_pull_request_saves_main_never_reads(action, workspace):
    save(action, workspace, "cargo-1", "poison", environ=PULL)
    assert restored(action, workspace, "cargo-1", "cargo", environ=MAIN) == (None, "")
    save(action, workspace, "cargo-1", "clean", environ=MAIN)  # nor does it stand in main's way
    assert restored(action, workspace, "cargo-1", environ=MAIN) == ("clean", "cargo-1")
    assert restored(action, workspace, "cargo-1", environ=PULL) == ("poison", "cargo-1")


@pytest.mark.parametrize(
    "other",
    [
        {"GITHUB_REPOSITORY": "octo/other"},
        {"GITHUB_SERVER_URL": "https://github.example"},
        {"GITHUB_REPOSITORY": "octo/repo/refs/heads", "GITHUB_REF": "main"},
        {"GITHUB_REPOSITORY": "OCTO-repo"},
    ],
)
def test_other_repositories_and_servers_have_stores_of_their_own(action, workspace, other):
    save(action, workspace, "k", "ours", environ=MAIN)
    assert restored(action, workspace, "k", "k", environ=MAIN | other) == (None, "")


def test_share_host_crosses_repositories_and_refs_on_request_only(action, workspace):
    save(action, workspace, "k", "shared", share="host", environ=PULL)
    other = {"GITHUB_REPOSITORY": "octo/other"}
    assert restored(action, workspace, "k", environ=other) == (None, "")
    assert restored(action, workspace, "k", share="host", environ=other) == ("shared", "k")


def test_outside_of_a_repository_the_workspace_is_the_scope(action, workspace, tmp_path):
    alone = {"GITHUB_REPOSITORY": None, "GITHUB_REF": None, "GITHUB_ACTIONS": None}
    save(action, workspace, "k", "here", environ=alone)
    assert restored(action, workspace, "k", environ=alone)[0] == "here"
    trees.build(tmp_path / "elsewhere", {})
    step = action(
        mode="restore", key="k", path="out", environ=alone | {"GITHUB_WORKSPACE": str(tmp_path / "elsewhere")}
    )
    assert step.outputs["cache-hit"] == "false"


# --- an entry never changes --------------------------------------------------------------------------------


def test_a_key_that_is_saved_already_is_left_as_it_is_and_that_is_no_error(action, workspace):
    save(action, workspace, "k", "first")
    second = save(action, workspace, "k", "second")
    assert "there already" in second.facts["saved"]
    assert second.warnings == []
    assert restored(action, workspace, "k")[0] == "first"


def test_of_two_racing_savers_one_wins_whole_and_both_succeed(action, workspace, state_home, tmp_path):
    for name in ("one", "two"):
        trees.build(tmp_path / name, {f"out/{number}": name * 1000 for number in range(300)})
    for number in range(3):
        racers = [
            action.start(
                mode="save", key=f"k{number}", path="out", environ={"GITHUB_WORKSPACE": str(tmp_path / name)}
            )
            for name in ("one", "two", "one", "two")
        ]
        ended = [racer.wait() for racer in racers]
        assert [step.exit_code for step in ended] == [0] * 4, "\n".join(step.log for step in ended)
        assert sum("there already" not in step.facts["saved"] for step in ended) == 1
        trees.remove(workspace)
        workspace.mkdir()
        assert action(mode="restore", key=f"k{number}", path="out").outputs["cache-hit"] == "true"
        assert len(set(trees.contents(workspace).values())) == 1
    assert trees.leftovers(state_home) == []


def test_many_restore_at_once_into_one_place_and_all_succeed(action, workspace):
    trees.build(workspace, {f"out/{number}": str(number) for number in range(200)})
    action(mode="save", key="k", path="out")
    trees.remove(workspace / "out")
    expected = {f"out/{number}": str(number).encode() for number in range(200)}
    ended = [one.wait() for one in [action.start(mode="restore", key="k", path="out") for _ in range(8)]]
    assert [step.exit_code for step in ended] == [0] * 8, "\n".join(step.log for step in ended)
    assert trees.contents(workspace) == expected
    assert not list(workspace.rglob(".coldvox*"))


@pytest.mark.parametrize("key", [".", "..", "...", "a/b", "%2E", "~", "k" * 512, "ü" * 400, "a b", "-"])
def test_every_allowed_key_is_an_entry_of_its_own(action, workspace, state_home, key):
    save(action, workspace, key, "x")
    assert restored(action, workspace, key) == ("x", key)
    assert restored(action, workspace, key[:-1] + "!") == (None, "")
    assert len(trees.entry_keys(state_home)) == 1


# --- looking, failing, explaining --------------------------------------------------------------------------


def test_lookup_only_tells_and_restores_nothing(action, workspace):
    save(action, workspace, "cargo-1", "x")
    trees.build(workspace, {"out/a": "mine"})
    for key, prefixes, hit, matched in (
        ("cargo-1", [], "true", "cargo-1"),
        ("cargo-2", ["cargo"], "false", "cargo-1"),
        ("other", [], "false", ""),
    ):
        step = action(mode="restore", key=key, restore_keys=prefixes, path="out", lookup_only=True)
        assert step.exit_code == 0
        assert (step.outputs["cache-hit"], step.outputs["cache-matched-key"]) == (hit, matched)
    assert (workspace / "out/a").read_text() == "mine"
    status = action(mode="status")
    assert [entry["hits"] for entry in status.facts["entries"]] == [0]


def test_fail_on_cache_miss_fails_only_when_nothing_matches(action, workspace):
    save(action, workspace, "cargo-1", "x")
    for key, prefixes, code in (("cargo-1", [], 0), ("cargo-2", ["cargo"], 0), ("cargo-2", ["none"], 1)):
        step = action(mode="restore", key=key, restore_keys=prefixes, path="out", fail_on_cache_miss=True)
        assert step.exit_code == code, step.log
        assert step.outputs["cache-primary-key"] == key
    assert step.error() == "no entry for key 'cargo-2' or 1 restore-keys, and 'fail-on-cache-miss' is true"


def test_a_miss_names_the_nearest_entry_and_the_segment_that_differs(action, workspace):
    assert "There is no entry in this scope yet" in action(mode="restore", key="k", path="out").log
    save(action, workspace, "cargo-linux-rustc1.94-abc", "x")
    save(action, workspace, "npm-linux-1", "x")
    step = action(mode="restore", key="cargo-linux-rustc1.95-abc", path="out")
    assert (
        "No entry for 'cargo-linux-rustc1.95-abc'. The nearest of 2 entries is 'cargo-linux-rustc1.94-abc': "
        "segment 4 is '94' there and '95' in the key."
    ) in step.log


def test_status_and_summary_count_hits_and_show_keys_that_hold_markdown(action, workspace):
    key = "a|b`c*_<d>"
    save(action, workspace, key, "x" * 2048)
    for _ in range(3):
        restored(action, workspace, key)
    status = action(mode="status")
    (entry,) = status.facts["entries"]
    assert (entry["key"], entry["hits"], entry["bytes"], entry["files"]) == (key, 3, 2048, 1)
    assert entry["last-used"] >= entry["created"]
    assert "| `` a\\|b`c*_<d> `` | octo/repo@refs/heads/main | 2.0 KiB | 1 |" in status.summary
    assert "No lock is held." in status.summary
