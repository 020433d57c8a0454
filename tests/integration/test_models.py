from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.models import ModelServer, serve_models
from fakes.steps import ActionStarter

CONTENT = os.urandom(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve_models() as server:
        yield server


@pytest.fixture
def models(workspace) -> Path:
    (workspace / "models").mkdir()
    return workspace / "models"


def states(step) -> dict[str, str]:
    return {one["name"]: one["state"] for one in step.facts["models"]}


def leftovers(models: Path) -> list[str]:
    return sorted(name for name in os.listdir(models) if name.startswith(".") or "quarantined" in name)


# --- verify ------------------------------------------------------------------------------------------------


def test_a_model_is_read_once_and_again_only_when_it_changed(action: ActionStarter, models) -> None:
    (models / "m").write_bytes(CONTENT)
    inputs = {"mode": "verify", "manifest": f"m:sha256:{sha256(CONTENT)}", "path": "models"}
    assert states(action(**inputs)) == {"m": "verified"}
    assert states(action(**inputs)) == {"m": "unchanged"}
    (models / "m").touch()
    assert states(action(**inputs)) == {"m": "verified"}


def test_a_change_that_keeps_size_and_time_is_found(action: ActionStarter, models) -> None:
    path = models / "m"
    path.write_bytes(CONTENT)
    inputs = {"mode": "verify", "manifest": f"m:sha256:{sha256(CONTENT)}", "path": "models"}
    action(**inputs)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"x" if CONTENT[:1] != b"x" else b"y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "has sha256" in action(**inputs).error()


def test_a_wrong_copy_is_moved_aside_and_both_digests_are_told(action: ActionStarter, models) -> None:
    (models / "m").write_bytes(b"wrong")
    step = action(mode="verify", manifest=f"m:sha256:{sha256(CONTENT)}", path="models")
    assert sha256(b"wrong") in step.error()
    assert sha256(CONTENT) in step.error()
    (moved,) = models.iterdir()
    assert moved.name.startswith("m.quarantined-")
    assert moved.read_bytes() == b"wrong"


def test_a_dry_run_tells_and_moves_nothing(action: ActionStarter, models) -> None:
    (models / "m").write_bytes(b"wrong")
    step = action(mode="verify", manifest=f"m:sha256:{sha256(CONTENT)}", path="models", dry_run=True)
    assert "has sha256" in step.error()
    assert os.listdir(models) == ["m"]


def test_a_directory_has_a_digest_of_names_and_contents(action: ActionStarter, models, workspace) -> None:
    for name, content in (("b", b"2"), ("a/x", b"1")):
        (models / "dir" / name).parent.mkdir(parents=True, exist_ok=True)
        (models / "dir" / name).write_bytes(content)
    lines = f"a/x\0{sha256(b'1')}\nb\0{sha256(b'2')}\n".encode()
    (workspace / "models.txt").write_text(f"# the list\n\ndir:sha256:{sha256(lines)}\n")
    inputs = {"mode": "verify", "manifest": "models.txt", "path": "models"}
    assert states(action(**inputs)) == {"dir": "verified"}
    (models / "dir/b").rename(models / "dir/c")
    assert "model 'dir' has sha256" in action(**inputs).error()


def test_every_problem_is_told_and_the_good_models_are_verified(action: ActionStarter, models) -> None:
    (models / "good").write_bytes(CONTENT)
    (models / "wrong").write_bytes(b"?")
    digest = sha256(CONTENT)
    manifest = "\n".join(f"{name}:sha256:{digest}" for name in ("wrong", "absent", "good"))
    step = action(mode="verify", manifest=manifest, path="models")
    assert step.exit_code == 1
    assert len(step.errors) == 2
    assert states(step) == {"wrong": "mismatch", "absent": "missing", "good": "verified"}
    assert "| `good` | verified |" in step.summary


# --- fetch -------------------------------------------------------------------------------------------------


def fetch(action: ActionStarter, url: str, content: bytes = CONTENT, *, name: str = "m", **inputs: object):
    manifest = f"{name}:sha256:{sha256(content)} {url}"
    return action(mode="verify", manifest=manifest, path="models", fetch=True, **inputs)


def test_a_missing_model_is_fetched_and_then_only_verified(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    assert states(fetch(action, f"{server.url}/m.bin")) == {"m": "fetched"}
    assert (models / "m").read_bytes() == CONTENT
    assert states(fetch(action, f"{server.url}/m.bin")) == {"m": "unchanged"}
    assert server.requests == ["/m.bin"]
    assert leftovers(models) == []


def test_an_interrupted_download_is_continued_where_it_ended(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    server.faults = [("cut", 100_000)]
    assert fetch(action, f"{server.url}/m.bin").exit_code == 0
    assert (models / "m").read_bytes() == CONTENT
    assert server.requests == ["/m.bin", "/m.bin bytes=100000-"]


def test_a_server_that_cannot_continue_sends_it_anew(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    server.faults = [("cut", 100_000)]
    server.ranges = False
    assert fetch(action, f"{server.url}/m.bin").exit_code == 0
    assert (models / "m").read_bytes() == CONTENT


def test_a_complete_part_of_a_killed_job_is_used(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    (models / f".m.{sha256(CONTENT)[:16]}.part").write_bytes(CONTENT)
    assert fetch(action, f"{server.url}/m.bin").exit_code == 0
    assert (models / "m").read_bytes() == CONTENT


def test_a_server_that_fails_for_a_moment_is_asked_again(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    server.faults = [503, 500]
    assert fetch(action, f"{server.url}/m.bin").exit_code == 0
    assert len(server.requests) == 3


def test_a_model_that_is_not_there_is_told_at_once(action: ActionStarter, models, server) -> None:
    assert "answers 404" in fetch(action, f"{server.url}/m.bin").error()
    assert len(server.requests) == 1
    assert os.listdir(models) == []


def test_a_wrong_download_never_gets_its_name(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = b"replaced"
    message = fetch(action, f"{server.url}/m.bin").error()
    assert sha256(b"replaced") in message
    assert sha256(CONTENT) in message
    assert os.listdir(models) == []


@pytest.mark.parametrize("declare_length", [True, False])
def test_a_download_over_the_limit_is_ended_whatever_it_declares(
    action: ActionStarter, models, server, declare_length: bool
) -> None:
    server.files["/m.bin"] = CONTENT
    server.declare_length = declare_length
    message = fetch(action, f"{server.url}/m.bin", max_size_gb="0.0001").error()
    assert "more than the limit of 104.9 KiB" in message
    assert os.listdir(models) == []


def test_jobs_that_need_one_model_at_once_download_it_once(action: ActionStarter, models, server) -> None:
    server.files["/m.bin"] = CONTENT
    manifest = f"m:sha256:{sha256(CONTENT)} {server.url}/m.bin"
    inputs = {"mode": "verify", "manifest": manifest, "path": "models", "fetch": True}
    steps = [action.start(**inputs) for _ in range(4)]
    assert [step.wait().exit_code for step in steps] == [0] * 4
    assert server.requests == ["/m.bin"]


def archive(kind: str, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("top", ["vosk-small/", ""])
def test_an_archive_becomes_the_directory_that_the_manifest_names(
    action: ActionStarter, models, server, kind: str, top: str
) -> None:
    content = archive(kind, {f"{top}am/final.mdl": b"model", f"{top}README": b"read"})
    server.files[f"/vosk.{kind}"] = content
    url = f"{server.url}/vosk.{kind}"
    assert fetch(action, url, content, name="vosk-small").exit_code == 0
    assert (models / "vosk-small/am/final.mdl").read_bytes() == b"model"
    assert leftovers(models) == []
    assert states(fetch(action, url, content, name="vosk-small")) == {"vosk-small": "unchanged"}
    (models / "vosk-small/README").touch()
    assert states(fetch(action, url, content, name="vosk-small")) == {"vosk-small": "verified"}
    (models / "vosk-small/README").write_bytes(b"changed")
    assert "has sha256" in fetch(action, url, content, name="vosk-small").error()


def test_a_directory_that_this_host_did_not_unpack_is_not_condemned(
    action: ActionStarter, models, server
) -> None:
    content = archive("zip", {"m/x": b"1"})
    server.files["/m.zip"] = content
    (models / "m").mkdir()
    (models / "m/x").write_bytes(b"1")
    manifest = f"m:sha256:{sha256(content)} {server.url}/m.zip"
    message = action(mode="verify", manifest=manifest, path="models").error()
    assert "cannot be judged" in message
    assert (models / "m/x").exists()
    assert states(fetch(action, f"{server.url}/m.zip", content)) == {"m": "fetched"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_writes_nothing_outside_of_its_directory(
    action: ActionStarter, models, server, kind: str
) -> None:
    content = archive(kind, {"../../escaped": b"x", "m/y": b"y"})
    server.files[f"/m.{kind}"] = content
    fetch(action, f"{server.url}/m.{kind}", content)
    assert not (models.parent / "escaped").exists()
    assert not (models.parent.parent / "escaped").exists()


def test_a_damaged_archive_is_told(action: ActionStarter, models, server) -> None:
    server.files["/m.zip"] = b"PK nonsense"
    message = fetch(action, f"{server.url}/m.zip", b"PK nonsense").error()
    assert "cannot be unpacked" in message
    assert not (models / "m").exists()
