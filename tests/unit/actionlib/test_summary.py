from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionlib.summary import MAXIMUM_BYTES, Summary, code, duration, escape_cell, size


@given(st.text())
def test_a_cell_never_breaks_its_table(text: str) -> None:
    for cell in (escape_cell(text), code(text)):
        assert "\n" not in cell
        assert "\r" not in cell
        assert "|" not in cell.replace("\\|", "")


def test_code_shows_backticks() -> None:
    assert code("a`b") == "`` a`b ``"
    assert code("a``b` c") == "``` a``b` c ```"  # no run inside is as long as the fence


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (1 << 41, "2048.0 GiB")],
)
def test_sizes_are_in_binary_units(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0004, "0 ms"),
        (0.25, "250 ms"),
        (3.14, "3.1 s"),
        (125, "2 min 5 s"),
        (7320, "2 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_are_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_summary_that_grows_too_long_is_cut_at_a_whole_part_and_says_so() -> None:
    summary = Summary()
    for number in range(5):
        summary.paragraph(f"{number} " + "x" * (MAXIMUM_BYTES // 3))
    text = summary.markdown()
    assert len(text.encode()) < MAXIMUM_BYTES + 200
    assert text.endswith("*3 more parts were left out: the summary is full.*\n")


def test_it_is_appended_to_the_steps_file_and_kept_in_the_collecting_folder(tmp_path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    environ = {
        "GITHUB_STEP_SUMMARY": str(file),
        "COLDVOX_ACTIONS_SUMMARY_DIR": str(tmp_path / "all"),
        "GITHUB_JOB": "a job/x",
        "GITHUB_ACTION": "__self",
        "RUNNER_TEMP": "/runner-1/temp",
    }
    summary = Summary()
    summary.heading("Done")
    summary.write(environ)
    assert file.read_text() == "before\n### Done\n\n"
    (job,) = (tmp_path / "all").iterdir()
    assert re.fullmatch(r"a-job-x-[0-9a-f]{8}", job.name)
    (kept,) = job.iterdir()
    assert kept.name.startswith("__self-")
    assert kept.read_text() == "### Done\n"


def test_steps_of_one_job_of_a_matrix_are_kept_together_and_apart_from_the_others(tmp_path) -> None:
    summary = Summary()
    summary.heading("Done")
    for temp in ("/runner-1/temp", "/runner-1/temp", "/runner-2/temp"):
        summary.write({"COLDVOX_ACTIONS_SUMMARY_DIR": str(tmp_path), "GITHUB_JOB": "x", "RUNNER_TEMP": temp})
    assert sorted(len(list(job.iterdir())) for job in tmp_path.iterdir()) == [1, 2]


def test_nothing_is_written_when_there_is_nothing_to_tell(tmp_path) -> None:
    Summary().write({"GITHUB_STEP_SUMMARY": str(tmp_path / "no")})
    assert not (tmp_path / "no").exists()


def test_foreign_text_cannot_close_its_block() -> None:
    summary = Summary()
    summary.details("log", "```\n### not a heading")
    assert "````\n```\n### not a heading\n````" in summary.markdown()
