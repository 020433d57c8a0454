"""Rows as jobs: one each, or several in one where there would be too many jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actionlib.errors import ActionError
from feature_matrix.planning import Row
from feature_matrix.timings import Timings

DESCRIBED = 4  # rows of one entry


@dataclass(frozen=True, slots=True)
class Shard:
    """One job of the matrix. All of its rows want the same toolchain and platform."""

    name: str
    number: int
    rows: tuple[Row, ...]


def into_shards(rows: Sequence[Row], *, most: int, times: Timings) -> tuple[Shard, ...]:
    """At most `most` jobs, as equal in time as can be, in which rows that share built dependencies stay together.

    Rows of one toolchain and platform are ordered by crate and by what they enable in dependencies, and cut where the
    longest part is shortest. Jobs are numbered in that order: as times become known the cuts move, but most rows keep
    their job's number, by which its cache may be named. Jobs of one row each stand as their rows do.

    Raises ActionError when there are more kinds of machine than jobs.
    """
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.signature):
        kinds.setdefault((row.toolchain, row.platform), []).append(row)
    if len(kinds) > most:
        raise ActionError(
            f"{len(kinds)} combinations of toolchain and platform do not fit into {most} jobs",
            hint="Raise 'max-jobs' or 'shards'",
        )
    place = {id(row): index for index, row in enumerate(rows)}
    parts = [
        sorted(part, key=lambda row: place[id(row)])
        for (kind, count) in _share(kinds, most, times)
        for part in _cut(kinds[kind], count, times)
    ]
    if len(parts) == len(rows):
        parts.sort(key=lambda part: place[id(part[0])])
    return tuple(
        Shard(_name(part, number, len(parts)), number, tuple(part)) for number, part in enumerate(parts, 1)
    )


def _share(
    kinds: dict[tuple[str, str], list[Row]], most: int, times: Timings
) -> Iterator[tuple[tuple[str, str], int]]:
    """How many jobs each kind gets: one, and then always the one whose jobs would be longest."""
    weights = {kind: sum(times.expect(row.flags) for row in rows) for kind, rows in kinds.items()}
    counts = dict.fromkeys(kinds, 1)
    for _ in range(min(most, sum(map(len, kinds.values()))) - len(kinds)):
        open_kinds = [kind for kind in kinds if counts[kind] < len(kinds[kind])]
        longest = max(open_kinds, key=lambda kind: weights[kind] / counts[kind])
        counts[longest] += 1
    yield from counts.items()


def _cut(rows: Sequence[Row], count: int, times: Timings) -> list[list[Row]]:
    """`count` neighbouring parts, none empty, of which the longest is as short as possible (the linear partition)."""
    weights = [times.expect(row.flags) for row in rows]
    low, high = max(weights), sum(weights)
    for _ in range(60):
        middle = (low + high) / 2
        if len(_filled(weights, middle)) <= count:
            high = middle
        else:
            low = middle
    sizes = _filled(weights, high * (1 + 1e-9))
    while len(sizes) < count:  # no part is to be empty: halve the one with most rows
        index = max(range(len(sizes)), key=sizes.__getitem__)
        sizes[index : index + 1] = [sizes[index] // 2, sizes[index] - sizes[index] // 2]
    parts, begin = [], 0
    for size in sizes:
        parts.append(list(rows[begin : begin + size]))
        begin += size
    return parts


def _filled(weights: Sequence[float], capacity: float) -> list[int]:
    """Sizes of parts that are filled, one after the other, up to a capacity."""
    sizes, used = [0], 0.0
    for weight in weights:
        if sizes[-1] and used + weight > capacity:
            sizes.append(0)
            used = 0.0
        sizes[-1] += 1
        used += weight
    return sizes


def as_matrix(shards: Sequence[Shard]) -> dict[str, list[dict[str, object]]]:
    """For `strategy: matrix:`. `rows` is for `validate`, which computes the rest again; an entry has a size limit.

    An entry with one row has its crate, features and flags too.
    """
    return {"include": [_entry(shard, len(shards)) for shard in shards]}


def _entry(shard: Shard, count: int) -> dict[str, object]:
    first = shard.rows[0]
    entry: dict[str, object] = {
        "name": shard.name,
        "description": _described(shard.rows),
        "shard": f"{shard.number}/{count}",
        "toolchain": first.toolchain,
        "platform": first.platform,
        "needs": list(dict.fromkeys(need for row in shard.rows for need in row.needs)),
        "rows": [{"crate": row.crate, "features": ",".join(row.features)} for row in shard.rows],
    }
    if len(shard.rows) == 1:
        entry |= {"crate": first.crate, "features": ",".join(first.features), "flags": first.flags}
    return entry


def _described(rows: Sequence[Row]) -> str:
    """The rows in words; of many the first ones, and long ones cut."""
    if len(rows) == 1:
        return rows[0].description
    shown = [
        one if len(one) <= 80 else f"{one[:79]}…" for one in (row.description for row in rows[:DESCRIBED])
    ]
    more = len(rows) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _name(rows: Sequence[Row], number: int, count: int) -> str:
    return rows[0].description if len(rows) == 1 else f"{number} of {count}: {len(rows)} rows"
