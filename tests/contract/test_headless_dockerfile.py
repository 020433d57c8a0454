"""The Dockerfile of action-headless-env installs what the action looks for, no more, and is well-behaved."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from headless_env.tool_table import TOOLS

DOCKERFILE = Path(__file__).resolve().parents[2] / "action-headless-env/Dockerfile"
# What the runner and the bundle need in a container, apart from the environment itself.
FOUNDATION = {"ca-certificates", "git", "python3", "python3-venv"}
# A release, and if need be its digest; `bookworm-slim` and the like move.
PINNED = re.compile(r"[a-z0-9./_-]+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")


def instructions(text: str) -> list[tuple[str, str]]:
    """Pairs of instruction and argument; comments gone and continued lines joined, as Docker's reference has it."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def commands(text: str) -> list[list[list[str]]]:
    """Each RUN as a list of commands, each a list of words. Only `&&` may join them, so that a failure is one."""
    found = []
    for word, rest in instructions(text):
        if word == "RUN":
            words = list(shlex.shlex(rest, posix=True, punctuation_chars=True))
            assert not {";", "|", "||", "&"} & set(words), rest
            found.append([shlex.split(part) for part in rest.split("&&")])
    return found


def installed(text: str) -> list[str]:
    """All packages that are installed, in the order in which they stand."""
    return [
        word
        for run in commands(text)
        for command in run
        if "install" in command and "apt-get" in command
        for word in command[command.index("install") + 1 :]
        if not word.startswith("-")
    ]


def violations(text: str) -> list[str]:
    """What breaks the rules, a sentence each."""
    found = []
    for word, rest in instructions(text):
        if word == "FROM" and not PINNED.fullmatch(rest.split()[0]):
            found.append(f"FROM {rest}: not pinned to a release")
        if word == "ADD":
            found.append("ADD fetches and unpacks unasked: use COPY")
        if word in ("ENTRYPOINT", "CMD", "USER"):
            found.append(f"{word}: the runner decides how a job's container runs")
    for run in commands(text):
        gets = [command for command in run if "apt-get" in command]
        found += [f"{' '.join(one)}: 'apt' is for people" for one in run if one[0] == "apt"]
        if gets and not (gets[0][-1] == "update" and run[0] == gets[0]):
            found.append("apt-get install without apt-get update before it in the same layer")
        if gets and ["rm", "-rf", "/var/lib/apt/lists/*"] not in run:
            found.append("the package lists stay in the layer")
        for command in gets:
            if "install" in command and not {"--yes", "--no-install-recommends"} <= set(command):
                found.append(f"{' '.join(command[:4])}: needs --yes and --no-install-recommends")
    packages = installed(text)
    found += [f"{name} is installed twice" for name in sorted(set(packages)) if packages.count(name) > 1]
    if {"pulseaudio", "pipewire-alsa"} <= set(packages):
        found.append("pipewire-alsa conflicts with pulseaudio on Debian")
    return found


def wanted_packages() -> set[str]:
    """All that the action can look for."""
    return {package for tool in TOOLS.values() for package in tool.apt.split()}


def test_the_dockerfile_keeps_the_rules():
    assert violations(DOCKERFILE.read_text()) == []


def test_the_dockerfile_has_all_that_the_action_looks_for():
    assert wanted_packages() - set(installed(DOCKERFILE.read_text())) == set()


def test_the_dockerfile_has_nothing_that_the_action_does_not_look_for():
    assert set(installed(DOCKERFILE.read_text())) - wanted_packages() - FOUNDATION == set()


def test_the_packages_stand_in_alphabetical_order():
    runs = [run for run in commands(DOCKERFILE.read_text()) if any("apt-get" in command for command in run)]
    assert runs
    for run in runs:
        text = "RUN " + " && ".join(map(shlex.join, run))
        assert installed(text) == sorted(installed(text))


# The guard is shown what it must find.

SOUND = """\
FROM debian:12.11-slim
RUN apt-get update \\
    && apt-get install --yes --no-install-recommends \\
        # a comment between
        sway \\
        xvfb \\
    && rm -rf /var/lib/apt/lists/*
"""


def test_a_sound_example_has_no_violations():
    assert violations(SOUND) == []
    assert installed(SOUND) == ["sway", "xvfb"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("debian:12.11-slim", "debian:latest", "not pinned"),
        ("debian:12.11-slim", "debian", "not pinned"),
        ("debian:12.11-slim", "debian:bookworm-slim", "not pinned"),
        ("--no-install-recommends", "", "--no-install-recommends"),
        ("--yes", "", "--yes"),
        ("    && rm -rf /var/lib/apt/lists/*\n", "    && true\n", "lists stay"),
        ("apt-get update", "true", "without apt-get update"),
        ("        sway", "        xvfb", "xvfb is installed twice"),
        ("        sway", "        pulseaudio pipewire-alsa", "conflicts"),
        ("RUN apt-get update", "USER runner\nRUN apt-get update", "USER"),
        ("RUN apt-get update", "ADD x.tar /\nRUN apt-get update", "COPY"),
    ],
)
def test_a_broken_example_has_its_violation(old, new, complaint):
    assert old in SOUND
    (found,) = violations(SOUND.replace(old, new))
    assert complaint in found
