"""Where source asks for a feature, and which features it cannot depend on.

Source: "Conditional compilation" in The Rust Reference, "Environment variables" in The Cargo Book.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from feature_matrix.compile_targets import CompileTarget

# A macro that makes a `cfg` of a name that it is given; a build script that makes up the variables that it asks for.
_MACRO = re.compile(r"\bfeature\s*=\s*\$")
_ANY = re.compile(r'CARGO_CFG_FEATURE|CARGO_FEATURE_["{]')


def is_used(feature: str, source: str) -> bool:
    """Whether the source asks for the feature, or may ask for any."""
    return _ANY.search(source) is not None or is_named(feature, source)


def is_named(feature: str, source: str) -> bool:
    """Whether the source asks for this feature by its name."""
    return next(_places(feature, source), None) is not None


def idle_features(names: Collection[str], source: str, target: CompileTarget) -> frozenset[str]:
    """Those of `names` that no code of a crate can depend on, for `source` (all of it) asks only what is decided here.

    Code that the target leaves out as a whole (a module below `#[cfg(windows)]`) is not told from other code.
    """
    if _ANY.search(source):
        return frozenset()
    decided = list(target.decided_places(source))

    def matters(place: int) -> bool:
        return not any(begin <= place < end for begin, end in decided)

    return frozenset(name for name in names if not any(map(matters, _places(name, source))))


def _places(feature: str, source: str) -> Iterator[int]:
    patterns = [
        rf'\bfeature\s*=\s*r?#*\\?"{re.escape(feature)}\\?"',  # with backslashes where it is written into a file
        rf"CARGO_FEATURE_{re.escape(feature.upper().replace('-', '_'))}\b",
    ]
    if _MACRO.search(source):
        patterns.append(rf'"{re.escape(feature)}"')
    for pattern in patterns:
        yield from (found.start() for found in re.finditer(pattern, source))
