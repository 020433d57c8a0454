#!/usr/bin/env bash
# Stands for the source document, lines 49-83: a lock that is a folder, named by the run.
# Faithful with its defects: given back when `acquire` itself ends, unknown to other runs, for ever if its holder is killed.
set -euo pipefail

lock=${LOCK_FOLDER:-/tmp}/vosk-cache-${GITHUB_RUN_ID:-$RANDOM}.lock
most=300 # tries, a second each; lines 56 and 60-67

free() {
    rmdir "$lock" 2>/dev/null || true
    echo "lock given back"
}

case ${1:-} in
acquire)
    tries=0
    until mkdir "$lock" 2>/dev/null; do
        tries=$((tries + 1))
        if ((tries > most)); then
            echo "no lock after $most s"
            exit 1
        fi
        echo "waiting for the lock ($tries s)"
        sleep 1
    done
    trap free EXIT # line 69: this process's own end
    echo "lock taken: $lock"
    ;;
release) free ;;
*)
    echo "usage: $0 acquire|release"
    exit 1
    ;;
esac
