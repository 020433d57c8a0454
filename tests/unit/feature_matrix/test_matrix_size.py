"""A matrix is refused before a runner or GitHub drops it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from actionlib.errors import ActionError
from feature_matrix.matrix_size import MOST_BYTES_OF_A_JOB, as_output


def matrix(jobs: int, rows: int) -> dict[str, list[dict[str, object]]]:
    """Rows of 100 features' names."""
    row = {"crate": "sample", "features": ",".join(f"feature-{number}" for number in range(100))}
    return {"include": [{"name": str(job), "rows": [row] * rows} for job in range(jobs)]}


def test_what_fits_is_json():
    assert json.loads(as_output(matrix(3, 2))) == matrix(3, 2)
    assert json.loads(as_output({"include": []})) == {"include": []}


def test_the_rows_of_one_job_must_fit_into_one_environment_string():
    with pytest.raises(ActionError, match=r"the rows of one job take .* Plan for at least 3 jobs"):
        as_output(matrix(1, 130))


def test_what_is_allowed_can_be_handed_to_a_program():
    rows = "x" * (MOST_BYTES_OF_A_JOB - 2)
    inputs = json.dumps({"mode": "validate", "rows": rows, "commands": "check\n" * 1000})
    assert subprocess.run(["true"], env={**os.environ, "INPUTS": inputs}, check=False).returncode == 0


def test_the_whole_matrix_must_fit_into_an_output():
    with pytest.raises(
        ActionError, match=r"the matrix takes 1\.1 MiB as GitHub counts, and 1\.0 MiB are allowed"
    ):
        as_output(matrix(10, 50))
