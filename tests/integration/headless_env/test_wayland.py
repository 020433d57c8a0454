"""A real sway: it comes up for root and for others, does its work, comes back; dead and mute ones are refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headless_env.checks import wayland as check
from headless_env.health import Unhealthy
from headless_env.startup import StartFailed
from headless_env.world import World
from integration.headless_env.desktop_house import (
    desktop_world,
    kill,
    marked,
    need,
    start_wayland,
    wait_for,
)

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change users")


@pytest.fixture
def empty() -> Iterator[World]:
    need("sway", "wtype", "wl-copy", "wl-paste")
    with desktop_world() as world:
        yield world


@pytest.fixture
def world(empty: World) -> World:
    start_wayland(empty)
    return empty


def run(world: World, *argv: str) -> str:
    return subprocess.run(
        argv, env=world.environ(), capture_output=True, text=True, timeout=10, check=True
    ).stdout


def test_a_started_compositor_has_the_screens_size_and_a_keyboard(empty: World):
    start_wayland(empty, screen="1234x567x24")
    assert check.probe(empty.environ()) == "1234x567, keyboard"
    assert empty.exports["WAYLAND_DISPLAY"] == "wayland-0"
    (output,) = json.loads(run(empty, "swaymsg", "--raw", "-t", "get_outputs"))
    assert output["current_mode"]["width"] == 1234


def test_the_clipboard_round_trip_leaves_nothing_behind(world: World):
    assert check.verify(world.environ()) == "800x600, keyboard, clipboard round trip"
    assert not marked(world, "wl-copy")
    after = subprocess.run(["wl-paste"], env=world.environ(), capture_output=True, text=True, timeout=10)
    assert after.returncode != 0
    assert after.stdout == ""


def test_the_usual_tools_reach_it_by_the_exported_variables(world: World, tmp_path: Path):
    need("grim")
    run(world, "wtype", "typed into nothing")
    run(world, "grim", str(tmp_path / "screen.png"))
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")


@AS_ROOT
def test_root_runs_the_compositor_as_another_user_without_the_jobs_variables(empty: World):
    empty.base["TOKEN"] = "secret"
    start_wayland(empty)
    pid = empty.components["wayland"].process.pid
    assert Path(f"/proc/{pid}").stat().st_uid == 65534
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert stat.S_IMODE(empty.folder.stat().st_mode) == 0o711
    for folder in (empty.runtime, empty.folder / "wl"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (empty.folder / "wl").stat().st_uid == 65534
    assert not [path for path in (empty.folder / "wl").iterdir() if path.stat().st_uid == 0]


def test_a_session_with_wayland_alone_says_so_and_one_with_x_does_not(empty: World):
    start_wayland(empty)
    assert empty.exports["XDG_SESSION_TYPE"] == "wayland"
    with desktop_world() as both:
        both.exports["DISPLAY"] = ":4711"
        start_wayland(both)
        assert "XDG_SESSION_TYPE" not in both.exports


def test_a_killed_compositor_is_refused_and_comes_back_under_the_same_names(world: World):
    before = dict(world.exports)
    kill(world, "wayland")
    for one in (check.probe, check.verify):
        with pytest.raises(Unhealthy, match=r"cannot connect to .*wayland-0"):
            one(world.environ())
    kill(world, "wayland-keyboard")
    start_wayland(world)
    assert world.exports == before
    assert check.verify(world.environ())
    assert json.loads(run(world, "swaymsg", "--raw", "-t", "get_version"))


def test_a_seat_that_has_lost_its_keyboard_is_refused(world: World):
    kill(world, "wayland-keyboard")
    wait_for(lambda: says(world, "seat should have a keyboard, found none"), what="the keyboard's end")


def says(world: World, text: str) -> bool:
    try:
        check.probe(world.environ())
    except Unhealthy as error:
        return text in str(error)
    return False


def test_the_keyboard_sleeps_longer_than_any_job_and_no_sleep_overflows(world: World):
    pid = world.components["wayland-keyboard"].process.pid
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    sleeps = [int(one) for one in arguments if one.isdigit()]
    assert sum(sleeps) > 5 * 86_400_000
    assert max(sleeps) * 1000 < 2**32  # wtype hands them to usleep as so many bits


def test_a_stopped_compositor_is_unhealthy_within_a_second(world: World):
    world.components["wayland"].popen.send_signal(signal.SIGSTOP)
    with pytest.raises(Unhealthy, match="does not answer within 1 s"):
        check.probe(world.environ())


def test_a_display_that_is_a_dead_socket_is_unhealthy(tmp_path: Path, empty: World):
    path = empty.runtime / "wayland-7"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(Unhealthy, match=r"cannot connect to .*wayland-7: Connection refused"):
        check.probe({**empty.environ(), "WAYLAND_DISPLAY": "wayland-7"})
    with pytest.raises(Unhealthy, match="No such file"):
        check.probe({**empty.environ(), "WAYLAND_DISPLAY": "wayland-8"})


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({}, "WAYLAND_DISPLAY is not set"),
        ({"WAYLAND_DISPLAY": "", "XDG_RUNTIME_DIR": "/tmp"}, "WAYLAND_DISPLAY is not set"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "needs XDG_RUNTIME_DIR"),
    ],
)
def test_variables_that_lead_nowhere_are_unhealthy(environ: dict[str, str], text: str):
    with pytest.raises(Unhealthy, match=text):
        check.probe(environ)


def test_a_compositor_that_cannot_start_fails_with_its_own_words(empty: World):
    empty.base["XKB_DEFAULT_LAYOUT"] = "nowhere"
    with pytest.raises(StartFailed) as caught:
        start_wayland(empty, screen="0x0x24")
    assert "the end of its log" in str(caught.value)


@pytest.mark.parametrize("missing", ["sway", "wtype"])
def test_without_a_tool_the_start_fails_by_its_name(empty: World, missing: str):
    folder = empty.folder / "bin"  # where another user can pass, too
    folder.mkdir(mode=0o755)
    for tool in {"sway", "wtype", "sh"} - {missing}:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    empty.base["PATH"] = str(folder)
    with pytest.raises(StartFailed, match=f"{missing} is not on PATH"):
        start_wayland(empty)
