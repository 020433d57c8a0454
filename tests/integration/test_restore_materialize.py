"""How files come out of the store, and that nothing which a job does to them reaches the store."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess

import pytest

from fakes import trees

FILES = {"out/a": "a" * 5000, "out/b/c": "c" * 300, "out/empty": "", "out/run.sh": "#!/bin/sh\necho ran\n"}


def save(action, workspace, **more):
    trees.build(workspace, FILES)
    (workspace / "out/run.sh").chmod(0o755)
    trees.age(workspace / "out")
    step = action(mode="save", key="k", path="out", **more)
    assert step.exit_code == 0, step.log
    trees.remove(workspace / "out")


def restore(action, **more):
    step = action(mode="restore", key="k", path="out", **more)
    assert step.exit_code == 0, step.log
    assert step.outputs["cache-hit"] == "true", step.log
    return step


def whole(folder):
    return {name: one.encode() for name, one in FILES.items()} == trees.contents(folder)


@pytest.mark.parametrize("materialize", ["auto", "copy"])
def test_a_copy_is_the_job_s_own(action, workspace, state_home, materialize):
    save(action, workspace)
    assert "by copy" in restore(action, materialize=materialize).facts["restored"]
    stored = trees.photo(trees.entry_folder(state_home) / "data")
    for path in (workspace / "out").rglob("*"):
        if path.is_file():
            path.write_text("changed")
    assert trees.photo(trees.entry_folder(state_home) / "data") == stored


@pytest.mark.parametrize("materialize", ["hardlink", "symlink"])
def test_links_are_refused_for_entries_that_were_not_saved_as_read_only(action, workspace, materialize):
    save(action, workspace)
    step = action(mode="restore", key="k", path="out", materialize=materialize)
    assert "entry 'k' was saved without 'read-only: true'" in step.error()
    assert f"'materialize: {materialize}'" in step.error()
    assert not (workspace / "out").exists()


@pytest.mark.parametrize("materialize", ["auto", "copy", "hardlink"])
def test_files_of_a_read_only_entry_have_no_write_permission_but_keep_the_others(
    action, workspace, materialize
):
    save(action, workspace, read_only=True)
    restore(action, materialize=materialize)
    assert whole(workspace)
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (workspace / "out").rglob("*") if path.is_file()
    }
    assert modes == {"a": 0o444, "c": 0o444, "empty": 0o444, "run.sh": 0o555}
    assert subprocess.check_output([workspace / "out/run.sh"], text=True) == "ran\n"


def test_a_hard_link_shares_the_stored_file_with_its_time(action, workspace, state_home):
    save(action, workspace, read_only=True)
    assert "by hardlink" in restore(action, materialize="hardlink").facts["restored"]
    data = trees.entry_folder(state_home) / "data/workspace"
    for name in FILES:
        assert (workspace / name).samefile(data / name)
        assert (workspace / name).stat().st_mtime_ns // 10**9 < 1_700_000_000


def test_a_job_that_writes_to_a_hard_linked_file_is_refused_and_one_that_replaces_it_does_not_reach_the_store(
    action, workspace, state_home
):
    save(action, workspace, read_only=True)
    restore(action, materialize="hardlink")
    write = action.command(mode="status", ordinary=True)[0][:-6] if os.geteuid() == 0 else []
    refused = subprocess.run(
        [*write, "sh", "-c", "echo x >> out/a"], cwd=workspace, capture_output=True, check=False
    )
    assert refused.returncode != 0
    (workspace / "out/a.new").write_text("mine")
    (workspace / "out/a.new").replace(workspace / "out/a")
    (workspace / "out/b/c").unlink()
    trees.build(workspace, {"out/b/c": "mine"})
    restore(action, materialize="hardlink")
    assert whole(workspace)
    assert (workspace / "out/a").samefile(trees.entry_folder(state_home) / "data/workspace/out/a")


def test_a_copy_over_hard_links_replaces_them_and_does_not_write_into_the_store(
    action, workspace, state_home
):
    save(action, workspace, read_only=True)
    restore(action, materialize="hardlink")
    trees.build(workspace, {"two/a": "b" * 5000})
    action(mode="save", key="k2", path="two")
    os.link(workspace / "out/a", workspace / "two/hard")
    (workspace / "two/hard").replace(workspace / "two/a")
    assert action(mode="restore", key="k2", path="two", materialize="copy").outputs["cache-hit"] == "true"
    assert (workspace / "two/a").read_text() == "b" * 5000
    trees.remove(workspace / "two")
    restore(action, materialize="copy")
    assert whole(workspace)


def test_symlinks_lead_into_the_store(action, workspace, state_home):
    save(action, workspace, read_only=True)
    assert "by symlink" in restore(action, materialize="symlink").facts["restored"]
    data = trees.entry_folder(state_home) / "data/workspace"
    assert {name: os.readlink(workspace / name) for name in FILES} == {
        name: str(data / name) for name in FILES
    }
    assert not (workspace / "out/b").is_symlink()
    assert whole(workspace)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_owner_s_files_are_copied_instead_of_hard_linked(action, workspace, state_home):
    save(action, workspace, read_only=True)
    data = trees.entry_folder(state_home) / "data/workspace"
    os.chown(data / "out/a", 12345, -1)
    restore(action, materialize="hardlink", environ={"COLDVOX_ACTIONS_TRUSTED_UIDS": "12345"})
    assert whole(workspace)
    assert not (workspace / "out/a").samefile(data / "out/a")
    assert (workspace / "out/b/c").samefile(data / "out/b/c")


def test_an_entry_that_a_living_job_links_to_is_never_pruned(action, runner, workspace, state_home):
    save(action, workspace, read_only=True)
    job = runner.start_job(env={"COLDVOX_ACTIONS_HOME": str(state_home)})
    argv, environ = action.command(mode="restore", key="k", path="out", materialize="symlink")
    step = job.run_step(run=shlex.join(argv), env={name: environ[name] for name in ("INPUTS", "HOME")})
    assert step.outputs["cache-hit"] == "true", step.stdout
    for dry_run in (True, False):
        pruned = action(mode="prune", max_size_gb=0, max_age_days=0, dry_run=dry_run)
        assert pruned.facts["removed"] == []
    assert whole(workspace)
    job.finish()
    pruned = action(mode="prune", max_size_gb=0)
    assert "k" in [one["key"] for one in pruned.facts["removed"]]


# --- reflinks ----------------------------------------------------------------------------------------------


def test_reflink_is_an_error_that_names_both_places_where_the_file_system_cannot(
    action, workspace, state_home, mount_tmpfs
):
    mount_tmpfs(state_home, 8)
    save(action, workspace)
    step = action(mode="restore", key="k", path="out", materialize="reflink")
    assert "'materialize: reflink' is not possible" in step.error()
    assert str(workspace) in step.error()
    assert str(state_home) in step.error()
    assert not (workspace / "out").exists()
    assert not list(workspace.glob(".coldvox*"))


@pytest.mark.parametrize("materialize", ["auto", "reflink"])
def test_where_the_file_system_can_blocks_are_shared_and_the_store_stays_apart(
    action, reflink_disk, materialize
):
    folders = {
        "GITHUB_WORKSPACE": str(reflink_disk / "work"),
        "COLDVOX_ACTIONS_HOME": str(reflink_disk / "state"),
    }
    out = trees.build(reflink_disk / "work/out", {"big": os.urandom(8 << 20), "small": "x", "empty": ""})
    trees.age(out)
    before = trees.photo(out)
    assert action(mode="save", key="k", path="out", environ=folders).exit_code == 0
    trees.remove(out)
    step = action(mode="restore", key="k", path="out", materialize=materialize, environ=folders)
    assert "by reflink" in step.facts["restored"], step.log
    assert trees.photo(out) == before
    stored = trees.entry_folder(reflink_disk / "state") / "data/workspace/out/big"
    subprocess.run(["sync", "-f", str(out)], check=True)
    assert first_extent(out / "big") == first_extent(stored) != 0
    with (out / "big").open("r+b") as file:
        file.write(b"changed")
    step = action(
        mode="restore", key="k", path="out", materialize=materialize, verify_content=True, environ=folders
    )
    assert step.outputs["cache-hit"] == "true", step.log
    assert trees.photo(out) == before


def test_a_damaged_clone_is_seen_when_asked(action, reflink_disk):
    folders = {
        "GITHUB_WORKSPACE": str(reflink_disk / "work"),
        "COLDVOX_ACTIONS_HOME": str(reflink_disk / "state"),
    }
    out = trees.build(reflink_disk / "work/out", {"big": os.urandom(1 << 20)})
    action(mode="save", key="k", path="out", environ=folders)
    trees.remove(out)
    with (trees.entry_folder(reflink_disk / "state") / "data/workspace/out/big").open("r+b") as file:
        file.write(b"damage")
    step = action(mode="restore", key="k", path="out", verify_content=True, environ=folders)
    assert step.outputs["cache-hit"] == "false"
    assert "out/big has sha256" in step.warnings[0]
    assert not out.exists()


def test_auto_copies_from_one_file_system_to_another(action, workspace, reflink_disk):
    elsewhere = {"COLDVOX_ACTIONS_HOME": str(reflink_disk / "state")}
    save(action, workspace, environ=elsewhere)
    assert "by copy" in restore(action, environ=elsewhere).facts["restored"]
    assert whole(workspace)


def test_hard_links_between_paths_on_two_file_systems_become_copies(action, workspace, mount_tmpfs):
    trees.build(workspace, {"one/a": "shared", "two/": ""})
    os.link(workspace / "one/a", workspace / "two/a")
    action(mode="save", key="k", path=["one", "two"])
    trees.remove(workspace / "one")
    trees.remove(workspace / "two")
    mount_tmpfs(workspace / "two", 4)
    step = action(mode="restore", key="k", path=["one", "two"])
    assert step.outputs["cache-hit"] == "true", step.log
    assert trees.contents(workspace) == {"one/a": b"shared", "two/a": b"shared"}


def first_extent(path):
    """Physical place of a file's first block (FIEMAP, ioctl 0xC020660B); 0 when unknown."""
    request = bytearray(32 + 56)
    request[8:16] = (1 << 40).to_bytes(8, "little")  # fm_length
    request[24:28] = (1).to_bytes(4, "little")  # fm_extent_count
    with path.open("rb") as file:
        fcntl.ioctl(file, 0xC020660B, request)
    return int.from_bytes(request[40:48], "little")
