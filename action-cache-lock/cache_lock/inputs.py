"""The action's inputs as one checked value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actionlib.errors import ActionError
from actionlib.inputs import Inputs

MODES = ("key", "restore", "save", "populate", "acquire", "release", "verify", "status", "prune")
MATERIALIZE = ("auto", "reflink", "copy", "hardlink", "symlink")
KEY_LIMIT = 512  # characters, as in actions/cache (packages/cache/src/cache.ts: checkKey)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run of the action was asked for. Field names are the inputs' names."""

    mode: str
    key: str
    restore_keys: tuple[str, ...]
    path: tuple[str, ...]
    run: str
    lock_name: str
    slots: int
    priority: int
    lock_token: str
    timeout_seconds: float
    max_hold_seconds: float
    on_wait_timeout: str
    labels: tuple[str, ...]
    segments: tuple[str, ...]
    hash_files: tuple[str, ...]
    manifest: str
    fetch: bool
    read_only: bool
    materialize: str
    lookup_only: bool
    fail_on_cache_miss: bool
    max_size_gb: float | None
    max_age_days: float | None
    share: str
    clean: bool
    source_mtimes: bool
    verify_content: bool
    dry_run: bool


def parse(inputs: Inputs) -> Settings:
    """Check every input. Raises ActionError before anything is done."""
    settings = Settings(
        mode=inputs.choice("mode", MODES),
        key=_key(inputs.text("key"), "key"),
        restore_keys=tuple(_key(line, "restore-keys") for line in inputs.lines("restore-keys")),
        path=inputs.lines("path"),
        run=inputs.script("run"),
        lock_name=_lock_name(inputs.text("lock-name")),
        slots=inputs.integer("slots", minimum=1, maximum=500),
        priority=inputs.integer("priority", minimum=-100, maximum=100),
        lock_token=inputs.text("lock-token"),
        timeout_seconds=inputs.number("timeout-seconds", minimum=0, maximum=86_400),
        max_hold_seconds=inputs.number("max-hold-seconds", minimum=1, maximum=604_800),
        on_wait_timeout=inputs.choice("on-wait-timeout", ("run", "fail")),
        labels=_words(inputs.text("labels")),
        segments=_words(inputs.text("segments")),
        hash_files=inputs.lines("hash-files"),
        manifest=inputs.text("manifest"),
        fetch=inputs.boolean("fetch"),
        read_only=inputs.boolean("read-only"),
        materialize=inputs.choice("materialize", MATERIALIZE),
        lookup_only=inputs.boolean("lookup-only"),
        fail_on_cache_miss=inputs.boolean("fail-on-cache-miss"),
        max_size_gb=inputs.optional_number("max-size-gb", minimum=0, maximum=1_000_000),
        max_age_days=inputs.optional_number("max-age-days", minimum=0, maximum=36_500),
        share=inputs.choice("share", ("repository", "host")),
        clean=inputs.boolean("clean"),
        source_mtimes=inputs.boolean("source-mtimes"),
        verify_content=inputs.boolean("verify-content"),
        dry_run=inputs.boolean("dry-run"),
    )
    _check_combination(settings)
    return settings


def _key(text: str, name: str) -> str:
    if len(text) > KEY_LIMIT:
        raise ActionError(
            f"input '{name}' has {len(text)} characters ('{text[:40]}…'); allowed: up to {KEY_LIMIT}"
        )
    if "," in text or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise ActionError(f"input '{name}' is {text!r}; allowed: no comma, no newline, no control character")
    return text


def _lock_name(text: str) -> str:
    if len(text) > KEY_LIMIT or any(ord(character) < 32 for character in text):
        raise ActionError(
            f"input 'lock-name' is {text[:60]!r}; allowed: up to {KEY_LIMIT} characters of one line"
        )
    return text


def _words(text: str) -> tuple[str, ...]:
    """Words separated by commas, spaces or newlines; a JSON list (`toJSON(…)`) reads the same."""
    return tuple(word for word in re.split(r"[\s,\[\]\"']+", text) if word)


def _check_combination(settings: Settings) -> None:
    needs = {
        "restore": ("key", "path"),
        "save": ("key", "path"),
        "populate": ("key", "path", "run"),
        "acquire": ("lock_name",),
        "verify": ("manifest",),
    }
    for field in needs.get(settings.mode, ()):
        if not getattr(settings, field):
            name = field.replace("_", "-")
            raise ActionError(
                f"input '{name}' is empty, and mode '{settings.mode}' needs it", hint=f"Set '{name}:'"
            )
    if settings.mode == "release" and not (settings.lock_name or settings.lock_token):
        raise ActionError(
            "mode 'release' needs the input 'lock-name' or 'lock-token'", hint="Set one of them"
        )
    if settings.run and settings.mode not in ("populate", "acquire"):
        raise ActionError(f"input 'run' is set, and mode '{settings.mode}' runs nothing", hint="Remove it")
    switches = {
        "lookup_only": ("restore",),
        "fail_on_cache_miss": ("restore",),
        "fetch": ("verify",),
        "dry_run": ("save", "prune", "verify"),
    }
    for field, modes in switches.items():
        if getattr(settings, field) and settings.mode not in modes:
            raise ActionError(
                f"input '{field.replace('_', '-')}' is 'true', and mode '{settings.mode}' does not know it; "
                f"allowed with: {', '.join(modes)}"
            )
    if (
        settings.materialize in ("hardlink", "symlink")
        and settings.mode == "populate"
        and not settings.read_only
    ):
        raise ActionError(
            f"input 'materialize' is '{settings.materialize}' without 'read-only: true': the entry that this step "
            "saves could not be restored that way",
            hint="Set 'read-only: true', or use 'materialize: auto'",
        )
    if settings.materialize in ("hardlink", "symlink") and settings.mode == "save":
        raise ActionError(
            f"input 'materialize' is '{settings.materialize}'; mode 'save' always stores copies",
            hint="Set 'materialize' on the restoring step",
        )
