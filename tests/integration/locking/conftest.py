"""A folder of locks, and processes that want them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def spawn() -> Iterator[Callable[..., multiprocessing.Process]]:
    """Start a function in a process of its own, which is gone after the test."""
    started = []
    fork = multiprocessing.get_context("fork")

    def start(target: Callable[..., None], *arguments: object):
        process = fork.Process(target=target, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join(20)
