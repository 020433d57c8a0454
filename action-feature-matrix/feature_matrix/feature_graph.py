"""The features of a crate: what a set of them enables, and which declared edges it would notice the loss of.

Rules follow Cargo's resolver (cargo/core/resolver/features.rs): `a/b` enables dependency a, its feature b and a
feature named a if there is one; `a?/b` enables b only where a is enabled by something else. All of this is Horn
clauses, so the closure is their least fixed point. Sets are bit masks: bit i is node i.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from feature_matrix.implications import Implication, Implications
from feature_matrix.lost_edges import LostEdges
from feature_matrix.manifests import Crate, Dependency


class FeatureGraph:
    """The features of one crate, its dependencies' and how they enable each other.

    `names` are the features that a plan chooses from: bit i of a mask is `names[i]`. `default` is the last of them
    where it holds `dep:x` or `x/f` itself and so makes a difference of its own; where it does not, the bit is the same.
    Nodes of dependencies (`dep:x`, `x/f`) have higher bits. `everything` is what `--all-features` passes. `asked` are
    the `x/f` that targets require, as what one passes to cargo. `idle` is what makes no difference to a build: the
    features that are told to, absent dependencies, and `asked`, for which what they enable stands.

    `distinct_default`: code asks for the feature `default` by its name.
    """

    def __init__(
        self,
        crate: Crate,
        members: Mapping[str, Crate],
        *,
        idle: Collection[str] = (),
        distinct_default: bool = False,
    ) -> None:
        self.crate = crate
        self.names = crate.names()
        self._bits: dict[str, int] = {}
        for name in [*self.names, "default"]:
            self._bit(name)
        features = self.chosen = (1 << len(self.names)) - 1
        self.default = self._bit("default")
        self.everything = features | (self.default if "default" in crate.features else 0)
        self._asked: dict[str, int] = {}
        self.rules = tuple(self._rules(members))
        self.asked = sum(self._asked.values())
        self.idle = self.mask(idle) | self._absent() | self.asked
        self._nameless = 0 if distinct_default else self.default
        if (distinct_default and "default" in crate.features) or any(
            rule.body & self.default and rule.head & ~features & ~self.idle for rule in self.rules
        ):
            self.names.append("default")
            self.chosen = self.everything
        self.edges = tuple(rule.edge for rule in self.rules if rule.edge)
        self._implications = Implications(self.rules)
        self._lost_edges = LostEdges(self.rules, self.idle | self._nameless)

    def mask(self, names: Iterable[str]) -> int:
        """Features as a mask. Raises KeyError for a name that is none."""
        result = 0
        for name in names:
            if not self.has(name):
                raise KeyError(name)
            result |= self._asked.get(name, 0) or self._bits[name]
        return result

    def has(self, name: str) -> bool:
        """Whether cargo can be passed this name: a feature's, or an `x/f` that a target requires."""
        return name == "default" or name in self.names or name in self._asked

    def features_of(self, mask: int) -> tuple[str, ...]:
        """The features in a mask, in the manifest's order; `default` first, what targets ask of dependencies last."""
        head = ("default",) if mask & self.default else ()
        rest = (name for index, name in enumerate(self.names) if mask >> index & 1 and name != "default")
        return (*head, *rest, *(name for name, bit in self._asked.items() if mask & bit))

    def closure(self, generators: int) -> int:
        """Everything that these features enable, themselves included, and what is always enabled."""
        return self._implications.closure(generators)

    def identity(self, closure: int) -> int:
        """What makes two combinations the same build: all but what is idle, and `default` where no code asks for it."""
        return closure & ~self._nameless & ~self.idle

    def noticed(self, generators: int, closure: int) -> int:
        """The declared edges whose loss would make this combination another build: bit i is `edges[i]`."""
        return self._lost_edges.noticed(generators, closure)

    def rivals(self, number: int, generators: int) -> set[int]:
        """For each thing that edge `number` enables: what must be off for nothing else to enable it too."""
        return self._lost_edges.rivals(number, self.closure(generators))

    def _absent(self) -> int:
        """The nodes of dependencies that are not built."""
        absent = {one.key for one in self.crate.dependencies if one.absent}
        found = 0
        for name, bit in self._bits.items():
            key = name.removeprefix("dep:").partition("/")[0]
            found |= bit if key in absent and name != key else 0
        return found

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
        for value in (value for required in self.crate.targets.values() for value in required):
            if value not in self._asked and value.partition("/")[0] in dependencies and "/" in value:
                self._asked[value] = self._bit(f"--features {value}")
                for rule in self._declared(f"--features {value}", value, dependencies):
                    yield Implication(rule.body, rule.head, None)

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
