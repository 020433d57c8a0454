"""Mode `key`."""

from __future__ import annotations

from actionlib.entrypoint import Context, Result
from actionlib.summary import code
from cache_lock.inputs import Settings
from cache_lock.keys import build_key
from cache_lock.paths import Roots


def build(context: Context, settings: Settings) -> Result:
    """Build a key from what a cache must agree on."""
    built = build_key(
        prefix=settings.key,
        labels=settings.labels,
        segments=settings.segments,
        hash_files=settings.hash_files,
        roots=Roots.of(context.environ),
        environ=context.environ,
    )
    context.out.say(f"Key: {built.key}")
    context.summary.heading("Cache key")
    context.summary.facts({"key": code(built.key)} | {name: code(value) for name, value in built.segments})
    facts = {"key": built.key, "restore-keys": built.restore_keys, "segments": built.segments}
    return Result(
        {
            "key": built.key,
            "restore-keys": "\n".join(built.restore_keys),
        },
        facts=facts,
    )
