"""The whole pipeline of `make demo` under act, on an empty store and on the one that this has filled."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

DEMO = Path(__file__).resolve().parents[2] / "scripts/demo.py"
SECONDS = "the whole run, as act took it"
UNITS = "compilation units of the combinations"
DOWNLOADS = "downloads of the model"
FIRST_SECONDS, SECOND_SECONDS = 180, 60


def figures(output: str, name: str) -> tuple[float, float]:
    """The two figures of a row of the demo's last table."""
    found = re.search(rf"{re.escape(name)}\D+([\d.]+)\D+([\d.]+)", output)
    if found is None:
        raise SystemExit(f"the demo says nothing of '{name}':\n{output[-3000:]}")
    return float(found[1]), float(found[2])


def main() -> int:
    options = measure.arguments(str(__doc__)).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = measure.environment(Path(folder))
        command = [sys.executable, str(DEMO), "--folder", f"{folder}/demo"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-5000:] + done.stderr)
    seconds, units, downloads = (figures(done.stdout, name) for name in (SECONDS, UNITS, DOWNLOADS))
    rows = [
        {
            "run": f"on {store} store",
            "s": seconds[index],
            "units compiled": int(units[index]),
            "downloads": int(downloads[index]),
        }
        for index, store in enumerate(("an empty", "a filled"))
    ]
    targets = [
        ("the first run (s)", seconds[0], FIRST_SECONDS),
        ("the second run (s)", seconds[1], SECOND_SECONDS),
        ("units of the second run / of the first", units[1] / units[0], 0.5),
        ("downloads of the second run", downloads[1], 0.0),
    ]
    return measure.report(options, where=where, rows=rows, targets=targets)


if __name__ == "__main__":
    sys.exit(main())
