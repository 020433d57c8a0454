"""Which of a step's variables a script and the components get."""

from __future__ import annotations

import pytest

from headless_env.variables import components_environ, foreign_variables


@pytest.mark.parametrize(
    ("name", "value", "display_server", "is_foreign"),
    [
        ("WAYLAND_DISPLAY", "wayland-0", "x11", True),
        ("WAYLAND_DISPLAY", "wayland-0", "wayland", True),
        ("GDK_BACKEND", "wayland", "x11", True),
        ("GDK_BACKEND", "wayland,x11", "x11", True),
        ("GDK_BACKEND", "x11", "x11", False),
        ("GDK_BACKEND", "x11", "both", False),
        ("GDK_BACKEND", "x11", "wayland", True),
        ("QT_QPA_PLATFORM", "xcb", "x11", False),
        ("QT_QPA_PLATFORM", "wayland;xcb", "x11", True),
        ("QT_QPA_PLATFORM", "offscreen", "x11", False),
        ("SDL_VIDEODRIVER", "dummy", "wayland", False),
        ("WINIT_UNIX_BACKEND", "wayland", "both", False),
        ("PULSE_SINK", "speakers", "x11", True),
        ("PULSE_LATENCY_MSEC", "30", "x11", False),
        ("PIPEWIRE_REMOTE", "pipewire-0", "x11", True),
        ("PIPEWIRE_LATENCY", "512/48000", "x11", False),
        ("GTK_A11Y", "none", "x11", True),
        ("PATH", "/bin", "x11", False),
    ],
)
def test_what_leads_out_of_the_environment_is_foreign(name, value, display_server, is_foreign):
    found = foreign_variables({name: value}, keep_ydotool=False, display_server=display_server)
    assert found == ([name] if is_foreign else [])


def test_ydotools_socket_stays_for_a_job_that_asks_for_it():
    environ = {"YDOTOOL_SOCKET": "/run/ydotool"}
    assert foreign_variables(environ, keep_ydotool=True, display_server="x11") == []
    assert foreign_variables(environ, keep_ydotool=False, display_server="x11") == ["YDOTOOL_SOCKET"]


@pytest.mark.parametrize(
    "name", ["MY_SECRET", "GITHUB_TOKEN", "NPM_CONFIG", "GTK_API_KEY", "XDG_PASSWORD", "INPUTS"]
)
def test_components_get_nothing_that_may_be_a_secret(name):
    assert components_environ({name: "s3cret"}) == {}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LANG", "LC_ALL", "XDG_DATA_DIRS", "XKB_DEFAULT_LAYOUT", "TMPDIR"]
)
def test_components_get_what_programs_need(name):
    assert components_environ({name: "x"}) == {name: "x"}
