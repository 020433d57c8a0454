"""Rules of the form "when all of these, then all of those", and what follows from them: Horn clauses over bit masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Implication:
    """When all of `body` is enabled, so is `head`. `edge` is the declared (feature, value) behind it, if one is."""

    body: int
    head: int
    edge: tuple[str, str] | None


class Implications:
    """The closure of any set is the least fixed point; what follows from each single node is computed beforehand."""

    def __init__(self, rules: Sequence[Implication]) -> None:
        self._joint = [(rule.body, rule.head) for rule in rules if rule.body.bit_count() > 1]
        heads: dict[int, int] = {}
        for rule in rules:
            for bit in bits_of(rule.head):
                heads.setdefault(bit, 0)
            if rule.body.bit_count() == 1:
                heads[rule.body] = heads.get(rule.body, 0) | rule.head
        self._alone = {bit: _reached(bit, heads) for bit in heads}
        always = 0
        for rule in rules:
            always |= 0 if rule.body else rule.head
        self._base = 0
        self._base = self.closure(always)

    def closure(self, nodes: int) -> int:
        """Everything that these nodes enable, themselves included, and what is always enabled."""
        reached = self._base | self._spread(nodes)
        changed = True
        while changed:
            changed = False
            for body, head in self._joint:
                if not body & ~reached and head & ~reached:
                    reached |= self._spread(head)
                    changed = True
        return reached

    def _spread(self, nodes: int) -> int:
        reached = nodes
        while nodes:
            bit = nodes & -nodes
            more = self._alone.get(bit, bit)
            reached |= more
            nodes &= ~more
        return reached


def reachable(rules: Sequence[Implication]) -> dict[int, int]:
    """For each node that is part of a body: all that its rules may enable, whatever else they need."""
    heads: dict[int, int] = {}
    for rule in rules:
        for bit in bits_of(rule.body):
            heads[bit] = heads.get(bit, 0) | rule.head
    return {bit: _reached(heads[bit], heads) for bit in heads}


def bits_of(mask: int) -> Iterator[int]:
    """The bits of a mask, each as a mask, the lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _reached(nodes: int, heads: dict[int, int]) -> int:
    reached = waiting = nodes
    while waiting:
        bit = waiting & -waiting
        new = heads.get(bit, 0) & ~reached
        reached |= new
        waiting = (waiting ^ bit) | new
    return reached
