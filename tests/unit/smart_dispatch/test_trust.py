"""Who may use the host: every kind of event, and what a label approves."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from smart_dispatch.trust import assess
from smart_dispatch.trust_rules import TrustRules, parse_rules

SHA = "0123456789abcdef0123456789abcdef01234567"


def pull(*, fork=False, association="MEMBER", bot=False, labels=(), **event):
    name = "eve/repo" if fork else "Octo/Repo"
    return {
        "pull_request": {
            "number": 7, "author_association": association,
            "user": {"login": "dependabot[bot]" if bot else "ada", "type": "Bot" if bot else "User"},
            "head": {"sha": SHA, "repo": {"full_name": name}}, "labels": [{"name": one} for one in labels],
        },
        **event,
    }  # fmt: skip


def judge(event, *, name="pull_request", rules=(), files=()):
    asked = []

    def changed():
        asked.append(True)
        return files

    found = assess(
        name,
        event,
        repository="octo/repo",
        rules=parse_rules(rules, name="trust-rules"),
        changed_files=changed,
    )
    return found, asked


@pytest.mark.parametrize("name", ["push", "schedule", "workflow_dispatch", "merge_group", "release", ""])
def test_what_only_writers_can_start_is_trusted(name):
    assert judge({}, name=name)[0].trusted


@pytest.mark.parametrize(
    ("event", "trusted", "said"),
    [
        (pull(), True, "member"),
        (pull(association="OWNER"), True, "owner"),
        (pull(association="COLLABORATOR"), True, "branch of this repository"),
        (pull(association="CONTRIBUTOR"), True, "branch of this repository"),
        (pull(fork=True), False, "the fork eve/repo"),
        (pull(fork=True, association="NONE"), False, "the fork eve/repo"),
        (pull(association="FIRST_TIME_CONTRIBUTOR"), False, "first contribution"),
        (pull(bot=True, association="CONTRIBUTOR"), False, "the bot dependabot[bot]"),
        ({"pull_request": {"head": {"repo": None}}}, False, "a repository that is gone"),
        ({}, False, "not known"),
        ({"pull_request": "nonsense"}, False, "not known"),
    ],
)
def test_a_pull_request_is_judged_by_where_it_comes_from_and_who_wrote_it(event, trusted, said):
    found, _ = judge(event)
    assert found.trusted is trusted
    assert said in "; ".join(found.reasons)


@pytest.mark.parametrize(
    "path",
    [".github/workflows/ci.yml", "build.rs", "crates/x/build.rs", ".cargo/config.toml", "rust-toolchain.toml",
     "hooks/post-commit", "a/.githooks/x", "Makefile", "GNUmakefile", "x/makefile", "Cargo.toml", "x\ny/build.rs",
     "action.yml", "action-x/action.yaml", "Cargo.lock", "scripts/build.py", "x/scripts/y/z", "deep/run.sh",
     "justfile", "x/Justfile", "CMakeLists.txt", ".gitmodules", ".husky/pre-commit"],
)  # fmt: skip
def test_sensitive_paths_take_a_collaborators_trust_and_not_a_members(path):
    assert judge(pull(association="COLLABORATOR"), files=["src/lib.rs", path])[0].trusted is False
    found, asked = judge(pull(association="MEMBER"), files=[path])
    assert found.trusted
    assert not asked


def test_files_that_nobody_knows_are_no_reason_to_trust():
    assert judge(pull(association="COLLABORATOR"), files=None)[0].trusted is False
    assert judge(pull(association="COLLABORATOR"), files=None, rules=["sensitive-paths="])[0].trusted


def test_other_paths_are_not_sensitive():
    files = ["src/build.rs.md", "docs/github/x.md", "src/makefile.rs", "cargo/config.toml",
             "src/scripts.rs", "action.yml.md", "x/justfile.txt"]  # fmt: skip
    assert judge(pull(association="COLLABORATOR"), files=files)[0].trusted


@pytest.mark.parametrize(
    ("event", "trusted"),
    [
        (pull(fork=True, action="labeled", label={"name": "Safe-to-run"}), True),
        # The label of an earlier commit.
        (pull(fork=True, action="synchronize", labels=["safe-to-run"]), False),
        (pull(fork=True, action="opened", label={"name": "safe-to-run"}), False),
        (pull(fork=True, action="labeled", label={"name": "bug"}, labels=["safe-to-run"]), False),
        # With the commit in its name it stays good for that commit.
        (pull(fork=True, action="synchronize", labels=[f"safe-to-run:{SHA[:20]}"]), True),
        (pull(fork=True, labels=[f"safe-to-run:{SHA}"]), True),
        (pull(fork=True, labels=[f"safe-to-run:{SHA[:7]}"]), False),  # could be met on purpose
        (pull(fork=True, labels=["safe-to-run:" + "f" * 20]), False),
    ],
)
def test_a_label_approves_one_commit_only(event, trusted):
    assert judge(event)[0].trusted is trusted


def test_an_approval_covers_sensitive_paths_and_can_be_switched_off():
    event = pull(fork=True, action="labeled", label={"name": "safe-to-run"})
    assert judge(event, files=["build.rs"])[0].trusted
    assert judge(event, rules=["approval-label="])[0].trusted is False


@pytest.mark.parametrize(
    ("name", "event", "trusted"),
    [
        ("workflow_run", {"workflow_run": {"head_repository": {"full_name": "octo/repo"}}}, True),
        ("workflow_run", {"workflow_run": {"head_repository": {"full_name": "eve/repo"}}}, False),
        ("workflow_run", {}, False),
        ("issue_comment", {"comment": {"author_association": "OWNER"}, "issue": {}}, True),
        # A member's comment does not make a stranger's commit trusted.
        (
            "issue_comment",
            {"comment": {"author_association": "OWNER"}, "issue": {"pull_request": {"url": "x"}}},
            False,
        ),
        ("issue_comment", {"comment": {"author_association": "NONE"}}, False),
        ("pull_request_target", pull(fork=True), False),
        ("something_new", {}, False),
    ],
)
def test_other_events(name, event, trusted):
    assert judge(event, name=name)[0].trusted is trusted


def test_rules_can_be_changed():
    assert judge(pull(fork=True), rules=["forks=trusted"])[0].trusted
    assert judge(pull(fork=True, association="NONE"), rules=["forks=trusted"])[0].trusted is False
    assert judge(pull(fork=True, association="NONE"), rules=["forks=trusted", "associations=NONE"])[0].trusted
    assert judge(pull(bot=True, association="CONTRIBUTOR"), rules=["bots=trusted"])[0].trusted
    assert judge(pull(association="FIRST_TIMER"), rules=["first-time=trusted"])[0].trusted
    assert TrustRules() == parse_rules([], name="trust-rules")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fork=trusted", "Did you mean 'forks'?"),
        ("forks", "allowed: RULE=VALUE"),
        ("forks=yes", "allowed: forks=trusted or forks=untrusted"),
        ("associations=FRIEND", "'FRIEND' is no association"),
    ],
)
def test_a_wrong_rule_is_named(line, said):
    with pytest.raises(ActionError) as caught:
        parse_rules([line], name="trust-rules")
    assert f"input 'trust-rules' holds '{line}'" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("ref", "kind", "trusted"),
    [
        ("refs/heads/dependabot/cargo/x", "Bot", False),
        ("refs/heads/main", "Bot", True),  # what a bot merges is others' work
        ("refs/heads/topic", "User", True),
    ],
)
def test_a_bots_push_to_a_branch_of_its_own_is_judged_like_its_pull_request(ref, kind, trusted):
    event = {"ref": ref, "sender": {"login": "x", "type": kind}, "repository": {"default_branch": "main"}}
    assert judge(event, name="push")[0].trusted is trusted
    assert judge(event, name="push", rules=["bots=trusted"])[0].trusted


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("create", {"ref": "dependabot/x", "ref_type": "branch", "sender": {"login": "b", "type": "Bot"}}),
        ("create", {"ref": "v1", "ref_type": "tag", "sender": {"login": "b", "type": "Bot"}}),
        ("push", {"ref": "refs/heads/x", "sender": {"type": "Bot"}}),
    ],
)
def test_what_a_bot_creates_is_judged_like_its_push(name, event):
    event["repository"] = {"default_branch": "main"}
    assert not judge(event, name=name)[0].trusted
    assert judge(event, name=name, rules=["bots=trusted"])[0].trusted
    assert judge({**event, "sender": {"login": "ada", "type": "User"}}, name=name)[0].trusted


@pytest.mark.parametrize(
    ("branch", "kind", "trusted"),
    [("dependabot/x", "Bot", False), ("main", "Bot", True), ("x", "User", True)],
)
def test_a_bots_branch_is_not_trusted_by_way_of_a_workflow_run(branch, kind, trusted):
    run = {
        "head_repository": {"full_name": "octo/repo"}, "head_branch": branch, "event": "pull_request",
        "actor": {"login": "dependabot[bot]", "type": kind},
        "triggering_actor": {"login": "ada", "type": "User"},  # who starts it again has not written it
    }  # fmt: skip
    event = {"workflow_run": run, "repository": {"default_branch": "main"}}
    assert judge(event, name="workflow_run")[0].trusted is trusted
    assert judge(event, name="workflow_run", rules=["bots=trusted"])[0].trusted


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("push", {"ref": "refs/heads/x", "sender": "x"}),
        ("push", {"sender": {"type": "Bot"}, "repository": "x"}),
        ("pull_request", {"pull_request": {"head": "x"}}),
        ("pull_request", {"pull_request": {"user": "x", "head": {"repo": {"full_name": "octo/repo"}}}}),
        ("pull_request", {**pull(), "label": "safe-to-run", "action": "labeled"}),
        ("pull_request", {"pull_request": {"labels": [None]}}),
        ("pull_request", {"pull_request": {"labels": 3}}),
        ("workflow_run", {"workflow_run": "x"}),
        ("issue_comment", {"issue": "x"}),
        ("issues", {"issue": [1]}),
    ],
)
def test_an_event_of_a_shape_that_github_does_not_send_is_not_trusted(name, event):
    found, _ = judge(event, name=name)
    assert not found.trusted
    assert "the event cannot be read" in found.reasons[0]


def test_a_fork_is_not_trusted_by_way_of_a_workflow_run():
    event = {"workflow_run": {"head_repository": {"full_name": "eve/repo"}}}
    assert not judge(event, name="workflow_run", rules=["forks=trusted"])[0].trusted
