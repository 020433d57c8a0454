"""One host whose runner services run jobs with a display, inside namespaces of its own.

    python headless_host.py SIDE WORKLOAD JOBS FOLDER

SIDE: none, written, mended, actions. WORKLOAD: typing, hang. JOBS run AT_ONCE at a time. Prints JSON: exit codes and
seconds of the jobs, and what is left of processes and files afterwards.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from baseline import headless_job
from headless_steps import Stage

from fakes.runner import FakeRunner, pids

AT_ONCE = 3
LIMIT_SECONDS = 30
HANG_SECONDS = 10
SLEEPER_SECONDS = 86_000  # and as many more as the job's number, by which its child is known
# A child that has left its session and ignores SIGTERM, and a test that never ends.
HANG = "(trap '' TERM; exec setsid sleep {} >/dev/null 2>&1) &\nwhile :; do sleep 1; done\n"
BENCH = Path(__file__).parent


def script_of(workload: str, number: int) -> str:
    """What a job's tests are."""
    if workload == "hang":
        return HANG.format(SLEEPER_SECONDS + number)
    paths = os.environ["PYTHONPATH"]
    words = [sys.executable, str(BENCH / "headless_workload.py"), str(number)]
    return f"PYTHONPATH={shlex.quote(paths)} {shlex.join(words)}\n"


def sleepers(number: int) -> int:
    """Hanging children of a job that live."""
    count, mark = 0, f"sleep\0{SLEEPER_SECONDS + number}\0".encode()
    for pid in pids():
        try:
            count += Path(f"/proc/{pid}/cmdline").read_bytes() == mark
        except OSError:
            continue
    return count


def run_document(side: str, workload: str, jobs: int, folder: Path) -> list[dict[str, float]]:
    """Three services, each with one job at a time."""
    (folder / "home").mkdir()
    (folder / "bin").mkdir()
    (folder / "bin/pkill").symlink_to(BENCH / "baseline/pkill.py")
    limit = HANG_SECONDS if workload == "hang" else LIMIT_SECONDS
    common = {
        "HOME": str(folder / "home"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "IMPACT_HOST": str(folder), "LIMIT_SECONDS": str(limit), "MENDED": "yes" if side == "mended" else "",
    }  # fmt: skip
    numbers = iter(range(jobs))
    lock = threading.Lock()

    def serve(service: int) -> list[dict[str, float]]:
        done = []
        with FakeRunner(folder, service=f"r{service}") as runner:
            runner.wipe_temp()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return done
                script = folder / f"{number}.sh"
                script.write_text(script_of(workload, number))
                begun = time.monotonic()
                job = runner.start_job(env={**common, "WORKLOAD": str(script)})
                code = headless_job.run_steps(job, start=side != "none")
                left = sleepers(number)
                job.finish()
                done.append({"code": code, "seconds": time.monotonic() - begun, "sleepers": left})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one for part in pool.map(serve, range(AT_ONCE)) for one in part]


def run_actions(workload: str, jobs: int, folder: Path) -> list[dict[str, float]]:
    """Scoped steps, each in a job of its own."""
    limit = HANG_SECONDS if workload == "hang" else LIMIT_SECONDS

    def one(number: int) -> dict[str, float]:
        inputs = {"timeout-seconds": limit, "grace-seconds": 2}
        trial = stage.finish(stage.begin(script_of(workload, number), **inputs))
        return {"code": trial.step.exit_code, "seconds": trial.wall_seconds, "sleepers": sleepers(number)}

    with Stage.open(folder) as stage:
        stage.finish(stage.begin("true"))  # the first step of a host makes the Python environment
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, range(jobs)))


def left_processes(before: set[int]) -> list[str]:
    """Command lines of processes that are there and were not before; they get two seconds to end."""
    deadline = time.monotonic() + 2
    while True:
        found = []
        for pid in set(pids()) - before:
            try:
                command = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            if command:  # else it is a zombie
                found.append(command[:80])
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def main() -> int:
    side, workload, jobs, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    folder.mkdir(parents=True)
    before = set(pids())
    files = {path.name for path in Path("/tmp").iterdir()}
    done = (
        run_actions(workload, jobs, folder)
        if side == "actions"
        else run_document(side, workload, jobs, folder)
    )
    new = sorted(
        name for path in Path("/tmp").iterdir() if (name := path.name) not in files and name != ".X11-unix"
    )
    new += sorted(path.name for path in Path("/tmp/.X11-unix").iterdir())
    print(json.dumps({"jobs": done, "processes": left_processes(before), "files": new}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
