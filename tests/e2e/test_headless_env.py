"""action-headless-env in real workflows, run by the real act: what ColdVox's tests do to a desktop."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from e2e.act import ACT, Act, make_repository
from headless_env.sound import write_tone

LOCAL = "./action-headless-env"
PINNED = "OWNER/coldvox-actions/action-headless-env@v1"

# Text typed into a terminal is read back, text is copied and pasted, and the microphone's WAV is heard.
DESKTOP_WORK = """\
mkdir -p "$NOTES"
xterm -T target -e sh -c 'read -r line; echo "$line" >"$NOTES/typed"' &
window=$(xdotool search --sync --onlyvisible --name '^target$')
xdotool windowfocus --sync "$window"
xdotool type --delay 30 'Hello, ColdVox 42'
xdotool key Return
for _ in $(seq 100); do [ -s "$NOTES/typed" ] && break; sleep 0.05; done
printf 'copied text' | xclip -selection clipboard -i
for _ in $(seq 100); do xclip -selection clipboard -o >"$NOTES/pasted" 2>/dev/null && break; sleep 0.05; done
arecord -q -D default -f S16_LE -r 48000 -c 1 -d 1 "$NOTES/heard.wav"
"""

BRACKETED = """
on: push
jobs:
  desktop:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - id: desktop
        uses: {action}
        with: {{mode: start, microphone-wav: tone.wav, microphone-play: loop, require: xterm xdotool xclip arecord}}
      - run: bash work.sh
      - run: test "$DISPLAY" = "${{{{ steps.desktop.outputs.display }}}}" && echo "$DISPLAY" >>"$NOTES/displays"
      - uses: {action}
        with: {{mode: check}}
      - uses: {action}
        if: always()
        with: {{mode: stop}}
      - run: echo "after=$DISPLAY" >>"$NOTES/displays"
"""

SCOPED = """
on: push
jobs:
  {jobs}
"""

SCOPED_JOB = """
  {name}:
    runs-on: self-hosted
    env: {{OWN_NOTES: {notes}/{name}}}
    steps:
      - uses: actions/checkout@v4
      - uses: ./action-headless-env
        with:
          mode: run
          microphone-wav: tone.wav
          microphone-play: loop
          timeout-seconds: 60
          run: |
            export NOTES=$OWN_NOTES; mkdir -p "$NOTES"
            echo "$DISPLAY" >"$NOTES/display"
            bash work.sh
"""

HANGING = """
on: push
jobs:
  hanging:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - id: test
        continue-on-error: true
        uses: ./action-headless-env
        with:
          mode: run
          audio: none
          timeout-seconds: 3
          grace-seconds: 1
          run: |
            (trap '' TERM; setsid sleep 300) &
            xterm -T hanging -e sleep 300
      - run: |
          echo "$CODE $TIMED_OUT" >"$NOTES/hanging"
          cp "$SHOT" "$NOTES/screenshot.png"
        env:
          CODE: ${{ steps.test.outputs.exit-code }}
          TIMED_OUT: ${{ steps.test.outputs.timed-out }}
          SHOT: ${{ steps.test.outputs.screenshot }}
"""


@pytest.fixture(autouse=True)
def _needs_a_desktop():
    for tool in ("Xvfb", "openbox", "pulseaudio", "xterm", "xdotool", "xclip", "arecord"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}; scripts/system-packages installs it")


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before = set(Path("/tmp").glob("he-*"))
    yield
    deadline = time.monotonic() + 10
    while set(Path("/tmp").glob("he-*")) - before:
        assert time.monotonic() < deadline, "an environment was left behind"
        time.sleep(0.05)


def repository(folder: Path, workflow: str, *, with_actions: bool = True) -> Path:
    path = make_repository(
        folder / "repo",
        {".github/workflows/test.yml": workflow, "work.sh": DESKTOP_WORK},
        with_actions=with_actions,
    )
    write_tone(path / "tone.wav", hertz=523, seconds=2)
    return path


def assert_worked(notes: Path) -> None:
    assert (notes / "typed").read_text() == "Hello, ColdVox 42\n"
    assert (notes / "pasted").read_text() == "copied text"
    assert loudest_frequency(notes / "heard.wav") == pytest.approx(523, abs=5)


def loudest_frequency(wav: Path) -> float:
    """By counting the waves of half a second, after the recording has settled."""
    samples = memoryview(wav.read_bytes()[44:]).cast("h")[12_000:36_000]
    crossings = sum(1 for before, after in itertools.pairwise(samples) if before < 0 <= after)
    return crossings * 2


@pytest.mark.parametrize("action", [LOCAL, PINNED], ids=["local", "pinned"])
def test_steps_between_start_and_stop_type_copy_and_listen(act: Act, tmp_path, action):
    path = repository(tmp_path, BRACKETED.format(action=action), with_actions=action == LOCAL)
    pinned = []
    if action == PINNED:
        bundle = make_repository(tmp_path / "bundle", {}, with_actions=True)
        pinned = [f"--local-repository=OWNER/coldvox-actions@v1={bundle}"]
    run = act.run(path, *pinned)
    assert run.exit_code == 0, run.log
    assert_worked(act.notes)
    display, after = act.note("displays")
    assert display.startswith(":")
    assert after == f"after={os.environ.get('DISPLAY', '')}"


def test_two_jobs_at_once_each_in_a_desktop_of_its_own(act: Act, tmp_path):
    jobs = "".join(SCOPED_JOB.format(name=name, notes=act.notes) for name in ("one", "two"))
    run = act.run(repository(tmp_path, f"on: push\njobs:{jobs}"))
    assert run.exit_code == 0, run.log
    for name in ("one", "two"):
        assert_worked(act.notes / name)
    assert len({(act.notes / name / "display").read_text() for name in ("one", "two")}) == 2


def test_a_hanging_test_is_cut_and_leaves_a_picture(act: Act, tmp_path):
    begin = time.monotonic()
    run = act.run(repository(tmp_path, HANGING))
    assert run.exit_code == 0, run.log
    assert act.note("hanging") == ["124 true"]
    assert (act.notes / "screenshot.png").read_bytes().startswith(b"\x89PNG")
    assert time.monotonic() - begin < 60


def test_an_ordinary_user_gets_the_same_desktop(tmp_path, act_home):
    if os.geteuid() != 0:
        pytest.skip("every test here runs as an ordinary user already")
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux), to become another user")
    folder = Path("/var/tmp") / f"headless-e2e-{os.getpid()}"
    folder.mkdir()
    try:
        act = Act(folder, folder / "home")
        (folder / "home").mkdir()
        path = repository(folder, BRACKETED.format(action=LOCAL))
        subprocess.run(["chown", "-R", "65534:65534", str(folder)], check=True)
        as_nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            "/usr/bin/env",
            "-i",
        ]
        as_nobody += [f"HOME={folder}/home", "PATH=/usr/local/bin:/usr/bin:/bin"]
        done = subprocess.run(
            [*as_nobody, "git", "config", "--global", "safe.directory", "*"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        copy = folder / "act"
        shutil.copy(ACT, copy)
        copy.chmod(0o755)
        network = ("PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy")
        run = subprocess.run(
            [*as_nobody, str(copy), "push", "--rm", "--no-cache-server", f"--env=NOTES={act.notes}",
             "--platform=self-hosted=-self-hosted",
             *(f"--env={name}={os.environ[name]}" for name in network if name in os.environ)],
            cwd=path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=240,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout
        assert_worked(act.notes)
    finally:
        shutil.rmtree(folder)
