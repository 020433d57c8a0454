"""What the starts of both sound servers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headless_env.audio_layout import MICROPHONE, SPEAKER
from headless_env.pulse_client import Question, ServerInfo, read_cookie
from headless_env.startup import Exit, Readable, StartFailed, Steps
from headless_env.world import Component, World

RETRY_SECONDS = 0.002  # nothing announces that a server listens now, so connect() is tried until it does


def end_earlier(world: World, names: Sequence[str]) -> Steps:
    """Before a restart: end what an earlier start left running, however unwell it is."""
    for name in names:
        component = world.components.pop(name, None)
        if component is None:
            continue
        if component.pidfd >= 0 and component.is_running():
            component.popen.kill()
            yield Exit(component)
        component.popen.poll()
        component.close()


def await_defaults(variables: Mapping[str, str], components: Sequence[Component]) -> Steps:
    """Ask until the defaults are ours; raises StartFailed when one of `components` ends. The first is the server."""
    path, cookie = variables["PULSE_SERVER"].removeprefix("unix:"), read_cookie(variables)
    while True:
        for component in components:
            if not component.is_running():
                raise StartFailed(component.obituary())
        try:
            question = Question(path, cookie)
        except (FileNotFoundError, ConnectionError):
            yield RETRY_SECONDS
            continue
        try:
            info: ServerInfo | None = None
            while info is None:
                yield Readable(question.socket.fileno(), components[0])
                info = question.read()
        except ConnectionError:
            info = None
        finally:
            question.close()
        if info and (info.sink, info.source) == (SPEAKER, MICROPHONE):
            return
        yield RETRY_SECONDS
