"""Does what is played into the microphone's feed arrive at the programs that record?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from headless_env.audio_layout import FEED, MICROPHONE, has_alsa_plugin
from headless_env.checks.audio import PROBE_SECONDS
from headless_env.health import Unhealthy
from headless_env.pulse_client import ask
from headless_env.tone_search import alsa_recorder, choose_tone, find_tone, missing_tools, player, recorder


def probe(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless the server answers and our microphone is its default source."""
    info = ask(environ, timeout_seconds=PROBE_SECONDS)
    if info.source != MICROPHONE:
        raise Unhealthy(
            f"the default source should be {MICROPHONE}, found {info.source or 'none'} ({info.name})"
        )
    return info.source


def verify(environ: Mapping[str, str], *, hertz: float | None = None) -> str:
    """Raise Unhealthy unless a tone arrives at parec, and at arecord where ALSA can be led to the server."""
    detail = probe(environ)
    if lacking := missing_tools(environ):
        return f"{detail}; no tone played ({lacking} not installed)"
    hertz = hertz or choose_tone()
    recorders = [recorder()]
    if shutil.which("arecord", path=environ.get("PATH")) and has_alsa_plugin():
        recorders.append(alsa_recorder())
    sink = environ.get("COLDVOX_MICROPHONE_SINK", FEED)
    tones = find_tone(environ, play=player(f"--device={sink}"), record=recorders, hertz=hertz)
    names = " and ".join(argv[0] for argv in recorders)
    return f"{hertz:.0f} Hz tone found by {names}, {min(tone.dbfs for tone in tones):.0f} dB"
