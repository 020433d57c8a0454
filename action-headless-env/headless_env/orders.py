"""What a step hands to the supervisor that it forks, and what it may tell it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actionlib.jobs import Job
from headless_env.environments import Record
from headless_env.inputs import Settings

KEEP, PLAY = b"k", b"p"  # the environment outlives its step; the microphone's WAV may begin


@dataclass(frozen=True, slots=True)
class Chosen:
    """What `auto` came to on this host."""

    window_manager: str  # openbox, fluxbox or none
    audio: str  # pulseaudio, pipewire or none


@dataclass(frozen=True, slots=True)
class Order:
    """What a supervisor is to set up."""

    settings: Settings
    chosen: Chosen
    record: Record
    folder: Path
    base: Mapping[str, str]  # the environment of the components
    job: Job
