"""What a matrix may hold: a runner hands a job's part on in one environment string, GitHub the whole as an output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from actionlib.errors import ActionError
from actionlib.summary import size

# MAX_ARG_STRLEN (execve(2)), less room for the other inputs, which travel in the same string.
MOST_BYTES_OF_A_JOB = (128 - 16) << 10
# 1 MB for all outputs of a job, in UTF-16 ("Job outputs" in GitHub's documentation), less room for the others.
MOST_BYTES_OF_OUTPUT = 1 << 20
OTHER_OUTPUTS = 16 << 10


def as_output(matrix: Mapping[str, Sequence[Mapping[str, object]]]) -> str:
    """The matrix as JSON.

    Raises ActionError for a job whose rows would not start on a runner, and for a matrix that GitHub would drop.
    """
    entries = matrix["include"]
    largest = max((_bytes_of_rows(entry["rows"]) for entry in entries), default=0)
    if largest > MOST_BYTES_OF_A_JOB:
        jobs = -(-sum(_bytes_of_rows(entry["rows"]) for entry in entries) // MOST_BYTES_OF_A_JOB)
        raise ActionError(
            f"the rows of one job take {size(largest)}, and {size(MOST_BYTES_OF_A_JOB)} can be handed to a step",
            hint=f"Plan for at least {jobs + 1} jobs with 'max-jobs' and 'shards', or for fewer rows "
            "with 'packages', 'strategy' or 'depth'",
        )
    text = json.dumps(matrix, separators=(",", ":"))
    if 2 * len(text) > MOST_BYTES_OF_OUTPUT - OTHER_OUTPUTS:
        raise ActionError(
            f"the matrix takes {size(2 * len(text))} as GitHub counts, and {size(MOST_BYTES_OF_OUTPUT)} are allowed",
            hint="Plan for fewer rows with 'packages', 'strategy' or 'depth', or in several plans",
        )
    return text


def _bytes_of_rows(rows: object) -> int:
    """As `toJSON(matrix.rows)`, indented, inside INPUTS, which is JSON itself."""
    return len(json.dumps(json.dumps(rows, indent=2)).encode())
