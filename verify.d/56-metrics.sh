# what: metrics by three parsers that are not ours, alert rules and dashboard by a running Prometheus, latencies, events of the flight recorder, and log lines
# budget: 180
# clients: yes

readonly PYTHON=/usr/bin/python3
# The goal is 20 ms; a slow machine is no fault, and bench's part `dashboard` has the goal as it is.
readonly SCRAPE_MILLIS_MAX=$((20 * PATIENCE))

scrape() { # NAME [CURL-ARGS...]
    curl -sS --fail --unix-socket "$RAMBACK_RUN_DIR/$1/control.sock" "${@:2}" http://localhost/metrics
}

value() { # SERIES: its value in the last scrape, as it is written
    awk -v series="$1" '$1 == series { print $2; found = 1 } END { exit !found }' scraped.txt
}

above() { # NUMBER SERIES
    awk -v least="$1" -v value="$(value "$2")" 'BEGIN { exit !(value + 0 > least + 0) }'
}

work() { # some of each kind of request
    $PYTHON -m nbd -u "$UP_URI" -c '
import os
for turn in range(40):
    h.pwrite(os.urandom(65536), turn * 65536)
    h.pread(4096, turn * 4096)
h.flush()
h.trim(65536, 0)
h.zero(65536, 65536)
h.flush()' "$@"
}

# A minute to load, if it were not hurried: the flight recorder is begun meanwhile, and then sees the end of it. Slower, and four
# reads of 4 MiB would take so long that the disk is said not to answer.
head -c $((128 << 20)) /dev/urandom >disk.img
slow_disk "$WORK/disk.img" 1ms 20M
RAMBACK_LOG=debug up "$DISK_URI" --name disk --journal "$WORK/disk.journal" --journal-size 8M --mode checkpoint

# --- the flight recorder, from the middle of loading on ---

all_kinds_are_recorded() { # EVENT=LEAST...
    "$JAVA_HOME/bin/java" "$ROOT/verify.d/FlightEvents.java" flight.jfr ramback.Request=80 ramback.Epoch=1 ramback.Commit=1 \
        ramback.Apply=1 ramback.Load=2 ramback.Power=2
}

loaded() {
    test "$(json disk .state)" = ready
}

in_mode() { # MODE
    test "$(json disk .mode)" = "$1"
}

power_comes_and_goes() {
    ramback power on-battery disk
    wait_for 30 in_mode writethrough
    ramback power on-line disk
    wait_for 30 in_mode checkpoint
}

is_private() { # FILE
    test "$(stat -c %a "$1")" = 600
}

no_recorder() { # in a daemon that nobody has asked for events: the flight recorder's classes are not there
    "$JAVA_HOME/bin/jcmd" "$UP_PID" VM.class_hierarchy jdk.jfr.Event >hierarchy.txt
    cat hierarchy.txt
    ! grep -q 'jdk.jfr.Event' hierarchy.txt
}

check 'before the trace is on no class of the flight recorder is loaded' no_recorder
check 'a recording that was never begun is refused' refuses 1 "no flight recording of disk: .*'ramback trace disk on'" ramback trace disk dump \
    "$WORK/none.jfr"
check 'and leaves no file' test ! -e none.jfr
must 'trace on' ramback trace disk on
check 'requests of each kind' work
check 'flush' ramback flush disk
check 'on battery the mode is another one, and on line power the old one again' power_comes_and_goes
pace_disk 1G
check 'loading ends' wait_for 90 loaded
check 'trace dump FILE.jfr writes a recording' ramback trace disk dump "$WORK/flight.jfr"
check 'it is its owner'"'"'s alone' is_private flight.jfr
check 'an existing file is refused' refuses 1 'exists; name a new file' ramback trace disk dump "$WORK/flight.jfr"
check 'it has every kind of event, with its fields' all_kinds_are_recorded
note "$(grep -h '^flight.jfr: ' "check-$CHECKS.log")"
must 'trace off' ramback trace disk off
check 'what was recorded is there after trace off' ramback trace disk dump "$WORK/after.jfr"

# --- metrics ---

by_prometheus() {
    promtool check metrics <scraped.txt >lint.txt 2>&1 || true
    cat lint.txt
    # It has no word for a rate of a device, nor for a bare count of clients; anything else it says is a fault.
    ! grep -vE '^$|^ramback_[a-z_]*bytes_per_second ' lint.txt
}

