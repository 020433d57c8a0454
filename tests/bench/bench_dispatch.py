"""What a decision costs, and what the policies make of traces with outages.

Decisions are steps of the action with the real PyGithub against a server on 127.0.0.1 that answers after 100 ms, as
GitHub does at best, with 100 runners and 200 queued jobs; beside them, a shell with curl that asks for the runners and
looks whether one is idle, as the usual fallback actions do. Traces come from seeds that the policy was not tuned with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import measure

from fakes.github_actions import GitHubActions
from fakes.github_server import serving
from smart_dispatch.simulated_policies import CLAIRVOYANT, policies, weights_of
from smart_dispatch.simulation import Outcome, Simulation
from smart_dispatch.traces import synthetic_trace

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(200, 206)
SLOTS = 4
ROUNDS = 5
LATENCY_SECONDS = 0.1
PEER = (
    'curl --silent --fail --header "Authorization: Bearer $TOKEN" "$GITHUB_API_URL/repos/octo/repo/actions/runners" '
    "| grep --count '\"busy\": false' || true"
)


def main() -> int:
    options = measure.arguments(str(__doc__)).parse_args()
    rows: list[dict[str, object]] = []
    seconds, requests, peer = decisions(rows)
    ratios = simulations(rows)
    targets = [
        ("seconds for a decision, first", seconds[0], 3),
        ("requests for it", requests[0], 10),
        ("requests for the fifth one / the first's", requests[1] / requests[0], 0.999),
        ("worst p95 / the clairvoyant's", max(one["clairvoyant"] for one in ratios), 1.08),
        ("worst p95 / idle's", max(one["idle"] for one in ratios), 0.92),
        ("worst cloud minutes / idle's", max(one["cloud"] for one in ratios), 0.65),
        ("waits over an hour in an outage that was seen", sum(one["seen"] for one in ratios), 0),
    ]
    note = f"A decision takes {seconds[0] / peer:.1f} times as long as asking for the runners with curl ({peer:.2f} s)"
    where = measure.environment(Path.cwd())
    return measure.report(options, where=where, rows=rows, targets=targets, notes=[note])


def decisions(rows: list[dict[str, object]]) -> tuple[list[float], list[int], float]:
    """Medians of the first decision of a host and of the fifth, their requests, and the peer's seconds."""
    first, later, peers, requests = [], [], [], [0, 0]
    with large_repository() as api:
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="bench-dispatch-") as folder:
                for number in range(5):
                    begin = time.monotonic()
                    requests[number > 0] = int(decide(api, Path(folder))["requests"])
                    if number in (0, 4):
                        (later if number else first).append(time.monotonic() - begin)
            begin = time.monotonic()
            environ = {"PATH": os.environ["PATH"], "TOKEN": "t0ken", "GITHUB_API_URL": api.url}
            subprocess.run(["bash", "-c", PEER], env=environ, check=True, capture_output=True)
            peers.append(time.monotonic() - begin)
    medians = [measure.median(first), measure.median(later)]
    for name, one, count in zip(("first decision", "fifth decision"), medians, requests, strict=True):
        rows.append({"what": name, "seconds": one, "requests": count})
    rows.append({"what": "curl for the runners", "seconds": measure.median(peers), "requests": 1})
    return medians, requests, measure.median(peers)


@contextmanager
def large_repository() -> Iterator[GitHubActions]:
    with serving(GitHubActions(checked=False)) as api:
        for number in range(100):
            api.add_runner(f"r{number}", busy=number < 90)
        for number in range(60):
            run = api.add_run("CI", status="completed", age=90000 - number)
            api.add_job(run, "build", age=80000)
        for _ in range(20):
            run = api.add_run("CI", age=700)
            for job in range(10):
                api.add_job(run, f"test {job}", status="queued", age=100)
        api.before_answer = lambda _request: time.sleep(LATENCY_SECONDS)
        yield api


def decide(api: GitHubActions, folder: Path) -> dict[str, object]:
    """A whole step, Python's start included."""
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "COLDVOX_ACTIONS_HOME": str(folder / "state"),
        "GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "octo/repo", "GITHUB_WORKFLOW": "CI",
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "shared/coldvox_actions.py"), "smart-dispatch", "--json"]
    done = subprocess.run(
        [*command, "--mode", "decide", "--job-name", "build", "--token", "t0ken"],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    facts: dict[str, object] = json.loads(done.stdout)
    return facts


def simulations(rows: list[dict[str, object]]) -> list[dict[str, float]]:
    """For each trace, how the default policy compares."""
    ratios = []
    for seed in SEEDS:
        trace = synthetic_trace(seed, jobs=1500, slots=SLOTS)
        played: dict[str, Outcome] = {
            name: Simulation(trace, slots=SLOTS, policy=choose).run()
            for name, choose in policies(weights_of(1.0, 60)).items()
        }
        for name, one in played.items():
            rows.append({
                "what": f"seed {seed}, {name}",
                "p50 min": one.percentile(0.5) / 60, "p95 min": one.percentile(0.95) / 60,
                "cloud min/job": one.cloud_seconds / 60 / len(trace.jobs), "waits > 1 h": one.waits_over_an_hour,
            })  # fmt: skip
        ours = played["expected-time"]
        ratios.append({
            "clairvoyant": ours.percentile(0.95) / played[CLAIRVOYANT].percentile(0.95),
            "idle": ours.percentile(0.95) / played["idle"].percentile(0.95),
            "cloud": ours.cloud_seconds / played["idle"].cloud_seconds,
            "seen": float(ours.waits_in_seen_outage),
        })  # fmt: skip
    return ratios


if __name__ == "__main__":
    sys.exit(main())
