"""The environment's name, its places, and what makes one unfit to be executed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from actionlib import environment
from integration.bootstrap_house import House, make_house

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a folder to another user")


@pytest.fixture(scope="module")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv")


@pytest.fixture
def built(tmp_path: Path, uv_cache: Path) -> House:
    house = make_house(tmp_path / "repository", tmp_path / "runner", uv_cache=uv_cache)
    assert house.start().builds == 1
    return house


def name(requirements: bytes = b"a==1", interpreter: str = "/usr/bin/python3.11") -> str:
    return environment.name_environment(requirements, interpreter=interpreter)


def test_the_name_tells_python_system_machine_and_libc() -> None:
    machine = os.uname().machine
    assert name().startswith(f"{sys.implementation.cache_tag}{sys.abiflags}-linux-{machine}-")
    assert name() == name()


@pytest.mark.parametrize("other", [{"requirements": b"a==2"}, {"interpreter": "/usr/local/bin/python3.11"}])
def test_another_lock_or_interpreter_is_another_name(other: dict) -> None:
    assert name(**other) != name()


def test_musl_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(_name: str) -> str:
        raise ValueError("unrecognized configuration name")

    with_glibc = name()
    monkeypatch.setattr(os, "confstr", unknown)
    assert environment.name_libc(loaders=str(tmp_path)) == "libc"
    assert environment.name_libc(loaders=str(tmp_path / "absent")) == "libc"
    (tmp_path / "ld-musl-x86_64.so.1").touch()
    assert environment.name_libc(loaders=str(tmp_path)) == "musl"
    assert name() != with_glibc


def test_a_32_bit_container_on_a_64_bit_host_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = name()
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert name() != before


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"RUNNER_TOOL_CACHE": "/t", "COLDVOX_ACTIONS_HOME": "/h", "RUNNER_TEMP": "/tmp/x"},
            ["/t/coldvox-actions", "/h/environments", "/tmp/x/coldvox-actions"],
        ),
        ({"COLDVOX_ACTIONS_HOME": "/h/"}, ["/h/environments"]),
        ({"RUNNER_TOOL_CACHE": "relative", "COLDVOX_ACTIONS_HOME": "also", "RUNNER_TEMP": "."}, []),
        ({"XDG_STATE_HOME": "/x", "HOME": "/home/u"}, ["/x/coldvox-actions/environments"]),
        ({"HOME": "/home/u"}, ["/home/u/.local/state/coldvox-actions/environments"]),
    ],
)
def test_places_in_their_order(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: list[str]
) -> None:
    monkeypatch.setattr(environment, "SYSTEM_ROOT", "/nonexistent")
    assert environment.list_parents(environ) == expected


def test_the_system_wide_state_root_is_used_where_it_exists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "SYSTEM_ROOT", str(tmp_path))
    assert environment.list_parents({"HOME": "/home/u"}) == [f"{tmp_path}/environments"]


def damage_missing(path: Path) -> None:
    next(path.rglob("yaml/loader.py")).unlink()


def damage_truncated(path: Path) -> None:
    file = next(path.rglob("psutil/__init__.py"))
    content = file.read_bytes()
    file.unlink()  # it may be a link into uv's cache
    file.write_bytes(content[:100])


def damage_list_cut(path: Path) -> None:
    lines = (path / ".complete").read_bytes().splitlines(keepends=True)
    (path / ".complete").write_bytes(b"".join(lines[: len(lines) // 2]))


def damage_list_empty(path: Path) -> None:
    (path / ".complete").write_bytes(b"")


def damage_list_missing(path: Path) -> None:
    (path / ".complete").unlink()


def damage_interpreter_missing(path: Path) -> None:
    (path / "bin" / "python").unlink()


def damage_list_nonsense(path: Path) -> None:
    (path / ".complete").write_bytes(b"files 1\nmany yaml\n")


def damage_nearly_everything(path: Path) -> None:
    shutil.rmtree(path / "lib")


DAMAGES = [function for name, function in list(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda function: function.__name__)
def test_a_damaged_environment_is_noticed_and_built_again(built: House, damage) -> None:
    damage(built.environment())
    outcome = built.start()
    assert outcome.code == 0, outcome.output
    assert outcome.output.count("is damaged (") == 1
    assert outcome.builds == 1
    assert not built.leftovers()
    again = built.start()
    assert again.builds == 0
    assert "is damaged (" not in again.output


def test_contents_that_changed_at_the_same_size_are_found_when_an_import_fails(built: House) -> None:
    main = built.action / "hello" / "__main__.py"
    main.write_text("import yaml\n" + main.read_text())
    file = next(built.environment().rglob("yaml/__init__.py"))
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(b"from . import gone\n".ljust(len(content), b"#"))
    outcome = built.start()
    assert outcome.code == 0, outcome.output
    assert outcome.hello["environ"]["INPUTS"] == '{"token": "s3cret"}'
    assert outcome.hello["environ"]["COLDVOX_ACTIONS_ENVIRONMENT_CHECKED"] is None
    assert "has other contents than its package's" in outcome.output
    assert outcome.builds == 1


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_an_environment_that_others_may_write_is_built_anew(built: House, mode: int) -> None:
    (built.environment() / "lib" / "planted.py").touch()
    built.environment().chmod(mode)
    outcome = built.start()
    assert outcome.code == 0
    assert outcome.builds == 1
    (warning,) = outcome.warnings
    assert f"mode {mode:04o}" in warning
    assert str(built.environment()) in warning
    assert not (built.environment() / "lib" / "planted.py").exists()


def test_a_link_in_the_environments_place_is_not_followed(built: House, tmp_path: Path) -> None:
    path = built.environment()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    outcome = built.start()
    assert "not a folder" in outcome.warnings[0]
    assert outcome.builds == 1
    assert not path.is_symlink()
    assert (tmp_path / "elsewhere" / ".complete").exists()


@AS_ROOT
def test_an_environment_of_another_user_is_never_executed(built: House) -> None:
    path = built.environment()
    os.chown(path, NOBODY, NOBODY)
    for builds in (1, 0):
        outcome = built.start()
        assert outcome.code == 0
        assert outcome.builds == builds
        (warning,) = outcome.warnings
        assert str(path) in warning
        assert f"owner uid {NOBODY}, mode 0755" in warning
        assert outcome.hello["python"].startswith(str(built.base / "state" / "environments"))
    assert path.stat().st_uid == NOBODY, "what is not ours is left alone"


def test_a_folder_in_which_others_may_exchange_environments_is_not_used(built: House) -> None:
    built.environments.chmod(0o777)
    outcome = built.start()
    assert f"others may write its folder {built.environments}" in outcome.warnings[0]
    assert outcome.hello["python"].startswith(str(built.base / "state" / "environments"))
    built.environments.chmod(0o1777)
    assert built.start().hello["python"].startswith(str(built.environments))


def test_nobody_else_can_write_any_part_of_what_was_built(tmp_path: Path) -> None:
    house = make_house(tmp_path / "repository", tmp_path / "runner", uv_cache=tmp_path / "uv")
    before = os.umask(0o000)
    try:
        outcome = house.start()
        assert outcome.hello["umask"] == 0, "the build's umask is not the action's"
        shutil.rmtree(house.environment())
        for file in (tmp_path / "uv").rglob("*.py"):
            file.chmod(0o666)
        assert house.start().builds == 1
    finally:
        os.umask(before)
    loose = [p for p in house.environment().rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o022]
    assert [path for path in loose if "__pycache__" not in path.parts] == []
