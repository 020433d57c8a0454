"""CPU time is conserved: whatever comes and goes between two looks, a step is credited with what it used, once."""

from __future__ import annotations

import random

import pytest

from perf_monitor.attribution import OTHER, Attribution
from perf_monitor.job_marks import JobMarks
from perf_monitor.process_scan import ProcessStat

WORKER = 100


class Marks(JobMarks):
    """Steps are told by the pid's hundreds."""

    def step_of(self, pid: int, *, below_anchor: bool) -> str | None:
        return OTHER if pid == WORKER else f"step{pid // 100}" if below_anchor else None


class World:
    """Processes as the kernel counts them: what one has used moves to the parent that reaps it."""

    def __init__(self) -> None:
        self.clock = 10
        self.living: dict[int, list[int]] = {}  # pid: parent, own, reaped, start
        self.begin(WORKER, parent=1)

    def begin(self, pid: int, *, parent: int) -> None:
        self.clock += 1
        self.living[pid] = [parent, 0, 0, self.clock]

    def use(self, pid: int, ticks: int) -> None:
        self.living[pid][1] += ticks

    def end(self, pid: int) -> None:
        """Reaped by its parent; its children become strangers' (1)."""
        parent, own, reaped, _ = self.living.pop(pid)
        if parent in self.living:
            self.living[parent][2] += own + reaped
        for one in self.living.values():
            if one[0] == pid:
                one[0] = 1

    def look(self) -> dict[int, ProcessStat]:
        return {
            pid: ProcessStat(pid, f"p{pid}", parent, own, 0, reaped, 0, start, 10)
            for pid, (parent, own, reaped, start) in self.living.items()
        }


def attribution(world: World) -> Attribution:
    found = Attribution(Marks({}, WORKER), since_ticks=world.clock + 1)
    found.look(world.look(), elapsed_seconds=0)
    return found


def credited(found: Attribution) -> float:
    return sum(one.ticks for one in found.steps.values()) + found.unseen_ticks


def test_children_that_came_and_went_between_two_looks_count_for_their_parents_step():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    found.look(world.look(), elapsed_seconds=1)
    for pid in range(210, 260):
        world.begin(pid, parent=200)
        world.use(pid, 3)
        world.end(pid)
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 150
    assert found.programs["children of p200"].ticks == 150


def test_what_was_seen_of_a_child_is_not_counted_again_when_it_is_reaped():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    world.begin(201, parent=200)
    world.use(201, 40)
    found.look(world.look(), elapsed_seconds=1)
    world.use(201, 5)
    world.end(201)
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 45


def test_generations_that_vanish_together_are_counted_once():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    world.begin(201, parent=200)
    world.begin(202, parent=201)
    world.use(201, 10)
    world.use(202, 20)
    found.look(world.look(), elapsed_seconds=1)
    world.use(202, 7)
    world.end(202)
    world.end(201)
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 37


def test_the_last_interval_of_a_step_comes_through_the_runner():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    world.use(200, 10)
    found.look(world.look(), elapsed_seconds=1)
    world.use(200, 8)
    world.end(200)
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 18
    assert found.unseen_ticks == 0


def test_a_step_that_no_sample_saw_is_a_row_of_its_own():
    world = World()
    found = attribution(world)
    world.begin(300, parent=WORKER)
    world.use(300, 25)
    world.end(300)
    found.look(world.look(), elapsed_seconds=1)
    assert found.unseen_ticks == 25
    assert "step3" not in found.steps


def test_a_pid_that_is_used_again_is_another_process():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    world.use(200, 50)
    found.look(world.look(), elapsed_seconds=1)
    world.end(200)
    world.begin(200, parent=WORKER)
    world.use(200, 5)
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 55
    assert found.steps["step2"].processes == 2


def test_what_was_there_before_the_monitor_counts_from_now_on():
    world = World()
    world.begin(200, parent=WORKER)
    world.use(200, 1000)
    found = attribution(world)
    world.use(200, 3)
    found.look(world.look(), elapsed_seconds=1)
    assert found.steps["step2"].ticks == 3


def test_counters_that_go_back_give_nothing():
    world = World()
    found = attribution(world)
    world.begin(200, parent=WORKER)
    world.use(200, 50)
    found.look(world.look(), elapsed_seconds=1)
    world.living[200][1] = 20
    found.look(world.look(), elapsed_seconds=2)
    assert found.steps["step2"].ticks == 50


@pytest.mark.parametrize("seed", range(300))
def test_nothing_is_lost_and_nothing_is_counted_twice(seed):
    """Processes that end with their children reaped; looks at random moments."""
    source = random.Random(seed)
    world = World()
    found = attribution(world)
    used = 0
    for moment in range(60):
        choice = source.random()
        others = [pid for pid in world.living if pid != WORKER]
        if choice < 0.4 or not others:
            parent = source.choice([WORKER, *others])
            base = source.randint(2, 5) * 100 if parent == WORKER else parent // 100 * 100
            free = [pid for pid in range(base, base + 99) if pid not in world.living and pid != WORKER]
            world.begin(source.choice(free), parent=parent)
        elif choice < 0.7:
            ticks = source.randint(0, 30)
            world.use(source.choice(others), ticks)
            used += ticks
        elif choice < 0.85:
            childless = [pid for pid in others if not any(one[0] == pid for one in world.living.values())]
            world.end(source.choice(childless))
        else:
            found.look(world.look(), elapsed_seconds=moment)
    for pid in sorted(
        world.living, key=lambda pid: -world.living[pid][3]
    ):  # the youngest first: all are reaped
        if pid != WORKER:
            world.end(pid)
    found.look(world.look(), elapsed_seconds=100)
    assert credited(found) == pytest.approx(used)


@pytest.mark.parametrize("seed", range(100))
def test_orphans_never_make_more_than_was_used(seed):
    source = random.Random(seed)
    world = World()
    found = attribution(world)
    used = 0
    for moment in range(60):
        others = [pid for pid in world.living if pid != WORKER]
        choice = source.random()
        if choice < 0.4 or not others:
            parent = source.choice([WORKER, *others])
            base = 200 if parent == WORKER else parent // 100 * 100
            world.begin(
                source.choice([pid for pid in range(base, base + 99) if pid not in world.living]),
                parent=parent,
            )
        elif choice < 0.7:
            ticks = source.randint(0, 30)
            world.use(source.choice(others), ticks)
            used += ticks
        elif choice < 0.85:
            world.end(source.choice(others))
        else:
            found.look(world.look(), elapsed_seconds=moment)
    found.look(world.look(), elapsed_seconds=100)
    assert credited(found) <= used
