"""How long an action takes to start, beside what any step pays.

A warm start is timed from the step's bash to the action's first line; a cold one builds the environment first, with
uv's and pip's own caches filled, which is the hardest comparison.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import measure

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


def targets(seconds: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """The bars of the start, as measured."""
    over_pass = (seconds["warm start"] - seconds["python3 -c pass"]) * 1000
    ratios = [
        ("cold start with uv", "uv pip install", 1.5),
        ("cold start with uv", "uv venv + uv pip install", 1.5),
        ("cold start with pip", "pip install --no-compile", 1.2),
    ]
    return [
        ("warm start - python3 -c pass (ms)", over_pass, 70),
        *((f"{one} / {other}", seconds[one] / seconds[other], most) for one, other, most in ratios),
    ]


def main() -> int:
    parser = measure.arguments(str(__doc__))
    parser.add_argument("--warm-runs", type=int, default=30, metavar="N")
    parser.add_argument("--cold-runs", type=int, default=5, metavar="N")
    parser.add_argument("--python", type=Path, default=PYTHON)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        where = measure.environment(root)
        house = make_house(root / "repository", root / "runner", uv_cache=root / "uv")
        house.folder_on_path("bin", python3=options.python, uv=find_uv())
        time_until_first_hello(house)
        seconds = measure_all(list_warm(house, options.python), runs=options.warm_runs)
        seconds |= measure_all(list_cold(house, options.python), runs=options.cold_runs)
    rows = [{"what": name, "p50 ms": value * 1000} for name, value in seconds.items()]
    notes = [f"Medians of {options.warm_runs} warm and {options.cold_runs} cold starts, in turns."]
    return measure.report(options, where=where, rows=rows, targets=targets(seconds), notes=notes)


if __name__ == "__main__":
    sys.exit(main())
