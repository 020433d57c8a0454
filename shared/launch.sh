#!/bin/sh
# The first thing an action's step runs. It forks nothing, so that a warm start stays cheap, and it ends in exec,
# because the runner signals only the process that it started itself.

case $0 in
*/*) here=${0%/*} ;;
*) here=. ;;
esac

# -I: nothing in the workspace or in PYTHON* variables can take part. -S: no site-packages of the host either.
for python in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" -I -S -X utf8 "$here/bootstrap.py"
    fi
done

message="No python3 on PATH; these actions need Python 3.11 or newer. \
Install it on the runner or in the job's container (Fedora: dnf install python3; Debian and Ubuntu: \
apt-get install python3; Alpine: apk add python3), or put actions/setup-python before this step."
echo "::error title=coldvox-actions::$message"
[ -z "$GITHUB_STEP_SUMMARY" ] || echo "$message" >>"$GITHUB_STEP_SUMMARY"
exit 1
