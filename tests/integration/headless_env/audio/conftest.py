"""A sound server of each kind, in a world of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headless_env.world import World
from integration.headless_env.audio.audio_house import SERVERS, audio_world


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str) -> Iterator[World]:
    with audio_world(kind) as found:
        yield found
