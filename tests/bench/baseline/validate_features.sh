#!/usr/bin/env bash
# Stands for the source document, lines 758-893, in parts that can be asked for one by one. Written anew, faithful with its
# defects: features by `grep`, three pairs by hand, an option that cargo does not have.
#     validate_features.sh list|combinations|msrv|conflicts|all
set -euo pipefail

msrv=1.75.0

# Lines 766-769.
list() { grep -A 20 '\[features\]' Cargo.toml | grep -E '^[a-zA-Z0-9_-]+\s*=' | cut -d= -f1 | tr -d ' '; }

# Lines 771-804.
combinations() {
    local failed=0 wanted
    for wanted in "$@" vosk,silero vosk,text-injection silero,text-injection vosk,silero,text-injection; do
        cargo check --features "$wanted" --locked >/dev/null 2>&1 || failed=1
    done
    return $failed
}

# Lines 806-821.
oldest() {
    rustup toolchain list | grep -q "$msrv" || rustup toolchain install "$msrv"
    rustup run "$msrv" cargo check --locked
    rustup run "$msrv" cargo check --features vosk --locked
}

# Lines 823-856.
conflicts() {
    local wanted
    for wanted in "" vosk silero text-injection vosk,silero vosk,silero,text-injection; do
        if [[ -n $wanted ]]; then
            cargo generate-lockfile --features "$wanted" >/dev/null 2>&1
        else
            cargo generate-lockfile >/dev/null 2>&1
        fi
    done
}

mapfile -t features < <(list)
case ${1:-all} in
list) printf '%s\n' "${features[@]}" ;;
combinations) combinations "${features[@]}" ;;
msrv) oldest ;;
conflicts) conflicts ;;
all) # lines 873-891
    combinations "${features[@]}"
    oldest
    conflicts
    cargo doc --workspace --all-features --no-deps --locked
    ;;
esac
