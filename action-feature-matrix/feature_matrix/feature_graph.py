"""What a set of features enables, and which declared edges a combination would notice the loss of.

Rules follow Cargo's resolver (cargo/core/resolver/features.rs): `a/b` enables dependency a, its feature b and a
feature named a if there is one; `a?/b` enables b only where a is enabled by something else. All of this is Horn
clauses, so the closure is their least fixed point. Sets are bit masks: bit i is node i.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from feature_matrix.manifests import Crate, Dependency


@dataclass(frozen=True, slots=True)
class Rule:
    """When all of `body` is enabled, so is `head`. `edge` is the declared (feature, value) behind it, if one is."""

    body: int
    head: int
    edge: tuple[str, str] | None


class FeatureGraph:
    """The features of one crate, its dependencies' and how they enable each other.

    `names` are the features that a plan chooses from: bit i of a mask is `names[i]`. `default` and the
    nodes of dependencies (`dep:x`, `x/f`) have higher bits.
    """

    def __init__(self, crate: Crate, members: Mapping[str, Crate]) -> None:
        self.crate = crate
        self.names = crate.names()
        self._bits: dict[str, int] = {}
        for name in [*self.names, "default"]:
            self._bit(name)
        self.chosen = (1 << len(self.names)) - 1
        self.default = self._bit("default")
        self.rules = tuple(self._rules(members))
        self.base = 0
        self.base = self.closure(0)
        self.edges = tuple(dict.fromkeys(rule.edge for rule in self.rules if rule.edge))

    def mask(self, names: Iterable[str]) -> int:
        """Features as a mask. Raises KeyError for a name that is none."""
        result = 0
        for name in names:
            if name != "default" and name not in self.names:
                raise KeyError(name)
            result |= self._bits[name]
        return result

    def features_of(self, mask: int) -> tuple[str, ...]:
        """The features in a mask, in the manifest's order; `default` first, nodes of dependencies left out."""
        head = ("default",) if mask & self.default else ()
        return head + tuple(name for index, name in enumerate(self.names) if mask >> index & 1)

    def closure(self, generators: int) -> int:
        """Everything that these features enable, themselves included, and what is always enabled."""
        reached = generators | self.base
        waiting: list[Rule] = list(self.rules)
        while True:
            later = []
            before = reached
            for rule in waiting:
                if rule.body & ~reached:
                    later.append(rule)
                else:
                    reached |= rule.head
            if reached == before:
                return reached
            waiting = later

    def identity(self, closure: int) -> int:
        """What makes two combinations the same build: all but the name `default`."""
        return closure & ~self.default

    def noticed(self, generators: int) -> set[tuple[str, str]]:
        """The declared edges whose loss would change this combination's closure.

        An edge is missed exactly when something that it enables has no other support. Supports that run in a circle
        count as support, so with cyclic features the set may lack an edge; it never holds a wrong one.
        """
        closure = self.closure(generators)
        once, twice = generators, 0
        fired: dict[tuple[str, str] | None, int] = {}
        for rule in self.rules:
            if rule.body & ~closure:
                continue
            head = rule.head
            if rule.edge:  # what one declared edge enables by several rules is one support
                head &= ~fired.get(rule.edge, 0)
                fired[rule.edge] = fired.get(rule.edge, 0) | head
            twice |= once & head
            once |= head
        alone = once & ~twice
        return {edge for edge, head in fired.items() if edge and head & alone}

    def _bit(self, name: str) -> int:
        return self._bits.setdefault(name, 1 << len(self._bits))

    def _rules(self, members: Mapping[str, Crate]) -> Iterator[Rule]:
        dependencies = {one.key: one for one in self.crate.dependencies}
        for feature, values in self.crate.features.items():
            for value in values:
                yield from self._declared(feature, value, dependencies)
        for name in sorted(self.crate.implicit):
            yield Rule(self._bit(name), self._bit(f"dep:{name}"), None)
        for one in dependencies.values():
            yield from self._of_dependency(one, members)

    def _declared(self, feature: str, value: str, dependencies: Mapping[str, Dependency]) -> Iterator[Rule]:
        body, edge = self._bit(feature), (feature, value)
        key, slash, wanted = value.partition("/")
        if not slash:
            yield Rule(body, self._bit(value), edge)
            return
        weak, key = key.endswith("?"), key.removesuffix("?")
        dependency = dependencies.get(key)
        node = self._bit(f"{key}/{wanted}")
        if dependency is None or not dependency.optional:
            yield Rule(body, node, edge)
        elif weak:
            yield Rule(body | self._bit(f"dep:{key}"), node, edge)
        else:
            named = self._bit(key) if key in self.crate.features or key in self.crate.implicit else 0
            yield Rule(body, node | self._bit(f"dep:{key}") | named, edge)

    def _of_dependency(self, one: Dependency, members: Mapping[str, Crate]) -> Iterator[Rule]:
        """What the dependency is asked for, and, where it is a member, what its own features enable in it."""
        body = self._bit(f"dep:{one.key}") if one.optional else 0
        asked = [*one.features, *(("default",) if one.default_features else ())]
        for name in asked:
            yield Rule(body, self._bit(f"{one.key}/{name}"), None)
        member = members.get(one.member)
        for feature, values in (member.features if member else {}).items():
            for value in values:
                yield Rule(self._bit(f"{one.key}/{feature}"), self._bit(f"{one.key}/{value}"), None)
