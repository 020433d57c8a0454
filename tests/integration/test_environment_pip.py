"""Where a pip comes from on hosts without uv."""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import site
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from actionlib import environment, environment_pip
from actionlib.environment_install import InstallError, child_environment
from actionlib.errors import ActionError
from integration.bootstrap_house import REPOSITORY

WHEEL = environment_pip.WHEEL


class Index(ThreadingHTTPServer):
    """A package index with one page and one file."""

    content = b"not pip"
    failures = 0
    listed = f'<a href="../files/{WHEEL}#sha256=0">{WHEEL}</a>'
    authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.authorization = self.headers.get("Authorization")
        answers = {"/simple/pip/": self.server.listed.encode(), f"/simple/files/{WHEEL}": self.server.content}
        answer = answers.get(self.path)
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
        elif answer is None:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(environment_pip.time, "sleep", lambda _seconds: None)
    with Index(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def bare_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which neither an installed pip nor a wheel of it lies."""
    monkeypatch.setattr(site, "getsitepackages", list)
    monkeypatch.setattr(glob, "glob", lambda _pattern: [])


def find(stage: Path, environ: dict[str, str]) -> str:
    stage.mkdir(exist_ok=True)
    return environment_pip.find_pip(str(stage), environ=environ, say=print)


@pytest.mark.usefixtures("bare_host")
def test_a_host_without_any_pip_fetches_the_pinned_wheel_and_builds_with_it(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))}
    environ |= {"RUNNER_TOOL_CACHE": str(tmp_path), "PATH": ""}
    said: list[str] = []
    lock = str(REPOSITORY / "shared" / "requirements.txt")
    python = environment.ensure(lock, environ=environ, say=said.append)
    assert os.access(python, os.X_OK)
    kept = tmp_path / "coldvox-actions" / WHEEL
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == environment_pip.WHEEL_SHA256
    assert any("neither uv nor pip" in line for line in said)


@pytest.mark.usefixtures("bare_host")
def test_a_wheel_with_another_digest_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(InstallError) as caught:
        find(tmp_path / "stage", {"PIP_INDEX_URL": index.url})
    assert "hash mismatch" in caught.value.output
    assert not (tmp_path / WHEEL).exists()


@pytest.mark.usefixtures("bare_host")
def test_a_kept_wheel_is_used_again_and_a_damaged_one_replaced(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.content = b"the wheel"
    monkeypatch.setattr(environment_pip, "WHEEL_SHA256", hashlib.sha256(index.content).hexdigest())
    assert find(tmp_path / "stage", {"PIP_INDEX_URL": index.url}) == f"{tmp_path / WHEEL}/pip"
    index.failures = 100
    find(tmp_path / "stage", {"PIP_INDEX_URL": index.url})
    index.failures = 0
    (tmp_path / WHEEL).write_bytes(b"the whee")
    find(tmp_path / "stage", {"PIP_INDEX_URL": index.url})
    assert (tmp_path / WHEEL).read_bytes() == index.content


@pytest.mark.usefixtures("bare_host")
def test_an_index_that_cannot_be_reached_is_an_error_without_its_password(tmp_path: Path) -> None:
    environ = {"PIP_INDEX_URL": "http://user:hidden@127.0.0.1:9/simple"}
    with pytest.raises(InstallError) as caught:
        find(tmp_path / "stage", environ)
    assert "http://127.0.0.1:9/simple: " in caught.value.output
    assert "hidden" not in caught.value.output


def test_a_password_in_the_indexs_url_is_sent_as_a_header(index: Index) -> None:
    url = index.url.replace("127.0.0.1", "us%40er:pass@127.0.0.1")
    assert environment_pip.fetch_wheel(url, WHEEL) == index.content
    assert index.authorization == f"Basic {base64.b64encode(b'us@er:pass').decode()}"


def test_an_index_that_fails_for_a_moment_is_asked_again(index: Index) -> None:
    index.failures = environment_pip.ATTEMPTS - 1
    assert environment_pip.fetch_wheel(index.url, WHEEL) == index.content


@pytest.mark.parametrize("listed", ["", f'<a href="../files/other-{WHEEL}">', '<a href="pip-1.0.whl">'])
def test_an_index_without_the_wheel_is_an_error(index: Index, listed: str) -> None:
    index.listed = listed
    with pytest.raises(ValueError, match="does not list"):
        environment_pip.fetch_wheel(index.url, WHEEL)


def test_the_bundled_wheel_is_used_where_pip_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    bundled = glob.glob(f"{os.path.dirname(os.__file__)}/ensurepip/_bundled/pip-*.whl") or glob.glob(
        "/usr/share/python-wheels/pip-*.whl"
    )
    if not bundled:
        pytest.skip("this machine's Python carries no pip wheel")
    environ = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))}
    environ |= {"RUNNER_TOOL_CACHE": str(tmp_path), "PATH": ""}
    lock = str(REPOSITORY / "shared" / "requirements.txt")
    assert os.access(environment.ensure(lock, environ=environ, say=print), os.X_OK)


def test_the_newest_of_several_wheels_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(site, "getsitepackages", list)
    names = [
        "/w/pip-9.0.1-py2.py3-none-any.whl",
        "/w/pip-24.2-py3-none-any.whl",
        "/w/pip-23.10-py3-none-any.whl",
    ]
    monkeypatch.setattr(glob, "glob", lambda _pattern: names)
    assert find(tmp_path, {}) == "/w/pip-24.2-py3-none-any.whl/pip"


@pytest.mark.parametrize(
    "name", ["INPUTS", "PYTHONPATH", "PIP_TARGET", "PIP_USER", "UV_CONSTRAINT", "UV_PYTHON"]
)
def test_installers_are_not_led_astray(name: str) -> None:
    assert child_environment({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "name",
    ["PIP_INDEX_URL", "PIP_CERT", "UV_INDEX_CORP_PASSWORD", "UV_CACHE_DIR", "HTTPS_PROXY", "SSL_CERT_FILE"],
)
def test_installers_keep_what_says_where_packages_come_from(name: str) -> None:
    assert child_environment({name: "x"}) == {name: "x"}


def test_a_folder_that_cannot_be_found_is_an_error_a_person_can_mend() -> None:
    lock = str(REPOSITORY / "shared" / "requirements.txt")
    with pytest.raises(ActionError, match="RUNNER_TOOL_CACHE"):
        environment.ensure(lock, environ={"COLDVOX_ACTIONS_HOME": "relative"}, say=print)
