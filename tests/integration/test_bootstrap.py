"""From the run line to the action's package: layouts, hostile surroundings, signals, the command line."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.bootstrap_house import HELLO, PYTHON, REPOSITORY, House, finish, make_house

WAIT_FOR_SIGNAL = HELLO + "time.sleep(100)\n"


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose environment has been built; tests in this module do not change it."""
    base = tmp_path_factory.mktemp("warm")
    house = make_house(base / "repository", base / "runner", uv_cache=base / "uv")
    assert house.start().builds == 1
    return house


@pytest.fixture
def house(warm: House, tmp_path: Path) -> House:
    """A bundle of the test's own on the warm environment."""
    return make_house(tmp_path / "repository", warm.base, uv_cache=warm.uv_cache)


def test_a_step_reaches_the_action_in_the_environment_as_the_same_process(warm: House) -> None:
    process = warm.begin()
    outcome = finish(process)
    assert outcome.code == 0
    assert outcome.hello["pid"] == process.pid
    assert outcome.hello["python"] == str(warm.environment() / "bin" / "python")
    assert outcome.hello["path"] == [str(warm.root / "shared"), str(warm.action)]
    assert len(outcome.output.splitlines()) == 1, "a warm start has nothing to say"


def test_the_action_gets_its_inputs_and_nothing_of_ours(warm: House) -> None:
    hello = warm.start().hello
    assert json.loads(hello["environ"]["INPUTS"]) == {"token": "s3cret"}
    assert hello["environ"]["COLDVOX_ACTIONS_ENVIRONMENT_CHECKED"] is None
    assert hello["arguments"] == []


@pytest.mark.parametrize(
    "layout", ["_actions/OWNER/REPO/v1", "work dir/with spaces/ünïcode", "__w/repo/repo/."]
)
def test_every_checkout_layout_works(warm: House, tmp_path: Path, layout: str) -> None:
    house = make_house(tmp_path / layout, warm.base, uv_cache=warm.uv_cache)
    outcome = house.start(GITHUB_ACTION_PATH=f"{house.root}/./action-hello/")
    assert outcome.code == 0
    assert outcome.builds == 0
    assert outcome.hello["path"][1].endswith("action-hello")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    names = "json os yaml subprocess sitecustomize usercustomize site encodings runpy hello bootstrap coldvox_actions"
    for name in [*names.split(), "actionlib/__init__", "actionlib/environment", "ensurepip/__init__"]:
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise SystemExit('a module of the workspace was run')\n")
    for program in ("python3", "uv", "pip"):
        (folder / program).write_text("#!/bin/sh\necho a program of the workspace was run; exit 9\n")
        (folder / program).chmod(0o755)
    (folder / "pyproject.toml").write_text('[tool.uv]\nexclude-newer = "2001-01-01T00:00:00Z"\n')
    (folder / "pip.conf").write_text("[global]\nno-index = true\n")
    yield folder
    assert not list(folder.rglob("__pycache__"))


def test_nothing_in_the_workspace_takes_part(warm: House, hostile: Path) -> None:
    paths = {
        "PYTHONPATH": str(hostile),
        "PYTHONSTARTUP": str(hostile / "json.py"),
        "PYTHONHOME": str(hostile),
    }
    outcome = warm.start(cwd=hostile, **paths)
    assert outcome.code == 0, outcome.output
    assert outcome.hello["path"] == [str(warm.root / "shared"), str(warm.action)]


def test_nothing_in_the_workspace_takes_part_in_a_build(warm: House, hostile: Path, tmp_path: Path) -> None:
    house = make_house(tmp_path / "repository", tmp_path / "runner", uv_cache=warm.uv_cache)
    spoiling = {"PIP_TARGET": str(hostile), "UV_CONSTRAINT": "none.txt", "UV_PYTHON": "3.9", "PIP_USER": "1"}
    # Relative entries behind ours: python3 is found in ours, and uv must not be looked for in the workspace.
    path = f"{house.folder_on_path('only-python', python3=PYTHON)}::.:{house.environ()['PATH']}"
    outcome = house.start(cwd=hostile, PYTHONPATH=str(hostile), PATH=path, **spoiling)
    assert outcome.code == 0, outcome.output
    assert outcome.builds == 1
    assert "Built it with uv" in outcome.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_action_itself(warm: House, tmp_path: Path, number: signal.Signals) -> None:
    house = make_house(
        tmp_path / "repository",
        warm.base,
        uv_cache=warm.uv_cache,
        hello=WAIT_FOR_SIGNAL.replace("100", "100.5"),
    )
    process = house.begin()
    assert process.stdout is not None
    assert process.stdout.readline().startswith("HELLO ")
    process.send_signal(number)
    outcome = finish(process)
    # Python's own answer to SIGINT is an exception that ends the process by that signal.
    assert outcome.code == -number
    assert ("KeyboardInterrupt" in outcome.output) == (number == signal.SIGINT)


