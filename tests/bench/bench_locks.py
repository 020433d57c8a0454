"""Hand-over, fairness and recovery of our locks beside other ways to exclude each other, in one run.

Eight processes contend for one lock and hold it for a millisecond each time. A hand-over is the time from
the moment before the holder's release to the moment when the next one, which was waiting already, goes on.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import measure

PROCESSES = 8
HOLD_SECONDS = 0.001
TOLERANCE_SECONDS = 0.005  # a caller may lose the processor before it is in the queue
ROUNDS = {
    "coldvox": 200,
    "flock(2)": 200,
    "flock(1)": 25,
    "filelock": 20,
    "redis-py": 8,
    "mkdir + sleep 1": 2,
}
KILLS = {"coldvox": 20, "flock(2)": 20, "filelock": 10, "redis-py": 1}
REDIS_LEASE_SECONDS = 3.0

Release = Callable[[], None]
Acquire = Callable[[], Release]


def main() -> int:
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return 0
    options = measure.arguments(str(__doc__)).parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-locks-") as text, redis_server(Path(text)) as redis:
        folder = Path(text)
        kinds = [kind for kind in ROUNDS if usable(kind, redis)]
        where = measure.environment(folder)
        grants = {kind: contend(kind, target(kind, folder, redis)) for kind in kinds}
        freed = {kind: kill_holders(kind, target(kind, folder, redis)) for kind in kinds if kind in KILLS}
    rows = [row(kind, grants[kind], freed.get(kind)) for kind in kinds]
    base = rows[0]["p50 ms"]
    for one in rows:
        one["p50 / ours"] = one["p50 ms"] / base  # type: ignore[operator]
    ours = rows[0]
    targets = [
        ("hand-over p50 (ms)", ours["p50 ms"], 1.0),
        ("hand-over p99 (ms)", ours["p99 ms"], 5.0),
        ("freed after kill -9, median (ms)", ours["freed ms"], 10.0),
        ("inversions", float(ours["inverted"]), 0.0),  # type: ignore[arg-type]
    ]
    notes = [
        f"{PROCESSES} processes, {HOLD_SECONDS * 1000:g} ms holds (also in grants/s). freed: from kill -9 of the "
        "holder until the waiter goes on.",
        f"inverted: granted to one that called {TOLERANCE_SECONDS * 1000:g} ms or more after one that still waits.",
        f"redis-py: freed when its lease of {REDIS_LEASE_SECONDS:g} s ends. mkdir and flock(1) with a child "
        "that lives on: never.",
    ]
    notes += [f"{kind}: left out, it is not installed here." for kind in ROUNDS if kind not in kinds]
    return measure.report(options, where=where, rows=rows, targets=targets, notes=notes)  # type: ignore[arg-type]


def usable(kind: str, redis: str) -> bool:
    return bool(redis) if kind == "redis-py" else kind != "flock(1)" or shutil.which("flock") is not None


def target(kind: str, folder: Path, redis: str) -> str:
    return redis if kind == "redis-py" else str(folder / kind.replace(" ", "-"))


# --- one process that contends ---------------------------------------------------------------------------


def work(kind: str, where: str, rounds: int) -> None:
    """Wait for a line, then go: rows of (called, got, released). With 0 rounds: acquire once and keep."""
    acquire = LOCKS[kind](where)
    tell("ready")
    sys.stdin.readline()
    if rounds == 0:
        _release = acquire()
        tell(str(time.monotonic()))
        signal.pause()
    rows = []
    for _ in range(rounds):
        called = time.monotonic()
        release = acquire()
        got = time.monotonic()
        time.sleep(HOLD_SECONDS)
        rows.append((called, got, time.monotonic()))
        release()
    tell(json.dumps(rows))


def tell(line: str) -> None:
    print(line, flush=True)


def ours(where: str) -> Acquire:
    from actionlib.locking import FileLocks

    locks = FileLocks(Path(where))
    return lambda: locks.acquire("bench", timeout_seconds=600).release


def flock_call(where: str) -> Acquire:
    import fcntl

    def acquire() -> Release:
        descriptor = os.open(where, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return lambda: os.close(descriptor)

    return acquire


def flock_command(where: str) -> Acquire:
    def acquire() -> Release:
        child = subprocess.Popen(
            ["flock", where, "sh", "-c", "echo; read -r _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()

        def release() -> None:
            child.communicate(b"\n")

        return release

    return acquire


def filelock_package(where: str) -> Acquire:
    from filelock import FileLock

    def acquire() -> Release:
        lock = FileLock(where)
        lock.acquire()
        return lock.release

    return acquire


def redis_package(where: str) -> Acquire:
    from redis import Redis

    client = Redis(port=int(where))

    def acquire() -> Release:
        lock = client.lock("bench", timeout=REDIS_LEASE_SECONDS)
        lock.acquire()
        return lock.release

    return acquire


def mkdir_loop(where: str) -> Acquire:
    def acquire() -> Release:
        while True:
            try:
                os.mkdir(where)
            except FileExistsError:
                time.sleep(1)
            else:
                return lambda: os.rmdir(where)

    return acquire


LOCKS: dict[str, Callable[[str], Acquire]] = {
    "coldvox": ours,
    "flock(2)": flock_call,
    "flock(1)": flock_command,
    "filelock": filelock_package,
    "redis-py": redis_package,
    "mkdir + sleep 1": mkdir_loop,
}


# --- measuring -------------------------------------------------------------------------------------------


def start(kind: str, where: str, rounds: int) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, __file__, "--worker", kind, where, str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    expect(worker)
    return worker


def expect(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"a worker ended early, with exit code {worker.wait()}")
    return line


def go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def contend(kind: str, where: str) -> list[tuple[float, float, float]]:
    """All grants, in their order."""
    workers = [start(kind, where, ROUNDS[kind]) for _ in range(PROCESSES)]
    for worker in workers:
        go(worker)
    grants = [tuple(grant) for worker in workers for grant in json.loads(expect(worker))]
    for worker in workers:
        worker.communicate(timeout=30)
    return sorted(grants, key=lambda grant: grant[1])


def kill_holders(kind: str, where: str) -> list[float]:
    """Seconds from kill -9 of the holder until the waiter goes on."""
    found = []
    for _ in range(KILLS[kind]):
        holder, waiter = start(kind, where, 0), start(kind, where, 0)
        go(holder)
        expect(holder)
        go(waiter)
        time.sleep(0.1)  # until it waits
        killed = time.monotonic()
        holder.kill()
        found.append(float(expect(waiter)) - killed)
        waiter.kill()
        for worker in (holder, waiter):
            worker.communicate(timeout=30)
        if kind == "redis-py":
            break
    return found


def row(kind: str, grants: list[tuple[float, float, float]], freed: list[float] | None) -> dict[str, object]:
    handed = [later[1] - earlier[2] for earlier, later in itertools.pairwise(grants) if later[0] < earlier[2]]
    inverted = sum(
        any(other[0] < grant[0] - TOLERANCE_SECONDS for other in grants[index + 1 :])
        for index, grant in enumerate(grants)
    )
    return {
        "lock": kind,
        "hand-overs": len(handed),
        "p50 ms": measure.percentile(handed, 0.5) * 1000,
        "p99 ms": measure.percentile(handed, 0.99) * 1000,
        "grants/s": len(grants) / (grants[-1][2] - grants[0][1]),
        "inverted": inverted,
        "freed ms": measure.median(freed) * 1000 if freed else "never",
    }


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The port of a server of our own; empty where there is none to start."""
    program = shutil.which("redis-server")
    if program is None:
        yield ""
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not answers(port):
            if time.monotonic() > deadline:
                raise SystemExit(f"redis-server does not answer on port {port}")
            time.sleep(0.02)
        yield str(port)
    finally:
        server.terminate()
        server.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
