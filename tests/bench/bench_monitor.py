"""What action-perf-monitor costs, beside a forking bash sampler and psrecord, all in the same minute.

The bash sampler does what such scripts do: some twenty processes a sample. psrecord watches one process tree only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import measure
from headless_steps import RunLineStarter, Stage

from actionlib.host_metrics import JOB_PATTERN
from actionlib.jobs import current_job
from actionlib.summary import Summary
from fakes.job_steps import Steps
from fakes.runner import FakeRunner, StepResult
from fakes.steps import PERF_MONITOR
from perf_monitor.building import build_report
from perf_monitor.markdown_report import fill_summary
from perf_monitor.sampling import Order, start_sampler, stop_sampler
from unit.perf_monitor.report_house import write_run

PROCESSES = 120  # on the host
STARTS = 10
BASH_SAMPLER = r"""
while :; do
    load=$(awk '{print $1}' /proc/loadavg)
    used=$(free -m | awk '/^Mem:/ {print $3}')
    available=$(free -m | awk '/^Mem:/ {print $7}')
    disk=$(df / | awk 'NR == 2 {gsub(/%/, "", $5); print $5}')
    runners=$(ps -eo args | grep -c '[R]unner.Listener')
    cpu=$(ps -eo pcpu,comm --sort=-pcpu | sed -n 2p | awk '{print $1}')
    network=$(awk '/:/ {rx += $2; tx += $10} END {print rx "," tx}' /proc/net/dev)
    disks=$(awk '{read += $6; write += $10} END {print read "," write}' /proc/diskstats)
    echo "$(date '+%Y-%m-%d %H:%M:%S'),$load,$used,$available,$disk,$runners,$cpu,$network,$disks"
    over=$(echo "$load > 8.0" | awk '{print ($1 > 8)}')
    sleep INTERVAL
