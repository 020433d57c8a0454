"""`docs` as a step: the real rustdoc, and a server of our own that some of the links lead to."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, results_of, write_crate

pytestmark = needs_cargo
FEATURES = "[features]\nnetwork = []\n"


class Site(BaseHTTPRequestHandler):
    """/here is a page, /refused is one for others, /no-head answers GET only, and the rest is not there."""

    def do_HEAD(self) -> None:
        self._answer({"/here": 200, "/refused": 403}.get(self.path, 404))

    def do_GET(self) -> None:
        self._answer({"/here": 200, "/refused": 403, "/no-head": 200}.get(self.path, 404))

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def docs(matrix):
    def run(**inputs):
        return matrix(mode="docs", environ=TOOLCHAIN, **inputs)

    return run


def test_sound_documentation_passes_for_none_and_all_features(workspace, docs):
    write_crate(workspace, FEATURES, source="//! Says [`hello`].\n/// A greeting.\npub fn hello() {}\n")
    step = docs()
    assert step.exit_code == 0, step.log
    assert {row["features"] for row in results_of(step).values()} == {"", "network"}
    assert (workspace / "target/doc/sample/index.html").is_file()


def test_a_link_to_an_item_that_a_feature_hides_is_an_error_with_that_feature(workspace, docs):
    source = '//! See [`send`].\n#[cfg(feature = "network")]\n/// Sends.\npub fn send() {}\n'
    write_crate(workspace, FEATURES, source=source)
    step = docs()
    assert step.exit_code == 1
    assert any("unresolved link to `send`" in text for text in step.errors)
    assert "passes with {network} added" in step.summary


def test_dead_links_to_other_sites_are_found_when_asked(workspace, docs, site):
    write_crate(
        workspace,
        source="".join(
            f"//! [{page}]({site}/{page})\n" for page in ("here", "refused", "no-head", "gone#part")
        )
        + "//! [nobody](http://127.0.0.1:9/)\n",
    )
    assert docs().exit_code == 0
    step = docs(**{"check-links": "true"})
    assert step.exit_code == 1
    assert step.facts["links"] == 5
    assert step.facts["dead-links"] == {f"{site}/gone": "HTTP 404", "http://127.0.0.1:9/": "ConnectionError"}
    assert step.outputs["findings"] == "2"
    assert any(f"{site}/gone on sample/index.html: HTTP 404" in text for text in step.errors)
    assert f"{site}/gone" in step.summary


def test_cargo_deadlinks_looks_at_the_pages_where_it_is_installed(workspace, matrix, tmp_path):
    """Here a script of that name stands for it: it cannot be had without crates.io."""
    write_crate(workspace, source="//! Says nothing.\n")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/cargo-deadlinks"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "deadlinks --dir" ] && echo "$3/x.html is broken" && exit 1\n')
    program.chmod(0o755)
    environ = TOOLCHAIN | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    assert matrix(mode="docs", environ=environ).exit_code == 0
    step = matrix(mode="docs", check_links=True, environ=environ)
    assert step.exit_code == 1
    assert step.outputs["findings"] == "1"
    assert "doc/sample/x.html is broken" in step.summary


def test_flags_of_the_workflow_are_kept(workspace, matrix):
    write_crate(workspace, source="/// Undocumented crate.\npub fn hello() {}\n")
    environ = TOOLCHAIN | {"RUSTDOCFLAGS": "--warn missing_docs"}
    step = matrix(mode="docs", environ=environ)
    assert step.exit_code == 1
    assert any("missing documentation for the crate" in text for text in step.errors)


OTHER_NAMES = """
[lib]
name = "sound"
[[bin]]
name = "play-it"
path = "src/main.rs"
"""


@pytest.mark.parametrize(
    ("environ", "configuration", "folder"),
    [
        ({}, "", "target/doc"),
        ({}, '[build]\ntarget-dir = "out"\n', "out/doc"),
        ({"CARGO_BUILD_TARGET": "HOST"}, "", "target/HOST/doc"),
        ({"CARGO_TARGET_DIR": "elsewhere"}, "", "elsewhere/doc"),
    ],
    ids=["names of their own", "target-dir", "target", "relative target directory"],
)
def test_the_pages_are_looked_for_where_cargo_made_them(
    workspace, matrix, site, environ, configuration, folder
):
    """The library and the program are not called as the package is, and both have a dead link."""
    write_crate(workspace, OTHER_NAMES, source=f"//! [gone]({site}/of-library)\n")
    (workspace / "src/main.rs").write_text(f"//! [gone]({site}/of-program)\nfn main() {{}}\n")
    (workspace / ".cargo").mkdir()
    (workspace / ".cargo/config.toml").write_text(configuration)
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = re.search(r"host: (.*)", told)[1]
    environ = {name: value.replace("HOST", host) for name, value in environ.items()}
    step = matrix(mode="docs", check_links=True, environ=TOOLCHAIN | environ)
    assert step.exit_code == 1, step.log
    assert step.facts["dead-links"] == {f"{site}/of-{one}": "HTTP 404" for one in ("library", "program")}
    assert {"sound/index.html", "play_it/index.html"} == set(re.findall(r"`(\w+/index.html)`", step.summary))
    assert (workspace / folder.replace("HOST", host) / "sound/index.html").is_file()


def test_the_sample_applications_program_is_looked_at(voice_app, docs, site):
    main = voice_app / "app/src/main.rs"
    main.write_text(f"//! [gone]({site}/gone)\n" + main.read_text())
    step = docs(packages="coldvox-app", check_links=True)
    assert step.facts["dead-links"] == {f"{site}/gone": "HTTP 404"}


def test_no_page_at_all_is_an_error(workspace, docs):
    write_crate(workspace, "[lib]\ndoc = false\n", source="//! Says nothing.\n")
    assert docs().exit_code == 0
    assert "cargo names no page of documentation that it made" in docs(check_links=True).error()
