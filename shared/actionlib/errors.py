"""The one exception that a user is meant to read."""

from __future__ import annotations

from collections.abc import Mapping


class ActionError(Exception):
    """Something that the user can mend: shown as one `::error::` line, without a traceback.

    `what` names the thing that is wrong, its value and what would be allowed. `hint` says what to do next.
    `outputs` are handed out all the same, such as the folder of the logs that tell more.
    """

    def __init__(self, what: str, *, hint: str = "", outputs: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{what}. {hint}" if hint else what)
        self.what = what
        self.hint = hint
        self.outputs = dict(outputs or {})
