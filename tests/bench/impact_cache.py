"""Blocker 1, caching: jobs that want one key, 3 at a time, as runner services of one host have them.

Before: each saves for itself at a server that reserves keys. The document: the same with its lock in front. The
actions: `populate`; and `restore` and `save` as steps of their own, which shows where the gain comes from.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from baseline import cache_job
from baseline.cache_server import serving
from headless_steps import RunLineStarter, Stage
from impact_report import Claim, Part, change, of, percent, prose, reduction, table

from fakes.steps import CACHE_LOCK, poll

AT_ONCE = 3
JOBS = 8
ROUNDS = 12
SEED = 92
FILES = 40
BASELINE = Path(__file__).with_name("baseline")
LOCK = BASELINE / "cache_lock.sh"
LINES = "source document, lines 49-83"
# KEY's files; the pause stands for a compiler, and differs from job to job as real ones do.
BUILD = f"""
echo >> "$BUILDS"
sleep "$SECONDS_OF_WORK"
mkdir -p target
for i in $(seq {FILES}); do echo "$KEY $i" > target/$i; done
"""
Job = Callable[[str, Path, dict[str, str]], str]


def run(*, jobs: int = JOBS, rounds: int = ROUNDS) -> Part:
    """Measure everything; takes about a minute."""
    chance = random.Random(SEED)
    work = [[f"{chance.uniform(0.5, 1.0):.2f}" for _ in range(jobs)] for _ in range(rounds)]
    with tempfile.TemporaryDirectory(prefix="impact-cache-") as text, Stage.open(Path(text)) as stage:
        folder = Path(text)
        starter = RunLineStarter(CACHE_LOCK, stage.starter.worker, stage.starter.environ)
        starter(mode="status")  # the first step of a host makes the Python environment
        counts: dict[str, Counter[str]] = {}
        for name, lock in (("before the document", ""), ("document: lock in front", str(LOCK))):
            with serving() as server:
                counts[name] = play(folder / name.split(":")[0], work, baseline_job(server.url, lock))
                counts[name]["conflict"] = server.conflicts
        counts["actions: `populate`"] = play(folder / "populate", work, populate_job(starter))
        counts["actions: `restore`, `save`"] = play(folder / "restore", work, restore_save_job(starter))
        killed = kill_holder(folder / "killed", starter)
    return part(counts, killed, jobs=jobs, rounds=rounds)


def play(folder: Path, work: list[list[str]], job: Job) -> Counter[str]:
    """All rounds: each has a new key and a new run; counts what became of the jobs."""
    total: Counter[str] = Counter()
    for number, seconds in enumerate(work):
        key = cache_job.key_of("Linux", "", f"{folder.name}-{number}")
        begun = time.monotonic()

        def one(index: int, seconds: list[str] = seconds, key: str = key, number: int = number) -> str:
            place = folder / f"{number}-{index}"
            place.mkdir(parents=True)
            environ = {
                "KEY": key, "SECONDS_OF_WORK": seconds[index], "GITHUB_RUN_ID": str(1000 + number),
                "BUILDS": str(folder / f"builds-{number}"), "LOCK_FOLDER": str(folder),
            }  # fmt: skip
            told = job(key, place, environ)
            right = all(read(place / f"target/{i}") == f"{key} {i}\n" for i in range(1, FILES + 1))
            return told if told == "failed" or right else "wrong"

        with ThreadPoolExecutor(AT_ONCE) as pool:
            total.update(pool.map(one, range(len(seconds))))
        total["builds"] += len(read(folder / f"builds-{number}").splitlines())
        total["milliseconds"] += int(1000 * (time.monotonic() - begun))
    return total


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def baseline_job(url: str, lock: str) -> Job:
    def job(key: str, place: Path, environ: dict[str, str]) -> str:
        command = [sys.executable, str(BASELINE / "cache_job.py"), url, key, lock, "--", "bash", "-c", BUILD]
        done = subprocess.run(
            command, cwd=place, env=os.environ | environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return "failed"
        return "hit" if json.loads(done.stdout)["hit"] else "miss"

    return job


def populate_job(starter: RunLineStarter) -> Job:
    def job(key: str, place: Path, environ: dict[str, str]) -> str:
        step = starter.start(
            environ={**environ, "GITHUB_WORKSPACE": str(place)},
            mode="populate", key=key, path="target", run=BUILD,
        ).wait()  # fmt: skip
        if step.exit_code:
            return "failed"
        return "hit" if step.outputs["populated"] in ("hit", "waited") else "miss"

    return job


def restore_save_job(starter: RunLineStarter) -> Job:
    def job(key: str, place: Path, environ: dict[str, str]) -> str:
        full = {**environ, "GITHUB_WORKSPACE": str(place)}
        step = starter.start(environ=full, mode="restore", key=key, path="target").wait()
        if step.exit_code:
            return "failed"
        if step.outputs["cache-hit"] == "true":
            return "hit"
        subprocess.run(["bash", "-c", BUILD], cwd=place, env=os.environ | environ, check=True)
        saved = starter.start(environ=full, mode="save", key=key, path="target").wait()
        return "failed" if saved.exit_code else "miss"

    return job


# --- a holder that is killed ---------------------------------------------------------------------------------


def start_stuck_lock() -> Future[list[tuple[float, int]]]:
    """Kill the document's `acquire` while it holds, then let three jobs of the run wait: seconds and exit codes.

    It says that it has the lock into a pipe that is full, and so cannot go on to give it back. Takes 5 minutes,
    nearly all of it asleep.
    """
    result: Future[list[tuple[float, int]]] = Future()

    def work() -> None:
        try:
            result.set_result(wait_for_stuck_lock())
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return result


def wait_for_stuck_lock() -> list[tuple[float, int]]:
    with tempfile.TemporaryDirectory(prefix="impact-lock-") as text:
        environ = os.environ | {"LOCK_FOLDER": text, "GITHUB_RUN_ID": "4711"}
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        holder = subprocess.Popen(["bash", str(LOCK), "acquire"], env=environ, stdout=writer)
        poll(lambda: any(Path(text).iterdir()))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.close(reader)
        os.close(writer)
        ended: queue.Queue[tuple[float, int]] = queue.Queue()

        def wait() -> None:
            begun = time.monotonic()
            done = subprocess.run(
                ["bash", str(LOCK), "acquire"], env=environ, stdout=subprocess.DEVNULL, check=False
            )
            ended.put((time.monotonic() - begun, done.returncode))

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [ended.get() for _ in threads]


def kill_holder(folder: Path, starter: RunLineStarter) -> tuple[float, int]:
    """Kill `populate` while its command runs: seconds until another job runs it, and how many of 3 then succeed."""
    folder.mkdir()
    script = 'touch "$STARTED"; sleep 1; mkdir -p target; echo made > target/file'

    def begin(name: str) -> tuple[Path, object]:
        place = folder / name
        place.mkdir()
        environ = {"GITHUB_WORKSPACE": str(place), "STARTED": str(place / "started")}
        step = starter.start(environ=environ, mode="populate", key="killed", path="target", run=script)
        return place, step

    first, holder = begin("holder")
    poll((first / "started").exists)
    others = [begin(f"waiter-{number}") for number in range(3)]
    # All three wait, so that what is measured is the hand-over and not their start.
    poll(lambda: sum(len(one["waiting"]) for one in starter(mode="status").facts["locks"]) == 3)
    holder.kill()
    begun = time.monotonic()
    poll(lambda: any((place / "started").exists() for place, _ in others))
    seconds = time.monotonic() - begun
    good = sum(
        step.wait().exit_code == 0 and read(place / "target/file") == "made\n" for place, step in others
    )
    return seconds, good


# --- what is told --------------------------------------------------------------------------------------------


def part(counts: dict[str, Counter[str]], killed: tuple[float, int], *, jobs: int, rounds: int) -> Part:
    """The claims of line 92; the stuck lock is added by `with_stuck_lock`."""
    before, document, ours, steps = counts.values()
    total = jobs * rounds
    rate = {name: one["hit"] / total for name, one in counts.items()}
    rates = list(rate.values())
    fewer = [reduction(before["conflict"], one["conflict"]) for one in (document, ours)]
    claims = [
        Claim(
            92, "95 % fewer cache conflicts",
            f"{before['conflict']} before, {document['conflict']} with the lock: "
            f"{change(before['conflict'], document['conflict'])}",
            f"{ours['conflict']}: {change(before['conflict'], ours['conflict'])}",
            fewer[0] >= 0.95, fewer[1] >= 0.95,
        ),
        Claim(
            92, "hit rate from 60 % to 85 %",
            f"{percent(rates[0])} before, {percent(rates[1])} with the lock", percent(rates[2]),
            rates[1] >= 0.85, rates[2] >= 0.85,
        ),
    ]  # fmt: skip
    rows = [
        (name, of(one["hit"], total), one["builds"], one["conflict"], one["failed"], one["wrong"],
         one["milliseconds"] / 1000)
        for name, one in counts.items()
    ]  # fmt: skip
    columns = ("", "hits", "builds", "conflicts (409)", "failed jobs", "wrong contents", "seconds")
    body = [
        prose(f"""
            **Workload.** {rounds} runs, each of {jobs} jobs that restore one new key, build for 0.5 to 1 s on a miss
            (seed {SEED}), and save; {AT_ONCE} at a time. The server of the first two is a real HTTP server on
            127.0.0.1 that reserves keys and answers 409 to whoever comes second, as GitHub does. The number of jobs
            is chosen so that the state before comes near the 60 % of the claim: the first {AT_ONCE} jobs of a key
            miss, so that its rate is about 1 - {AT_ONCE}/{jobs}; 1 - 1/{jobs} is the most that anybody can reach.
        """),
        table(columns, rows),
        prose(f"""
            **Found.** The lock ({LINES}) is given back when the script that takes it ends, before the job goes on, so
            that it keeps nobody out. Its key segments (lines 27-35) are empty, for there is no `runner.labels`. A 409
            fails no job; what it costs is the build and the archive of everybody but the first. `populate` lets one
            job build and the others wait: {ours["builds"]} builds. `restore` and `save` as steps of their own, which
            do not wait: {steps["builds"]} builds, {steps["conflict"]} conflicts.
        """),
        prose(f"""
            **A killed holder, actions.** `kill -9` to a job that populates, with 3 waiting: another one ran the
            command {1000 * killed[0]:.0f} ms later, and {of(killed[1], 3)} succeeded.
        """),
    ]
    return Part("1. Caches and conflicts", claims, body)


def with_stuck_lock(cache: Part, waits: list[tuple[float, int]]) -> Part:
    """The part with what became of three jobs that waited for the document's lock after its holder was killed."""
    told = ", ".join(f"exit {code} after {seconds:.0f} s" for seconds, code in waits)
    text = prose(f"""
        **A killed holder, document.** `kill -9` to the lock script while it holds (its output was stalled for that:
        it holds for milliseconds else). Three jobs of the same run that wanted the lock then: {told}. Jobs of other
        runs have another lock, and are not kept out at all.
    """)
    shown = "Not shown: a server over a real network, entries of hundreds of megabytes, more than one host."
    return Part(cache.title, cache.claims, [*cache.body, text, shown])
