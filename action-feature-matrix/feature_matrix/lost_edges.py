"""Which declared edges a combination would notice the loss of."""

from __future__ import annotations

from collections.abc import Sequence

from feature_matrix.implications import Implication, Implications, bits_of, reachable


class LostEdges:
    """The edges among some rules. `unseen` are nodes that make no difference to a build themselves.

    An edge is missed when something that it enables has no other support. Where a support may run in a circle, or where
    what is enabled is unseen and matters only for what it enables in turn, the closure without the edge decides.
    """

    def __init__(self, rules: Sequence[Implication], unseen: int) -> None:
        self._rules, self._unseen = rules, unseen
        self._supports = [(rule.body, rule.head) for rule in rules]
        self._edges = [index for index, rule in enumerate(rules) if rule.edge]
        after = reachable(rules)
        self._circles = sum(bit for bit, reached in after.items() if bit & reached)
        # What of a rule's head can enable the rule's body.
        circular = [
            sum(bit for bit in bits_of(rule.head & self._circles) if after[bit] & rule.body) for rule in rules
        ]
        straight = [
            (rule.body, rule.head & self._circles & ~back) for rule, back in zip(rules, circular, strict=True)
        ]
        self._straight = [one for one in straight if one[1]]
        self._tests = [(rules[index].body, rules[index].head, circular[index]) for index in self._edges]
        self._without: dict[int, Implications] = {}

    def noticed(self, generators: int, closure: int) -> int:
        """Bit i is the i-th edge."""
        once, twice = generators, 0
        for body, head in self._supports:
            if not body & ~closure:
                twice |= once & head
                once |= head
        # Nodes in circles: those that have a support, or two, that they cannot be the reason for.
        firm, firmer = generators & self._circles, 0
        for body, head in self._straight:
            if not body & ~closure:
                firmer |= firm & head
                firm |= head
        alone = once & ~twice
        missed, doubtful = alone & ~self._unseen, alone & self._unseen | self._circles & ~firmer
        result = 0
        for number, (body, head, circular) in enumerate(self._tests):
            if body & ~closure:
                continue
            decide = head & doubtful & ~(circular & firm)
            if head & missed or (decide and self._is_missed(number, generators, closure)):
                result |= 1 << number
        return result

    def rivals(self, number: int, closure: int) -> set[int]:
        """For each thing that this edge enables: what must be off for nothing beside the closure to enable it too."""
        edge = self._edges[number]
        found = set()
        for bit in bits_of(self._rules[edge].head):
            off = 0
            for index, rule in enumerate(self._rules):
                if index != edge and rule.head & bit:
                    lacking = rule.body & ~closure
                    off |= lacking & -lacking
            found.add(off)
        return found - {0}

    def _is_missed(self, number: int, generators: int, closure: int) -> bool:
        if number not in self._without:
            edge = self._edges[number]
            self._without[number] = Implications([*self._rules[:edge], *self._rules[edge + 1 :]])
        lost = closure & ~self._without[number].closure(generators)
        return bool(lost & ~self._unseen)
