"""action-cache-lock in real workflows, run by the real act."""

from __future__ import annotations

from pathlib import Path

from e2e.act import Act, make_repository

LOCAL = "./action-cache-lock"
PINNED = "OWNER/coldvox-actions/action-cache-lock@v1"

SHARED_BUILD = """
on: push
jobs:
  test:
    runs-on: self-hosted
    strategy:
      matrix:
        part: [a, b, c, d]
    steps:
      - uses: actions/checkout@v4
      - id: build
        uses: {action}
        with:
          mode: populate
          key: target-${{{{ hashFiles('input.txt') }}}}
          path: target
          run: |
            echo "${{{{ matrix.part }}}}" >> "$NOTES/built"
            sleep 1
            mkdir target
            tr a-z A-Z < input.txt > target/output.txt
            echo "lines=$(wc -l < input.txt)" >> "$GITHUB_OUTPUT"
      - run: |
          cat target/output.txt >> "$NOTES/seen"
          echo "$POPULATED" >> "$NOTES/populated"
          echo "$HIT" >> "$NOTES/hit"
          echo "$LINES_OUT" >> "$NOTES/outputs"
        env:
          POPULATED: ${{{{ steps.build.outputs.populated }}}}
          HIT: ${{{{ steps.build.outputs.cache-hit }}}}
          LINES_OUT: ${{{{ steps.build.outputs.run-outputs }}}}
"""

LOCK_ACROSS_STEPS = """
on: push
jobs:
  turn:
    runs-on: self-hosted
    strategy:
      matrix:
        part: [a, b, c]
    steps:
      - uses: actions/checkout@v4
      - id: lock
        uses: ./action-cache-lock
        with: {mode: acquire, lock-name: device}
      - run: |
          mkdir "$NOTES/device"
          sleep 0.3
          rmdir "$NOTES/device"
          echo done >> "$NOTES/turns"
      - uses: ./action-cache-lock
        if: always()
        with:
          mode: release
          lock-name: device
          lock-token: ${{ steps.lock.outputs.lock-token }}
  scoped:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: ./action-cache-lock
        with:
          mode: acquire
          lock-name: device
          run: |
            mkdir "$NOTES/device"
            sleep 0.3
            rmdir "$NOTES/device"
            echo done >> "$NOTES/turns"
"""

FAILURE_WHILE_HOLDING = """
on: push
jobs:
  careless:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: ./action-cache-lock
        with: {mode: acquire, lock-name: device}
      - run: exit 3
  next:
    needs: careless
    if: always()
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: ./action-cache-lock
        with: {mode: acquire, lock-name: device, timeout-seconds: 30}
      - run: echo acquired >> "$NOTES/next"
"""

WRONG_INPUT = """
on: push
jobs:
  wrong:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - id: wrong
        continue-on-error: true
        uses: ./action-cache-lock
        with: {mode: restor, key: k, path: target}
      - run: echo "$OUTCOME" >> "$NOTES/outcome"
        env:
          OUTCOME: ${{ steps.wrong.outcome }}
"""

HOSTILE = {
    "json.py": "raise SystemExit('the workspace took over json')\n",
    "yaml.py": "raise SystemExit('the workspace took over yaml')\n",
    "actionlib/__init__.py": "raise SystemExit('the workspace took over actionlib')\n",
    "cache_lock/__init__.py": "raise SystemExit('the workspace took over cache_lock')\n",
    "sitecustomize.py": "raise SystemExit('the workspace took over the start')\n",
    "with space/input.txt": "x\n",
}


def test_four_parallel_jobs_that_miss_one_key_build_once_and_the_next_run_finds_it(
    tmp_path: Path, act: Act
) -> None:
    files = {".github/workflows/w.yml": SHARED_BUILD.format(action=LOCAL), "input.txt": "voice\n"}
    repository = make_repository(tmp_path / "repo", files, with_actions=True)

    first = act.run(repository)
    assert first.exit_code == 0, first.log
    assert len(act.note("built")) == 1
    assert act.note("seen") == ["VOICE"] * 4
    assert sorted(act.note("populated")) == ["ran", "waited", "waited", "waited"]
    assert '{"lines": "1"}' in act.note("outputs")

    second = act.run(repository)
    assert second.exit_code == 0, second.log
    assert len(act.note("built")) == 1
    assert act.note("populated")[4:] == ["hit"] * 4
    assert act.note("hit")[4:] == ["true"] * 4


def test_a_lock_is_held_from_one_step_to_a_later_one_and_shared_with_the_scoped_form(
    tmp_path: Path, act: Act
) -> None:
    repository = make_repository(
        tmp_path / "repo", {".github/workflows/w.yml": LOCK_ACROSS_STEPS}, with_actions=True
    )
    run = act.run(repository)
    assert run.exit_code == 0, run.log  # mkdir fails in a job that is not alone
    assert act.note("turns") == ["done"] * 4


def test_a_job_that_fails_while_it_holds_a_lock_frees_it(tmp_path: Path, act: Act) -> None:
    repository = make_repository(
        tmp_path / "repo", {".github/workflows/w.yml": FAILURE_WHILE_HOLDING}, with_actions=True
    )
    run = act.run(repository)
    assert run.exit_code != 0
    assert act.note("next") == ["acquired"], run.log


def test_another_repository_uses_it_by_tag_with_a_hostile_workspace(tmp_path: Path, act: Act) -> None:
    files = {".github/workflows/w.yml": SHARED_BUILD.format(action=PINNED), "input.txt": "voice\n"} | HOSTILE
    repository = make_repository(tmp_path / "another repository", files)
    bundle = make_repository(tmp_path / "bundle", {}, with_actions=True)
    run = act.run(
        repository, f"--local-repository=OWNER/coldvox-actions@v1={bundle}", f"--env=PYTHONPATH={repository}"
    )
    assert run.exit_code == 0, run.log
    assert len(act.note("built")) == 1
    assert act.note("seen") == ["VOICE"] * 4


def test_a_wrong_input_is_one_readable_annotation(tmp_path: Path, act: Act) -> None:
    repository = make_repository(
        tmp_path / "repo", {".github/workflows/w.yml": WRONG_INPUT}, with_actions=True
    )
    run = act.run(repository)
    assert run.exit_code == 0, run.log
    assert act.note("outcome") == ["failure"]
    assert "input 'mode' is 'restor'" in run.log
    assert "Did you mean 'restore'?" in run.log
    assert "Traceback" not in run.log
