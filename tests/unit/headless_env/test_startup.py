"""Starting components side by side."""

from __future__ import annotations

import os

import pytest

from headless_env.startup import Exit, Readable, StartFailed, Task, run_tasks
from headless_env.world import World


@pytest.fixture
def world(tmp_path):
    world = World("he-test", tmp_path, tmp_path, {"PATH": os.environ["PATH"]})
    yield world
    for component in world.components.values():
        component.popen.kill()
        component.popen.wait()
        component.close()


def test_tasks_advance_while_others_wait(world):
    order = []
    reader, writer = os.pipe()

    def slow():
        order.append("slow begins")
        yield Readable(reader)
        order.append("slow ends")

    def quick():
        order.append("quick begins")
        yield 0.0
        os.write(writer, b"1")
        order.append("quick ends")

    run_tasks([Task("slow", slow()), Task("quick", quick())], timeout_seconds=10)
    assert order == ["slow begins", "quick begins", "quick ends", "slow ends"]


def test_a_task_that_needs_another_waits_for_its_end():
    order = []

    def first():
        yield 0.01
        order.append("first")

    def second(after):
        yield after
        order.append("second")

    task = Task("first", first())
    run_tasks([Task("second", second(task)), task], timeout_seconds=10)
    assert order == ["first", "second"]


def test_a_component_that_dies_instead_of_answering_fails_with_the_end_of_its_log(world):
    reader, _writer = os.pipe()

    def start():
        server = world.spawn("server", ["sh", "-c", "echo no room for a screen >&2; exit 3"])
        yield Readable(reader, server)

    with pytest.raises(StartFailed, match=r"(?s)server \(sh\) exited with code 3.*no room for a screen"):
        run_tasks([Task("server", start())], timeout_seconds=10)


def test_an_answer_counts_even_if_its_sender_has_ended_since(world):
    reader, writer = os.pipe()

    def start():
        tool = world.spawn("tool", ["bash", "-c", f"echo fine >&{writer}"], pass_fds=(writer,))
        yield Exit(tool)
        yield Readable(reader, tool)
        assert os.read(reader, 10) == b"fine\n"

    run_tasks([Task("tool", start())], timeout_seconds=10)


def test_what_does_not_answer_in_time_is_named():
    reader, _writer = os.pipe()

    def never():
        yield Readable(reader)

    def soon():
        yield 0.0

    with pytest.raises(StartFailed, match=r"startup-timeout-seconds \(0\.05 s\): deaf$"):
        run_tasks([Task("deaf", never()), Task("fine", soon())], timeout_seconds=0.05)


def test_generators_are_closed_when_another_fails():
    closed = []
    reader, _writer = os.pipe()

    def waits():
        try:
            yield Readable(reader)
        finally:
            closed.append(True)

    def fails():
        yield 0.0
        raise StartFailed("no")

    with pytest.raises(StartFailed, match="no"):
        run_tasks([Task("waits", waits()), Task("fails", fails())], timeout_seconds=10)
    assert closed == [True]


def test_a_missing_program_is_named(world):
    def start():
        world.spawn("server", ["no-such-server"])
        yield 0.0

    with pytest.raises(StartFailed, match="server: no-such-server cannot be started: No such file"):
        run_tasks([Task("server", start())], timeout_seconds=10)
