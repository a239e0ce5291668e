# Runs one section of ./verify: `bash lib.sh verify.d/NN-name.sh`, in the environment that ../verify sets up.
#
# A section is a bash script under `set -euo pipefail` that begins with its header:
#
#   # what: one sentence, shown by ./verify --list
#   # budget: seconds it should take on 2 cores (reported when exceeded; five times that ends it)
#   # clients: yes                 if it needs nbdkit, libnbd, qemu-img, fio, filesystem tools (verify installs them)
#   # long: yes | only             if it has a long form: $LONG_MINUTES is 0 in a normal run
#
# It may use
#
#   $ROOT $WORK $RAM $SEED         the work tree; its own directory on disk, its own on tmpfs; the run's seed
#   check NAME COMMAND...          counts one pass or failure and prints one line; goes on either way. The command (a
#                                  function too) runs in a subshell under `set -e`, its output shown when it fails
#   must NAME COMMAND...           the same, but a failure ends the section
#   refuses CODE REGEX COMMAND...  a command for `check`: must exit with CODE and say one line on stderr matching REGEX
#   without COMMAND...             must exit with 1, as a grep that finds nothing. Never write `! COMMAND` but at the end of a
#                                  function: `set -e` lets that pass, whatever came of it
#   skip NAME REASON               counts a check that cannot be made here, and why
#   note TEXT                      says something, and in a long run also in its row of docs/reliability.md
#   count PASSED FAILED NAME [SKIPPED]   counts the results of another test runner
#   ramback ARGS...                the program under test
#   up IMAGE OPTIONS...            starts a device in the background and waits for its ready line; its memory lies in
#                                  $RAM. Sets UP_NAME, UP_URI, UP_SOCKET, UP_PID and UP_LOG. Waits as wait_for does, for
#                                  UP_SECONDS (60), and then stops what did not come up
#   down [NAME]                    `ramback down`, then waits until the daemon has gone; the last `up` without NAME
#   background NAME COMMAND...     starts a command in the background, output in $WORK/NAME.log, its pid in BG_PID
#   wait_for SECONDS COMMAND...    repeats a command until it succeeds; fails after $PATIENCE times SECONDS, which is what a
#                                  quiet machine could need: a slow one is no fault
#   gone PID                       true when the process has ended
#   attach_loop FILE [OPTION...]   a loop device over FILE, options as for losetup; sets LOOP
#   mount_nbd URI                  nbdfuse over URI; sets NBD_MOUNT and NBD_FILE, the file in it. Undone by unmount_nbd
#   attach_nbd URI                 a loop device (O_DIRECT) over nbdfuse over URI; sets LOOP and NBD_MOUNT, undone by detach
#   detach LOOP                    gives back what attach_loop or attach_nbd made
#   slow_disk FILE DELAY RATE      FILE behind nbdkit, each request DELAY late and RATE bits a second in each direction;
#                                  sets DISK_URI and DISK_PID, ended by end_disk
#   renew_disk                     starts the disk that was made last anew, at the same address: nbdkit 1.32 aborts now and then
#                                  ("raw_send_socket: Assertion `sock >= 0'") when a client is killed in the midst of slow requests
#   pace_disk RATE                 gives the slow disk that was made last another rate, which it takes within seconds
#   failing_disk FILE TRIGGER      the same, each request failing with EIO for as long as the file TRIGGER exists
#   free_port                      prints a TCP port on which nobody listens
#   complains_not LOG              fails, and shows it, when a daemon's LOG tells of an internal error
#   json NAME FILTER               one value of `ramback status NAME --json`, FILTER as in .mode or .dirtyBytes
#   status_is NAME FIELD VALUE     true when that is its value
#   sh_nbd URI PYTHON              with `h`, an open connection, and `os` and `time`
#
# When the section ends, devices it left up are stopped; one more check looks for internal errors in what the daemons have
# said, and one for anything at all that is left: processes, mounts, loop devices, memory, run files. Start everything from
# the section itself, so that it inherits RAMBACK_VERIFY, by which it is found. Sleep only in wait_for, and where time that
# passes is what is tried.

set -euo pipefail

ROOT=$VERIFY_ROOT
WORK=$VERIFY_WORK
RAM=$VERIFY_RAM
# State files of images that are no files, or lie where none can be put beside them.
export RAMBACK_STATE_DIR=$WORK/state
CHECKS=0
readonly PATIENCE=4
declare -A FUSE_OF=()
trap '' PIPE

