"""How long an action takes to start, beside what any step pays: medians of one run, alternating.

    python tests/bench/bench_startup.py [--json] [--warm-runs N] [--cold-runs N] [--python PATH]

A warm start is timed from the step's bash to the action's first line; a cold one builds the environment first, with
uv's and pip's own caches filled, which is the hardest comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from integration.bootstrap_house import PYTHON, House, find_uv, make_house

SILENCE = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}


@dataclass(frozen=True)
class Contender:
    """Something to time: `prepare` is not counted, `measure` returns seconds."""

    prepare: Callable[[], object]
    measure: Callable[[], float]


def time_until_first_hello(house: House, **changes: str | None) -> float:
    begin = time.perf_counter()
    with house.begin(**changes) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("HELLO "):
                elapsed = time.perf_counter() - begin
                process.stdout.read()
                return elapsed
    raise RuntimeError("".join(said))


def time_command(command: list[str | Path], environ: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, env=dict(environ), stdout=subprocess.PIPE, text=True, **SILENCE)
    elapsed = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}")
    return elapsed


def measure_all(contenders: Mapping[str, Contender], *, runs: int) -> dict[str, float]:
    """Median seconds of each; they take turns, so that a busy moment hits them all. The first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(runs + 1):
        for name, contender in contenders.items():
            contender.prepare()
            taken = contender.measure()
            if round_number:
                seconds[name].append(taken)
    return {name: median(values) for name, values in seconds.items()}


def list_warm(house: House, python: Path) -> dict[str, Contender]:
    environ = house.environ()
    found = {
        "python3 -c pass": Contender(lambda: None, lambda: time_command([python, "-c", "pass"], environ)),
        "python3 -I -S -c pass": Contender(
            lambda: None, lambda: time_command([python, "-I", "-S", "-c", "pass"], environ)
        ),
        "warm start": Contender(lambda: None, lambda: time_until_first_hello(house)),
    }
    if node := shutil.which("node"):
        found["node -e 0"] = Contender(lambda: None, lambda: time_command([node, "-e", "0"], environ))
    return found


def list_cold(house: House, python: Path) -> dict[str, Contender]:
    venv = house.base / "venv"
    target = venv / "bin" / "python"
    uv = find_uv()
    environ = house.environ()
    lock = ["--require-hashes", "--requirement", house.root / "shared" / "requirements.txt"]
    uv_venv = [uv, "venv", "-q", "--python", python, venv]
    uv_install = [uv, "pip", "install", "-q", "--python", target, *lock]
    pip_install = [python, "-m", "pip", "--python", target, "install", "-q", "--no-compile", *lock]
    only_pip = f"{house.folder_on_path('only-python', python3=python)}:/usr/bin:/bin"

    def clear() -> None:
        shutil.rmtree(house.environments, ignore_errors=True)
        shutil.rmtree(venv, ignore_errors=True)

    def clear_and_make_venv() -> None:
        clear()
        time_command(uv_venv, environ)

    return {
        "cold start with uv": Contender(clear, lambda: time_until_first_hello(house)),
        "uv pip install": Contender(clear_and_make_venv, lambda: time_command(uv_install, environ)),
        "uv venv + uv pip install": Contender(
            clear, lambda: time_command(uv_venv, environ) + time_command(uv_install, environ)
        ),
        "cold start with pip": Contender(clear, lambda: time_until_first_hello(house, PATH=only_pip)),
        "pip install --no-compile": Contender(
            clear_and_make_venv, lambda: time_command(pip_install, environ)
        ),
    }


def compare(seconds: Mapping[str, float]) -> list[dict[str, object]]:
    """The budgets of the start, as measured."""
    over_pass = (seconds["warm start"] - seconds["python3 -c pass"]) * 1000
    found: list[dict[str, object]] = [
        {"what": "warm start - python3 -c pass (ms)", "value": over_pass, "at_most": 70.0},
    ]
    for first, second, limit in (
        ("cold start with uv", "uv pip install", 1.5),
        ("cold start with uv", "uv venv + uv pip install", 1.5),
        ("cold start with pip", "pip install --no-compile", 1.2),
    ):
        found.append(
            {"what": f"{first} / {second}", "value": seconds[first] / seconds[second], "at_most": limit}
        )
    return found


def report(seconds: Mapping[str, float], comparisons: list[dict[str, object]], python: Path) -> None:
    print(f"start-up with {python} on {os.cpu_count()} CPUs, medians\n")
    for name, value in seconds.items():
        print(f"  {name:<34} {value * 1000:>9.1f} ms")
    print()
    for row in comparisons:
        verdict = "within" if row["value"] <= row["at_most"] else "OVER"
        print(f"  {row['what']:<50} {row['value']:>7.2f}  (at most {row['at_most']:g}: {verdict})")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--warm-runs", type=int, default=30)
    parser.add_argument("--cold-runs", type=int, default=5)
    parser.add_argument("--python", type=Path, default=PYTHON)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        house = make_house(root / "repository", root / "runner", uv_cache=root / "uv")
        house.folder_on_path("bin", python3=options.python, uv=find_uv())
        time_until_first_hello(house)
        seconds = measure_all(list_warm(house, options.python), runs=options.warm_runs)
        seconds |= measure_all(list_cold(house, options.python), runs=options.cold_runs)
    comparisons = compare(seconds)
    if options.json:
        print(json.dumps({"seconds": seconds, "comparisons": comparisons}, indent=2))
    else:
        report(seconds, comparisons, options.python)
    return 0 if all(row["value"] <= row["at_most"] for row in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
