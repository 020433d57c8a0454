"""Saving and restoring a tree beside `cp`: processes, medians of interleaved runs, all in one run.

save and copy restore: beside `cp -a` followed by hashing the copy, which is the same work in two passes.
Reflink restore: beside `cp -a --reflink=always`, on a loop-mounted file system (needs root).
Hard-link restore: beside `cp -al`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import measure

ROOT = Path(__file__).resolve().parents[2]
SEED = 20_240_607
FILES = 5_400
MEBIBYTE = 1 << 20
LOOP_BYTES = 8 << 30

ACTION = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from actionlib.entrypoint import run_action
from cache_lock.modes import run
code = run_action(Path(sys.argv[1]), run)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
Path(sys.argv[3]).write_text(peak.split()[1])
sys.exit(code)
"""
HASH = """
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            hashlib.file_digest(file, "sha256").digest()
"""
TOUCH = (
    "import mmap, sys; mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_POPULATE).close()"
)


@dataclass(frozen=True)
class Place:
    """A file system to measure on: a workspace with the tree `target`, and a state root."""

    folder: Path

    @property
    def target(self) -> Path:
        return self.folder / "workspace/target"

    def action(self, **inputs: str) -> float:
        """Run the action; returns the seconds of the whole process."""
        (self.folder / "temp").mkdir(exist_ok=True)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLDVOX_ACTIONS_HOME": str(self.folder / "state"),
            "GITHUB_WORKSPACE": str(self.folder / "workspace"),
            "GITHUB_REPOSITORY": "octo/repo",
            "GITHUB_REF": "refs/heads/main",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "INPUTS": json.dumps({"path": "target", **{k.replace("_", "-"): v for k, v in inputs.items()}}),
        }
        peak = self.folder / "peak"
        command = [
            sys.executable,
            "-I",
            "-c",
            ACTION,
            str(ROOT / "action-cache-lock"),
            str(ROOT / "shared"),
            str(peak),
        ]
        seconds = timed(command, environ)
        peaks.append(int(peak.read_text()) / 1024)
        return seconds


peaks: list[float] = []
"""Peak resident memory of each run of the action, in MiB."""


