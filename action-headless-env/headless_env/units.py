"""What an environment is made of, and what has to be started again when a part of it has failed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from headless_env.inputs import Settings
from headless_env.orders import Chosen
from headless_env.startup import Steps, Task
from headless_env.world import World


@dataclass(frozen=True, slots=True)
class Unit:
    """Processes that start and fail together. `needs` names units that must answer first."""

    name: str
    needs: tuple[str, ...]
    start: Callable[[World, Mapping[str, Task]], Steps]


def plan_units(settings: Settings, chosen: Chosen) -> list[Unit]:
    """The units of an environment; whatever one needs comes before it."""
    display: tuple[str, ...] = ("x11",) if settings.has_x11 else ()
    sound_needs = ("session-bus",) if chosen.audio == "pipewire" else ()
    planned = [
        (settings.has_x11, Unit("x11", (), partial(_start_x11, settings))),
        (True, Unit("session-bus", (), _start_session_bus)),
        (chosen.audio != "none", Unit("audio", sound_needs, partial(_start_audio, chosen.audio))),
        (settings.has_wayland, Unit("wayland", (), partial(_start_wayland, settings))),
        (
            settings.has_x11 and chosen.window_manager != "none",
            Unit("window-manager", display, partial(_start_window_manager, chosen.window_manager)),
        ),
        (settings.at_spi, Unit("at-spi", ("session-bus", *display), _start_accessibility)),
        (settings.record, Unit("recorder", display, partial(_start_recorder, settings))),
    ]
    return [unit for is_wanted, unit in planned if is_wanted]


# Each component's module is imported when its turn comes: the X server is under way before the others are read.


def _start_x11(settings: Settings, world: World, _tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import x_server

    return x_server.start(world, screen=settings.screen, dpi=settings.dpi, server_args=settings.server_args)


def _start_session_bus(world: World, _tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import session_bus

    return session_bus.start(world)


def _start_audio(server: str, world: World, tasks: Mapping[str, Task]) -> Steps:
    if server == "pulseaudio":
        from headless_env.components import pulseaudio

        return pulseaudio.start(world)
    from headless_env.components import pipewire

    return pipewire.start(world, bus=tasks["session-bus"])


def _start_wayland(settings: Settings, world: World, _tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import wayland

    return wayland.start(world, screen=settings.screen)


def _start_window_manager(program: str, world: World, tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import window_manager

    return window_manager.start(world, program=program, after=tasks["x11"])


def _start_accessibility(world: World, tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import accessibility

    return accessibility.start(world, bus=tasks["session-bus"], display=tasks.get("x11"))


def _start_recorder(settings: Settings, world: World, tasks: Mapping[str, Task]) -> Steps:
    from headless_env.components import recorder

    return recorder.start(world, screen=settings.screen, after=tasks["x11"])


def _lazily(unit: Unit, world: World, tasks: Mapping[str, Task]) -> Steps:
    """The unit's steps; not even its module is read before the first of them."""
    yield from unit.start(world, tasks)


def start_tasks(units: list[Unit], world: World) -> list[Task]:
    """Tasks that start `units`; what they need and is not among them runs already."""
    tasks: dict[str, Task] = {}
    for unit in units:
        for name in unit.needs:
            tasks.setdefault(name, running(name))
        own = dataclasses.replace(world, unit=unit.name)  # shares the dictionaries
        tasks[unit.name] = Task(unit.name, _lazily(unit, own, tasks))
    return [tasks[unit.name] for unit in units]


def running(name: str) -> Task:
    """Stands for a unit that has been started before."""
    return Task(name, _nothing(), done=True)


def _nothing() -> Steps:
    yield from ()


def affected_by(failed: str, units: list[Unit]) -> list[Unit]:
    """The failed unit and all that need it, in the order in which they start."""
    names = {failed}
    for unit in units:
        if names.intersection(unit.needs):
            names.add(unit.name)
    return [unit for unit in units if unit.name in names]
