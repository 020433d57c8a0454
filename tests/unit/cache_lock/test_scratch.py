"""Scratch folders: the living are told from the dead, also in the moments between two system calls."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading

import pytest

from cache_lock.scratch import abandoned, remove_abandoned, scratch_folder

CHILD = """
import sys, time
sys.path[:0] = {path!r}
from cache_lock.scratch import scratch_folder
with scratch_folder({parent!r}, prefix="p-") as folder:
    open(folder + "/file", "w").close()
    print(folder, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def killed(tmp_path):
    """The folder of a process that was killed."""
    script = CHILD.format(path=sys.path, parent=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    folder = child.stdout.readline().strip()
    assert abandoned(str(tmp_path)) == []
    remove_abandoned(folder)
    assert os.listdir(folder) == ["file"]
    child.kill()
    child.wait()
    child.stdout.close()
    return folder


def test_a_killed_process_s_folder_is_abandoned_and_can_be_removed(tmp_path, killed):
    assert abandoned(str(tmp_path), prefix="p-") == [killed]
    assert abandoned(str(tmp_path), prefix="other-") == []
    remove_abandoned(killed)
    assert os.listdir(tmp_path) == []
    remove_abandoned(killed)


def test_it_is_gone_after_the_block_with_all_that_is_in_it(tmp_path):
    with scratch_folder(str(tmp_path)) as folder:
        os.makedirs(f"{folder}/a/b")
    assert os.listdir(tmp_path) == []


def test_one_that_was_moved_away_stays_where_it_went(tmp_path):
    (tmp_path / "scratch").mkdir()
    with scratch_folder(str(tmp_path / "scratch")) as folder:
        os.rename(folder, tmp_path / "kept")
    assert sorted(os.listdir(tmp_path)) == ["kept", "scratch"]
    assert os.listdir(tmp_path / "scratch") == []


def test_one_whose_owner_had_not_locked_it_yet_when_we_looked_is_spared(tmp_path):
    path = str(tmp_path / "0123")
    descriptor = os.open(path + ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
    assert abandoned(str(tmp_path)) == [path]  # what it looks like in that moment
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.mkdir(path)
    remove_abandoned(path)
    assert os.path.isdir(path)
    os.close(descriptor)
    remove_abandoned(path)
    assert os.listdir(tmp_path) == []


def test_makers_and_cleaners_at_once_never_lose_a_living_folder(tmp_path):
    parent = str(tmp_path)
    done = threading.Event()
    lost = []

    def clean():
        while not done.is_set():
            for path in abandoned(parent):
                remove_abandoned(path)

    def make():
        for _ in range(300):
            with scratch_folder(parent) as folder:
                os.mkdir(f"{folder}/x")
                if not os.path.exists(f"{folder}/x"):
                    lost.append(folder)

    makers = [threading.Thread(target=make) for _ in range(3)]
    cleaners = [threading.Thread(target=clean) for _ in range(3)]
    for thread in (*cleaners, *makers):
        thread.start()
    for thread in makers:
        thread.join()
    done.set()
    for thread in cleaners:
        thread.join()
    assert lost == []
    assert os.listdir(parent) == []


def test_a_parent_that_is_not_there_has_nothing_abandoned(tmp_path):
    assert abandoned(str(tmp_path / "none")) == []
