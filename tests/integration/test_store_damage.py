"""What is on disk is not what was saved: noticed, put aside, a miss; or an error where somebody tampered."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from fakes import trees

FILES = {"out/a": "a" * 5000, "out/b/c": "c" * 300, "out/empty": ""}
BEFORE = {"out/a": b"before", "mine": b"mine"}


@pytest.fixture
def entry(action, workspace, state_home):
    """The folder of a saved entry; the workspace has changed since."""
    trees.build(workspace, FILES)
    assert action(mode="save", key="k", path="out").exit_code == 0
    trees.remove(workspace / "out")
    trees.build(workspace, BEFORE)
    return trees.entry_folder(state_home)


def flip(path, position):
    """One bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_record(entry, **fields):
    record = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps(record | fields))


DAMAGES = {
    "a bit of the data": lambda entry: flip(entry / "data/workspace/out/a", 4000),
    "truncated data": lambda entry: cut(entry / "data/workspace/out/a"),
    "longer data": lambda entry: (entry / "data/workspace/out/a").write_text("a" * 5001),
    "an empty file that is not": lambda entry: (entry / "data/workspace/out/empty").write_text("x"),
    "a deleted file": lambda entry: (entry / "data/workspace/out/b/c").unlink(),
    "deleted data": lambda entry: trees.remove(entry / "data"),
    "a bit of the manifest": lambda entry: flip(entry / "manifest.jsonl", 30),
    "a truncated manifest": lambda entry: cut(entry / "manifest.jsonl"),
    "a deleted manifest": lambda entry: (entry / "manifest.jsonl").unlink(),
    "the manifest's digest": lambda entry: change_record(entry, manifest_sha256="0" * 64),
    "a truncated record": lambda entry: cut(entry / "entry.json"),
    "an empty record": lambda entry: (entry / "entry.json").write_text(""),
    "a record that is no object": lambda entry: (entry / "entry.json").write_text("[1]"),
    "a record that is not text": lambda entry: (entry / "entry.json").write_bytes(b"\xff\xfe\0"),
    "a deleted record": lambda entry: (entry / "entry.json").unlink(),
    "another key in the record": lambda entry: change_record(entry, key="j"),
    "a field more in the record": lambda entry: change_record(entry, surprise=1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_put_aside_counts_as_a_miss_and_the_key_can_be_saved_again(
    action, workspace, state_home, entry, damage
):
    damage(entry)
    step = action(mode="restore", key="k", path="out")
    assert step.exit_code == 0, step.log
    assert (step.outputs["cache-hit"], step.outputs["cache-matched-key"]) == ("false", "")
    (warning,) = step.warnings
    assert "counts as a miss" in warning
    assert str(trees.only(state_home / "store/v1/quarantine")) in warning
    assert trees.contents(workspace) == BEFORE
    assert trees.entry_keys(state_home) == set()
    assert action(mode="save", key="k", path="out").facts["saved"].startswith("1 files")
    assert action(mode="restore", key="k", path="out").outputs["cache-hit"] == "true"
    status = action(mode="status")
    assert len(status.facts["quarantined"]) == 1
    assert "1 quarantined entries" in status.summary


@pytest.mark.parametrize("mode", ["save", "prune"])
def test_a_damaged_record_does_not_block_its_key_or_its_bytes_for_ever(
    action, workspace, state_home, entry, mode
):
    cut(entry / "entry.json")
    step = action(mode=mode, key="k", path="out")
    assert step.exit_code == 0, step.log
    assert trees.entry_keys(state_home) == ({"k"} if mode == "save" else set())
    assert len(list(state_home.glob("store/v1/entries/*/*/*"))) == (1 if mode == "save" else 0)


def test_after_damage_the_next_best_entry_comes_back(action, workspace, state_home, entry):
    trees.build(workspace, {"out/a": "older but whole"})
    action(mode="save", key="k-2", path="out")
    DAMAGES["a bit of the data"](entry)
    step = action(mode="restore", key="k", restore_keys="k-", path="out")
    assert step.outputs["cache-matched-key"] == "k-2", step.log
    assert (workspace / "out/a").read_text() == "older but whole"


@pytest.mark.parametrize("materialize", ["hardlink", "symlink"])
@pytest.mark.parametrize("how", ["verify-content", "reboot"])
def test_where_nothing_is_copied_damage_is_seen_when_asked_or_after_a_reboot(
    action, workspace, state_home, materialize, how
):
    trees.build(workspace, FILES)
    action(mode="save", key="k", path="out", read_only=True)
    trees.remove(workspace / "out")
    entry = trees.entry_folder(state_home)
    (entry / "data/workspace/out/a").chmod(0o644)
    flip(entry / "data/workspace/out/a", 4000)
    if how == "reboot":
        change_record(entry, boot="another-boot")
    step = action(
        mode="restore", key="k", path="out", materialize=materialize, verify_content=how == "verify-content"
    )
    assert step.outputs["cache-hit"] == "false"
    assert "out/a has sha256" in step.warnings[0]
    assert not (workspace / "out").exists()


# --- tampering: whoever can write a manifest can write its digest too --------------------------------------


def tamper(entry, *rows):
    """Add rows to the manifest, and make the record's digest fit."""
    manifest = entry / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() + b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    change_record(entry, manifest_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest())


def row(kind, path, *, root="workspace", target="", mode=0o644):
    return [
        kind,
        root,
        path,
        mode,
        0,
        5000 if kind == "f" else 0,
        hashlib.sha256(b"a" * 5000).hexdigest(),
        target,
    ]


TAMPERED = {
    "dot-dot": (row("f", "out/../../../etc/evil"), "which leaves its root"),
    "dot-dot alone": (row("d", ".."), "which leaves its root"),
    "absolute": (row("f", "/etc/evil"), "which leaves its root"),
    "nul": (row("f", "out/a\0b"), "which leaves its root"),
    "outside of path": (row("f", "elsewhere/evil"), "outside of what input 'path' names"),
    "at home": (row("f", ".bashrc", root="home"), "outside of what input 'path' names"),
    "at the root": (row("f", "etc/evil", root="root"), "outside of what input 'path' names"),
    "a directory outside": (row("d", "etc", root="root"), "outside of what input 'path' names"),
    "a link outside": (row("l", "elsewhere", target="/etc"), "outside of what input 'path' names"),
    "a hard link from outside": (
        row("h", "out/x", target="root/etc/passwd"),
        "outside of what input 'path' names",
    ),
    "a hard link with dot-dot": (row("h", "out/x", target="workspace/../../x"), "which leaves its root"),
}


@pytest.mark.parametrize(("added", "message"), TAMPERED.values(), ids=TAMPERED.keys())
def test_a_row_that_leaves_its_place_is_an_error_and_nothing_changes(
    action, workspace, home, state_home, entry, added, message
):
    tamper(entry, added)
    outside = trees.photo(home)
    step = action(mode="restore", key="k", path="out")
    assert message in step.error()
    assert trees.contents(workspace) == BEFORE
    assert trees.photo(home) == outside
    assert trees.entry_keys(state_home) == {"k"}  # evidence stays


NONSENSE = {
    "an unknown kind": [row("x", "out/x")],
    "an unknown root": [row("f", "out/x", root="moon")],
    "a hard link to an unknown root": [row("h", "out/x", target="moon/x")],
    "a hard link to nothing": [row("h", "out/x", target="workspace/out/none")],
    "a file twice": [row("f", "out/a")],
    "a link in a file's place": [row("l", "out/a", target="/etc/passwd")],
    "a file below a link": [row("l", "out/b", target="/etc"), row("f", "out/b/x")],
    "a file below a file": [row("f", "out/a/x")],
    "too few fields": [["f"]],
    "too many fields": [[*row("f", "out/x"), "more"]],
    "no row": [{"no": "row"}],
}


@pytest.mark.parametrize("added", NONSENSE.values(), ids=NONSENSE.keys())
def test_rows_that_make_no_sense_count_as_damage_and_nothing_changes(action, workspace, entry, added):
    (entry / "data/workspace/out/b/x").write_text("a" * 5000)
    tamper(entry, *added)
    step = action(mode="restore", key="k", path="out")
    assert step.exit_code == 0, step.log
    assert step.outputs["cache-hit"] == "false"
    assert len(step.warnings) == 1
    assert trees.contents(workspace) == BEFORE


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
@pytest.mark.parametrize("what", ["entry.json", "data/workspace/out/a"])
@pytest.mark.parametrize("trusted", [False, True])
def test_an_entry_of_another_uid_is_an_error_until_that_uid_is_listed(
    action, workspace, entry, what, trusted
):
    os.chown(entry / what, 12345, 12345)
    trust = {"COLDVOX_ACTIONS_TRUSTED_UIDS": "12345, 54321"} if trusted else {}
    step = action(mode="restore", key="k", path="out", environ=trust)
    if trusted:
        assert step.outputs["cache-hit"] == "true"
        return
    assert "belongs to uid 12345, which is not trusted" in step.error()
    assert str(entry) in step.error()
    assert trees.contents(workspace) == BEFORE


@needs_root
def test_an_untrusted_entry_is_no_candidate_for_restore_keys_and_blocks_no_prune(action, workspace, entry):
    os.chown(entry / "entry.json", 12345, 12345)
    step = action(mode="restore", key="j", restore_keys="k", path="out")
    assert step.exit_code == 0
    assert step.outputs["cache-matched-key"] == ""
    (entry / "entry.json").unlink()
    os.chown(entry, 12345, 12345)
    assert action(mode="prune").exit_code == 0
    assert "belongs to uid 12345" in action(mode="restore", key="k", path="out").error()
