#!/usr/bin/env python3
"""`pkill -f PATTERN` as the source document uses it, kept to one trial: only what has its IMPACT_HOST."""

import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path


def main() -> int:
    pattern = re.compile(sys.argv[2])
    mark = f"IMPACT_HOST={os.environ['IMPACT_HOST']}".encode()
    found = False
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            if marked and int(folder.name) != os.getpid() and pattern.search(command):
                os.kill(int(folder.name), signal.SIGTERM)
                found = True
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
