#!/usr/bin/env bash
# Stands for the source document, lines 1336-1743: its monitoring script, which it calls fixed. Written anew, faithful with
# its defects: about twenty processes a sample, everything that goes wrong into the CSV file, absolute limits.
# shellcheck disable=SC2016 # the expressions are awk programs
set -euo pipefail

base=${MONITOR_BASE:-$(dirname "$(dirname "${BASH_SOURCE[0]}")")} # lines 1343-1346: beside the script
logs=$base/logs/performance metrics=$base/metrics
interval=${SAMPLE_INTERVAL:-5} most=${MAX_RUNTIME:-3600}
mkdir -p "$logs" "$metrics"
now() { date '+%Y-%m-%d %H:%M:%S'; }
field() { awk "$1" || echo "$2"; }

# Lines 1355-1447.
sample() {
    local load=0.0 used=0 available=0 disk=0 cpu=0.0 mem=0.0 rx=0 tx=0 rd=0 wr=0 cache=0 models=0 rust=0 jobs=0
    local place runners first stats
    [[ ! -f /proc/loadavg ]] || load=$(awk '{print $1}' /proc/loadavg 2>/dev/null || echo 0.0)
    if command -v free >/dev/null 2>&1; then
        stats=$(free -m 2>/dev/null || echo "Mem: 0 0 0 0 0 0")
        used=$(echo "$stats" | field '/^Mem:/ {print $3}' 0)
        available=$(echo "$stats" | field '/^Mem:/ {print $7}' 0)
    fi
    place=${CI_HOME:-/home/runner}/actions-runner/_work
    [[ -d $place ]] || place=/home
    disk=$(df "$place" 2>/dev/null | field 'NR == 2 {gsub(/%/, "", $5); print $5}' 0)
    if command -v pgrep >/dev/null 2>&1; then
        runners=$(pgrep -f "Runner.Listener" 2>/dev/null || echo "")
        if [[ -n $runners ]]; then
            jobs=$(echo "$runners" | wc -l)
            first=$(echo "$runners" | head -1)
            if command -v ps >/dev/null 2>&1; then
                stats=$(ps -p "$first" -o %cpu,%mem --no-headers 2>/dev/null || echo "0.0 0.0")
                cpu=$(echo "$stats" | field '{print $1}' 0.0)
                mem=$(echo "$stats" | field '{print $2}' 0.0)
            fi
        fi
    fi
    stats=$(awk '/eth0|wlan0|enp/ {rx += $2; tx += $10} END {print rx, tx}' /proc/net/dev 2>/dev/null || echo "0 0")
    rx=$(echo "$stats" | field '{print $1}' 0)
    tx=$(echo "$stats" | field '{print $2}' 0)
    stats=$(awk '/nvme0n1|sda|sdb/ {rd += $6; wr += $10} END {print rd, wr}' /proc/diskstats 2>/dev/null || echo "0 0")
    rd=$(echo "$stats" | field '{print $1}' 0)
    wr=$(echo "$stats" | field '{print $2}' 0)
    place=${CI_HOME:-/home/runner}/ActionRunnerCache
    [[ ! -d $place ]] || cache=$(du -sm "$place" 2>/dev/null | field '{print $1}' 0)
    [[ ! -d $place/vosk-models ]] || models=$(du -sm "$place/vosk-models" 2>/dev/null | field '{print $1}' 0)
    [[ ! -d ~/.cargo ]] || rust=$(du -sm ~/.cargo 2>/dev/null | field '{print $1}' 0)
    echo "$(now),$load,$used,$available,$disk,$cpu,$mem,$rx,$tx,$rd,$wr,$cache,$models,$rust,$jobs"
}

# Lines 1449-1459.
of_github() {
    echo "${GITHUB_RUN_ID:-unknown},${GITHUB_JOB:-unknown},${GITHUB_RUN_ATTEMPT:-1},${GITHUB_STEP:-unknown}"
}

