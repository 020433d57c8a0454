"""Building the environment: racing, killed, cancelled, cut off, full, read-only, with every installer."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from integration.bootstrap_house import CLOSED, PYTHON, House, find_uv, finish, make_house, wait_until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
HANGING_UV = """#!/bin/sh
{uv} "$@" || exit
echo $$ > {mark}
while [ -e {mark} ]; do sleep 0.02; done
"""


@pytest.fixture(scope="module")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uv cache that the first build of this module fills."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def house(tmp_path: Path, uv_cache: Path) -> House:
    return make_house(tmp_path / "repository", tmp_path / "runner", uv_cache=uv_cache)


def only_pip(house: House) -> str:
    return f"{house.folder_on_path('only-python', python3=PYTHON)}:/usr/bin:/bin"


def with_uv_script(house: House, script: str) -> str:
    return f"{house.folder_on_path('scripted', python3=PYTHON, uv=script)}:/usr/bin:/bin"


def hang(house: House) -> tuple[subprocess.Popen[str], int]:
    """A start whose uv has installed the packages and then hangs, and that uv's pid."""
    mark = house.base / "installed"
    mark.unlink(missing_ok=True)
    script = HANGING_UV.format(uv=find_uv(), mark=f"'{mark}'")
    process = house.begin(PATH=with_uv_script(house, script))
    wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"))
    return process, int(mark.read_text())


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_jobs_that_start_at_once_on_a_cold_tool_cache_build_once(house: House) -> None:
    outcomes = [finish(process) for process in [house.begin() for _ in range(6)]]
    assert [outcome.code for outcome in outcomes] == [0] * 6
    assert sum(outcome.builds for outcome in outcomes) == 1
    assert {outcome.hello["python"] for outcome in outcomes} == {str(house.environment() / "bin" / "python")}
    assert not house.leftovers()


def test_who_waits_is_told_for_whom_and_then_goes_on(house: House) -> None:
    process, _ = hang(house)
    waiting = house.begin(RUNNER_NAME="second")
    assert waiting.stdout is not None
    line = waiting.stdout.readline()
    assert f"Waiting for process {process.pid} of " in line
    (house.base / "installed").unlink()
    assert finish(process).code == 0
    outcome = finish(waiting)
    assert (outcome.code, outcome.builds) == (0, 0)


def test_a_build_that_is_killed_half_way_leaves_nothing_that_is_taken_for_good(house: House) -> None:
    process, installer = hang(house)
    process.kill()
    finish(process)
    wait_until(lambda: is_gone(installer))
    assert len(house.leftovers()) == 1
    outcome = house.start()
    assert (outcome.code, outcome.builds) == (0, 1)
    assert not house.leftovers()


def test_builds_that_are_killed_at_any_moment_do_no_harm(house: House) -> None:
    chance = random.Random(20)
    for _ in range(12):
        shutil.rmtree(house.environments, ignore_errors=True)
        process = house.begin()
        time.sleep(chance.uniform(0, 0.4))  # the random moment is what is tested
        process.kill()
        finish(process)
        outcome = house.start()
        assert outcome.code == 0, outcome.output
        assert "is damaged (" not in outcome.output
        assert not house.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_build_ends_its_installer_and_cleans_up(house: House, number: signal.Signals) -> None:
    process, installer = hang(house)
    process.send_signal(number)
    outcome = finish(process)
    assert outcome.code == 130
    assert "Traceback" not in outcome.output
    assert is_gone(installer)
    assert not house.leftovers()


def test_installers_do_not_see_the_actions_inputs(house: House) -> None:
    seen = house.base / "seen"
    script = f"#!/bin/sh\nenv >> '{seen}'\nexec {find_uv()} \"$@\"\n"
    assert house.start(PATH=with_uv_script(house, script), PYTHONPATH="/nowhere", PIP_USER="1").code == 0
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "UV_CACHE_DIR" in names
    assert not names & {"INPUTS", "PYTHONPATH", "PIP_USER"}
    assert "s3cret" not in seen.read_text()


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_cold_start_without_network_says_so(house: House, installer: str) -> None:
    path = house.environ()["PATH"] if installer == "uv" else only_pip(house)
    outcome = house.start(**house.offline(PATH=path))
    assert outcome.code == 1
    (error,) = outcome.errors
    assert "Check the network" in error
    assert "PIP_INDEX_URL" in error
    assert outcome.output.count("::stop-commands::") == (2 if installer == "uv" else 1)
    assert "Traceback (most recent call last)" not in outcome.output
    assert [entry.suffix for entry in house.environments.iterdir()] == [".lock"]


def test_a_warm_start_needs_no_network_and_no_installer(house: House) -> None:
    assert house.start().builds == 1
    outcome = house.start(**house.offline(PATH=only_pip(house)))
    assert (outcome.code, outcome.builds) == (0, 0)


def test_uvs_own_cache_is_enough_without_a_network(house: House) -> None:
    assert house.start().builds == 1
    shutil.rmtree(house.environments)
    outcome = house.start(
        **house.offline(UV_CACHE_DIR=str(house.uv_cache), UV_INDEX_URL=None, UV_DEFAULT_INDEX=None)
    )
    assert (outcome.code, outcome.builds) == (0, 1)


