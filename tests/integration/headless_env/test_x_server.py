"""A real Xvfb: it comes up on a display of its own, closed to strangers; comes back; and leaves nothing."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headless_env import displays
from headless_env.checks import display
from headless_env.components import x_server
from headless_env.health import Unhealthy
from headless_env.startup import StartFailed, Task
from headless_env.x11 import RequestError, X11Error, connect
from integration.headless_env.desktop_house import desktop_world, kill, need
from integration.headless_env.x11_house import start_x, traces, x_world


def test_the_server_has_the_screen_that_was_asked_for_and_is_closed_to_strangers():
    with x_world(screen="800x600x16") as world:
        assert display.probe(world.environ()) == "800x600x16"
        assert display.verify(world.environ()) == "800x600x16, closed without the cookie"
        assert stat.S_IMODE(Path(world.exports["XAUTHORITY"]).stat().st_mode) == 0o600
        assert int(traces(world.exports["DISPLAY"])[0].read_text()) == os.getpid()


def test_a_server_that_lets_anybody_in_is_refused():
    need("Xvfb")
    with desktop_world() as world:
        start_x(world, args=("-ac",))
        with pytest.raises(Unhealthy, match="lets anybody in"):
            display.verify(world.environ())
        kill(world, "x11")
        x_server.release(world)


def test_display_and_authority_are_exported_before_the_first_wait():
    need("Xvfb")
    with desktop_world() as world:
        steps = x_server.start(world, screen="640x480x24", dpi=96, server_args=())
        next(steps)
        assert {"DISPLAY", "XAUTHORITY"} <= set(world.exports)
        steps.close()
        kill(world, "x11")
        x_server.release(world)


def test_a_killed_server_comes_back_on_the_same_display_with_the_same_cookie():
    with x_world() as world:
        before = (dict(world.exports), Path(world.exports["XAUTHORITY"]).read_bytes())
        kill(world, "x11")
        with pytest.raises(Unhealthy, match="an X server that answers was expected"):
            display.probe(world.environ())
        start_x(world)
        assert (dict(world.exports), Path(world.exports["XAUTHORITY"]).read_bytes()) == before
        assert display.probe(world.environ()) == "640x480x24"


def test_a_display_that_another_server_snatches_at_the_last_moment_is_given_up_for_the_next():
    need("Xvfb")
    with desktop_world() as world, socket.socket(socket.AF_UNIX) as elsewhere:
        real = displays.claim_display
        taken = []

        def claim_and_lose(**arguments):
            claim = real(**arguments)
            if not taken:  # a service with another /tmp is quicker: only the abstract name is shared
                elsewhere.bind(f"\0/tmp/.X11-unix/X{claim.number}")
                taken.append(claim)
            return claim

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(displays, "claim_display", claim_and_lose)
            start_x(world)
        assert world.exports["DISPLAY"] != taken[0].name
        assert not taken[0].lock.exists()
        assert display.probe(world.environ()) == "640x480x24"
        kill(world, "x11")
        x_server.release(world)


def test_a_screen_that_xvfb_refuses_fails_with_its_log_and_leaves_no_lock():
    need("Xvfb")
    with desktop_world() as world:
        with pytest.raises(StartFailed, match=r"(?s)x11 \(Xvfb\) exited with code 1.*screen 0"):
            start_x(world, screen="640x480x7")
        assert "DISPLAY" not in world.exports
        assert not displays.release_displays(pid=os.getpid())


def test_a_screen_that_xvfb_silently_makes_another_of_fails():
    need("Xvfb")
    with desktop_world() as world:
        with pytest.raises(StartFailed, match="10000000x1x24 was asked for, Xvfb made one of 38528x1x24"):
            start_x(world, screen="10000000x1x24")
        assert not displays.release_displays(pid=os.getpid())


def test_many_servers_at_once_have_a_display_each():
    need("Xvfb")
    if not os.access(sys.executable, os.X_OK):
        pytest.skip(f"this user may not start {sys.executable}")
    program = (
        "import sys; from pathlib import Path; from headless_env.components import x_server;"
        "from headless_env.startup import Task, run_tasks; from headless_env.world import World;"
        "w = World('many', Path(sys.argv[1]), Path(sys.argv[1]), base={'PATH': sys.argv[2]});"
        "steps = x_server.start(w, screen='320x240x24', dpi=96, server_args=());"
        "run_tasks([Task('x11', steps)], timeout_seconds=30); print(w.exports['DISPLAY'], flush=True);"
        "sys.stdin.read(); c = w.components['x11']; c.popen.kill(); c.popen.wait(); x_server.release(w)"
    )
    found: list[str] = []
    with desktop_world() as world:
        running = []
        for index in range(6):
            folder = world.folder / str(index)
            folder.mkdir()
            argv = [sys.executable, "-c", program, str(folder), os.environ["PATH"]]
            environ = {**world.base, "PYTHONPATH": os.pathsep.join(sys.path)}
            running.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ))
        for process in running:
            assert process.stdout is not None
            found.append(process.stdout.readline().decode().strip())
        for process in running:
            process.communicate(timeout=20)
    assert len(set(found)) == 6
    assert "" not in found
    assert not any(path.exists() for name in found for path in traces(name))


@pytest.mark.parametrize("name", ["", ":", "host:1", "localhost/unix:1", ":x", ":64999"])
def test_a_display_without_a_server_is_refused_at_once(name):
    with pytest.raises(Unhealthy, match=r"DISPLAY is|there is no X server on :64999"):
        display.probe({"DISPLAY": name})


def test_an_authority_file_that_is_not_there_is_named():
    with x_world() as world, pytest.raises(Unhealthy, match="XAUTHORITY /absent cannot be read"):
        display.probe(world.environ(XAUTHORITY="/absent"))


def test_a_wrong_cookie_is_refused(tmp_path):
    with x_world() as world:
        displays.write_authority(tmp_path / "x", int(world.exports["DISPLAY"][1:]))
        with pytest.raises(Unhealthy, match=r"refuses us: .*[Ii]nvalid"):
            display.probe(world.environ(XAUTHORITY=str(tmp_path / "x")))


def test_a_server_that_accepts_and_never_answers_is_unhealthy(monkeypatch):
    monkeypatch.setattr(display, "TIMEOUT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind("\0/tmp/.X11-unix/X64998")
        silent.listen()
        with pytest.raises(Unhealthy, match=r"does not answer within 0\.2 s"):
            display.probe({"DISPLAY": ":64998"})


def test_a_server_that_breaks_off_is_unhealthy():
    with socket.socket(socket.AF_UNIX) as rude:
        rude.bind("\0/tmp/.X11-unix/X64997")
        rude.listen()
        thread = threading.Thread(target=lambda: rude.accept()[0].close())
        thread.start()
        with pytest.raises(Unhealthy, match="broke off"):
            display.probe({"DISPLAY": ":64997"})
        thread.join()


def test_errors_replies_and_events_are_told_apart():
    with x_world() as world, connect(world.environ(), timeout=5) as client:
        window = client.create_window(width=10, height=10)
        name = client.intern_atom("_TEST")
        client.change_property(window, name, kind=31, width=8, data=b"abc")
        client.focus_window(0x7777)  # no answer: kept
        with pytest.raises(RequestError, match="BadWindow"):
            client.get_property(0x7777, name)
        asked = [client.ask_property(window, name) for _ in range(50)]
        assert {client.take_property(number).data for number in reversed(asked)} == {b"abc"}
        with pytest.raises(RequestError, match="for request 42, resource 0x7777"):
            client.synchronise()
        client.synchronise()


def test_more_requests_than_sequence_numbers_keep_their_answers():
    with x_world() as world, connect(world.environ(), timeout=5) as client:
        for _ in range(70_000):
            client.delete_property(client.setup.root, 1)
        assert client.parent(client.setup.root) == 0


def test_a_killed_server_is_an_error_for_its_clients():
    with x_world() as world, connect(world.environ(), timeout=5) as client:
        kill(world, "x11")
        with pytest.raises(X11Error, match="broke off"):
            client.synchronise()


def test_a_start_that_is_abandoned_closes_its_descriptors():
    need("Xvfb")
    with desktop_world() as world:
        before = len(list(Path("/proc/self/fd").iterdir()))
        task = Task("x11", x_server.start(world, screen="640x480x24", dpi=96, server_args=()))
        next(task.steps)
        task.steps.close()
        kill(world, "x11")
        x_server.release(world)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
