"""Requests to GitHub within a budget and a deadline: what fails is a note, never an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from github import Github

T = TypeVar("T")

PASSING = (500, 502, 503, 504)
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
        """The answer as JSON; None where there is none. After a failure that may pass it is asked once more."""
        status, data = self._ask(path, parameters)
        if status in PASSING:
            status, data = self._ask(path, parameters)
        return data

    def _ask(self, path: str, parameters: Mapping[str, object]) -> tuple[int, Any]:
        """Status, 0 for none, and JSON. A failure is a note, but for one that may pass and can be asked again."""
        with self._lock:
            if self.left() <= 0:
                return 0, None
            self.count += 1
        seconds = max(1, min(MOST_SECONDS, int(self.seconds_left())))
        client: Github | None = None
        try:
            client = self._connect(seconds)
            _, data = client.requester.requestJsonAndCheck("GET", path, parameters=dict(parameters))
        except Exception as error:  # a proxy's page, a half-open connection: nothing may stop a decision
            self.note(_reason(path, error, seconds))
            return getattr(error, "status", 0), None
        finally:
            if client:
                client.close()
        if data is None:
            self.note(f"{path.partition('?')[0]}: GitHub answered nothing")
        return 0, data

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
            try:
                results[index] = work()
            except Exception as error:  # an answer of a shape that nobody expects
                self.note(f"GitHub's answer makes no sense: {type(error).__name__}")

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


def without_status(error: Exception, seconds: int) -> str:
    """What is wrong with an answer that has no status, after so many seconds at most.

    The text of a request's error may show headers, and so the token: only its kind is told.
    """
    import requests
    from urllib3.exceptions import TimeoutError as Silence

    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.Timeout) or isinstance(reason, Silence):
        return f"there was no answer within {seconds} s"
    if isinstance(error, RuntimeError):  # PyGithub follows no redirection to another host, nor one to itself
        return "GitHub says that it has moved: is the repository renamed? Set 'repository' to its name now"
    return f"GitHub cannot be reached, or does not answer as it should ({type(error).__name__})"


def _reason(path: str, error: Exception, seconds: int) -> str:
    status = getattr(error, "status", 0)
    data = getattr(error, "data", None)
    said = str(data.get("message", ""))[:120] if isinstance(data, dict) else ""
    where = path.partition("?")[0]
    if status in (403, 404) and "rate limit" not in said.lower():
        lacking = next((told for part, told in _PERMISSIONS.items() if part in path), "")
        unseen = ", and a token that may see this repository" if status == 404 else ""
        return f"{where}: GitHub answered {status} {said}" + (
            f"; it needs {lacking}{unseen}" if lacking else ""
        )
    if status:
        return f"{where}: GitHub answered {status} {said}".rstrip()
    if isinstance(error, RuntimeError):  # of the whole repository
        return without_status(error, seconds)
    return f"{where}: {without_status(error, seconds)}"
