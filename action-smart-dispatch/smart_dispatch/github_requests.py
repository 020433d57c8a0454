"""Requests to GitHub within a budget and a deadline: what fails is a note, never an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from github import Github

T = TypeVar("T")

MOST_SECONDS = 4  # of silence, for one answer
# What a 403 or 404 lacks, by the part of the path that tells.
_PERMISSIONS: Mapping[str, str] = {
    "/actions/runners": "administration: read of the repository, or self-hosted runners: read of the organisation, "
    "which the job's own token never has",
    "/actions/runner-groups": "self-hosted runners: read of the organisation, which the job's own token never has",
    "/actions/variables": "variables: read, which the job's own token never has",
    "/status": "statuses: read",
    "/pulls": "pull-requests: read",
    "/actions": "actions: read",
}


class Requests:
    """Requests of one decision, side by side. `notes`: what could not be had, and why; `count`: how many were made."""

    def __init__(self, connect: Callable[[int], Github], *, most: int, deadline: float) -> None:
        """`connect` makes a client with a time-out in seconds; `deadline` is a moment of time.monotonic()."""
        self._connect, self._most, self.deadline = connect, most, deadline
        self._lock = threading.Lock()
        self.count = 0
        self.notes: list[str] = []

    def left(self) -> int:
        """How many requests may still be made; none once the time is over."""
        return 0 if self.seconds_left() <= 0 else self._most - self.count

    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline - time.monotonic()

    def note(self, text: str) -> None:
        """Something that could not be had."""
        with self._lock:
            if text not in self.notes:
                self.notes.append(text)

    def get(self, path: str, **parameters: object) -> Any:  # noqa: ANN401  (JSON)
        """The answer as JSON; None where there is none."""
        with self._lock:
            if self.left() <= 0:
                return None
            self.count += 1
        client = self._connect(max(1, min(MOST_SECONDS, int(self.seconds_left()))))
        try:
            _, data = client.requester.requestJsonAndCheck("GET", path, parameters=dict(parameters))
        except Exception as error:  # a proxy's page, a half-open connection: nothing may stop a decision
            self.note(_reason(path, error))
            return None
        finally:
            client.close()
        if data is None:
            self.note(f"{path.partition('?')[0]}: GitHub answered nothing")
        return data

    def pages(
        self, path: str, key: str, *, most: int, **parameters: object
    ) -> tuple[list[dict[str, Any]], int]:
        """The objects of a list of lists `key`, of up to `most` pages, and how many there are in all.

        The number is -1 where the list could not be had.
        """
        found: list[dict[str, Any]] = []
        total = -1
        for number in range(1, most + 1):
            data = self.get(path, per_page=100, page=number, **parameters)
            if not isinstance(data, dict) or not isinstance(data.get(key), list):
                if data is not None:
                    self.note(f"{path}: the answer has no '{key}'")
                break
            part = [one for one in data[key] if isinstance(one, dict)]
            found += part
            count = data.get("total_count")
            total = max(len(found), count) if isinstance(count, int) else len(found)
            if len(part) < 100 or len(found) >= total:
                break
        return found, total

    def together(self, works: Sequence[Callable[[], T]]) -> list[T | None]:
        """Do these side by side, and give up those that are not done at the deadline: None."""
        results: list[T | None] = [None] * len(works)

        def do(index: int, work: Callable[[], T]) -> None:
            results[index] = work()

        threads = [
            # Daemons: a server that drips must not keep the process.
            threading.Thread(target=do, args=(index, work), daemon=True)
            for index, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, self.seconds_left()))
        if any(thread.is_alive() for thread in threads):
            self.note("GitHub did not answer in time")
        return list(results)


def _reason(path: str, error: Exception) -> str:
    status = getattr(error, "status", 0)
    data = getattr(error, "data", None)
    said = str(data.get("message", ""))[:120] if isinstance(data, dict) else ""
    where = path.partition("?")[0]
    if status in (403, 404) and "rate limit" not in said.lower():
        lacking = next((told for part, told in _PERMISSIONS.items() if part in path), "")
        return f"{where}: GitHub answered {status} {said}" + (f"; it needs {lacking}" if lacking else "")
    if status:
        return f"{where}: GitHub answered {status} {said}".rstrip()
    # The text of a request's error may show headers, and so the token.
    return f"{where}: {type(error).__name__}"
