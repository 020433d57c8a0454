"""A cache server on 127.0.0.1 that reserves keys as GitHub's cache service does: a second reservation is answered 409.

The source document's problem (line 21) is that answer: entries are immutable, and a key belongs to the job that
reserved it first, from then on and not only once its upload is complete.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Entry:
    """A key that somebody has reserved; `data` is there once its upload is committed."""

    key: str
    data: bytes = b""
    committed: bool = False


@dataclass
class CacheServer:
    """Entries by number, and how many reservations were refused."""

    url: str = ""
    entries: list[Entry] = field(default_factory=list)
    conflicts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, key: str) -> int | None:
        """The number of a new entry; None when the key is taken."""
        with self._lock:
            if any(one.key == key for one in self.entries):
                self.conflicts += 1
                return None
            self.entries.append(Entry(key))
            return len(self.entries) - 1

    def find(self, key: str) -> Entry | None:
        """The complete entry of exactly this key."""
        return next((one for one in self.entries if one.key == key and one.committed), None)


@contextmanager
def serving() -> Iterator[CacheServer]:
    """A server for the length of the block."""
    cache = CacheServer()

    class Handler(BaseHTTPRequestHandler):
        """GET /cache?key=K · POST /reserve K · PUT /upload/N data · POST /commit/N."""

        def do_GET(self) -> None:
            entry = cache.find(parse_qs(urlsplit(self.path).query)["key"][0])
            self.answer(204) if entry is None else self.answer(200, entry.data)

        def do_POST(self) -> None:
            if self.path == "/reserve":
                number = cache.reserve(self.body().decode())
                self.answer(409) if number is None else self.answer(201, json.dumps(number).encode())
            else:
                cache.entries[self.number()].committed = True
                self.answer(200)

        def do_PUT(self) -> None:
            cache.entries[self.number()].data = self.body()
            self.answer(200)

        def number(self) -> int:
            return int(self.path.rpartition("/")[2])

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def answer(self, status: int, data: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        cache.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield cache
        finally:
            server.shutdown()
            thread.join()
