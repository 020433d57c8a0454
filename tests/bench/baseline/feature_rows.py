"""The source document's feature matrix: rows by hand, all of them with the default features on (lines 683-756)."""

from __future__ import annotations

# Source document, lines 697-713; the row of line 716 leaves itself out, except when somebody starts it by hand.
ROWS = (
    "", "vosk", "silero", "text-injection", "vosk,silero", "vosk,text-injection", "silero,text-injection",
    "vosk,silero,text-injection", "level3",
)  # fmt: skip
SKIPPED = ("examples",)


def commands(features: str) -> list[list[str]]:
    """What one job of the matrix runs. Source document, lines 743-756."""
    chosen = ["--features", features] if features else []
    return [["cargo", "check", *chosen, "--locked"], ["cargo", "test", *chosen, "--locked", "--lib"]]
