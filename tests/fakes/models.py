"""A server of models on 127.0.0.1 that fails the way servers fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ModelServer:
    """`files` are served by path. `faults` are used up one a request: a status, or bytes after which it hangs up."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[int | tuple[str, int]] = field(default_factory=list)
    ranges: bool = True
    declare_length: bool = True
    requests: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve_models() -> Iterator[ModelServer]:
    """Serve until the block ends."""
    state = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.requests.append(f"{self.path} {wanted}".strip())
            fault = state.faults.pop(0) if state.faults else None
            if isinstance(fault, int):
                self.send_error(fault)
                return
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if state.declare_length:
                self.send_header("Content-Length", str(len(content) - start))
            else:
                self.close_connection = True
            self.end_headers()
            end = start + fault[1] if fault else len(content)
            self.wfile.write(content[start:end])
            if fault:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """The tests read `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