# shellcheck source=machine.sh
source "$ROOT/verify.d/machine.sh"

now_millis() {
    printf '%s\n' "${EPOCHREALTIME/[.,]/}" | sed 's/...$//'
}

result() { # KIND NUMBER NAME
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$VERIFY_RESULTS"
}

check() {
    local name=$1 log started status=0 millis
    shift
    CHECKS=$((CHECKS + 1))
    log=$WORK/check-$CHECKS.log
    started=$(now_millis)
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    status=$?
    set -e
    millis=$(($(now_millis) - started))
    if ((status == 0)); then
        printf '  ok    %s (%d.%d s)\n' "$name" $((millis / 1000)) $((millis % 1000 / 100))
        result pass 1 "$name"
    else
        printf '  FAIL  %s (%d.%d s, exit code %d): %s\n' "$name" $((millis / 1000)) $((millis % 1000 / 100)) "$status" "$*"
        printf '%s\n' "$(tail -n 25 "$log")" | sed 's/^/        | /'
        result fail 1 "$name"
        why <"$log"
    fi
    LAST_STATUS=$status
}

why() { # in short, for the end of the whole run, of which that may be all that somebody keeps
    local line
    awk '!/^[[:space:]]*(at |\.\.\.)/ { said[++n] = $0 }
        END { for (i = 1; i <= n; i++) if (i <= 2 || i > n - 2) print said[i] }' | while IFS= read -r line; do
        line=${line//$'\t'/ }
        result why 0 "${line:0:160}"
    done
}

must() {
    check "$@"
    if ((LAST_STATUS != 0)); then exit 3; fi # counted already
}

skip() {
    printf '  skip  %s: %s\n' "$1" "$2"
    result skip 1 "$1"
}

note() {
    printf '        | %s\n' "$1"
    result note 0 "$1"
}

count() {
    local word='ok  ' skipped=${4:-0}
    if (($2 > 0)); then word=FAIL; fi
    printf '  %s  %s: %d passed and %d failed%s\n' "$word" "$3" "$1" "$2" "$( ((skipped == 0)) || printf ', %d skipped' "$skipped")"
    result pass "$1" "$3"
    if (($2 > 0)); then result fail "$2" "$3"; fi
    if ((skipped > 0)); then result skip "$skipped" "$3"; fi
}

refuses() {
    local code=$1 regex=$2 out err status=0
    shift 2
    if [[ $1 == ramback ]]; then set -- "$ROOT/ramback" "${@:2}"; fi
    out=$WORK/refuses-$BASHPID.out
    err=$WORK/refuses-$BASHPID.err
    timeout 60 "$@" >"$out" 2>"$err" </dev/null || status=$?
    cat "$out" "$err"
    if ((status != code)); then
        printf 'exit code %d where %d is promised\n' "$status" "$code"
        return 1
    fi
    if (($(wc -l <"$err") != 1)); then
        printf 'said %d lines on stderr where one is promised\n' "$(wc -l <"$err")"
        return 1
    fi
    if ! grep -qE -- "$regex" "$err"; then
        printf 'nothing matches %s\n' "$regex"
        return 1
    fi
}

without() {
    local status=0
    "$@" || status=$?
    if ((status != 1)); then
        printf 'exit code %d where 1 is wanted: %s\n' "$status" "$*"
        return 1
    fi
}

ramback() {
    "$ROOT/ramback" "$@"
}

gone() { # a zombie is gone too: it only waits for us to look
    local state
    state=$(sed -n 's/^State:\t//p' "/proc/$1/status" 2>/dev/null) || return 0
    [[ -z $state || $state == Z* || $state == X* ]]
}

wait_for() {
    local seconds=$1 until
    shift
    until=$((SECONDS + seconds * PATIENCE))
    while ! "$@"; do
        if ((SECONDS >= until)); then
            printf 'not within %d s: %s\n' $((seconds * PATIENCE)) "$*" >&2
            return 1
        fi
        sleep 0.05
    done
}

up_answered() {
    grep -q '^ramback: .* ready, ' "$UP_LOG" || gone "$UP_PID"
}

up() {
    local line
    UP_LOG=$(mktemp "$WORK/up-XXXXXX.log")
    # SIGINT as it is in a terminal: a script's background jobs ignore it unless told otherwise.
    env --default-signal=INT "$ROOT/ramback" up "$@" --ram-dir "$RAM" >"$UP_LOG" 2>&1 </dev/null &
    UP_PID=$!
    printf '%s\n' "$UP_PID" >>"$WORK/up.pids" # a file, since a check runs in a subshell
    wait_for "${UP_SECONDS:-60}" up_answered || true
    line=$(grep -m 1 '^ramback: .* ready, ' "$UP_LOG") || {
        printf 'up %s did not become ready:\n' "$*" >&2
        sed 's/^/        | /' "$UP_LOG" >&2
        kill -TERM "$UP_PID" 2>/dev/null || true # what comes next finds the machine as if it had never been
        wait_for 60 gone "$UP_PID" || true
        return 1
    }
    UP_NAME=${line#ramback: }
    UP_NAME=${UP_NAME%% ready,*}
    UP_URI=${line##* }
    # shellcheck disable=SC2034 # the section's
    UP_SOCKET=${UP_URI#*socket=}
}

daemon_of() { # NAME -> its pid, empty when it does not run
    cat "$RAMBACK_RUN_DIR/$1/pid" 2>/dev/null || true
}

down() {
    local name=${1:-$UP_NAME} pid
    pid=$(daemon_of "$name")
    ramback down "$name" >>"$WORK/down.log" 2>&1 || {
        tail -n 5 "$WORK/down.log" >&2
        return 1
    }
    if [[ -n $pid ]]; then wait_for 60 gone "$pid"; fi
}

background() {
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    # shellcheck disable=SC2034 # the section's
    BG_PID=$!
}

attach_loop() {
    LOOP=$(losetup --find --show "${@:2}" "$1")
    unset "FUSE_OF[$LOOP]" # of an earlier life of that number, undone in a check's subshell
}

mount_nbd() {
    NBD_MOUNT=$(mktemp -d "$WORK/nbdfuse.XXXXXX")
    NBD_FILE=$NBD_MOUNT/nbd
    background "${NBD_MOUNT##*/}" nbdfuse "$NBD_FILE" "$1"
    wait_for 30 test -e "$NBD_FILE"
}

unmount_nbd() { # NBD_MOUNT; whoever lists loop devices has ours open for a moment
    wait_for 30 fusermount3 -u "$1"
    wait_for 30 no_process_matches "$1/"
    rmdir "$1"
}

attach_nbd() {
    mount_nbd "$1"
    attach_loop "$NBD_FILE" --direct-io=on
    FUSE_OF[$LOOP]=$NBD_MOUNT
}

loop_is_free() {
    ! losetup "$1" >/dev/null 2>&1
}

detach() {
    local loop=$1 mount=${FUSE_OF[$1]:-}
    losetup -d "$loop"
    wait_for 30 loop_is_free "$loop"
    if [[ -n $mount ]]; then
        unmount_nbd "$mount"
        unset "FUSE_OF[$loop]"
    fi
}

slow_disk() {
    # shellcheck disable=SC2034 # the section's
    RATE_FILE=$(mktemp -u "$WORK/rate.XXXXXX")
    serve_disk "$1" --filter=delay --filter=rate -- rdelay="$2" wdelay="$2" rate="$3" rate-file="$RATE_FILE" burstiness=0.25
}

pace_disk() { # whole in one instant, since it is read all the time
    printf '%s\n' "$1" >"$RATE_FILE.new"
    mv "$RATE_FILE.new" "$RATE_FILE"
}

failing_disk() {
    serve_disk "$1" --filter=error -- error=EIO error-rate=100% error-file="$2"
}

serve_disk() { # FILE NBDKIT_OPTION... -- PARAMETER...
    local file=$1 options=()
    shift
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    DISK_DIR=$(mktemp -d "$WORK/disk.XXXXXX")
    # shellcheck disable=SC2034 # the section's
    DISK_URI="nbd+unix:///?socket=$DISK_DIR/sock"
    DISK_COMMAND=(nbdkit --unix "$DISK_DIR/sock" --pidfile "$DISK_DIR/pid" "${options[@]}" file "$file" "${@:2}")
    start_disk
}

start_disk() {
    "${DISK_COMMAND[@]}"
    wait_for 10 test -s "$DISK_DIR/pid"
    DISK_PID=$(cat "$DISK_DIR/pid")
}

renew_disk() {
    kill -TERM "$DISK_PID" 2>/dev/null || true
    wait_for 30 gone "$DISK_PID"
    rm -f "$DISK_DIR/sock" "$DISK_DIR/pid"
    start_disk
}

end_disk() {
    kill -TERM "$DISK_PID"
    wait_for 30 gone "$DISK_PID"
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

no_process_matches() { # TEXT in the command line of a process of this section
    local pid
    for pid in $(processes_of "$WORK"); do
        if grep -qsF -- "$1" "/proc/$pid/cmdline" && ! gone "$pid"; then return 1; fi
    done
}

json() { # NAME FIELD: without the start of a JVM, since there are hundreds of looks, and some tell what was so in a moment
    curl --silent --fail --max-time 20 --unix-socket "$RAMBACK_RUN_DIR/$1/control.sock" http://localhost/status |
        /usr/bin/python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in filter(None, sys.argv[1].split(".")):
    value = value[key]
print(json.dumps(value) if isinstance(value, (bool, dict, list)) or value is None else value)' "$2"
}

status_is() { # NAME FIELD VALUE
    test "$(json "$1" "$2")" = "$3"
}

sh_nbd() {
    /usr/bin/python3 -m nbd -u "$1" -c 'import os, time' -c "$2"
}

says_red() { # NAME: ls, which says that it does not know when the device is slow to answer
    ramback ls >ls.txt && grep "^$1 .* red " ls.txt
}

complains_not() {
    [[ -s $1 ]] && ! grep -A 12 -E 'internal error|Exception|WARNING' "$1"
}

no_internal_error() { # in what any daemon said, whoever started it; a test's own output is somebody else's
    ! grep -rE -A 12 --include='*.log' --exclude='check-*.log' --exclude=mvn.log 'internal error|is stepped again' "$WORK"
}

parent_of() { # PID
    sed -n 's/^PPid:\t//p' "/proc/$1/status" 2>/dev/null
}

descends() { # PID ANCESTOR; true also for what is on its way out and has no parent to name
    local pid=$1
    while [[ $pid != "$2" ]]; do
        if [[ $pid == 1 || $pid == 0 ]]; then return 1; fi
        pid=$(parent_of "$pid")
        if [[ -z $pid ]]; then return 0; fi
    done
}

nothing_left() {
    local left pid looking=$BASHPID
    left=$(
        for pid in $(processes_of "$WORK"); do
            if [[ $pid == "$RUNNER_PID" ]] || descends "$pid" "$looking" || gone "$pid"; then continue; fi
            printf 'process %s: %.160s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
        done 2>/dev/null
        mounts_under "$WORK" | sed 's/^/mount /'
        loops_under "$WORK" "$RAM" | sed 's/^/loop device /'
        find "$RAM" -mindepth 1 ! -type d -printf 'in memory: %p\n'
        find "$RAMBACK_RUN_DIR" -mindepth 1 ! -type d ! -name '*.log' ! -name '*.lock' -printf 'run file: %p\n'
    )
    printf '%s' "$left"
    [[ -z $left ]]
}

settled() { # what is on its way out gets twenty seconds
    for _ in {1..100}; do
        if nothing_left >"$WORK/left.txt"; then return 0; fi
        sleep 0.2
    done
    cat "$WORK/left.txt"
    return 1
}

end_of_section() { # stops what is still up as a user would, then looks
    local pid
    for pid in $(processes_of "$WORK"); do
        if ! grep -qsx "$pid" "$WORK/up.pids" || gone "$pid"; then continue; fi
        kill -TERM "$pid" 2>/dev/null || true
        wait_for 60 gone "$pid" || true
    done
    if grep -rqs --include='*.log' '^ramback: .* ready, ' "$WORK"; then
        check 'no daemon met an error of its own' no_internal_error
    fi
    check 'nothing of it is left: processes, mounts, loop devices, memory, run files' settled
}

RUNNER_PID=$$
mkdir -p "$RAMBACK_RUN_DIR"
cd "$WORK"
# shellcheck disable=SC1090 # the section, named on the command line
source "$1"
end_of_section
