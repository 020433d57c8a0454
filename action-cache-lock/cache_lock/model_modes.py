"""Mode `verify`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from actionlib.entrypoint import Context, Result
from actionlib.errors import ActionError
from actionlib.state import StateRoot, open_state
from actionlib.summary import code, escape_cell, size
from cache_lock import models
from cache_lock.downloads import fetch
from cache_lock.inputs import Settings
from cache_lock.lock_modes import open_locks
from cache_lock.models import Model, Stamps, Verdict
from cache_lock.paths import Roots
from cache_lock.pruning import GIB
from cache_lock.reporting import owner_labels, waiting_line

DEFAULT_LIMIT_GIB = 20.0


def verify(context: Context, settings: Settings) -> Result:
    """Hold every model of the manifest against its digest; fetch what is missing, if asked to."""
    roots = Roots.of(context.environ)
    listed = _read_manifest(settings.manifest, roots)
    folder = _models_folder(settings, roots)
    state = open_state(context.environ)
    stamps = Stamps(state.folder("store", "v1", "stamps"))
    verdicts: list[Verdict] = []
    for model in listed:
        verdict = models.verify(model, folder, stamps)
        if verdict.state in ("missing", "unknown") and settings.fetch and not settings.dry_run:
            verdict = _fetch_once(context, settings, model, folder, stamps)
        verdicts.append(verdict)
        context.out.say(
            f"{model.name}: {verdict.state}" + (f", {size(verdict.bytes)}" if verdict.bytes else "")
        )
    problems = [_problem(verdict, settings) for verdict in verdicts if not _is_good(verdict)]
    _report(context, verdicts)
    for problem in problems:
        context.out.error(problem)
    return Result(exit_code=1 if problems else 0, facts={"models": [_facts(one) for one in verdicts]})


def _read_manifest(manifest: str, roots: Roots) -> list[Model]:
    if "\n" in manifest or ":sha256:" in manifest:
        return models.parse_manifest(manifest, "input 'manifest'")
    path = Path(roots.workspace, os.path.expanduser(manifest))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ActionError(
            f"input 'manifest' is '{manifest}', and {path} cannot be read: {getattr(error, 'strerror', error)}",
            hint="Give a path relative to the workspace, or the lines themselves",
        ) from error
    return models.parse_manifest(text, manifest)


def _models_folder(settings: Settings, roots: Roots) -> Path:
    if len(settings.path) > 1:
        raise ActionError(
            f"input 'path' has {len(settings.path)} lines; mode 'verify' needs the one directory of the models"
        )
    text = settings.path[0] if settings.path else "."
    if text == "~" or text.startswith("~/"):
        text = roots.home + text[1:]
    return Path(os.path.normpath(os.path.join(roots.workspace, text)))


def _fetch_once(context: Context, settings: Settings, model: Model, folder: Path, stamps: Stamps) -> Verdict:
    """One job downloads, the others wait and find it."""
    if not model.url:
        return models.verify(model, folder, stamps)
    limit_gib = DEFAULT_LIMIT_GIB if settings.max_size_gb is None else settings.max_size_gb
    limit = int(limit_gib * GIB)
    state = open_state(context.environ)
    with open_locks(state).acquire(
        f"fetch {folder / model.name}",
        timeout_seconds=settings.timeout_seconds,
        owner=owner_labels(context.environ),
        on_wait=waiting_line(context.out.say, f"the download of {model.name}"),
    ):
        verdict = models.verify(model, folder, stamps)
        if verdict.state not in ("missing", "unknown"):
            return verdict
        context.out.say(f"{model.name}: downloading {model.url}")
        _make_folder((folder / model.name).parent, state)
        fetch(model, folder, stamps, limit_bytes=limit, say=context.out.say)
        verdict = models.verify(model, folder, stamps)
        return replace(verdict, state="fetched") if _is_good(verdict) else verdict


def _make_folder(folder: Path, state: StateRoot) -> None:
    """Below a state root that several users share, a folder for models is shared too; elsewhere `fetch` makes it."""
    if folder.is_relative_to(state.path):
        state.folder(*folder.relative_to(state.path).parts)


def _is_good(verdict: Verdict) -> bool:
    return verdict.state in ("unchanged", "verified", "fetched")


def _problem(verdict: Verdict, settings: Settings) -> str:
    model = verdict.model
    if verdict.state == "missing":
        hint = "Set 'fetch: true' to download it" if model.url else "Put it there, or add a URL to its line"
        return f"model '{model.name}' is missing in {verdict.path.parent}. {hint}"
    if verdict.state == "unknown":
        return (
            f"model '{model.name}' cannot be judged: the manifest has the digest of its archive, and this host "
            "did not unpack it. Set 'fetch: true' to replace it by a verified copy"
        )
    text = f"model '{model.name}' has sha256 {verdict.found}, and the manifest says {model.sha256}"
    if settings.dry_run:
        return text
    return f"{text}. The copy was moved to {models.quarantine(verdict.path)}"


def _report(context: Context, verdicts: list[Verdict]) -> None:
    context.summary.heading("Models")
    context.summary.table(
        ("model", "state", "size"),
        [(code(one.model.name), escape_cell(one.state), size(one.bytes)) for one in verdicts],
    )


def _facts(verdict: Verdict) -> dict[str, object]:
    return {
        "name": verdict.model.name,
        "state": verdict.state,
        "expected": verdict.model.sha256,
        "found": verdict.found,
        "bytes": verdict.bytes,
    }