by_its_python_client() {
    $PYTHON - scraped.txt open.txt <<'EOF'
import sys
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
of = {}
for kind, parse, file in (("text", text, sys.argv[1]), ("openmetrics", openmetrics, sys.argv[2])):
    families = list(parse(open(file).read()))
    samples = sum(len(family.samples) for family in families)
    print(f"{kind}: {len(families)} families, {samples} samples")
    assert len(families) > 60
    assert all(family.documentation and family.type != "unknown" for family in families)
    # What is an info in one is a gauge whose name says so in the other.
    of[kind] = {family.name.removesuffix("_info") for family in families}
assert of["text"] == of["openmetrics"], of["text"] ^ of["openmetrics"]
EOF
}

as_the_status() {
    local name
    for name in sizeBytes:size_bytes chunks:chunks loadedChunks:loaded_chunks intervalSeconds:interval_seconds \
        journal.sizeBytes:journal_size_bytes requests.flushes:'requests_total{device="disk",kind="flush"}'; do
        local series=ramback_${name#*:}
        [[ $series == *'{'* ]] || series+='{device="disk"}'
        printf '%s %s\n' "$series" "$(value "$series")"
        awk -v a="$(json disk ".${name%%:*}")" -v b="$(value "$series")" 'BEGIN { exit !(a + 0 == b + 0) }'
    done
    test "$(value 'ramback_light{device="disk",light="green"}')" = 1
    test "$(value 'ramback_mode{device="disk",mode="checkpoint"}')" = 1
    above 79 'ramback_request_duration_seconds_count{device="disk",kind="write"}'
    above 0 'process_resident_memory_bytes'
    above 0 'process_cpu_seconds_total'
}

every_request_is_timed() { # of each kind as many as were counted, once all are answered
    local kind
    for kind in read write flush trim zero; do
        printf '%s %s\n' "$kind" "$(value "ramback_requests_total{device=\"disk\",kind=\"$kind\"}")"
        test "$(value "ramback_requests_total{device=\"disk\",kind=\"$kind\"}" | sed 's/\.0$//')" = \
            "$(value "ramback_request_duration_seconds_count{device=\"disk\",kind=\"$kind\"}")"
        above 0 "ramback_request_duration_seconds_sum{device=\"disk\",kind=\"$kind\"}"
    done
}

scrape_times() { # the median of 50, after ten
    local i times=()
    for ((i = 0; i < 60; i++)); do
        times+=("$(scrape disk -o /dev/null -w '%{time_total}')")
    done
    printf '%s\n' "${times[0]}" | awk '{ printf "first scrape %.1f ms; ", $1 * 1000 }'
    printf '%s\n' "${times[@]:10}" | sort -n | awk -v most="$SCRAPE_MILLIS_MAX" '
        { t[NR] = $1 * 1000 }
        END {
            median = t[int((NR + 1) / 2)]
            printf "median of 50: %.1f ms, longest %.1f ms\n", median, t[NR]
            if (NR < 50 || median > most) { printf "where %d ms are enough\n", most; exit 1 }
        }'
}

recently() { # status has percentiles of the last ten seconds, once somebody asked for something
    work &&
        json disk .latency >latency.txt &&
        ramback status disk >status.txt &&
        cat latency.txt status.txt &&
        grep -E '^  latency +read +p50 [0-9.]+ (us|ms), p99 [0-9.]+ (us|ms|s), p99\.9 .*, max ' status.txt &&
        grep -E '^ +write +p50 [0-9.]+ (us|ms|s), p99 ' status.txt &&
        $PYTHON -c '
import json
seen = json.load(open("latency.txt"))
assert seen["read"]["count"] >= 40, seen
assert seen["write"]["p999Seconds"] > 0, seen'
}

check 'status shows the latencies of the last ten seconds' wait_for 20 recently # which may be over before all have been looked at
scrape disk >scraped.txt
scrape disk -H 'Accept: application/openmetrics-text;version=1.0.0' >open.txt
check 'promtool accepts the metrics' by_prometheus
check "Prometheus' Python client reads them, as text and as OpenMetrics" by_its_python_client
check 'they say what the status says' as_the_status
check 'every request that was counted was timed' every_request_is_timed
check 'a scrape is quick' scrape_times
note "$(grep -h '^first scrape' "check-$CHECKS.log")"

# --- what an application does on the device as it is attached ---

requests_grew_by() { # KIND LEAST: since before.json
    local before
    before=$($PYTHON -c 'import json, sys; print(json.load(open("before.json"))["requests"][sys.argv[1]])' "$1")
    printf '%s: %s, then %s\n' "$1" "$before" "$(json disk "requests.$1")"
    (($(json disk "requests.$1") >= before + $2))
}

attached_work_counts() { # by a block device, past the page cache, with no NBD client about
    local loop
    ramback status disk --json >before.json
    ramback trace disk on
    ramback attach disk --via fuse
    loop=$(json disk attached.device)
    dd if=/dev/urandom of="$loop" bs=64K count=32 oflag=direct conv=notrunc,fsync
    dd if="$loop" of=/dev/null bs=64K count=64 iflag=direct
    blkdiscard -o 1M -l 1M "$loop"
    requests_grew_by reads 64
    requests_grew_by readBytes $((4 << 20))
    requests_grew_by writes 32
    requests_grew_by writeBytes $((2 << 20))
    requests_grew_by flushes 1
    requests_grew_by trims 1
    requests_grew_by failed 0
    status_is disk clientsVia.fuse 1
    status_is disk clients 1
    ramback status disk --json | $PYTHON "$ROOT/verify.d/status_contract.py" clients=1 attached.via=fuse
    ramback status disk >status.txt
    cat status.txt
    grep -E '^  clients +1 \(1 by fuse\), ' status.txt
    grep -E '^  latency +read +p50 ' status.txt
    ramback trace disk dump "$WORK/attached.jfr"
    "$JAVA_HOME/bin/java" "$ROOT/verify.d/FlightEvents.java" attached.jfr ramback.Request=97
    ramback trace disk off
    scrape disk >scraped.txt
    test "$(value 'ramback_attached{device="disk",via="fuse"}')" = 1
    test "$(value 'ramback_attached{device="disk",via="ublk"}')" = 0
    every_request_is_timed
    ramback detach disk
    status_is disk clients 0
    status_is disk attached null
    requests_grew_by reads 64
    scrape disk >scraped.txt
    test "$(value 'ramback_attached{device="disk",via="fuse"}')" = 0
}

check 'requests by a loop device on FUSE count: status, latencies, events, metrics' attached_work_counts
ramback detach disk >/dev/null 2>&1 || true # of a check that failed

# --- rules and dashboard ---

rules() {
    promtool check rules "$ROOT/packaging/prometheus/ramback.rules.yml"
    promtool test rules "$ROOT/packaging/prometheus/ramback.rules.test.yml"
}

each_rule_is_tried() { # an alert that no test raises could be one that nothing raises
    local alert
    for alert in $(sed -n 's/^ *- alert: //p' "$ROOT/packaging/prometheus/ramback.rules.yml"); do
        grep -q "\b$alert\b" "$ROOT/packaging/prometheus/ramback.rules.test.yml" || { printf 'untried: %s\n' "$alert" && return 1; }
    done
}

prometheus_is_ready() {
    curl -sf "http://127.0.0.1:$PROMETHEUS_PORT/-/ready"
}

check 'the alert rules are right, and each fires when it should and not before' rules
check 'each of them is tried' each_rule_is_tried
SCRAPE_PORT=$(free_port)
background proxy $PYTHON "$ROOT/verify.d/unix_proxy.py" "$SCRAPE_PORT" "$RAMBACK_RUN_DIR/disk/control.sock"
PROXY_PID=$BG_PID
PROMETHEUS_PORT=$(free_port)
sed "s/127.0.0.1:9600/127.0.0.1:$SCRAPE_PORT/; s/scrape_interval: .*/scrape_interval: 1s/; s|ramback.rules.yml|$ROOT/packaging/prometheus/ramback.rules.yml|" \
    "$ROOT/packaging/prometheus/prometheus.yml" >prometheus.yml
background prometheus prometheus --config.file=prometheus.yml --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$PROMETHEUS_PORT" \
    --log.level=warn
PROMETHEUS_PID=$BG_PID
must 'a Prometheus of its own runs' wait_for 60 prometheus_is_ready
background load bash -c "while :; do $PYTHON -m nbd -u '$UP_URI' -c 'h.pwrite(bytes(4096), 0); h.pread(4096, 0); h.flush()'; done"
LOAD_PID=$BG_PID
check 'every panel of the dashboard has data from it' wait_for 60 $PYTHON "$ROOT/verify.d/dashboard_panels.py" \
    "$ROOT/packaging/grafana/ramback.json" "http://127.0.0.1:$PROMETHEUS_PORT"
note "$(grep -h '^[0-9]* panels' "check-$CHECKS.log" | tail -n 1)"
kill "$LOAD_PID" "$PROMETHEUS_PID" "$PROXY_PID"
wait_for 60 gone "$PROMETHEUS_PID"

# --- the log ---

logged() { # REGEX: lines are written by a thread of their own
    wait_for 10 grep -E -- "$1" "$UP_LOG"
}

check 'loading that has ended is a line, with its reason' logged \
    '^ramback: disk: state ready \(was (loading|flushing)\).*; event=change device=disk state=ready light=[a-z]+ mode=checkpoint power=[a-z]+ reason=[a-z]+$'
power_is_logged() {
    logged '^ramback: warning: disk: .*power on-battery \(was none\).*: hooks says so: on battery.*; event=change .* power=on-battery reason=power$'
    logged '^ramback: disk: .*power online \(was on-battery\).*; event=change .* power=online reason=power$'
}

check 'the power is, and that it was the reason' power_is_logged
check 'clients that come and go are, for who wants it' logged '^ramback: disk: a client has gone; event=client-end device=disk client=[0-9]+ requests=[0-9]+$'
check 'the trace is' logged '^ramback: disk: the trace is on; event=trace device=disk trace=on$'

commands_are_logged() {
    ramback mode disk unsafe
    logged '^ramback: disk: mode unsafe \(was checkpoint\)(, light amber \(was green\))?: somebody asked for it; .* mode=unsafe .*reason=command$'
    ramback mode disk auto
    logged 'mode=checkpoint .*reason=(command|power)$' # who looks once a second may come between
    ramback snapshot disk "$WORK/a copy.img"
    logged '; event=snapshot-end device=disk file=".*/a copy.img" bytes=[0-9]+ seconds=[0-9.]+$'
    ramback verify disk
    logged '; event=verify-end device=disk compared_bytes=[0-9]+ differing_bytes=0 '
}

in_the_journal() { # standard error is what JOURNAL_STREAM names: priorities, no words
    local pid
    : >journal.log
    JOURNAL_STREAM=$(stat -c %d:%i journal.log) ramback up "$WORK/j.img" --size 8M --journal none --ram-dir "$RAM" >ready.log 2>>journal.log &
    pid=$!
    wait_for 60 grep -q ' ready, ' ready.log
    ramback flush j
    ramback mode j unsafe
    ramback down j
    wait "$pid"
    cat journal.log
    grep -qE '^<6>j: all that was dirty is in the image; event=flush device=j seconds=[0-9.]+$' journal.log
    grep -qE '^<6>j: mode unsafe ' journal.log
    grep -qE '^<6>j: it has stopped' journal.log
    without grep -vE '^<[3-7]>[^ ]' journal.log
    ! grep -q 'ramback: ' journal.log
}

nobody_reads() { # standard error is a pipe that is full: nothing waits for it, not even while the trace is on
    local hold pid
    mkfifo unread
    exec {hold}<>unread
    dd if=/dev/zero of=unread bs=4096 oflag=nonblock 2>/dev/null || true
    RAMBACK_LOG=debug ramback up "$WORK/u.img" --size 8M --journal-size 2M --ram-dir "$RAM" >unread-ready.log 2>unread &
    pid=$!
    wait_for 60 grep -q ' ready, ' unread-ready.log
    ramback trace u on
    $PYTHON -m nbd -u "nbd+unix:///u?socket=$RAMBACK_RUN_DIR/u/nbd.sock" -c '
for turn in range(2000):
    h.pwrite(bytes(4096), turn * 4096)
h.flush()'
    ramback flush u
    ramback mode u unsafe
    ramback mode u auto
    ramback trace u dump "$WORK/u.jfr"
    ramback down u
    wait_for 60 gone "$pid"
    wait "$pid"
    exec {hold}<&-
    rm unread u.jfr
}

check 'a standard error that nobody reads stops nothing' nobody_reads
check 'what commands do is logged, with fields' commands_are_logged
check 'in the journal a line has a priority instead of words' in_the_journal
must 'down' down disk
check 'the stop is' logged '^ramback: disk: it has stopped, and its image has everything; event=stopped device=disk seconds=[0-9.]+$'
end_disk
rm -f disk.img* ./*.jfr "$WORK/a copy.img"
