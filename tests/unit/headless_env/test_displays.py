"""Display numbers are claimed once, released by their owner only; cookies are for us alone."""

from __future__ import annotations

import os
import socket
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headless_env import displays
from headless_env.startup import StartFailed

PID = os.getpid()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A /tmp of our own."""
    monkeypatch.setattr(displays, "TMP", tmp_path)
    monkeypatch.setattr(displays, "SOCKETS", tmp_path / ".X11-unix")
    return tmp_path


def test_a_claimed_number_has_a_lock_as_x_servers_write_it(folder):
    claim = displays.claim_display(pid=PID, first=40_000)
    assert claim.name == ":40000"
    assert claim.lock == folder / ".X40000-lock"
    assert claim.lock.read_bytes() == b"%10d\n" % PID
    assert stat.S_IMODE(claim.lock.stat().st_mode) == 0o444
    assert stat.S_IMODE((folder / ".X11-unix").stat().st_mode) == 0o1777
    assert sorted(path.name for path in folder.iterdir()) == [".X11-unix", ".X40000-lock"]


def test_a_lock_can_be_read_by_other_users_whatever_the_umask(folder):
    before = os.umask(0o077)
    try:
        claim = displays.claim_display(pid=PID, first=40_000)
    finally:
        os.umask(before)
    assert stat.S_IMODE(claim.lock.stat().st_mode) == 0o444


def test_numbers_with_a_lock_or_a_socket_or_an_abstract_socket_are_skipped(folder):
    (folder / ".X11-unix").mkdir()
    (folder / ".X40100-lock").symlink_to("nowhere")
    (folder / ".X11-unix" / "X40101").touch()
    with socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind("\0/tmp/.X11-unix/X40102")
        assert displays.claim_display(pid=PID, first=40_100).number == 40_103


def test_many_claims_at_once_get_a_number_each(folder):
    with ThreadPoolExecutor(8) as pool:
        claims = pool.map(lambda pid: displays.claim_display(pid=pid, first=40_200), range(500_000, 500_040))
        numbers = [claim.number for claim in claims]
    assert sorted(numbers) == list(range(40_200, 40_240))


def test_a_claim_fails_when_all_numbers_are_taken(folder, monkeypatch):
    monkeypatch.setattr(displays, "NUMBERS", 2)
    displays.claim_display(pid=PID, first=40_000)
    displays.claim_display(pid=PID, first=40_000)
    with pytest.raises(StartFailed, match="from :40000 to :40001 are taken"):
        displays.claim_display(pid=PID, first=40_000)
    assert not list(folder.glob(".tX*"))


def test_a_claim_fails_where_no_lock_can_be_written(folder, monkeypatch):
    monkeypatch.setattr(displays, "TMP", folder / "absent")
    with pytest.raises(StartFailed, match="no display can be claimed"):
        displays.claim_display(pid=PID)


def test_a_release_removes_lock_and_socket(folder):
    claim = displays.claim_display(pid=PID, first=40_000)
    (folder / ".X11-unix" / "X40000").touch()
    assert displays.release_display(claim.number, pid=PID)
    assert list(folder.rglob("*X40000*")) == []
    assert not displays.release_display(claim.number, pid=PID)


@pytest.mark.parametrize(
    "content", [b"%10d\n" % (PID + 1), b"", b"nonsense\n"], ids=["another's", "empty", "nonsense"]
)
def test_a_lock_that_is_not_ours_is_left_alone_with_its_socket(folder, content):
    (folder / ".X11-unix").mkdir()
    for path in (lock := folder / ".X40000-lock", peer := folder / ".X11-unix" / "X40000"):
        path.write_bytes(content)
    assert not displays.release_display(40_000, pid=PID)
    assert lock.exists()
    assert peer.exists()


def test_all_that_a_dead_process_claimed_is_released_with_the_draft_it_left(folder):
    dead, other = 500_001, 500_002
    for _ in range(2):
        displays.claim_display(pid=dead, first=40_000)
    kept = displays.claim_display(pid=other, first=40_000)
    (folder / f".tX-{dead}-lock").touch()
    assert displays.release_displays(pid=dead) == [40_000, 40_001]
    assert sorted(path.name for path in folder.glob(".*lock")) == [kept.lock.name]


def test_a_cookie_is_for_us_only_and_different_each_time(tmp_path):
    path = tmp_path / "xauthority"
    first = displays.write_authority(path, 7)
    second = displays.write_authority(path, 7)
    assert len(first) == len(second) == 16
    assert first != second
    assert displays.read_cookie(path, 7) == second
    assert displays.read_cookie(path, 8) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["xauthority"]


def test_an_authority_file_has_an_entry_for_this_host_and_one_for_any(tmp_path):
    path = tmp_path / "xauthority"
    cookie = displays.write_authority(path, 7)
    host = socket.gethostname().encode()
    tail = b"\0\x017" + b"\0\x12MIT-MAGIC-COOKIE-1" + b"\0\x10" + cookie
    local = b"\x01\0" + struct.pack(">H", len(host)) + host + tail
    assert path.read_bytes() == local + b"\xff\xff\0\0" + tail


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xff\0\0\0\x01", b"\xff\xff\xff\xffabc"])
def test_a_damaged_authority_file_has_no_cookie(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert displays.read_cookie(tmp_path / "x", 7) is None
