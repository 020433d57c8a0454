"""The process that a supervisor is the child of.

The keeper forks the supervisor and waits for it. Each outlives the other's SIGKILL by just so long as cleaning up
takes: the supervisor is told of the keeper's death by a signal, the keeper adopts all that the supervisor leaves.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from types import FrameType

from actionlib.process_tree import become_subreaper, end_children, set_parent_death_signal
from actionlib.processes import Process
from headless_env.environments import remove_traces
from headless_env.orders import Order
from headless_env.supervisor import Stop, Supervisor, say


def keep(order: Order, channel: socket.socket) -> int:
    """The keeper's life: returns its exit code when the environment and all its traces are gone."""
    become_subreaper()
    me = Process.of(os.getpid())
    child = os.fork()
    if child == 0:
        _supervise(order, channel, me)
    channel.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # until it is reaped, its pid stays its own
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # from here on nothing but SIGKILL keeps us from cleaning up
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return 0
    say(f"the supervisor (pid {child}) ended with {code}: cleaning up after it")
    end_children(grace_seconds=0.2)
    remove_traces(order.folder, supervisor_pid=child)
    return 1


def _supervise(order: Order, channel: socket.socket, keeper: Process) -> None:
    """The supervisor's life, in the keeper's child; does not return."""
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stop)
        set_parent_death_signal(signal.SIGTERM)
        become_subreaper()
        if os.getppid() == keeper.pid:
            Supervisor(order, channel, keeper).run()
            code = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stop
