"""What a set of features enables, and which declared edges a combination would notice the loss of.

Rules follow Cargo's resolver (cargo/core/resolver/features.rs): `a/b` enables dependency a, its feature b and a
feature named a if there is one; `a?/b` enables b only where a is enabled by something else. All of this is Horn
clauses, so the closure is their least fixed point. Sets are bit masks: bit i is node i.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from feature_matrix.manifests import Crate, Dependency


@dataclass(frozen=True, slots=True)
class Implication:
    """When all of `body` is enabled, so is `head`. `edge` is the declared (feature, value) behind it, if one is."""

    body: int
    head: int
    edge: tuple[str, str] | None


class FeatureGraph:
    """The features of one crate, its dependencies' and how they enable each other.

    `names` are the features that a plan chooses from: bit i of a mask is `names[i]`. `default` and the
    nodes of dependencies (`dep:x`, `x/f`) have higher bits. `idle` is what makes no difference to a build: the
    features that are told to, and absent dependencies.
    """

    def __init__(self, crate: Crate, members: Mapping[str, Crate], *, idle: Collection[str] = ()) -> None:
        self.crate = crate
        self.names = crate.names()
        self._bits: dict[str, int] = {}
        for name in [*self.names, "default"]:
            self._bit(name)
        self.chosen = (1 << len(self.names)) - 1
        self.default = self._bit("default")
        self.rules = tuple(self._rules(members))
        absent = {one.key for one in crate.dependencies if one.absent}
        self.idle = self.mask(idle)
        for name, bit in self._bits.items():
            key = name.removeprefix("dep:").partition("/")[0]
            if key in absent and name != key:
                self.idle |= bit
        self.edges = tuple(rule.edge for rule in self.rules if rule.edge)
        self._edge_rules = tuple((rule.body, rule.head) for rule in self.rules if rule.edge)
        self._other_rules = tuple((rule.body, rule.head) for rule in self.rules if not rule.edge)
        self._joint = tuple(rule for rule in self.rules if rule.body.bit_count() != 1)
        self._alone = self._closures_of_single_nodes()
        self.base = 0
        self.base = self.closure(0)

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
        reached = self.base | self._spread(generators)
        changed = True
        while changed:
            changed = False
            for rule in self._joint:
                if not rule.body & ~reached and rule.head & ~reached:
                    reached |= self._spread(rule.head)
                    changed = True
        return reached

    def identity(self, closure: int) -> int:
        """What makes two combinations the same build: all but the name `default` and what is idle."""
        return closure & ~self.default & ~self.idle

    def noticed(self, generators: int, closure: int) -> int:
        """The declared edges whose loss would change this combination's closure: bit i is `edges[i]`.

        An edge is missed exactly when something that it enables has no other support. Supports that run in a circle
        count as support, so with cyclic features an edge may be lacking; there is never one too many.
        """
        once, twice = generators, 0
        for body, head in self._other_rules:
            if not body & ~closure:
                twice |= once & head
                once |= head
        for body, head in self._edge_rules:
            if not body & ~closure:
                twice |= once & head
                once |= head
        alone = once & ~twice & ~self.idle
        result, bit = 0, 1
        for body, head in self._edge_rules:
            if head & alone and not body & ~closure:
                result |= bit
            bit <<= 1
        return result

    def _closures_of_single_nodes(self) -> dict[int, int]:
        """For each node, as its bit, all that it enables by rules of one condition."""
        heads: dict[int, int] = {}
        for rule in self.rules:
            if rule.body.bit_count() == 1:
                heads[rule.body] = heads.get(rule.body, 0) | rule.head
        closures = {}
        for node in self._bits.values():
            reached, waiting = node, node
            while waiting:
                bit = waiting & -waiting
                new = heads.get(bit, 0) & ~reached
                reached |= new
                waiting = (waiting ^ bit) | new
            closures[node] = reached
        return closures

    def _spread(self, nodes: int) -> int:
        reached = 0
        while nodes:
            bit = nodes & -nodes
            reached |= self._alone[bit]
            nodes &= ~self._alone[bit]
        return reached

    def _bit(self, name: str) -> int:
        return self._bits.setdefault(name, 1 << len(self._bits))

    def _rules(self, members: Mapping[str, Crate]) -> Iterator[Implication]:
        dependencies = {one.key: one for one in self.crate.dependencies}
        for feature, values in self.crate.features.items():
            for value in dict.fromkeys(values):
                yield from self._declared(feature, value, dependencies)
        for name in sorted(self.crate.implicit):
            yield Implication(self._bit(name), self._bit(f"dep:{name}"), None)
        for one in dependencies.values():
            yield from self._of_dependency(one, members)

    def _declared(
        self, feature: str, value: str, dependencies: Mapping[str, Dependency]
    ) -> Iterator[Implication]:
        body, edge = self._bit(feature), (feature, value)
        key, slash, wanted = value.partition("/")
        if not slash:
            yield Implication(body, self._bit(value), edge)
            return
        weak, key = key.endswith("?"), key.removesuffix("?")
        dependency = dependencies.get(key)
        node = self._bit(f"{key}/{wanted}")
        if dependency is None or not dependency.optional:
            yield Implication(body, node, edge)
        elif weak:
            yield Implication(body | self._bit(f"dep:{key}"), node, edge)
        else:
            named = self._bit(key) if key in self.crate.features or key in self.crate.implicit else 0
            yield Implication(body, node | self._bit(f"dep:{key}") | named, edge)

    def _of_dependency(self, one: Dependency, members: Mapping[str, Crate]) -> Iterator[Implication]:
        """What the dependency is asked for, and, where it is a member, what its own features enable in it."""
        body = self._bit(f"dep:{one.key}") if one.optional else 0
        asked = [*one.features, *(("default",) if one.default_features else ())]
        for name in asked:
            yield Implication(body, self._bit(f"{one.key}/{name}"), None)
        member = members.get(one.member)
        for feature, values in (member.features if member else {}).items():
            for value in values:
                yield Implication(self._bit(f"{one.key}/{feature}"), self._bit(f"{one.key}/{value}"), None)
