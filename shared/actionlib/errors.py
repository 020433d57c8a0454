"""The one exception that a user is meant to read."""

from __future__ import annotations


class ActionError(Exception):
    """Something that the user can mend: shown as one `::error::` line, without a traceback.

    `what` names the thing that is wrong, its value and what would be allowed. `hint` says what to do next.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(f"{what}. {hint}" if hint else what)
        self.what = what
        self.hint = hint
