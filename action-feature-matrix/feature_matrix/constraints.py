"""What combinations are allowed, and the least allowed combination that has a wanted property."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feature_matrix.configuration import Rule
from feature_matrix.feature_graph import FeatureGraph
from feature_matrix.implications import bits_of


@dataclass(frozen=True, slots=True)
class Constraints:
    """Rules of one crate, as masks over its features.

    `exclusive`: at most one of each set is enabled. `requires`: with the first, all of the second. `at_least_one`: one
    of each set is enabled. `skip`: never chosen (still enabled where another feature implies it). `skip_sets`: what
    exactly these features build is not built. `groups`: chosen all or none.
    """

    exclusive: tuple[int, ...] = ()
    requires: tuple[tuple[int, int], ...] = ()
    at_least_one: tuple[int, ...] = ()
    skip: int = 0
    skip_sets: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()


def constraints_of(graph: FeatureGraph, rules: Sequence[Rule]) -> Constraints:
    """The rules of a crate's configuration as masks."""

    def sets(kind: str) -> tuple[int, ...]:
        return tuple(graph.mask(rule.features) for rule in rules if rule.kind == kind)

    skip = 0
    for one in sets("skip"):
        skip |= one
    requires = [rule.features for rule in rules if rule.kind == "requires"]
    return Constraints(
        exclusive=sets("exclusive"),
        requires=tuple((graph.mask(names[:1]), graph.mask(names[1:])) for names in requires),
        at_least_one=sets("at-least-one-of"),
        skip=skip,
        skip_sets=sets("skip-set"),
        groups=sets("group"),
    )


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be, by which rules, and what to do about it."""

    why: str
    hint: str


def contradiction(graph: FeatureGraph, rules: Sequence[Rule]) -> Contradiction | None:
    """Why no combination is allowed, or a feature that nobody skips can never be on; None when all is well.

    The rules that it names contradict each other, and without any one of them do not.
    """
    if circle := _circle([rule for rule in rules if rule.kind == "requires"]):
        return Contradiction(
            f"{circle} goes in a circle", "Write 'group' for features that are chosen together"
        )
    skipped = {name for rule in rules if rule.kind == "skip" for name in rule.features}
    features = graph.features_of(graph.everything)
    wanted = [("", 0)] + [(name, graph.mask([name])) for name in features if name not in skipped]
    solver = Solver(graph, constraints_of(graph, rules))
    for name, on in wanted:
        if solver.find(on=on):
            continue
        least = list(rules)
        for rule in rules:
            fewer = [one for one in least if one is not rule]
            least = least if Solver(graph, constraints_of(graph, fewer)).find(on=on) else fewer
        return Contradiction(f"{_never(graph, name)}: {_against(graph, least)}", _hint(name, least))
    return None


def _never(graph: FeatureGraph, feature: str) -> str:
    if feature:
        return f"feature '{feature}' of {graph.crate.name} can never be enabled"
    return f"no combination of {graph.crate.name}'s features is allowed"


def _against(graph: FeatureGraph, rules: Sequence[Rule]) -> str:
    if len(rules) == 1:
        return f"{rules[0]} contradicts {graph.crate.manifest}"
    *others, last = map(str, rules)
    return f"{', '.join(others)} and {last} contradict{' together' if len(others) > 1 else ''}"


def _hint(feature: str, rules: Sequence[Rule]) -> str:
    what = "Drop it" if len(rules) == 1 else "Drop or change one of them"
    return f"{what}, or say `skip: [{feature}]`" if feature else what


def _circle(requires: Sequence[Rule]) -> str:
    """A `requires` whose first feature is required, over others, by itself; empty when there is none."""
    for rule in requires:
        reached = set(rule.features[1:])
        for _ in requires:
            reached |= {name for one in requires if one.features[0] in reached for name in one.features[1:]}
        if rule.features[0] in reached:
            return str(rule)
    return ""


@dataclass(frozen=True, slots=True)
class Combination:
    """Features to pass to cargo, and what they enable."""

    generators: int
    closure: int


class Solver:
    """Finds allowed combinations of one crate.

    Closures only grow with their generators, `exclusive` only forbids more of them, `requires` and `groups` are rules
    like the features' own. So only `at_least_one` and `skip_sets` leave a choice, and trying each is exact.
    """

    def __init__(self, graph: FeatureGraph, constraints: Constraints) -> None:
        self.graph, self.rules = graph, constraints
        self._skipped = {graph.closure(some) & ~graph.default for some in constraints.skip_sets}
        self._memo: dict[int, Combination | None] = {}

    def complete(self, generators: int) -> Combination | None:
        """The generators with what they require; None where that is forbidden. May still lack an `at_least_one`."""
        if generators not in self._memo:
            self._memo[generators] = self._complete(generators)
        return self._memo[generators]

    def allows(self, one: Combination) -> bool:
        """Whether a completed combination breaks no rule."""
        closure = one.closure
        return (
            all(closure & some for some in self.rules.at_least_one)
            and (closure & ~self.graph.default) not in self._skipped
            and all((closure & both).bit_count() <= 1 for both in self.rules.exclusive)
        )

    def find(self, *, on: int = 0, off: int = 0) -> Combination | None:
        """The least allowed combination in which all of `on` and none of `off` is enabled; None if there is none."""
        return next(self._search(on, off, set()), None)

    def _complete(self, generators: int) -> Combination | None:
        rules = self.rules
        while True:
            closure = self.graph.closure(generators)
            wanted = 0
            for feature, others in rules.requires:
                if closure & feature:
                    wanted |= others & ~closure
            for group in rules.groups:
                if closure & group:
                    wanted |= group & ~closure
            if not wanted:
                break
            generators |= wanted
        if generators & rules.skip or any((closure & some).bit_count() > 1 for some in rules.exclusive):
            return None
        return Combination(generators, closure)

    def _search(self, on: int, off: int, tried: set[int]) -> Iterator[Combination]:
        if on in tried:
            return
        tried.add(on)
        found = self.complete(on)
        if found is None or found.closure & off:
            return
        if self.allows(found):
            yield found
            return
        lacking = next((some for some in self.rules.at_least_one if not found.closure & some), None)
        choice = self.graph.everything if lacking is None else lacking
        for bit in bits_of(choice & ~found.closure & ~off):
            yield from self._search(found.generators | bit, off, tried)