def test_pip_builds_an_environment_where_uv_is_absent(house: House) -> None:
    outcome = house.start(PATH=only_pip(house))
    assert outcome.code == 0, outcome.output
    assert "Built it with pip" in outcome.output
    assert house.start().builds == 0


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\necho 'shim: uv is not active' >&2; exit 127\n", "#!/nowhere\n"]
)
def test_a_uv_that_does_not_work_gives_way_to_pip(house: House, script: str) -> None:
    outcome = house.start(PATH=with_uv_script(house, script))
    assert outcome.code == 0, outcome.output
    assert "Built it with pip" in outcome.output


def test_packages_that_are_not_those_of_the_lock_are_refused(house: House) -> None:
    lock = house.root / "shared" / "requirements.txt"
    text = lock.read_text()
    start = text.index("idna==")
    end = text.index("\n", text.rindex("--hash=sha256:", start, text.index("psutil==")))
    forged = f"{text[start : text.index(' ', start)]} --hash=sha256:{'0' * 64}"
    lock.write_text(text[:start] + forged + text[end:])
    outcome = house.start()
    assert outcome.code == 1
    (error,) = outcome.errors
    assert "other files than the lock file names" in error
    assert [entry.suffix for entry in house.environments.iterdir()] == [".lock"]


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_lock_line_without_a_digest_is_refused(house: House, installer: str) -> None:
    (house.root / "shared" / "requirements.txt").write_text("idna==3.20\n")
    outcome = house.start(PATH=house.environ()["PATH"] if installer == "uv" else only_pip(house))
    assert outcome.code == 1
    assert len(outcome.errors) == 1
    assert "hash" in outcome.output.lower()
    assert [entry.suffix for entry in house.environments.iterdir()] == [".lock"]


def test_a_package_without_a_wheel_is_refused_and_the_error_says_what_to_do(house: House) -> None:
    (house.root / "shared" / "requirements.txt").write_text(f"pip==1.0 --hash=sha256:{'0' * 64}\n")
    outcome = house.start(PATH=only_pip(house))
    assert outcome.code == 1
    (error,) = outcome.errors
    assert "actions/setup-python" in error


def test_a_read_only_tool_cache_falls_through_to_the_state_root(house: House) -> None:
    house.tool_cache.mkdir()
    for builds in (1, 0):
        outcome = start_read_only(house)
        assert outcome.code == 0, outcome.output
        assert outcome.output.count("Building the actions' Python environment") == builds
        assert outcome.hello["python"].startswith(str(house.base / "state" / "environments"))
        assert not outcome.warnings
    assert list(house.tool_cache.iterdir()) == []


def start_read_only(house: House):
    """Root may write everywhere, so for root the tool cache is mounted read-only in a namespace of its own."""
    if os.geteuid():
        house.tool_cache.chmod(0o555)
        return house.start()
    mount = f"mount --bind '{house.tool_cache}' '{house.tool_cache}' && mount -o remount,ro,bind '{house.tool_cache}'"
    return start_mounted(house, mount)


def start_mounted(house: House, mount: str, **changes: str | None):
    inside = ["unshare", "-m", "/bin/sh", "-c", f'{mount} && exec "$@"', "sh", *house.command()]
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a mount namespace")
    process = subprocess.Popen(
        inside,
        env=house.environ(**changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return finish(process)


@AS_ROOT
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_full_disk_is_a_clear_error(house: House, installer: str) -> None:
    assert house.start().builds == 1  # fills uv's cache
    shutil.rmtree(house.environments)
    mount = f"mount -t tmpfs -o size=8m none '{house.tool_cache}'"
    path = house.environ()["PATH"] if installer == "uv" else only_pip(house)
    outcome = start_mounted(house, mount, PATH=path)
    assert outcome.code == 1
    (error,) = outcome.errors
    assert f"Free space on the file system of {house.environments}" in error


@AS_ROOT
def test_a_tool_cache_that_may_not_execute_falls_through(house: House) -> None:
    house.tool_cache.mkdir()
    outcome = start_mounted(house, f"mount -t tmpfs -o noexec none '{house.tool_cache}'")
    assert outcome.hello["python"].startswith(str(house.base / "state" / "environments"))


def test_without_any_writable_folder_the_error_names_them_all(house: House) -> None:
    for name in ("tool cache", "state", "temp"):
        (house.base / name).write_text("a file, where a folder could be")
    outcome = house.start()
    assert outcome.code == 1
    (error,) = outcome.errors
    for path in (house.tool_cache, house.base / "state", house.base / "temp", "COLDVOX_ACTIONS_HOME"):
        assert str(path) in error


def test_another_lock_file_gets_another_environment_beside_the_first(house: House) -> None:
    assert house.start().builds == 1
    with (house.root / "shared" / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert house.start().builds == 1
    assert len([entry for entry in house.environments.iterdir() if entry.is_dir()]) == 2


def test_a_link_in_the_locks_place_is_not_followed(house: House, tmp_path: Path) -> None:
    assert house.start().builds == 1
    path = house.environment()
    shutil.rmtree(path)
    lock = path.with_name(f"{path.name}.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "target")
    outcome = house.start()
    assert outcome.code == 0
    assert not (tmp_path / "target").exists()
    assert outcome.hello["python"].startswith(str(house.base / "state" / "environments"))


def test_a_closed_port_is_closed() -> None:
    """The offline tests mean nothing if somebody answers there."""
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(CLOSED, timeout=5)
