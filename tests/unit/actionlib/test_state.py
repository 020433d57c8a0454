from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from actionlib import state
from actionlib.errors import ActionError
from actionlib.state import find_mount, open_state


def environ(path: Path, **more: str) -> dict[str, str]:
    return {"COLDVOX_ACTIONS_HOME": str(path), **more}


def test_it_is_made_for_its_user_alone(tmp_path) -> None:
    os.umask(os.umask(0))  # whatever it is
    opened = open_state(environ(tmp_path / "a/b"))
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(opened.folder("store", "v1").stat().st_mode) == 0o700


def test_a_root_that_a_group_shares_has_shared_folders_whatever_the_umask(tmp_path) -> None:
    root = tmp_path / "shared"
    root.mkdir()
    root.chmod(0o2770)
    before = os.umask(0o077)
    try:
        opened = open_state(environ(root))
        assert opened.shared_by_group
        assert stat.S_IMODE(opened.folder("locks", "v1").stat().st_mode) == 0o2770
    finally:
        os.umask(before)


def test_without_a_setting_it_is_below_the_users_state_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(state, "SYSTEM_ROOT", tmp_path / "absent")
    assert open_state({"XDG_STATE_HOME": str(tmp_path)}).path == tmp_path / "coldvox-actions"
    assert open_state({"HOME": str(tmp_path)}).path == tmp_path / ".local/state/coldvox-actions"


def test_the_systems_root_wins_when_it_exists(tmp_path, monkeypatch) -> None:
    (tmp_path / "system").mkdir(mode=0o700)
    monkeypatch.setattr(state, "SYSTEM_ROOT", tmp_path / "system")
    assert open_state({"HOME": str(tmp_path)}).path == tmp_path / "system"


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ActionError, match="COLDVOX_ACTIONS_HOME is 'x'; allowed: an absolute path"):
        open_state({"COLDVOX_ACTIONS_HOME": "x"})


def test_a_root_that_cannot_be_made_is_an_error_and_not_another_place(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ActionError, match="cannot be made"):
        open_state(environ(tmp_path / "file/state"))


def test_a_root_that_everybody_may_write_is_refused(tmp_path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose").chmod(0o777)
    with pytest.raises(ActionError, match=r"may be written by everybody.*chmod o-w"):
        open_state(environ(tmp_path / "loose"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to another user")
def test_a_strangers_root_is_refused_unless_the_uid_is_listed(tmp_path) -> None:
    root = tmp_path / "theirs"
    root.mkdir(mode=0o700)
    os.chown(root, 12345, -1)
    with pytest.raises(ActionError, match="belongs to uid 12345"):
        open_state(environ(root))
    assert open_state(environ(root, COLDVOX_ACTIONS_TRUSTED_UIDS="1, 12345")).trusts(12345)


@pytest.mark.parametrize("text", ["me", "1,x", "1;2"])
def test_trusted_uids_must_be_numbers(tmp_path, text: str) -> None:
    with pytest.raises(ActionError, match="allowed: numeric uids"):
        open_state(environ(tmp_path / "s", COLDVOX_ACTIONS_TRUSTED_UIDS=text))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_network_file_systems_are_refused_by_name(tmp_path, kind: str) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 20 0:40 / {str(tmp_path).replace(' ', chr(92) + '040')} rw shared:1 - {kind} server:/x rw\n"
    )
    with pytest.raises(ActionError, match=rf"network file system \({kind}, mounted at"):
        open_state(environ(tmp_path / "state"), mountinfo=mountinfo)


def test_the_mount_of_a_path_is_the_nearest_above_it_and_the_last_of_equals(tmp_path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "20 1 8:1 / / rw - ext4 a rw\n"
        "30 20 8:2 / /data rw - xfs b rw\n"
        "31 20 8:2 / /data/with\\040space rw - btrfs c rw\n"
        "32 30 0:9 / /data rw - tmpfs d rw\n"
    )
    assert find_mount(Path("/data/x"), mountinfo=mountinfo).kind == "tmpfs"
    assert find_mount(Path("/data/with space/x"), mountinfo=mountinfo).kind == "btrfs"
    assert find_mount(Path("/database"), mountinfo=mountinfo).kind == "ext4"


def test_a_job_container_without_a_mounted_root_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(state, "in_container", lambda _environ: True)
    path = Path("/var/tmp/coldvox-actions-test-state")
    if path.parent.stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("/var/tmp is a mount of its own here")
    try:
        with pytest.raises(ActionError, match="is not mounted from the host"):
            open_state(environ(path))
    finally:
        if path.exists():
            path.rmdir()
