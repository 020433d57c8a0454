"""Real window managers, keys, selections and pictures; what is broken in them is found."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from headless_env.checks import clipboard, keyboard
from headless_env.checks import window_manager as check
from headless_env.health import Unhealthy
from headless_env.screenshots import ScreenshotFailed, save_x_screenshot, window_tree
from headless_env.startup import StartFailed
from headless_env.world import World
from headless_env.x11 import EXPOSURES, STRUCTURE, Event, connect
from integration.headless_env.desktop_house import kill, marked, need, wait_for
from integration.headless_env.x11_house import restart_window_manager, start_x, x_world

PROGRAMS = ["openbox", "fluxbox"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_window_manager_manages_focuses_and_passes_keys_on(program):
    need("xdotool")
    with x_world(program=program) as world:
        assert check.probe(world.environ()).lower() == program
        for _ in range(3):  # also right after another
            assert "manages windows, 10 keys typed by xdotool arrived" in check.verify(world.environ())
        assert "keys typed" in keyboard.verify(world.environ())


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_very_first_window_is_shown(program):
    with x_world(program=program) as world, connect(world.environ(), timeout=5) as client:
        client.map_window(client.create_window(width=50, height=50, events=STRUCTURE))
        seen = set()
        while Event.MAP_NOTIFY not in seen:
            event = client.next_event(time.monotonic() + 5)
            assert event is not None, "not shown"
            seen.add(event.code)
        assert Event.REPARENT_NOTIFY in seen


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_window_manager_writes_nothing_to_home_and_does_not_read_it(program):
    with x_world() as world:
        home = Path(world.base["HOME"])
        for name in (".config/openbox/rc.xml", ".fluxbox/init"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text("<this is no configuration")
        before = sorted(home.rglob("*"))
        restart_window_manager(world, program)
        assert check.probe(world.environ()).lower() == program
        assert sorted(home.rglob("*")) == before
        assert "this is no" not in world.components["window-manager"].log_tail()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_window_manager_that_died_is_found_and_comes_back(program):
    with x_world(program=program) as world:
        kill(world, "window-manager")
        wait_for(lambda: is_unhealthy(world), what="the server's notice that its client has ended")
        for ask in (check.probe, check.verify):
            with pytest.raises(Unhealthy, match="has died; its announcement"):
                ask(world.environ())
        restart_window_manager(world, program)
        check.verify(world.environ())


def test_a_window_manager_that_hangs_is_found(monkeypatch):
    monkeypatch.setattr(keyboard, "TIMEOUT_SECONDS", 0.3)
    with x_world(program="openbox") as world:
        manager = world.components["window-manager"].popen
        manager.send_signal(signal.SIGSTOP)
        with pytest.raises(Unhealthy, match="should have the focus within"):
            check.verify(world.environ())
        manager.send_signal(signal.SIGCONT)


def test_no_window_manager_is_unhealthy_and_keys_arrive_all_the_same():
    need("xdotool")
    with x_world() as world:
        for ask in (check.probe, check.verify):
            with pytest.raises(Unhealthy, match="none has announced itself"):
                ask(world.environ())
        assert keyboard.verify(world.environ()) == "10 keys typed by xdotool arrived"


def test_a_window_manager_that_ends_at_once_fails_the_start():
    with x_world() as world:
        world.base["PATH"] = str(world.folder)
        (world.folder / "openbox").write_text("#!/bin/sh\necho cannot go on; exit 3\n")
        (world.folder / "openbox").chmod(0o755)
        with pytest.raises(StartFailed, match=r"(?s)exited with code 3.*cannot go on"):
            restart_window_manager(world, "openbox")


def test_keys_are_skipped_and_that_is_said_where_xdotool_is_missing():
    with x_world() as world:
        assert keyboard.verify(world.environ(PATH="/absent")) == "keys not checked (xdotool is not installed)"


def test_keys_that_are_lost_are_found(tmp_path, monkeypatch):
    with x_world() as world:
        fake = tmp_path / "xdotool"
        fake.write_text("#!/bin/sh\necho no keyboard >&2\n")
        fake.chmod(0o755)
        with pytest.raises(Unhealthy, match="was typed by xdotool, '' arrived; xdotool: no keyboard"):
            keyboard.verify(world.environ(PATH=f"{tmp_path}:{os.defpath}"))


def test_both_selections_are_pasted_as_copied_and_nobody_stays_behind():
    need("xclip")
    with x_world() as world:
        assert clipboard.verify(world.environ()) == "CLIPBOARD and PRIMARY pasted as copied by xclip"
        assert marked(world, "xclip") == []
        with connect(world.environ(), timeout=5) as client:
            assert client.selection_owner(client.intern_atom("CLIPBOARD")) == 0


def test_a_selection_that_somebody_owns_is_taken_over():
    need("xclip")
    with x_world() as world:
        subprocess.run(
            ["xclip", "-selection", "clipboard"], input=b"old", env=world.environ(), check=True, timeout=10,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        clipboard.verify(world.environ())
        wait_for(lambda: marked(world, "xclip") == [], what="the end of the earlier owner")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exec cat >/dev/null", "should own CLIPBOARD"),
        ('case "$*" in *-out*) echo other;; *) exec {xclip} "$@";; esac', "'other.n' was pasted"),
        (
            'case "$*" in *-out*) exec sleep 60;; *) exec {xclip} "$@";; esac',
            "does not paste CLIPBOARD within",
        ),
    ],
)
def test_a_clipboard_that_does_not_work_is_found(tmp_path, monkeypatch, script, problem):
    need("xclip")
    monkeypatch.setattr(clipboard, "TIMEOUT_SECONDS", 0.4)
    with x_world() as world:
        fake = tmp_path / "xclip"
        fake.write_text("#!/bin/sh\n" + script.replace("{xclip}", str(shutil.which("xclip"))) + "\n")
        fake.chmod(0o755)
        with pytest.raises(Unhealthy, match=problem):
            clipboard.verify(world.environ(PATH=f"{tmp_path}:{world.base['PATH']}"))


def test_without_xclip_the_clipboard_is_not_checked_and_that_is_said():
    with x_world() as world:
        found = clipboard.verify(world.environ(PATH="/absent"))
    assert found == "not checked (xclip is not installed)"


@pytest.mark.parametrize("screen", ["641x200x24", "641x200x16"])
def test_a_screenshot_shows_what_is_on_the_screen(screen, tmp_path):
    with x_world(screen=screen) as world, connect(world.environ(), timeout=5) as client:
        # A window in red, at the upper left corner: its background is the value list's pixel.
        red = client.setup.visual.red
        window = client.new_resource()
        place = struct.pack("<IIhhHHHHI", window, client.setup.root, 0, 0, 3, 2, 0, 1, 0)
        client.send(1, place + struct.pack("<IIII", 1 << 1 | 1 << 9 | 1 << 11, red, 1, EXPOSURES))
        client.map_window(window)
        assert client.next_event(time.monotonic() + 5)
        save_x_screenshot(world.environ(), tmp_path / "screen.png")
    width, lines = decode((tmp_path / "screen.png").read_bytes())
    assert (width, len(lines)) == (641, 200)
    assert lines[0][: 5 * 3] == b"\xff\0\0" * 3 + b"\0" * 6
    assert lines[2] == bytes(641 * 3)


def test_the_window_tree_names_what_is_on_the_screen():
    with x_world() as world, connect(world.environ(), timeout=5) as client:
        window = client.create_window(width=30, height=20)
        client.change_property(window, 39, kind=31, width=8, data=b"A title")
        client.change_property(window, 67, kind=31, width=8, data=b"app\0App\0")
        client.map_window(window)
        client.synchronise()
        lines = window_tree(world.environ()).splitlines()
    assert lines[0].startswith("screen 640x480x24")
    assert lines[1].endswith(" 640x480+0+0 viewable")
    assert lines[2] == f"  {window:#x} 30x20+0+0 viewable 'A title' (app, App)"


def test_a_screenshot_says_why_there_is_none(tmp_path):
    with pytest.raises(ScreenshotFailed, match="there is no X server on :64996"):
        save_x_screenshot({"DISPLAY": ":64996"}, tmp_path / "x.png")
    with x_world() as world, pytest.raises(ScreenshotFailed, match="cannot be written"):
        save_x_screenshot(world.environ(), tmp_path / "absent" / "x.png")


def test_a_window_manager_starts_beside_its_server():
    with x_world() as world:
        kill(world, "x11")
        start_x(world, program="openbox")
        check.verify(world.environ())


def is_unhealthy(world: World) -> bool:
    try:
        check.probe(world.environ())
    except Unhealthy:
        return True
    return False


def decode(data: bytes) -> tuple[int, list[bytes]]:
    """Width and lines of an RGB PNG without filters and with one IDAT."""
    width, height = struct.unpack(">II", data[16:24])
    begin = data.index(b"IDAT") + 4
    raw = zlib.decompress(data[begin:-16])
    return width, [raw[i * (width * 3 + 1) + 1 : (i + 1) * (width * 3 + 1)] for i in range(height)]
