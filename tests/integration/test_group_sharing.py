"""Two runner users share one state root through a group, each with the usual umask."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actionlib.entrypoint import run_with
from actionlib.errors import ActionError
from actionlib.locking import FileLocks
from actionlib.state import StateRoot, open_state
from cache_lock import modes, pruning, restoring, saving
from cache_lock.paths import PathSet, Roots
from cache_lock.scopes import HOST_SCOPE
from cache_lock.store import Store
from fakes.models import ModelServer, serve_models

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become two other users")

ROOT = Path(__file__).resolve().parents[2]
GROUP, ANNE, BERT, STRANGER = 61_000, 61_001, 61_002, 61_003


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, with a state root for the group."""
    folder = Path(tempfile.mkdtemp(prefix="shared-"))
    folder.chmod(0o755)
    (folder / "state").mkdir()
    os.chown(folder / "state", 0, GROUP)
    (folder / "state").chmod(0o2770)
    for user in (ANNE, BERT, STRANGER):
        (folder / str(user)).mkdir()
        os.chown(folder / str(user), user, GROUP)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True, scope="module")
def everything_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Imports happen late, and the other users may be unable to read where this Python is installed."""
    folder = tmp_path_factory.mktemp("first")
    for name in ("state", "0"):
        (folder / name).mkdir(mode=0o700)
    save(folder, 0)
    restore(folder, 0)
    pruning.prune(Store(shared(folder)), budget=0)
    with FileLocks(folder / "locks").acquire("x", timeout_seconds=1):
        pass
    with serve_models() as server:
        server.files["/m"] = b"m"
        fetch(folder, "m", server)


def become(user: int, work: Callable[[], None], *, umask: int = 0o022) -> None:
    """Run `work` in a process of that user; its failure is ours."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(user)
            os.umask(umask)
            work()
            code = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        report = file.read().decode()
    assert os.waitpid(child, 0)[1] == 0, report


def shared(place: Path, *, trusted: str = f"{ANNE},{BERT}") -> StateRoot:
    environ = {"COLDVOX_ACTIONS_HOME": str(place / "state"), "COLDVOX_ACTIONS_TRUSTED_UIDS": trusted}
    return open_state(environ)


def paths_of(place: Path, user: int) -> PathSet:
    return PathSet(["out"], Roots(workspace=str(place / str(user)), home=str(place)))


def save(place: Path, user: int) -> None:
    out = place / str(user) / "out/sub"
    out.mkdir(parents=True)
    (out / "file").write_text("content")
    request = saving.SaveRequest(HOST_SCOPE, "k", paths_of(place, user), read_only=False, source_mtimes=False)
    store = Store(shared(place))
    assert (
        saving.save(
            store, request, lambda needed: pruning.make_room(store, budget=1 << 20, needed=needed)
        ).outcome
        == "saved"
    )


def restore(place: Path, user: int, trusted: str = f"{ANNE},{BERT}") -> None:
    state = shared(place, trusted=trusted)
    entry = Store(state).find(HOST_SCOPE, "k")
    assert entry is not None
    request = restoring.RestoreRequest(paths_of(place, user), "auto", verify_content=False, clean=False)
    with entry.in_use() as ours:
        assert ours
        restoring.restore(entry, request, state)
    entry.count_hit()
    restored = place / str(user) / "out/sub/file"
    assert restored.read_text() == "content"
    assert restored.stat().st_uid == user
    assert entry.hits >= 1


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_one_saves_and_the_other_restores_counts_and_prunes(place, umask: int) -> None:
    become(ANNE, lambda: save(place, ANNE), umask=umask)
    become(BERT, lambda: restore(place, BERT), umask=umask)

    def prune() -> None:
        store = Store(shared(place))
        assert [one.key for one in pruning.prune(store, budget=0)] == ["k"]
        assert store.all_entries() == []
        assert store.leftovers() == []

    become(BERT, prune, umask=umask)


def test_an_entry_of_a_user_that_is_not_listed_is_refused_by_name(place) -> None:
    become(ANNE, lambda: save(place, ANNE))

    def refused() -> None:
        with pytest.raises(ActionError, match=f"belongs to uid {ANNE}, which is not trusted"):
            restore(place, BERT, trusted=str(BERT))

    become(BERT, refused)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_wait_for_the_same_lock(place, umask: int) -> None:
    def locks() -> FileLocks:
        state = shared(place)
        return FileLocks(state.folder("locks", "v1"), shared_by_group=state.shared_by_group)

    def hold() -> None:
        with locks().acquire("device", timeout_seconds=5):
            become_waiter()

    def become_waiter() -> None:
        (status,) = locks().list()
        assert len(status.holders) == 1

    def wait_in_vain() -> None:
        with pytest.raises(ActionError, match="was not free within"):
            locks().acquire("device", timeout_seconds=0.2)

    become(ANNE, hold, umask=umask)
    become(BERT, hold, umask=umask)
    with locks().acquire("device", timeout_seconds=5):
        become(ANNE, wait_in_vain, umask=umask)
        become(BERT, wait_in_vain, umask=umask)
    become(BERT, lambda: locks().remove_idle() and None, umask=umask)


# --- models ------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve_models() as found:
        found.files = {f"/{name}": name.encode() * 1000 for name in ("first.bin", "second.bin")}
        yield found


def fetch(place: Path, name: str, server: ModelServer) -> None:
    """As a step of the current user."""
    digest = hashlib.sha256(server.files[f"/{name}"]).hexdigest()
    inputs = {
        "mode": "verify", "path": str(place / "state/models"), "fetch": "true",
        "manifest": f"{name}:sha256:{digest} {server.url}/{name}",
    }  # fmt: skip
    environ = {
        "COLDVOX_ACTIONS_HOME": str(place / "state"), "COLDVOX_ACTIONS_TRUSTED_UIDS": f"{ANNE},{BERT}",
        "GITHUB_WORKSPACE": str(place / str(os.geteuid())), "HOME": str(place),
    }  # fmt: skip
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run_with(ROOT / "action-cache-lock", modes.run, given=lambda: inputs, environ=environ)
    assert code == 0, said.getvalue()
    assert (place / "state/models" / name).read_bytes() == server.files[f"/{name}"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_fetch_models_into_one_folder_and_each_uses_the_others(place, server, umask: int) -> None:
    become(ANNE, lambda: fetch(place, "first.bin", server), umask=umask)
    become(BERT, lambda: fetch(place, "second.bin", server), umask=umask)
    become(BERT, lambda: fetch(place, "first.bin", server), umask=umask)
    become(ANNE, lambda: fetch(place, "second.bin", server), umask=umask)
    assert server.requests == ["/first.bin", "/second.bin"]


def test_what_a_killed_job_of_the_other_user_left_is_in_nobodys_way(place, server) -> None:
    become(ANNE, lambda: fetch(place, "second.bin", server))
    digest = hashlib.sha256(server.files["/first.bin"]).hexdigest()
    part = place / f"state/models/.first.bin.{digest[:16]}.part"
    become(ANNE, lambda: part.write_bytes(b"first") and None)
    become(BERT, lambda: fetch(place, "first.bin", server))
    assert not part.exists()
