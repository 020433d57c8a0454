"""Which Python an action gets: too old, too new on another name, broken, none at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from integration.bootstrap_house import PYTHON, REPOSITORY, House, find_uv, make_house


def find_pythons() -> dict[str, Path]:
    """Every CPython of this machine by its minor version: those on PATH and those that pyenv has."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep) if folder]
    folders += Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*/bin")
    found: dict[str, Path] = {}
    for minor in range(6, 15):
        for file in (folder / f"python3.{minor}" for folder in folders):
            if f"3.{minor}" in found or not os.access(file, os.X_OK) or "shims" in file.parts:
                continue
            command = [file, "-I", "-c", "import sys; print(sys.executable)"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                found[f"3.{minor}"] = Path(os.path.realpath(done.stdout.strip()))
    return found


PYTHONS = find_pythons()
OLD = [f"3.{minor}" for minor in range(6, 11)]
NEW = [f"3.{minor}" for minor in range(11, 15)]


def python(version: str) -> Path:
    if version not in PYTHONS:
        pytest.skip(f"this machine has no Python {version}")
    return PYTHONS[version]


@pytest.fixture(scope="module")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def house(tmp_path: Path, uv_cache: Path) -> House:
    return make_house(tmp_path / "repository", tmp_path / "runner", uv_cache=uv_cache)


@pytest.mark.parametrize("version", OLD)
def test_a_python_that_is_too_old_says_so_itself(house: House, version: str) -> None:
    summary = house.base / "summary"
    path = house.folder_on_path("old", python3=python(version), sh=Path("/bin/sh"))
    outcome = house.start(PATH=path, GITHUB_STEP_SUMMARY=str(summary))
    assert outcome.code == 1
    assert "3.11 or newer" in summary.read_text()
    (error,) = outcome.output.splitlines()
    assert error.startswith("::error")
    assert f"version {version}." in error
    assert "3.11 or newer" in error
    assert "actions/setup-python" in error


@pytest.mark.parametrize("name", ["python3", "python3_12"])
@pytest.mark.parametrize("version", OLD[-1:] + OLD[:1])
def test_a_newer_python_further_down_path_is_found(house: House, version: str, name: str) -> None:
    broken = "#!/bin/sh\necho 'shim: not active' >&2\nexit 127\n"
    lying = "#!/bin/sh\nexit 0\n"
    old = house.folder_on_path(
        "old", python3=python(version), python3_14=broken, python3_13=lying, sh=Path("/bin/sh")
    )
    new = house.folder_on_path("new", **{name: PYTHON}, uv=find_uv())
    process = house.begin(PATH=f"{old}::{house.base / 'absent'}:{new}")
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    said, *_, hello = output.splitlines()
    assert "is too old for these actions" in said
    assert f'"pid": {process.pid}' in hello


def test_only_a_versioned_name_on_path_is_enough(house: House) -> None:
    path = house.folder_on_path("named", python3_11=PYTHON, uv=find_uv(), sh=Path("/bin/sh"))
    assert house.start(PATH=path).code == 0


def test_no_python_at_all_is_one_clear_error(house: House) -> None:
    summary = house.base / "summary"
    path = house.folder_on_path("empty", sh=Path("/bin/sh"))
    outcome = house.start(PATH=path, GITHUB_STEP_SUMMARY=str(summary))
    assert outcome.code == 1
    assert "No python3" in summary.read_text()
    (error,) = outcome.output.splitlines()
    for word in ("::error", "No python3", "dnf", "apt-get", "apk", "actions/setup-python"):
        assert word in error


@pytest.mark.parametrize("version", NEW)
def test_every_supported_python_gets_an_environment_of_its_own(house: House, version: str) -> None:
    path = house.folder_on_path("one", python3=python(version), uv=find_uv())
    outcome = house.start(PATH=f"{path}:/usr/bin:/bin")
    assert outcome.code == 0, outcome.output
    assert f"cpython-{version.replace('.', '')}-linux-" in house.environment().name


def test_a_virtual_environment_on_path_leads_to_its_base(house: House) -> None:
    subprocess.run([find_uv(), "venv", "-q", "--python", PYTHON, house.base / "venv"], check=True)
    path = f"{house.base}/venv/bin:{house.environ()['PATH']}"
    assert house.start(PATH=path).builds == 1
    shutil.rmtree(house.base / "venv")
    again = house.start()
    assert again.code == 0
    assert again.builds == 0


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_the_launcher_runs_in_every_posix_shell(house: House, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"this machine has no {shell}")
    command = [program, "sh"] if shell == "busybox" else [program]
    launcher = REPOSITORY / "shared" / "launch.sh"
    environ = {"PATH": str(house.base), "GITHUB_ACTION_PATH": ""}
    for cwd, name in ((launcher.parent, "launch.sh"), (Path("/"), str(launcher))):
        done = subprocess.run([*command, name], env=environ, cwd=cwd, capture_output=True, text=True)
        assert (done.returncode, done.stdout.count("::error"), done.stderr) == (1, 1, "")
