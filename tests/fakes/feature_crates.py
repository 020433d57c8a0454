"""Crates with features, made from a fixed seed; and what Cargo does with features, written down a second time.

The checker shares nothing with the code under test: sets of names instead of bit masks, one pass after another until
nothing changes, and an edge is lost by leaving its line out of the manifest.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

from hypothesis import strategies as st

from feature_matrix.manifests import Crate, Dependency

Manifest = dict[str, tuple[str, ...]]
Pairs = set[tuple[str, bool, str, bool]]


def enabled(
    features: Mapping[str, Iterable[str]], optional: Iterable[str], wanted: Iterable[str]
) -> frozenset[str]:
    """Names of features, `dep:x` and `x/f` that `wanted` enables; `default` is left out. No implicit features."""
    return with_default(features, optional, wanted) - {"default"}


def with_default(
    features: Mapping[str, Iterable[str]], optional: Iterable[str], wanted: Iterable[str]
) -> frozenset[str]:
    """The same with the name `default` where it is enabled."""
    reached = set(wanted)
    optional = set(optional)
    while True:
        more = set()
        for feature in reached & set(features):
            for value in features[feature]:
                name, slash, rest = value.partition("/")
                if not slash:
                    more.add(value)
                elif not name.endswith("?"):
                    more |= {f"{name}/{rest}"} | ({f"dep:{name}"} if name in optional else set())
                    more |= {name} & set(features) if name in optional else set()
                elif f"dep:{name[:-1]}" in reached or name[:-1] not in optional:
                    more.add(f"{name[:-1]}/{rest}")
        if more <= reached:
            return frozenset(reached)
        reached |= more


def subsets(names: Iterable[str]) -> list[frozenset[str]]:
    """All of them."""
    names = sorted(names)
    return [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]


def chosen_names(features: Manifest) -> list[str]:
    """The features, and `default` only where it holds more than features."""
    own = any(value not in features for value in features.get("default", ()))
    return sorted(name for name in features if name != "default" or own)


def pairs_shown(features: Manifest, optional: Iterable[str], rows: Iterable[Iterable[str]]) -> Pairs:
    """All pairs of features, each on or off, that appear in what rows enable; `default` is on where it adds nothing."""
    names, found = chosen_names(features), set()
    for row in rows:
        build = enabled(features, optional, row)
        on = build & set(features)
        for more in (frozenset(), frozenset({"default"} & set(names))):
            if enabled(features, optional, on | more) == build:
                shown = on | more
                found |= {(one, one in shown, other, other in shown) for one, other in combinations(names, 2)}
    return found


def edges_noticed(
    features: Manifest, optional: Iterable[str], rows: Iterable[Iterable[str]]
) -> set[tuple[str, str]]:
    """Declared (feature, value) without which at least one row would enable less."""
    rows = [frozenset(row) for row in rows]
    found = set()
    for feature, values in features.items():
        for value in set(values):
            without = {**features, feature: tuple(one for one in values if one != value)}
            if any(enabled(features, optional, row) != enabled(without, optional, row) for row in rows):
                found.add((feature, value))
    return found


def crate(
    features: Mapping[str, Iterable[str]],
    optional: Iterable[str] = (),
    name: str = "sample",
    *,
    absent: Iterable[str] = (),
    targets: Mapping[str, tuple[str, ...]] | None = None,
) -> Crate:
    """A crate without files; its optional dependencies are made visible by `dep:` or not at all."""
    values = {name: tuple(given) for name, given in features.items()}
    hidden = {value for given in values.values() for value in given}
    return Crate(
        name=name,
        manifest=Path("Cargo.toml"),
        features=values,
        implicit=frozenset(one for one in optional if f"dep:{one}" not in hidden and one not in values),
        dependencies=tuple(
            Dependency(
                key=one, optional=True, member="", features=(), default_features=False, absent=one in absent
            )
            for one in optional
        ),
        rust_version="",
        targets=targets or {},
    )


def synthetic(seed: int, count: int = 0) -> tuple[Manifest, tuple[str, ...]]:
    """Features and optional dependencies of crate number `seed`: chains, diamonds, weak and cross-crate edges."""
    chance = random.Random(f"feature crates {seed}")
    count = count or (4, 7, 10, 14, 18, 22, 26, 32, 38, 44, 52, 60)[seed % 12]
    names = [f"f{number:02}" for number in range(count)]
    optional = tuple(f"d{number}" for number in range(1 + count // 8))
    features: Manifest = {"default": tuple(chance.sample(names, min(3, count)))}
    for number, name in enumerate(names):
        values: list[str] = []
        if number and chance.random() < 0.35:  # chains and diamonds, always downwards: no circle
            values += chance.sample(names[:number], min(number, chance.choice((1, 1, 2, 3))))
        kind = chance.random()
        dependency = chance.choice(optional)
        if kind < 0.15:
            values.append(f"dep:{dependency}")
        elif kind < 0.25:
            values.append(f"{dependency}/speed")
        elif kind < 0.35:
            values.append(f"{dependency}?/quiet")
        features[name] = tuple(values)
    for number, dependency in enumerate(optional):  # each is reachable, and none is an implicit feature
        features[names[number]] = tuple(dict.fromkeys([*features[names[number]], f"dep:{dependency}"]))
    return features, optional


def tangled(seed: int) -> tuple[Manifest, tuple[str, ...]]:
    """The same with circles, features above all and above half of them, and a `default` with an edge of its own."""
    features, optional = synthetic(seed)
    names = [name for name in features if name != "default"]
    chance = random.Random(f"tangled crates {seed}")
    for _ in range(1 + len(names) // 10):
        one, other, third = chance.sample(names, 3)
        features[one] += (other,)
        features[other] += (third,)
        features[third] += (one,)
    features |= {"full": tuple(names), "half": tuple(names[: len(names) // 2])}
    features["default"] += (f"dep:{optional[0]}",)
    return {name: tuple(dict.fromkeys(values)) for name, values in features.items()}, optional


@st.composite
def small_crates(draw: st.DrawFn) -> tuple[Manifest, tuple[str, ...]]:
    """Up to six features: circles, one above all others, defaults with edges of their own, weak and strong edges."""
    names = [f"f{number}" for number in range(draw(st.integers(1, 4)))]
    edges = ["dep:x", "x/fast", "x?/slow", "y/fast"]
    features: Manifest = {}
    for name in names:
        others = st.sampled_from([one for one in [*names, *edges] if one != name])
        features[name] = tuple(draw(st.lists(others, max_size=3, unique=True)))
    if draw(st.booleans()):
        features["full"] = tuple(names)
    if draw(st.booleans()):
        features["default"] = tuple(
            draw(st.lists(st.sampled_from([*names, *edges]), max_size=3, unique=True))
        )
    hidden = any("dep:x" in values for values in features.values())
    return features, ("x",) if hidden else ()


# The features of ColdVox's two largest crates in September 2025, as far as planning knows them.
VOICE_APP: Manifest = {
    "default": ("silero", "vosk", "text-injection"),
    "live-hardware-tests": (),
    "vosk": ("dep:stt-vosk",),
    "whisper": ("stt/whisper",),
    "no-stt": (),
    "examples": (),
    "text-injection": ("dep:injection",),
    "silero": ("vad/silero",),
    "text-injection-atspi": ("text-injection", "injection/atspi"),
    "text-injection-clipboard": ("text-injection", "injection/wl_clipboard"),
    "text-injection-ydotool": ("text-injection", "injection/ydotool"),
    "text-injection-enigo": ("text-injection", "injection/enigo"),
    "text-injection-mki": ("text-injection", "injection/mki"),
    "text-injection-kdotool": ("text-injection", "injection/xdg_kdotool"),
    "text-injection-regex": ("text-injection", "dep:regex"),
}
TEXT_INJECTION: Manifest = {
    "default": (),
    "atspi": ("dep:atspi-client",),
    "wl_clipboard": ("dep:wl-clipboard-rs",),
    "enigo": ("dep:enigo-keys",),
    "kdotool": (),
    "ydotool": (),
    "regex": ("dep:regex-lib",),
    "all-backends": ("atspi", "wl_clipboard", "enigo", "kdotool"),
    "linux-desktop": ("atspi", "wl_clipboard", "kdotool"),
    "live-hardware-tests": (),
    "real-injection-tests": (),
    "xdg_kdotool": ("kdotool",),
}
COLDVOX: dict[str, tuple[Manifest, tuple[str, ...]]] = {
    "voice app, 14 features": (VOICE_APP, ("stt-vosk", "injection", "regex")),
    "text injection, 11 features": (
        TEXT_INJECTION,
        ("atspi-client", "wl-clipboard-rs", "enigo-keys", "regex-lib"),
    ),
}