def settle() -> None:
    """What was before must not be paid by what comes: its write-back, and memory that a host has to fetch first.

    In a virtual machine the first use of a free page costs more than copying it, and which pages come first is
    chance, so that some are used and freed here.
    """
    os.sync()
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    subprocess.run([sys.executable, "-I", "-c", TOUCH, str(min(2 << 30, available // 2))], check=True)


def timed(command: list[str], environ: Mapping[str, str] | None = None) -> float:
    settle()
    begin = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return seconds


def make_tree(folder: Path, mebibytes: int) -> tuple[int, int]:
    """Files as cargo leaves them: most are tiny, a few hold most bytes, and its outputs have two names."""
    chance = random.Random(SEED)
    weights = [chance.lognormvariate(0, 2.6) for _ in range(FILES)]
    scale = mebibytes * MEBIBYTE / sum(weights)
    noise = chance.randbytes(MEBIBYTE)
    total = 0
    for number, weight in enumerate(weights):
        size = int(weight * scale) + 16
        parent = folder / ("debug", "release")[number % 2] / ("deps", "build", ".fingerprint")[number % 3]
        if number % 3:
            parent /= f"crate-{number // 12:04x}"
        parent.mkdir(parents=True, exist_ok=True)
        path = parent / f"file-{number:05x}"
        with path.open("wb") as file:
            file.write(number.to_bytes(8, "big"))
            left = size - 8
            while left > 0:
                begin = chance.randrange(MEBIBYTE // 2)
                left -= file.write(noise[begin : begin + min(left, MEBIBYTE // 2)])
        if number % 27 == 0:
            os.link(path, folder / ("debug", "release")[number % 2] / f"link-{number:05x}")
        total += size
    return FILES, total


def warm(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", HASH, str(folder)], check=True)


def put_away(path: Path) -> None:
    """Make room without deleting: ext4 gives out no inode for minutes after its deletion, and looks for another
    one the longer the more were deleted (fs/ext4/ialloc.c: recently_deleted). So only the data goes.
    """
    if not path.exists():
        return
    grave = path.parent / f"put-away-{time.monotonic_ns()}"
    path.rename(grave)
    for folder, _, names in os.walk(grave):
        for name in names:
            file = Path(folder, name)
            if file.stat().st_nlink == 1:  # else its data is somebody else's too
                file.chmod(0o600)
                os.truncate(file, 0)


# --- what is compared ------------------------------------------------------------------------------------

Case = tuple[str, Callable[[], float], Callable[[], float]]


def copy_and_hash(place: Place) -> float:
    copy = place.folder / "copy"
    put_away(copy)
    seconds = timed(["cp", "-a", str(place.target), str(copy)])
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", HASH, str(copy)], check=True)
    seconds += time.perf_counter() - begin
    put_away(copy)
    return seconds


def copy_with(place: Place, *options: str) -> float:
    copy = place.folder / "copy"
    put_away(copy)
    seconds = timed(["cp", *options, str(place.target), str(copy)])
    put_away(copy)
    return seconds


def save(place: Place) -> float:
    put_away(place.folder / "state")
    return place.action(mode="save", key="k")


def restore(place: Place, key: str, materialize: str) -> float:
    put_away(place.target)
    return place.action(mode="restore", key=key, materialize=materialize)


def plain_cases(place: Place) -> list[Case]:
    return [
        ("save", lambda: save(place), lambda: copy_and_hash(place)),
        ("copy restore", lambda: restore(place, "k", "copy"), lambda: copy_and_hash(place)),
        ("hardlink restore", lambda: restore(place, "r", "hardlink"), lambda: copy_with(place, "-al")),
    ]


def reflink_case(place: Place) -> Case:
    return (
        "reflink restore",
        lambda: restore(place, "k", "reflink"),
        lambda: copy_with(place, "-a", "--reflink=always"),
    )


def compare(place: Place, case: Case, runs: int) -> dict[str, object]:
    """Medians; `start s` is that of a step that only looks an entry up, which has a budget of its own."""
    name, ours, theirs = case
    triples = [(theirs(), ours(), start(place)) for _ in range(runs)]
    base, step, begin = (measure.median([triple[side] for triple in triples]) for side in range(3))
    return {
        "what": name,
        "file system": measure.file_system(place.folder),
        "cp s": base,
        "ours s": step - begin,
        "ratio": (step - begin) / base,
        "start s": begin,
        "whole step s": step,
        "its ratio": step / base,
    }


def start(place: Place) -> float:
    return place.action(mode="restore", key="k", lookup_only="true")


@contextmanager
def loop_place(folder: Path, kind: str) -> Iterator[Place]:
    image, mount = folder / f"{kind}.img", folder / kind
    with image.open("wb") as file:
        file.truncate(LOOP_BYTES)
    subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True, capture_output=True)
    mount.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        yield Place(mount)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
        image.unlink()


def main() -> int:
    parser = measure.arguments(str(__doc__))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=620)
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--folder", type=Path, help="where to measure (default: the temporary folder)")
    options = parser.parse_args()
    limits = {"save": 1.1, "copy restore": 1.1, "hardlink restore": 1.3, "reflink restore": 1.3}
    rows, notes = [], []
    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=options.folder) as text:
        folder = Path(text)
        place = Place(folder)
        files, total = make_tree(place.target, options.mebibytes)
        where = measure.environment(folder) | {"tree": f"{files} files, {total / MEBIBYTE:.0f} MiB"}
        warm(place.target)
        save(place)
        place.action(mode="save", key="r", read_only="true")
        cases = [case for case in plain_cases_in_order(place) if options.only in case[0]]
        rows = [compare(place, case, options.runs) for case in cases]
        kinds = [kind for kind in ("xfs", "btrfs") if os.geteuid() == 0 and shutil.which(f"mkfs.{kind}")]
        for kind in kinds:
            with loop_place(folder, kind) as reflinking:
                make_tree(reflinking.target, options.mebibytes)
                warm(reflinking.target)
                save(reflinking)
                rows.append(compare(reflinking, reflink_case(reflinking), options.runs))
        if not kinds:
            notes.append("reflink: left out, it needs root and mkfs.xfs or mkfs.btrfs.")
    notes.append(
        f"Peak memory of the action: {max(peaks):.0f} MiB. Medians of {options.runs} runs, cache warm."
    )
    targets = [
        (f"{row['what']} on {row['file system']}", row["ratio"], limits[str(row["what"])]) for row in rows
    ]
    targets.append(("peak memory (MiB)", max(peaks), 60.0))
    return measure.report(options, where=where, rows=rows, targets=targets, notes=notes)  # type: ignore[arg-type]


def plain_cases_in_order(place: Place) -> list[Case]:
    """Saving empties the store, so it comes last."""
    saving, *others = plain_cases(place)
    return [*others, saving]


if __name__ == "__main__":
    sys.exit(main())