# Lines 1461-1518.
start() {
    local began file log values
    began=$(date +%s)
    log=$logs/performance_$(date +%Y%m%d_%H%M%S).log
    file=$metrics/metrics_$(date +%Y%m%d_%H%M%S).csv
    {
        echo "timestamp,load_avg,memory_mb,memory_available_mb,disk_pct,runner_cpu,runner_mem,network_rx,network_tx,\
disk_read,disk_write,cache_size_mb,vosk_model_mb,rust_cache_mb,active_jobs,workflow_id,job_name,run_attempt,step_name"
        while true; do
            if [[ $(($(date +%s) - began)) -gt $most ]]; then
                echo "[$(now)] time is over"
                break
            fi
            values=$(sample)
            echo "$values,$(of_github)"
            load=$(echo "$values" | cut -d, -f2)
            used=$(echo "$values" | cut -d, -f3)
            if (($(echo "$load > 8.0" | bc -l 2>/dev/null || echo 0))); then
                echo "[$(now)] load is $load" >>"$log"
            fi
            if [ "$used" -gt 25000 ]; then
                echo "[$(now)] memory in use is $used MB" >>"$log"
            fi
            sleep "$interval"
        done
    } >>"$file" 2>&1 &
    MONITOR_PID=$!
    echo "MONITOR_PID=$MONITOR_PID" >>"${GITHUB_ENV:-/dev/null}"
    echo "METRICS_FILE=$file" >>"${GITHUB_ENV:-/dev/null}"
    echo "monitor started: $MONITOR_PID"
}

# Lines 1520-1534.
stop() {
    if [[ -z ${MONITOR_PID:-} ]]; then
        echo "no monitor"
        return
    fi
    kill "$MONITOR_PID" 2>/dev/null || true
    wait "$MONITOR_PID" 2>/dev/null || true
    if [[ -n ${METRICS_FILE:-} && -f $METRICS_FILE ]]; then
        report "$METRICS_FILE"
    fi
}

# Lines 1536-1626.
report() {
    local file=$1 page=${1%.csv}_report.md load memory
    printf '# Performance Report\n\nJob: %s\n\n## Summary\n\n' "${GITHUB_JOB:-unknown}" >"$page"
    awk -F, 'NR == 1 {next}
        {n++; load += $2; memory += $3; if ($2 > most) most = $2; if ($3 > peak) peak = $3}
        END {if (n > 0) printf "- Average Load: %.2f\n- Peak Load: %.2f\n- Average Memory: %.0f MB\n" \
            "- Peak Memory: %.0f MB\n- Sample Count: %d\n", load / n, most, memory / n, peak, n}' "$file" >>"$page"
    load=$(awk -F, 'NR > 1 {sum += $2; n++} END {if (n > 0) print sum / n}' "$file" || echo 0)
    memory=$(awk -F, 'NR > 1 {sum += $3; n++} END {if (n > 0) print sum / n}' "$file" || echo 0)
    if (($(echo "$load > 4.0" | bc -l 2>/dev/null || echo 0))); then
        echo "- high CPU usage ($load)" >>"$page"
    else
        echo "- normal load ($load)" >>"$page"
    fi
    if (($(echo "$memory > 20000" | bc -l 2>/dev/null || echo 0))); then
        echo "- high memory usage (${memory}MB)" >>"$page"
    else
        echo "- normal memory (${memory}MB)" >>"$page"
    fi
    if [[ -n ${GITHUB_ACTIONS:-} ]]; then
        echo "PERFORMANCE_REPORT=$page" >>"$GITHUB_ENV"
    fi
}

# Lines 1628-1691.
health() {
    local load memory disk warnings=0
    load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo 0.0)
    if (($(echo "$load > 6.0" | bc -l 2>/dev/null || echo 0))); then
        warnings=$((warnings + 1))
    fi
    memory=$(free -m | awk '/^Mem:/ {printf "%.1f", ($3/$2)*100}' 2>/dev/null || echo 0.0)
    if (($(echo "$memory > 80.0" | bc -l 2>/dev/null || echo 0))); then
        warnings=$((warnings + 1))
    fi
    disk=$(df /home | awk 'NR == 2 {gsub(/%/, "", $5); print $5}' 2>/dev/null || echo 0)
    if [ "$disk" -gt 80 ]; then
        warnings=$((warnings + 1))
    fi
    pgrep -f "Runner.Listener" >/dev/null || warnings=$((warnings + 1))
    echo "load $load, memory $memory %, disk $disk %: $warnings warnings"
    if ((warnings == 0)); then exit 0; elif ((warnings <= 2)); then exit 1; else exit 2; fi
}

case ${1:-} in # lines 1717-1743
start | monitor) start ;;
stop) stop ;;
health) health ;;
report)
    if [[ -n ${METRICS_FILE:-} && -f $METRICS_FILE ]]; then
        report "$METRICS_FILE"
    else
        echo "no metrics"
        exit 1
    fi
    ;;
*) exit 1 ;;
esac
