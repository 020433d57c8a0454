"""The steps of the source document's job with a display (lines 1271-1324), on the fake runner.

Two things are kinder than written. The script's output goes to a file, for else it would hold the step's pipe open; and
the limit of the tests, 1200 s there, is the caller's.
"""

from __future__ import annotations

from pathlib import Path

from fakes.runner import FakeJob

HERE = Path(__file__).parent
# Lines 1287-1297. What a job before has left in /tmp/headless-env-vars is taken for this one's.
START = f"""
"{HERE}/headless_env.sh" daemon >"$RUNNER_TEMP/headless.log" 2>&1 &
echo "HEADLESS_PID=$!" >> "$GITHUB_ENV"
timeout 60 bash -c 'until [ -f /tmp/headless-env-vars ]; do sleep 1; done'
source /tmp/headless-env-vars
"""
# Lines 1299-1312; libtest refuses `--timeout`, so that it is left out here and tried by itself.
TEST = """
source /tmp/headless-env-vars
export RUST_TEST_TIME_UNIT=15000 RUST_TEST_TIME_INTEGRATION=45000
timeout "$LIMIT_SECONDS" bash "$WORKLOAD"
"""
# Lines 1314-1323.
CLEAN = """
[[ -z ${HEADLESS_PID:-} ]] || kill "$HEADLESS_PID" 2>/dev/null || true
for pattern in 'Xvfb.*:99' 'fluxbox.*:99' 'pulseaudio.*ci'; do pkill -f "$pattern" || true; done
"""
WAIT_SECONDS = 200


def run_steps(job: FakeJob, *, start: bool) -> int:
    """Exit code of the job's tests, or of the start when that fails. Without `start`: no environment at all."""
    if not start:
        return job.run_step(
            run=TEST.replace("source /tmp/headless-env-vars", ""), timeout_seconds=WAIT_SECONDS
        ).exit_code
    code = job.run_step(run=START, timeout_seconds=WAIT_SECONDS).exit_code
    code = (
        job.run_step(run=TEST, timeout_seconds=WAIT_SECONDS).exit_code if code == 0 else 200 + min(code, 50)
    )
    job.run_step(run=CLEAN, timeout_seconds=WAIT_SECONDS)
    return code
