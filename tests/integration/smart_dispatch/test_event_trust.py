"""Trust in the event of the workflow's own repository."""

from __future__ import annotations

import pytest

OF_EVE = {"pull_request": {
    "number": 7, "author_association": "OWNER", "user": {"login": "eve", "type": "User"},
    "head": {"sha": "a" * 40, "repo": {"full_name": "eve/repo"}},
}}  # fmt: skip


def test_input_repository_does_not_make_its_pull_requests_trusted(api, decide, event):
    api.checked = False  # it is asked about a repository that is not there
    step = decide(environ=event("pull_request", OF_EVE), repository="eve/repo")
    assert step.outputs["trusted"] == "false"
    assert "the fork eve/repo" in step.outputs["reason"]
    api.violations.clear()


@pytest.mark.parametrize(
    "payload", [{"sender": "x"}, {"pull_request": {"head": "x"}}, {"pull_request": {"labels": [None]}}]
)
def test_an_event_that_cannot_be_read_is_untrusted_and_no_crash(decide, event, payload):
    name = "pull_request" if "pull_request" in payload else "create"
    step = decide(environ=event(name, payload))
    assert (step.exit_code, step.outputs["trusted"]) == (0, "false")
    assert "the event cannot be read" in step.outputs["reason"]