def test_an_actions_exit_code_is_the_steps(house: House) -> None:
    (house.action / "hello" / "__main__.py").write_text("raise SystemExit(7)\n")
    assert house.start().code == 7


@pytest.mark.parametrize("given", [None, "", "/nonexistent/action-hello", "."])
def test_a_wrong_action_path_is_a_clear_error(warm: House, given: str | None) -> None:
    shared = warm.root / "shared" / "launch.sh"
    done = subprocess.run(
        ["sh", str(shared)],
        env=warm.environ(GITHUB_ACTION_PATH=given),
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("::error")
    assert "GITHUB_ACTION_PATH" in done.stdout
    assert not done.stderr


def test_an_action_without_its_package_is_a_clear_error(house: House) -> None:
    (house.action / "hello" / "__main__.py").unlink()
    outcome = house.start()
    assert outcome.code == 1
    assert len(outcome.errors) == 1
    assert "NAME/__main__.py" in outcome.errors[0]


def test_another_module_of_the_action_runs_with_its_arguments(house: House) -> None:
    (house.action / "hello" / "holder.py").write_text(HELLO + "print(__name__, __package__)\n")
    python = str(house.environment() / "bin" / "python")
    bootstrap = str(house.root / "shared" / "bootstrap.py")
    command = [python, "-I", bootstrap, str(house.action), "hello.holder", "--slots", "a b"]
    done = subprocess.run(command, env=house.environ(), cwd="/", capture_output=True, text=True, check=True)
    assert '"arguments": ["--slots", "a b"]' in done.stdout
    assert done.stdout.endswith("__main__ hello\n")


def test_a_package_that_nobody_locked_is_reported_once_and_not_built_for(house: House) -> None:
    (house.action / "hello" / "__main__.py").write_text("import no_such_package\n")
    outcome = house.start()
    assert outcome.code == 1
    assert outcome.output.count("checking the environment") == 1
    assert outcome.builds == 0
    assert "ModuleNotFoundError: No module named 'no_such_package'" in outcome.output


@pytest.mark.parametrize(
    "statement", ["import hello.missing", "from actionlib import missing", "import json.missing"]
)
def test_a_missing_module_of_ours_is_no_reason_to_check_the_environment(house: House, statement: str) -> None:
    (house.action / "hello" / "__main__.py").write_text(f"{statement}\n")
    outcome = house.start()
    assert outcome.code == 1
    assert "checking the environment" not in outcome.output


def test_an_action_that_has_taken_its_inputs_is_not_begun_again(house: House) -> None:
    text = "import os\nos.environ.pop('INPUTS')\nprint('BEGUN')\nimport no_such_package\n"
    (house.action / "hello" / "__main__.py").write_text(text)
    outcome = house.start()
    assert outcome.code == 1
    assert outcome.output.count("BEGUN") == 1


def test_the_bootstrap_is_syntax_that_an_old_python_understands() -> None:
    source = (REPOSITORY / "shared" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    with pytest.raises(SyntaxError):
        ast.parse("if (n := 1): pass", feature_version=(3, 6))


def test_the_command_line_works_from_the_repository_without_any_package(house: House) -> None:
    shutil.rmtree(house.action)
    command = [str(PYTHON), "-S", str(house.root / "shared" / "coldvox_actions.py"), "--help"]
    done = subprocess.run(command, env=house.environ(), cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "usage: coldvox-actions" in done.stdout


def test_the_command_line_works_as_the_installed_package(house: House, tmp_path: Path) -> None:
    installed = tmp_path / "site" / "coldvox_actions"
    shutil.copytree(house.root / "shared" / "actionlib", installed / "shared" / "actionlib")
    shutil.copy(house.root / "shared" / "coldvox_actions.py", installed / "__init__.py")
    shutil.copytree(house.action, installed / "action-hello")
    code = "import sys, coldvox_actions; sys.exit(coldvox_actions.main())"
    environ = {"PYTHONPATH": str(tmp_path / "site"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello" in done.stdout
