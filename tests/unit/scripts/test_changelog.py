"""The text of a release."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
spec = importlib.util.spec_from_file_location("changelog", ROOT / "scripts/changelog.py")
assert spec
assert spec.loader
changelog = importlib.util.module_from_spec(spec)
spec.loader.exec_module(changelog)

TEXT = """# Changelog

Words.

## Unreleased

## 1.2.0 (2026-12-01)

### Added

- This.

## [1.1.0]

- That.
"""


def test_a_version_has_its_own_part_and_no_more():
    assert changelog.section(TEXT, "1.2.0") == "### Added\n\n- This.\n"
    assert changelog.section(TEXT, "1.1.0") == "- That.\n"


@pytest.mark.parametrize("version", ["1.2", "2.0.0", "Unreleased"])
def test_a_version_that_has_nothing_to_say_is_not_released(version):
    with pytest.raises(ValueError, match=version):
        changelog.section(TEXT, version)
