"""Mistakes in a copy of the sample application: each is found by the plan's rows and shrunk to its exact features."""

from __future__ import annotations

import re

import pytest

from fakes.cargo import needs_cargo

pytestmark = needs_cargo
VAD = "crates/coldvox-vad/src/lib.rs"
TYPING = "crates/coldvox-text-injection"
BOTH_USE_IT = {"coldvox-vad", "coldvox-app"}


@pytest.mark.parametrize(
    ("file", "written", "fault", "crates", "note", "place"),
    [
        pytest.param(
            VAD,
            '#[cfg(feature = "silero")]\npub use detector::Silero;',
            "pub use detector::Silero;",
            BOTH_USE_IT,
            r"fails with no features at all; passes with \{silero\} added",
            VAD,
            id="missing cfg",
        ),
        pytest.param(
            f"{TYPING}/Cargo.toml",
            'wl_clipboard = ["clipboard"]',
            "wl_clipboard = []",
            {"coldvox-text-injection"},
            # Either brings in what it uses.
            r"fails with exactly \{wl_clipboard\}; passes with \{(clipboard|ydotool)\} added",
            f"{TYPING}/src/backend.rs",
            id="lost implication",
        ),
        pytest.param(
            VAD,
            'Level3;\n#[cfg(feature = "silero")]\npub use detector::Silero;',
            'Level3 as Best;\n#[cfg(feature = "silero")]\npub use detector::Silero as Best;',
            BOTH_USE_IT,
            r"fails with exactly \{silero, level3\}; each alone is fine",
            VAD,
            id="clash of two",
        ),
    ],
)
def test_a_mistake_in_the_sample_application_is_found_and_shrunk(
    voice_app, validate, file, written, fault, crates, note, place
):
    text = (voice_app / file).read_text()
    assert written in text
    (voice_app / file).write_text(text.replace(written, fault))
    step = validate(commands="check")
    assert step.exit_code == 1
    failed = [row for row in step.facts["rows"] if row["state"] != "passed"]
    assert {row["crate"] for row in failed} == crates
    assert all(re.fullmatch(note, row["note"]) for row in failed), {row["note"] for row in failed}
    assert {row["error"]["file"] for row in failed} == {place}
