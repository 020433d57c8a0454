"""Which tools an environment needs, what is missing, and what would install it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from actionlib.inputs import Inputs, load_action
from headless_env import host_tools
from headless_env.host_tools import Wanted, find_tool, install_lines, missing, wanted_tools
from headless_env.inputs import parse
from headless_env.tool_table import TOOLS
from headless_env.units import Chosen

DEFAULTS = {
    "display_server": "x11", "window_manager": "openbox", "audio": "pulseaudio", "at_spi": True,
    "verify": "full", "record": False, "microphone": False, "require": (),
}  # fmt: skip
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
NOBARA = 'NAME="Nobara Linux"\nID=nobara\nID_LIKE="rhel centos fedora"\n'
ARCH = "NAME=Arch\nID=arch\n"
ACTION = Path(__file__).resolve().parents[3] / "action-headless-env"


def wanted(**changes: object) -> Wanted:
    return wanted_tools(**{**DEFAULTS, **changes})


def folder_with(folder: Path, *programs: str) -> str:
    """A PATH on which just these programs are."""
    folder.mkdir(exist_ok=True)
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_default_environment_needs_its_components_and_can_do_without_check_tools():
    assert wanted().needed == ("bash", "dbus-daemon", "Xvfb", "openbox", "at-spi2-core", "pulseaudio")
    assert {"xdotool", "xclip", "parec", "ALSA plugin"} <= set(wanted().optional)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"display_server": "none", "at_spi": False, "audio": "none"}, {"bash", "dbus-daemon"}),
        ({"display_server": "wayland", "at_spi": False, "audio": "none"}, {"bash", "dbus-daemon", "sway", "wtype"}),
        ({"display_server": "both"}, {"Xvfb", "sway", "openbox"}),
        ({"window_manager": "fluxbox"}, {"fluxbox"}),
        ({"audio": "pipewire"}, {"pipewire", "wireplumber", "pipewire-pulse"}),
        ({"microphone": True}, {"pactl", "pacat"}),
        ({"record": True}, {"ffmpeg"}),
        ({"require": ("xclip", "my-tool")}, {"xclip", "my-tool"}),
    ],
)  # fmt: skip
def test_each_setting_needs_its_tools(changes, needed):
    assert needed <= set(wanted(**changes).needed)


def test_what_is_off_is_not_looked_for():
    found = wanted(display_server="none", window_manager="none", at_spi=False, audio="none")
    assert found == Wanted(("bash", "dbus-daemon"), ())


@pytest.mark.parametrize("verify", ["quick", "none"])
def test_without_full_verification_no_check_tools_are_wanted(verify):
    assert not {"xdotool", "xclip", "parec", "arecord"} & {
        *wanted(verify=verify).needed,
        *wanted(verify=verify).optional,
    }


def test_a_required_check_tool_is_needed_and_no_longer_optional():
    found = wanted(require=("xdotool",))
    assert "xdotool" in found.needed
    assert "xdotool" not in found.optional


def test_what_auto_could_choose_is_optional():
    found = wanted(window_manager="auto", audio="auto")
    assert {"audio server", "window manager"} <= set(found.optional)
    assert not {"audio server", "window manager", "auto"} & set(found.needed)


@pytest.mark.parametrize("display_server", ["x11", "wayland", "both", "none"])
@pytest.mark.parametrize("audio", ["auto", "pulseaudio", "pipewire", "none"])
def test_every_tool_that_a_setting_wants_has_packages_and_a_reason(display_server, audio):
    found = wanted(display_server=display_server, audio=audio, record=True, microphone=True)
    for name in (*found.needed, *found.optional):
        assert name in TOOLS
    for tool in TOOLS.values():
        assert tool.probe, tool.name
        assert tool.apt, tool.name
        assert tool.dnf, tool.name
        assert tool.reason, tool.name


def test_missing_programs_are_found_by_the_given_path_alone(tmp_path):
    path = folder_with(tmp_path / "bin", "Xvfb", "my-tool")
    assert [tool.name for tool in missing(["Xvfb", "openbox", "my-tool", "openbox"], path=path)] == [
        "openbox"
    ]
    assert [tool.name for tool in missing(["Xvfb"], path="")] == ["Xvfb"]


def test_a_file_that_cannot_be_executed_is_no_program(tmp_path):
    path = folder_with(tmp_path / "bin", "xclip")
    (tmp_path / "bin/xclip").chmod(0o644)
    assert [tool.name for tool in missing(["xclip"], path=path)] == ["xclip"]


@pytest.mark.parametrize("name", ["gtk", "gtk4", "enigo", "at-spi2-core", "ALSA plugin"])
def test_a_library_is_there_exactly_when_the_package_manager_or_the_loader_says_so(name):
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    names = {probe.rpartition("/")[2] for probe in find_tool(name).probe}
    tool = find_tool(name)
    for command in (["dpkg", "-L", tool.apt], ["rpm", "-ql", tool.dnf]):
        if shutil.which(command[0]):
            listed += subprocess.run(command, capture_output=True, text=True, check=False).stdout
    known = {word.rpartition("/")[2] for word in listed.split()}
    assert (not missing([name], path="")) == bool(names & known)


@pytest.mark.parametrize(
    ("programs", "audio", "window_manager"),
    [
        ((), "none", "none"),
        (("pulseaudio", "fluxbox"), "pulseaudio", "fluxbox"),
        (("pipewire", "wireplumber", "pipewire-pulse", "openbox", "fluxbox"), "pipewire", "openbox"),
        (("pipewire", "pipewire-pulse"), "none", "none"),
        (("pulseaudio", "pipewire", "wireplumber", "pipewire-pulse"), "pulseaudio", "none"),
    ],
)
def test_auto_takes_what_is_installed(tmp_path, programs, audio, window_manager):
    path = folder_with(tmp_path / "bin", *programs)
    assert host_tools.choose_audio("auto", path=path) == audio
    assert host_tools.choose_window_manager("auto", path=path) == window_manager


@pytest.mark.parametrize("value", ["pulseaudio", "pipewire", "none"])
def test_a_named_choice_stays(value):
    assert host_tools.choose_audio(value, path="") == value
    assert host_tools.choose_window_manager("fluxbox", path="") == "fluxbox"


@pytest.mark.parametrize(
    ("os_release", "lines"),
    [
        (DEBIAN, ["sudo apt-get install xvfb pulseaudio-utils"]),
        ('ID=ubuntu\nID_LIKE="debian"\n', ["sudo apt-get install xvfb pulseaudio-utils"]),
        (NOBARA, ["sudo dnf install xorg-x11-server-Xvfb pulseaudio-utils"]),
        (
            ARCH,
            [
                "sudo apt-get install xvfb pulseaudio-utils",
                "sudo dnf install xorg-x11-server-Xvfb pulseaudio-utils",
            ],
        ),
        (
            "",
            [
                "sudo apt-get install xvfb pulseaudio-utils",
                "sudo dnf install xorg-x11-server-Xvfb pulseaudio-utils",
            ],
        ),
    ],
)
def test_the_commands_are_the_distributions_own_and_name_each_package_once(os_release, lines):
    tools = [find_tool(name) for name in ("Xvfb", "pactl", "paplay")]
    assert install_lines(tools, os_release=os_release).splitlines() == lines


def test_the_word_debian_elsewhere_in_os_release_decides_nothing():
    text = 'ID=arch\nHOME_URL="https://debian.example"\nBUILD_ID=fedora\n'
    assert len(install_lines([find_tool("Xvfb")], os_release=text).splitlines()) == 2


def test_a_program_without_known_package_is_named():
    assert (
        install_lines([find_tool("my-tool")], os_release=DEBIAN)
        == "no package that is known here has my-tool: check the spelling"
    )


def test_nothing_missing_gives_no_commands():
    assert install_lines([], os_release=DEBIAN) == ""


def test_looking_takes_no_longer_than_starting_two_programs():
    found = wanted(microphone=True)
    path = os.environ["PATH"]

    def best(run):
        times = []
        for _ in range(15):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
        return min(times)

    assert best(lambda: missing(found.needed, path=path)) < 2 * best(
        lambda: subprocess.run(["true"], check=True)
    )


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_ydotool_is_allowed_with_a_warning_where_its_daemon_listens(tmp_path, kind):
    path = str(tmp_path / "ydotool")
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(path)
        if kind == socket.SOCK_STREAM:
            server.listen()
        assert "not into this environment" in host_tools.check_ydotool({"YDOTOOL_SOCKET": path})


@pytest.mark.parametrize("case", ["unset", "absent", "file", "dead", "long"])
def test_ydotool_without_a_daemon_is_refused(tmp_path, case):
    path = str(tmp_path / "ydotool")
    if case == "file":
        Path(path).touch()
    elif case == "dead":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(path)
    elif case == "long":
        path += "x" * 108
    environ = {} if case == "unset" else {"YDOTOOL_SOCKET": path}
    with pytest.raises(ActionError, match=r"YDOTOOL_SOCKET is '.*no ydotoold listens there"):
        host_tools.check_ydotool(environ)


def test_a_lack_is_one_error_that_names_tools_reasons_and_commands(tmp_path):
    settings = parse(Inputs(load_action(ACTION), {"mode": "run", "run": "true", "require": "my-tool xclip"}))
    path = folder_with(tmp_path / "bin", "bash", "dbus-daemon", "openbox", "xclip")
    with pytest.raises(ActionError) as caught:
        host_tools.require(settings, Chosen(window_manager="openbox", audio="none"), path=path)
    message = str(caught.value)
    assert "Xvfb (the X11 display), " in message
    assert "my-tool (the job requires it)" in message
    assert "install xvfb" in message or "install xorg-x11-server-Xvfb" in message
    assert "openbox" not in message
    assert "xclip" not in message


def test_a_missing_check_tool_is_no_error(tmp_path):
    settings = parse(Inputs(load_action(ACTION), {"mode": "run", "run": "true", "at-spi": "false"}))
    path = folder_with(tmp_path / "bin", "bash", "dbus-daemon", "Xvfb")
    host_tools.require(settings, Chosen(window_manager="none", audio="none"), path=path)
