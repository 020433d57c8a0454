"""Is the sound server there, are our sink and source its defaults, and is what is played also heard?"""

from __future__ import annotations

from collections.abc import Mapping

from headless_env.audio_layout import MICROPHONE, SPEAKER
from headless_env.health import Unhealthy
from headless_env.pulse_client import ask
from headless_env.tone_search import choose_tone, find_tone, missing_tools, player, recorder

PROBE_SECONDS = 2.0


def probe(environ: Mapping[str, str]) -> str:
    """Raise Unhealthy unless the server answers and names our defaults. An answer alone proves nothing:
    PipeWire's server answers without WirePlumber, and links nothing.
    """
    info = ask(environ, timeout_seconds=PROBE_SECONDS)
    for what, wanted, found in (("sink", SPEAKER, info.sink), ("source", MICROPHONE, info.source)):
        if found != wanted:
            raise Unhealthy(f"the default {what} should be {wanted}, found {found or 'none'} ({info.name})")
    return f"{info.name} {info.version}: {info.sink}, {info.source}"


def verify(environ: Mapping[str, str], *, hertz: float | None = None) -> str:
    """Raise Unhealthy unless a tone that is played to the default sink is found again in its monitor."""
    detail = probe(environ)
    if lacking := missing_tools(environ):
        return f"{detail}; no tone played ({lacking} not installed)"
    hertz = hertz or choose_tone()
    (tone,) = find_tone(environ, play=player(), record=[recorder(f"--device={SPEAKER}.monitor")], hertz=hertz)
    return f"{tone.hertz:.0f} Hz tone found, {tone.dbfs:.0f} dB"
