"""Combinations that build the same are one row, and no declared edge goes unnoticed because of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from feature_matrix.constraints import Combination
from feature_matrix.feature_graph import FeatureGraph


def merged(
    graph: FeatureGraph, rows: Sequence[Combination], places: Sequence[str] = ()
) -> list[tuple[list[int], list[int]]]:
    """Rows that build the same in the same place, by their numbers: those that stay, and all of them.

    The same build can be asked for by different features, and notices the loss of different edges: `full` alone does,
    and all that `full` enables does not. The one stays that notices most of what no other row notices, and a second one
    only for what would otherwise be noticed by none.
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for number, one in enumerate(rows):
        place = places[number] if places else ""
        groups.setdefault((graph.identity(one.closure), place), []).append(number)
    noticed = [graph.noticed(one.generators, one.closure) for one in rows]
    stay = _choices(list(groups.values()), noticed)
    return list(zip(stay, groups.values(), strict=True))


def _choices(groups: Sequence[Sequence[int]], noticed: Sequence[int]) -> list[list[int]]:
    """From each group one at least, so that all that is noticed still is; the first of a group where it is all one."""
    found = _union(noticed[group[0]] for group in groups if len(group) == 1)
    stay = []
    for group in groups:
        stay.append([max(group, key=lambda one: _merits(noticed[one], found))])
        found |= noticed[stay[-1][0]]
    for kept, group in zip(stay, groups, strict=True):
        for number in group:
            if noticed[number] & ~found:
                kept.append(number)
                found |= noticed[number]
    for kept in stay:
        for number in list(kept):
            others = _union(noticed[one] for some in stay for one in some if one != number)
            if len(kept) > 1 and not noticed[number] & ~others:
                kept.remove(number)
    return stay


def _merits(noticed: int, found: int) -> tuple[int, int]:
    return (noticed & ~found).bit_count(), noticed.bit_count()


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
