"""Whether the code that asks for a runner is trusted, from the event that started the workflow.

In a `pull_request` workflow this is advice: the pull request can change the workflow itself. See the README.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smart_dispatch.trust_rules import TrustRules

# Only who may write to the repository can start these ("Events that trigger workflows" in GitHub's documentation).
OF_WRITERS = frozenset({
    "push", "schedule", "workflow_dispatch", "repository_dispatch", "merge_group", "release", "create", "delete",
    "deployment", "deployment_status", "branch_protection_rule", "page_build", "registry_package", "status",
    "check_run", "check_suite", "milestone", "label", "gollum", "public",
})  # fmt: skip
OF_PULL_REQUESTS = frozenset(
    {"pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment"}
)
FIRST_TIME = frozenset({"FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR"})
SHA_DIGITS = 20  # of a commit in a label: fewer could be met on purpose

# The files that a pull request changes; None: not known.
ChangedFiles = Callable[[], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Trust:
    """The verdict, with its reasons."""

    trusted: bool
    reasons: tuple[str, ...]


def assess(
    event_name: str,
    event: Mapping[str, Any],
    *,
    repository: str,
    rules: TrustRules,
    changed_files: ChangedFiles,
) -> Trust:
    """Judge an event. What is not known makes nobody trusted; `changed_files` is asked only if it decides.

    `repository` is the one that the workflow runs in.
    """
    try:
        return _judge(event_name, event, repository=repository, rules=rules, changed_files=changed_files)
    except (AttributeError, TypeError) as error:  # a text where GitHub has an object
        return Trust(trusted=False, reasons=(f"the event cannot be read ({error})"[:200],))


def _judge(
    event_name: str,
    event: Mapping[str, Any],
    *,
    repository: str,
    rules: TrustRules,
    changed_files: ChangedFiles,
) -> Trust:
    if not event_name:
        return Trust(trusted=True, reasons=("this is no workflow's run",))
    if event_name in ("push", "create") and not rules.bots:
        bot = _bot_beside_the_default_branch(event, event.get("sender"), str(event.get("ref", "")))
        if bot:
            told = f"the {event_name} of {event.get('ref', '')} comes from the bot {bot}"
            return Trust(trusted=False, reasons=(told,))
    if event_name in OF_WRITERS:
        return Trust(trusted=True, reasons=(f"a {event_name} comes from somebody who may write",))
    if event_name == "workflow_run":
        return _of_workflow_run(event, repository, rules)
    if event_name in OF_PULL_REQUESTS and isinstance(pull := event.get("pull_request"), dict):
        return _of_pull_request(event, pull, repository=repository, rules=rules, changed_files=changed_files)
    if event_name == "issue_comment" and (event.get("issue") or {}).get("pull_request"):
        return Trust(
            trusted=False, reasons=("a comment does not say which commit of the pull request it means",)
        )
    if event_name in ("issue_comment", "issues", "discussion", "discussion_comment"):
        who = event.get("comment") or event.get("issue") or event.get("discussion") or {}
        association = str(who.get("author_association", "")).upper()
        return Trust(
            trusted=association in rules.associations,
            reasons=(f"a {event_name} by somebody who is {association or 'unknown'} to the repository",),
        )
    return Trust(trusted=False, reasons=(f"what a {event_name} brings is not known",))


def _bot_beside_the_default_branch(event: Mapping[str, Any], who: Mapping[str, Any] | None, ref: str) -> str:
    """The bot that brings a branch of its own, such as Dependabot; what a bot merges is others' work."""
    sender, default = who or {}, (event.get("repository") or {}).get("default_branch", "")
    own_branch = ref.removeprefix("refs/heads/") != default
    return str(sender.get("login") or "?") if sender.get("type") == "Bot" and own_branch else ""


def _of_workflow_run(event: Mapping[str, Any], repository: str, rules: TrustRules) -> Trust:
    """Of a fork it is not known who wrote what it brings; of a bot's branch it is."""
    run = event.get("workflow_run") or {}
    head = _name_of(run.get("head_repository"))
    same = head.lower() == repository.lower()
    told = "the same repository" if same else f"the fork {head}" if head else "a repository that is gone"
    bot = _bot_beside_the_default_branch(event, run.get("actor"), str(run.get("head_branch") or ""))
    if same and bot and not rules.bots:
        return Trust(trusted=False, reasons=(f"a workflow_run of what the bot {bot} brings",))
    return Trust(trusted=same, reasons=(f"a workflow_run of {told}",))


def _of_pull_request(
    event: Mapping[str, Any],
    pull: Mapping[str, Any],
    *,
    repository: str,
    rules: TrustRules,
    changed_files: ChangedFiles,
) -> Trust:
    if approval := _approval(event, pull, rules.approval_label):
        return Trust(trusted=True, reasons=(approval,))
    against = _against_its_author(pull, repository, rules)
    association = str(pull.get("author_association", "")).upper()
    if against or association in rules.privileged or not rules.sensitive_paths:
        return Trust(
            trusted=not against, reasons=tuple(against) or (f"a pull request by the {association.lower()}",)
        )
    files = changed_files()
    if files is None:
        return Trust(trusted=False, reasons=("it is not known which files the pull request changes",))
    if found := rules.sensitive(files):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return Trust(trusted=False, reasons=(f"the pull request changes {found[0]}{more}",))
    return Trust(trusted=True, reasons=("a pull request from a branch of this repository",))


def _against_its_author(pull: Mapping[str, Any], repository: str, rules: TrustRules) -> list[str]:
    head = _name_of((pull.get("head") or {}).get("repo"))
    association = str(pull.get("author_association", "")).upper()
    author = pull.get("user") or {}
    fork = head.lower() != repository.lower()
    found = []
    if fork and not rules.forks:
        found.append(
            f"the pull request comes from {f'the fork {head}' if head else 'a repository that is gone'}"
        )
    if association in FIRST_TIME and not rules.first_time:
        found.append("it is its author's first contribution")
    elif fork and rules.forks and association not in rules.associations:
        found.append(f"its author is {association or 'unknown'} to the repository")
    if str(author.get("type", "")) == "Bot" and not rules.bots:
        found.append(f"its author is the bot {author.get('login', '')}")
    return found


def _approval(event: Mapping[str, Any], pull: Mapping[str, Any], label: str) -> str:
    """Why the pull request's commit is approved; empty if it is not.

    A label counts in the run that setting it has started, whose commit is the one that was looked at; or with the
    commit in its name. That the label is still there after the next push counts for nothing.
    """
    if not label:
        return ""
    sha = str((pull.get("head") or {}).get("sha", "")).lower()
    set_now = str((event.get("label") or {}).get("name", "")).lower()
    if event.get("action") == "labeled" and set_now == label.lower():
        return f"the label {label} was set for {sha[:12]}"
    for one in pull.get("labels") or ():
        match = re.fullmatch(
            rf"{re.escape(label.lower())}:([0-9a-f]{{{SHA_DIGITS},40}})", str(one.get("name", "")).lower()
        )
        if match and sha.startswith(match[1]):
            return f"the label {one['name']} approves {sha[:12]}"
    return ""


def _name_of(repository: object) -> str:
    return str(repository.get("full_name", "")) if isinstance(repository, dict) else ""
