"""Rows as jobs: one each, or several in one where there would be too many jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from feature_matrix.planning import Row


@dataclass(frozen=True, slots=True)
class Shard:
    """One job of the matrix."""

    name: str
    number: int
    rows: tuple[Row, ...]


def into_shards(rows: Sequence[Row], *, most: int) -> tuple[Shard, ...]:
    """At most `most` jobs. Neighbours, which are rows of one crate and share its dependencies, stay together."""
    count = min(len(rows), most)
    bounds = [index * len(rows) // count for index in range(count + 1)] if count else []
    parts = [tuple(rows[begin:end]) for begin, end in pairwise(bounds)]
    return tuple(
        Shard(_name(part, number, count), number, part) for number, part in enumerate(parts, start=1)
    )


def as_matrix(shards: Sequence[Shard]) -> dict[str, list[dict[str, object]]]:
    """For `strategy: matrix:`."""
    return {
        "include": [
            {
                "name": shard.name,
                "shard": f"{shard.number}/{len(shards)}",
                "rows": [
                    {
                        key: value
                        for key, value in asdict(row).items()
                        if key in ("crate", "flags", "description", "needs")
                    }
                    | {"features": ",".join(row.features)}
                    for row in shard.rows
                ],
            }
            for shard in shards
        ]
    }


def _name(rows: Sequence[Row], number: int, count: int) -> str:
    return rows[0].description if len(rows) == 1 else f"{number} of {count}: {len(rows)} rows"
