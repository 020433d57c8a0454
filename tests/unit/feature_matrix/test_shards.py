"""Jobs hold every row once, only rows that can share a machine, and the longest of them is as short as can be."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionlib.errors import ActionError
from feature_matrix.planning import Row
from feature_matrix.shards import as_matrix, into_shards
from feature_matrix.timings import Timings


def row(number: int, toolchain: str = "", platform: str = "") -> Row:
    flags = f"--package p --features f{number}"
    signature = ("p", f"{number:04}")
    return Row(
        "p",
        (f"f{number}",),
        flags,
        f"p: f{number}",
        "",
        toolchain=toolchain,
        platform=platform,
        signature=signature,
    )


def longest_possible(weights: list[int], count: int) -> int:
    """The longest part of the best way to cut neighbours into `count` parts, by trying all."""
    cuts = combinations(range(1, len(weights)), count - 1)
    return min(
        max(sum(weights[i:j]) for i, j in zip((0, *some), (*some, len(weights)), strict=True))
        for some in cuts
    )


@settings(max_examples=100, deadline=None)
@given(weights=st.lists(st.integers(1, 60), min_size=1, max_size=9), count=st.integers(1, 9))
def test_the_longest_job_is_as_short_as_neighbours_allow(weights, count):
    rows = [row(number) for number in range(len(weights))]
    times = Timings({one.flags: float(weight) for one, weight in zip(rows, weights, strict=True)})
    shards = into_shards(rows, most=count, times=times)
    assert sorted(one.flags for shard in shards for one in shard.rows) == sorted(one.flags for one in rows)
    assert len(shards) == min(count, len(rows))
    seconds = [sum(times.expect(one.flags) for one in shard.rows) for shard in shards]
    assert max(seconds) == pytest.approx(longest_possible(weights, len(shards)))


def test_rows_of_other_machines_never_share_a_job():
    rows = [row(0), row(1, "nightly"), row(2), row(3, "nightly"), row(4, "", "macos")]
    shards = into_shards(rows, most=3, times=Timings({}))
    kinds = [{(one.toolchain, one.platform) for one in shard.rows} for shard in shards]
    assert kinds == [{("", "")}, {("nightly", "")}, {("", "macos")}]


def test_more_kinds_of_machine_than_jobs_is_an_error():
    with pytest.raises(ActionError, match="2 combinations of toolchain and platform do not fit into 1 jobs"):
        into_shards([row(0), row(1, "nightly")], most=1, times=Timings({}))


def test_no_rows_are_no_jobs():
    assert into_shards([], most=4, times=Timings({})) == ()


@pytest.mark.parametrize(
    ("count", "described"),
    [
        (1, "p: f0"),
        (2, "p: f0; p: f1"),
        (6, "p: f0; p: f1; p: f2; p: f3; and 2 more"),
    ],
)
def test_each_entry_of_the_matrix_describes_its_rows(count, described):
    shards = into_shards([row(number) for number in range(count)], most=1, times=Timings({}))
    (entry,) = as_matrix(shards)["include"]
    assert entry["description"] == described


def test_long_names_are_cut_in_the_description_of_many_rows():
    long = [replace(row(number), description=f"p: {'f,' * 200}") for number in range(2)]
    (entry,) = as_matrix(into_shards(long, most=1, times=Timings({})))["include"]
    assert len(entry["description"]) < 170


def test_rows_keep_their_jobs_number_when_times_become_known():
    """What a job has kept under its number is then of use to it again."""
    rows = [row(number) for number in (4, 8, 0, 11, 6, 1, 9, 3, 10, 2, 7, 5)]
    times = {row(number).flags: 4.0 if number < 5 else 5.0 if number < 9 else 7.0 for number in range(12)}
    first, later = (
        {one.flags: shard.number for shard in into_shards(rows, most=3, times=known) for one in shard.rows}
        for known in (Timings({}), Timings(times))
    )
    assert sum(first[flags] == number for flags, number in later.items()) >= 9


def test_jobs_of_one_row_each_stand_as_their_rows_do():
    rows = [row(number) for number in (2, 0, 1)]
    assert [shard.rows[0] for shard in into_shards(rows, most=9, times=Timings({}))] == rows