done
"""


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="bench-monitor-") as text, ExitStack() as stack:
        folder = Path(text)
        for _ in range(PROCESSES - count_processes() - 4):
            stack.enter_context(started(["sleep", "3600"]))
        where = measure.environment(folder)
        samplers = {
            "coldvox, every 1 s": stack.enter_context(ours(folder / "fast", 1)),
            "coldvox, every 5 s": stack.enter_context(ours(folder / "slow", 5)),
            "bash, every 1 s": stack.enter_context(
                started(["bash", "-c", BASH_SAMPLER.replace("INTERVAL", "1")], output=folder / "bash.csv")
            ),
        }
        psrecord = Path(sys.executable).with_name("psrecord")
        if psrecord.exists():
            command = [str(psrecord), str(os.getpid()), "--interval", "1", "--include-children", "--log"]
            samplers["psrecord, every 1 s"] = stack.enter_context(
                started([*command, str(folder / "psrecord.txt")])
            )
        time.sleep(3)  # their start is measured by itself
        processes = count_processes()
        before, begin = {name: cpu_seconds(pid) for name, pid in samplers.items()}, time.monotonic()
        time.sleep(options.seconds)
        seconds = time.monotonic() - begin
        rows = [
            {
                "": name,
                "CPU, % of a core": (cpu_seconds(pid) - before[name]) / seconds * 100,
                "RSS, MB": memory_bytes(pid) / 1e6,
            }
            for name, pid in samplers.items()
        ]
    share = {str(row[""]): float(str(row["CPU, % of a core"])) for row in rows}
    with tempfile.TemporaryDirectory(prefix="bench-monitor-") as text:
        start_seconds, whole_seconds = whole_job(Path(text), options.seconds)
        size = len(summary_of_six_hours(Path(text) / "long").encode())
    fast, bash = share["coldvox, every 1 s"], share["bash, every 1 s"]
    targets = [
        ("sampler every 1 s (% of a core)", fast, 0.5),
        ("sampler every 5 s (% of a core)", share["coldvox, every 5 s"], 0.1),
        ("sampler's memory (MB)", float(str(rows[0]["RSS, MB"])), 20),
        ("sampler every 1 s / bash", fast / bash, 1 / 30),
        ("start step p50 (ms)", start_seconds * 1000, 250),
        (f"whole job of {options.seconds:.0f} s every 5 s: CPU in all (s)", whole_seconds, 0.8),
        ("summary of a 6-hour job every 1 s (kB)", size / 1000, 200),
    ]
    notes = [f"{processes} processes on the host; CPU over {seconds:.0f} s, children included."]
    if not psrecord.exists():
        notes.append("psrecord: left out, it is not installed here.")
    return measure.report(options, where=where, rows=rows, targets=targets, notes=notes)


def parse() -> argparse.Namespace:
    parser = measure.arguments(str(__doc__))
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="how long to sample (60 with --check, else 30)"
    )
    options = parser.parse_args()
    options.seconds = options.seconds or (60 if options.check else 30)
    return options


def count_processes() -> int:
    """All processes of the host."""
    return sum(name.isdigit() for name in os.listdir("/proc"))


@contextmanager
def started(argv: list[str], *, output: Path | None = None) -> Iterator[int]:
    """A program that ends with the block; its pid."""
    with (output or Path(os.devnull)).open("wb") as sink:
        process = subprocess.Popen(argv, stdout=sink, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


@contextmanager
def ours(folder: Path, interval_seconds: float) -> Iterator[int]:
    """Our sampler for a job whose processes are the sleepers'; its pid."""
    folder.mkdir()
    environ = dict(os.environ)
    order = Order(
        stem=str(folder / "metrics"),
        job=current_job(environ).to_json(),
        marks={"PATH": environ["PATH"]},
        only_step="sleepers",
        labels={},
        interval_seconds=interval_seconds,
        max_runtime_seconds=3600,
        disk_path="/",
        caches={},
        thresholds={},
        job_pattern=JOB_PATTERN,
    )
    process = start_sampler(order, log=folder / "log", environ=environ)
    try:
        yield process.pid
    finally:
        stop_sampler(process)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads and the children that it has reaped."""
    # In nanoseconds, where stat counts 10 ms.
    nanoseconds = sum(
        int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )
    return nanoseconds / 1e9 + cpu_of_children(pid)


def memory_bytes(pid: int) -> int:
    """Resident set."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def whole_job(folder: Path, seconds: float) -> tuple[float, float]:
    """Wall seconds of the start step (median), and CPU seconds of a whole job: start, sampler, stop with its report."""
    with Stage.open(folder) as stage, FakeRunner(folder / "runner") as runner:
        runner.wipe_temp()
        starter = RunLineStarter(PERF_MONITOR, stage.starter.worker, stage.starter.environ)
        times = []
        for _ in range(STARTS + 1):  # the first one of a host makes the Python environment
            steps = Steps(runner.start_job(env=stage.starter.environ), starter)
            begin = time.monotonic()
            succeed(steps.run(mode="start"))
            times.append(time.monotonic() - begin)
            steps.job.finish()
        steps = Steps(runner.start_job(env=stage.starter.environ), starter)
        succeed(steps.run(mode="start"))
        time.sleep(seconds)
        stopped = succeed(steps.run(mode="stop"))
        facts = json.loads(Path(stopped.outputs["json-file"]).read_text())
        steps_cpu = cpu_of_children(steps.job.worker.pid)
        steps.job.finish()
    return statistics.median(times[1:]), steps_cpu + float(facts["sampler"]["cpu_seconds"])


def succeed(result: StepResult) -> StepResult:
    """The result of a step, which must be a good one."""
    if result.exit_code:
        raise SystemExit(result.stdout)
    return result


def cpu_of_children(pid: int) -> float:
    """User and system time of what a process has reaped: the worker's steps."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def summary_of_six_hours(folder: Path) -> str:
    """The job summary of 21,600 samples."""
    folder.mkdir()
    summary = Summary()
    fill_summary(summary, build_report(write_run(folder, seconds=6 * 3600, interval=1)))
    shutil.rmtree(folder)
    return summary.markdown()


if __name__ == "__main__":
    sys.exit(main())
