"""One job that restores and saves one key at a cache server.

    python cache_job.py URL KEY LOCK_SCRIPT -- BUILD...

In the job's folder: restores `target`, runs BUILD on a miss, saves. With LOCK_SCRIPT (empty: the state before the
source document) it holds the document's lock around all of that (lines 49-83), the most that a lock could do. As
actions/cache does: the archive is made before the key is reserved, a 409 is a warning. Prints what happened as JSON.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import requests

TIMEOUT_SECONDS = 60
TARGET = Path("target")


def key_of(system: str, labels: str, digest: str) -> str:
    """Source document, lines 27-35. `labels` is empty, whatever the runner: there is no `runner.labels`."""
    return f"{system}-{labels}-{digest}"


def save(url: str, key: str) -> str:
    """`saved` or `conflict`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(TARGET)
    answer = requests.post(f"{url}/reserve", data=key, timeout=TIMEOUT_SECONDS)
    if answer.status_code == 409:
        return "conflict"
    number = answer.json()
    requests.put(f"{url}/upload/{number}", data=data.getvalue(), timeout=TIMEOUT_SECONDS).raise_for_status()
    requests.post(f"{url}/commit/{number}", timeout=TIMEOUT_SECONDS).raise_for_status()
    return "saved"


def restore(url: str, key: str) -> bool:
    """Whether there was an entry of this key."""
    answer = requests.get(f"{url}/cache", params={"key": key}, timeout=TIMEOUT_SECONDS)
    if answer.status_code != 200:
        return False
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(filter="data")
    return True


def main() -> int:
    url, key, lock, _, *build = sys.argv[1:]
    if lock:
        subprocess.run(["bash", lock, "acquire"], check=True, stdout=subprocess.DEVNULL)
    hit, saved = restore(url, key), ""
    if not hit:
        subprocess.run(build, check=True)
        saved = save(url, key)
    if lock:
        subprocess.run(["bash", lock, "release"], check=True, stdout=subprocess.DEVNULL)
    print(json.dumps({"hit": hit, "save": saved}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
