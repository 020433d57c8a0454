"""Models that are hard to read, places that are hard to write, and lists with odd lines."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fakes import trees
from fakes.models import serve_models

CONTENT = os.urandom(3 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def models(workspace) -> Path:
    return trees.build(workspace / "models", {})


def verify(action, manifest, **more):
    return action(mode="verify", manifest=manifest, path="models", **more)


def state(step):
    (one,) = step.facts["models"]
    return one["state"]


@pytest.mark.parametrize("link", ["out-of-nowhere", "..", "/etc"])
def test_a_link_in_a_directory_of_models_counts_by_its_text(action, models, link):
    trees.build(models / "dir", {"a": "1"})
    (models / "dir/link").symlink_to(link)
    lines = f"a\0{hashlib.sha256(b'1').hexdigest()}\nlink\0{hashlib.sha256(b'link ' + link.encode()).hexdigest()}\n"
    manifest = f"dir:sha256:{hashlib.sha256(lines.encode()).hexdigest()}"
    assert state(verify(action, manifest)) == "verified"
    assert state(verify(action, manifest)) == "unchanged"
    (models / "dir/link").unlink()
    (models / "dir/link").symlink_to("elsewhere")
    assert "model 'dir' has sha256" in verify(action, manifest).error()


def test_a_link_to_a_file_counts_as_that_file(action, models, tmp_path):
    (tmp_path / "blob").write_bytes(CONTENT)
    (models / "m").symlink_to(tmp_path / "blob")
    assert state(verify(action, f"m:sha256:{DIGEST}")) == "verified"
    (tmp_path / "blob").write_bytes(b"changed")
    assert "model 'm' has sha256" in verify(action, f"m:sha256:{DIGEST}").error()


@pytest.mark.parametrize("name", ["m", "dir/m"])
def test_a_pipe_is_no_model_and_nobody_waits_for_it(action, models, name):
    (models / name).parent.mkdir(exist_ok=True)
    os.mkfifo(models / name)
    step = verify(action, f"{name.split('/')[0]}:sha256:{DIGEST}")
    assert f"{models / name} is neither a file nor a directory" in step.error()


@pytest.mark.parametrize("name", ["m", "dir/m", "dir"])
def test_a_model_that_cannot_be_read_is_an_error_that_names_it_and_it_stays(action, models, name):
    trees.build(models, {"m": "1", "dir/m": "1"})
    (models / name).chmod(0)
    step = verify(action, f"{name.split('/')[0]}:sha256:{DIGEST}", ordinary=True)
    assert f"{models / name} cannot be read: Permission denied" in step.error()
    (models / name).chmod(0o700)
    assert sorted(os.listdir(models)) == ["dir", "m"]


@pytest.mark.parametrize("name", [".", "./", "./.", "a:b", "a/../b", "a\x01b", "..", "//"])
def test_a_name_that_is_no_file_below_the_folder_is_refused_and_nothing_moves(action, models, name):
    trees.build(models, {"b": "1"})
    step = verify(action, f"{name}:sha256:{DIGEST}")
    assert "input 'manifest' line 1 names" in step.error()
    assert os.listdir(models) == ["b"]


def test_tabs_comments_windows_line_ends_and_a_byte_order_mark_are_understood(action, models, workspace):
    trees.build(models, {"m": CONTENT, "n": CONTENT, "deep/o": CONTENT})
    text = f"\ufeffm:sha256:{DIGEST}\r\n# n\r\n\r\nn:sha256:{DIGEST.upper()}\t# yes\r\n  deep/o:sha256:{DIGEST} \thttps://x.example/o#part"
    (workspace / "list").write_bytes(text.encode())
    step = verify(action, "list")
    assert step.exit_code == 0, step.log
    assert [one["name"] for one in step.facts["models"]] == ["m", "n", "deep/o"]


def test_a_manifest_that_is_not_text_is_an_error(action, models, workspace):
    (workspace / "list").write_bytes(b"\xff\xfe")
    assert "input 'manifest' is 'list'" in verify(action, "list").error()


# --- fetch -------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    with serve_models() as server:
        server.files["/m"] = CONTENT
        yield server


def test_what_an_earlier_job_left_is_thrown_away_when_it_does_not_fit(action, models, server):
    (models / f".m.{DIGEST[:16]}.part").write_bytes(b"x" * 1000)
    step = verify(action, f"m:sha256:{DIGEST} {server.url}/m", fetch=True)
    assert step.exit_code == 0, step.log
    assert (models / "m").read_bytes() == CONTENT
    assert server.requests == ["/m bytes=1000-", "/m"]
    assert os.listdir(models) == ["m"]


def test_a_download_onto_a_full_disk_is_an_error_that_names_the_place(action, models, server, mount_tmpfs):
    mount_tmpfs(models, 1)
    step = verify(action, f"m:sha256:{DIGEST} {server.url}/m", fetch=True)
    assert f"model 'm' cannot be stored in {models}: No space left on device" in step.error()
    assert not (models / "m").exists()


def test_a_folder_of_models_that_is_a_file_is_an_error_that_names_it(action, models, workspace, server):
    models.rmdir()
    models.write_text("in the way")
    step = verify(action, f"m:sha256:{DIGEST} {server.url}/m", fetch=True)
    assert str(models) in step.error()
    assert models.read_text() == "in the way"


def test_a_download_that_is_cut_again_and_again_comes_further_each_time(action, models, server):
    server.files["/m"] = CONTENT
    server.faults = [("cut", 1 << 20)] * 4
    step = verify(action, f"m:sha256:{DIGEST} {server.url}/m", fetch=True)
    assert step.exit_code == 0, step.log
    assert server.requests[-1] == f"/m bytes={2 << 20}-"


def test_the_limit_of_zero_is_a_limit(action, models, server):
    step = verify(action, f"m:sha256:{DIGEST} {server.url}/m", fetch=True, max_size_gb=0)
    assert "more than the limit of 0 B" in step.error()
