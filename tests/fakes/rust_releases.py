"""A server of Rust releases for the real rustup, whose programs hand over to the Rust that is installed here.

Form of the manifest and of the archives: what https://static.rust-lang.org/dist serves, as rustup reads it.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMPONENTS = {"rustc": "bin/rustc", "cargo": "bin/cargo", "rust-std": "lib/rustlib/stand-in"}


@contextmanager
def serve_release(version: str, *, host: str, sysroot: Path) -> Iterator[str]:
    """The address of a server that has this release, for RUSTUP_DIST_SERVER. `sysroot` is what it hands over to."""
    files: dict[str, bytes] = {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    address = f"http://127.0.0.1:{server.server_port}"
    packages = {}
    for name, path in COMPONENTS.items():
        script = f'#!/bin/sh\nexec "{sysroot}/{path}" "$@"\n'.encode()
        files[f"/dist/{name}.tar.gz"] = _archive(f"{name}-{version}-{host}", name, path, script)
        packages[name] = f"{address}/dist/{name}.tar.gz"
    manifest = _manifest(version, host, packages, files).encode()
    files[f"/dist/channel-rust-{version}.toml"] = manifest
    digest = hashlib.sha256(manifest).hexdigest()
    files[f"/dist/channel-rust-{version}.toml.sha256"] = f"{digest}  x\n".encode()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


def _archive(top: str, component: str, path: str, content: bytes) -> bytes:
    """A component as rust-installer packs it."""
    members = {
        "rust-installer-version": b"3\n",
        "components": f"{component}\n".encode(),
        f"{component}/manifest.in": f"file:{path}\n".encode(),
        f"{component}/{path}": content,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _manifest(version: str, host: str, packages: dict[str, str], files: dict[str, bytes]) -> str:
    lines = [
        'manifest-version = "2"',
        'date = "2021-12-02"',
        "[pkg.rust]",
        f'version = "{version}.0 (stand-in)"',
        f"[pkg.rust.target.{host}]",
        "available = true",
    ]
    for name in packages:
        lines += [
            f"[[pkg.rust.target.{host}.components]]",
            f'pkg = "{name}"',
            f'target = "{host}"',
        ]
    for name, url in packages.items():
        digest = hashlib.sha256(files[f"/dist/{name}.tar.gz"]).hexdigest()
        lines += [
            f"[pkg.{name}]",
            f'version = "{version}.0"',
            f"[pkg.{name}.target.{host}]",
            "available = true",
            f'url = "{url}"',
            f'hash = "{digest}"',
        ]
    names = ", ".join(f'"{name}"' for name in packages)
    return "\n".join([*lines, "[profiles]", f"minimal = [{names}]", ""])
