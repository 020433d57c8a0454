"""Workflows that dispatch: the caller of the reusable one, and the pattern for a caller's own jobs."""

from __future__ import annotations

CALLED = ".github/workflows/smart-dispatch.yml"
CALLER = """
on: [push, pull_request]
permissions:
  actions: read
  contents: read
  statuses: read
  pull-requests: read
jobs:
  dispatch:
    uses: ./.github/workflows/smart-dispatch.yml
    secrets:
      token: ${{ secrets.RUNNERS_TOKEN }}
    with:
      job_name: build
      run: echo "script on $RUNNER_TYPE by $EXECUTION_STRATEGY" >> "$NOTES/script"
      INPUTS
  downstream:
    needs: dispatch
    if: ${{ !cancelled() }}
    runs-on: ${{ fromJSON(needs.dispatch.outputs.execution_runner || '["ubuntu-latest"]') }}
    steps:
      - env:
          RUNNER: ${{ needs.dispatch.outputs.execution_runner }}
          STRATEGY: ${{ needs.dispatch.outputs.strategy }}
          OUTCOME: ${{ needs.dispatch.outputs.execution_outcome }}
          MONITOR: ${{ needs.dispatch.outputs.monitor }}
        run: echo "$STRATEGY $RUNNER $OUTCOME $MONITOR" >> "$NOTES/downstream"
"""

OWN_JOBS = r"""
on: push
jobs:
  dispatch:
    runs-on: ubuntu-latest
    IF
    outputs:
      runs-on: ${{ steps.decide.outputs.runs-on }}
    steps:
      - uses: actions/checkout@v7
      - run: BEFORE
      - id: decide
        uses: ./action-smart-dispatch
        with:
          mode: decide
          job-name: build
          heartbeat: ${{ vars.COLDVOX_RUNNER_HEARTBEAT }}
          token: ${{ github.token }}
          primary-runner: PRIMARY
  downstream:
    needs: dispatch
    if: ${{ !cancelled() }}
    runs-on: ${{ fromJSON(needs.dispatch.outputs.runs-on || '["ubuntu-latest"]') }}
    steps:
      - env:
          RUNNER: ${{ needs.dispatch.outputs.runs-on }}
        run: '[[ $RUNNER == \[* ]] || RUNNER=none; echo "$RUNNER" >> "$NOTES/downstream"'
"""
PLAIN = "needs.dispatch.outputs.runs-on ||"
SKIPPED = f"needs.dispatch.result != 'skipped' && {PLAIN}"
