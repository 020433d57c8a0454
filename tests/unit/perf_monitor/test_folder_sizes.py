"""What a folder takes on disk."""

from __future__ import annotations

import os
import subprocess

from perf_monitor.folder_sizes import measure_folder


def du(path) -> float:
    done = subprocess.run(
        ["du", "-sx", "--block-size=1", str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[0]) / 2**20


def test_it_agrees_with_du_about_links_holes_and_folders(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").write_bytes(os.urandom(300_000))
    os.link(tmp_path / "a/file", tmp_path / "a/b/again")
    (tmp_path / "a/link").symlink_to("/usr")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(100 << 20)
    found = measure_folder(tmp_path)
    assert found is not None
    assert found.mebibytes == du(tmp_path)
    assert not found.partial


def test_a_folder_that_is_not_there_has_no_size(tmp_path):
    assert measure_folder(tmp_path / "absent") is None


def test_when_time_is_up_the_size_is_partial(tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    found = measure_folder(tmp_path, seconds=-1)
    assert found is not None
    assert found.partial


def test_another_file_system_is_not_entered(mount_tmpfs, tmp_path):
    (tmp_path / "top").mkdir()
    disk = mount_tmpfs(tmp_path / "top/disk", 8)
    before = measure_folder(tmp_path / "top")
    (disk / "file").write_bytes(os.urandom(4 << 20))
    assert measure_folder(tmp_path / "top") == before
