# what: the service: what a service manager is told, by path and by abstract name, from a recovery to the last flush; the unit itself
# budget: 150
# beside: yes
# clients: yes

# No systemd runs here: a socket plays its part, and systemd-analyze reads the unit.

readonly PYTHON=/usr/bin/python3
readonly UNIT=$ROOT/packaging/systemd/ramback@.service
# The exposure that systemd-analyze gives the unit, of 100; what is over it is a step back.
readonly EXPOSURE_MAX=35

# --- the unit ---

unit_is_whole() { # with a program that is there
    sed "s#^ExecStart=/usr/bin/ramback #ExecStart=$ROOT/ramback #" "$UNIT" >"$WORK/ramback@.service"
    grep -q "^ExecStart=$ROOT/ramback up " "$WORK/ramback@.service"
    systemd-analyze verify --man=no "$WORK/ramback@.service" >verify.txt 2>&1 || { cat verify.txt && return 1; }
    cat verify.txt
    if grep -F 'ramback@' verify.txt; then return 1; fi
}

unit_is_hardened() {
    systemd-analyze security --offline=true --threshold=$EXPOSURE_MAX "$WORK/ramback@.service" >exposure.txt || {
        cat exposure.txt
        return 1
    }
    grep -F 'Overall exposure' exposure.txt
}

allowed_calls() { # prints the system calls of the unit's filter, its groups resolved
    systemd-analyze syscall-filter | $PYTHON -c '
import sys
groups, name = {}, None
for line in sys.stdin:
    word = line.split()[0] if line.split() else ""
    if line[:1] == "@":
        name = word
        groups[name] = set()
    elif name and word and word[0] != "#":
        groups[name].add(word)
def calls(group):
    for word in groups[group]:
        yield from calls(word) if word[0] == "@" else [word]
print("\n".join(sorted(set(calls(sys.argv[1])) | set(calls("@default")))))' "$(sed -n 's/^SystemCallFilter=//p' "$UNIT")"
}

every_call_is_allowed() { # of a run from its launcher to its end
    local pid
    # The one who traces is a grandchild, so that the process that is started stays the one that it is.
    strace -f -D -qq -c -o "$WORK/calls.txt" env --default-signal=INT "$ROOT/ramback" up "$WORK/traced.img" --size 16M --journal-size 2M \
        --listen 127.0.0.1:0 --http 127.0.0.1:0 --ram-dir "$RAM" >"$WORK/traced.log" 2>&1 &
    pid=$!
    wait_for 120 grep -q ' ready, ' "$WORK/traced.log"
    nbdcopy "$ROOT/README.md" "$(sed -n 's/.* ready, .* //p' "$WORK/traced.log")"
    ramback flush traced >/dev/null
    ramback snapshot traced "$WORK/traced.copy" >/dev/null
    ramback verify traced >/dev/null
    ramback mode traced checkpoint >/dev/null
    curl -sS --fail --output /dev/null "$(json traced .httpUri)"
    kill -TERM "$pid"
    wait_for 120 gone "$pid"
    wait_for 60 test -s "$WORK/calls.txt"
    awk '$1 ~ /^[0-9.]+$/ && $NF != "total" { print $NF }' "$WORK/calls.txt" | sort -u >made.txt
    allowed_calls >allowed.txt
    printf '%d kinds of calls made, %d allowed\n' "$(wc -l <made.txt)" "$(wc -l <allowed.txt)"
    grep -qx pwrite64 made.txt
    grep -qx futex made.txt
    if comm -23 made.txt allowed.txt | grep .; then
        printf 'is not allowed by the filter\n'
        return 1
    fi
}

if command -v systemd-analyze >/dev/null; then
    check 'systemd-analyze finds nothing wrong with the unit' unit_is_whole
    check "its exposure is $EXPOSURE_MAX of 100 at most" unit_is_hardened
    note "$(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/exposure of the unit \1 of 10/p' exposure.txt 2>/dev/null)"
    check 'every system call of a run is one that the unit allows' every_call_is_allowed
else
    skip 'systemd-analyze finds nothing wrong with the unit' 'there is no systemd-analyze here'
fi

rights_of() { # PID: as a number
    printf '%d\n' "0x$(sed -n 's/^CapEff:\t//p' "/proc/$1/status")"
}

rights_are_enough() {
    local rights uri pid
    rights=$(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT" | tr '[:upper:] ' '[:lower:],' | sed 's/cap_/+/g')
    truncate -s 16M "$WORK/theirs.img"
    chown 4321 "$WORK/theirs.img"
    chmod 600 "$WORK/theirs.img"
    attach_loop "$WORK/theirs.img"
    setpriv --bounding-set="-all,$rights" --inh-caps=-all --no-new-privs -- \
        "$ROOT/ramback" up "$LOOP" --name rights --journal "$WORK/rights.journal" --journal-size 2M --ram-dir "$RAM" >"$WORK/rights.log" 2>&1 &
    pid=$!
    wait_for 60 grep -q ' ready, ' "$WORK/rights.log"
    cat "$WORK/rights.log"
    uri=$(sed -n 's/.* ready, .* //p' "$WORK/rights.log")
    # 1 CAP_DAC_OVERRIDE, 14 CAP_IPC_LOCK, 24 CAP_SYS_RESOURCE, as far as there are here.
    test "$(rights_of "$pid")" = $(($(rights_of self) & (1 << 1 | 1 << 14 | 1 << 24)))
    test "$(json rights .process.memoryLocked)" = all
    if (($(rights_of self) >> 24 & 1)); then
        test "$(json rights .process.ioFlusher)" = true
        test "$(json rights .process.oomScoreAdjust)" = -999
    fi
    nbdcopy "$ROOT/README.md" "$uri"
    kill -TERM "$pid"
    wait_for 60 gone "$pid"
    detach "$LOOP"
    cmp -n 4096 "$ROOT/README.md" "$WORK/theirs.img"
}

if (($(rights_of self) >> 14 & 1)); then
    check "with the unit's capabilities alone it serves somebody else's block device, and its memory is locked" rights_are_enough
else
    skip "with the unit's capabilities alone it serves a block device" 'nobody here may lock memory'
fi

# --- what is told ---

EARS=()

ear() { # NAME LOG
    background "ear-$2" $PYTHON "$ROOT/verify.d/notify_socket.py" "$1" "$2"
    EARS+=("$BG_PID")
    wait_for 10 grep -qs LISTENING "$2"
}

told() { # LOG COUNT REGEX: at least so often
    (($(grep -cE -- "^[0-9]+ [0-9]+ $3" "$1") >= $2))
}

told_in_order() { # LOG PREFIX...
    $PYTHON "$ROOT/verify.d/notify_socket.py" --order "$@"
}

from_main_process_alone() { # LOG PID: as NotifyAccess=main wants it
    awk -v pid="$2" '$2 != 0 && $2 != pid { print "from " $2 ": " $0; bad = 1 } END { exit bad }' "$1"
    if grep MALFORMED "$1"; then return 1; fi
}

fill() { # URI MIB: with what is no zeroes
    head -c "$2M" /dev/urandom >"$WORK/random"
    nbdcopy --flush "$WORK/random" "$1"
}

stops_as_asked() { # PID LOG: by what systemd sends; the disk crawls until the stop has been told of
    kill -TERM "$1"
    wait_for 60 told "$2" 1 'STATUS=stopping, '
    pace_disk 150M
    wait_for 120 gone "$1"
}

# A slow image, so that recovery, loading and the last flush take seconds.
head -c 96M /dev/urandom >slow.img
slow_disk slow.img 1ms 50M
readonly SERVICE=(--name service --journal "$WORK/service.journal" --journal-size 128M)

ear "$WORK/notify" path.log
NOTIFY_SOCKET=$WORK/notify WATCHDOG_USEC=3000000 up "$DISK_URI" "${SERVICE[@]}"
readonly FIRST=$UP_PID
check 'READY is told once, with the process that was started, when clients may connect' \
    wait_for 20 told_in_order path.log READY=1 "MAINPID=$FIRST" STATUS=
check 'loading is followed' wait_for 30 told path.log 2 'STATUS=loading [0-9]+ %, writeback$'
pace_disk 150M
check 'the watchdog hears of a living device' wait_for 30 told path.log 3 'WATCHDOG=1'
check 'loaded, it is green' wait_for 60 told path.log 1 'STATUS=green, writeback$'

hangs_without_being_dead() { # what the disk does is no reason to start again
    local before
    kill -STOP "$DISK_PID"
    fill "$UP_URI" 8
    before=$(grep -c WATCHDOG=1 path.log)
    wait_for 60 told path.log $((before + 4)) 'WATCHDOG=1'
    wait_for 60 told path.log 1 'STATUS=degraded: image: no answer for '
    kill -CONT "$DISK_PID"
    wait_for 60 told path.log 2 'STATUS=(green|amber), writeback'
}

check 'a disk that hangs is told, and the watchdog goes on hearing' hangs_without_being_dead

says_what_threads_do() { # WatchdogSignal=SIGQUIT
    kill -QUIT "$UP_PID"
    wait_for 30 grep -q 'Full thread dump' "$UP_LOG"
    wait_for 30 grep -q '"sealer"' "$UP_LOG"
    ramback status service >/dev/null
}

check "the watchdog's signal has every thread's stack on standard output, and ends nothing" says_what_threads_do

upgrade_is_told() {
    ramback upgrade service
    test "$(daemon_of service)" = "$FIRST"
    wait_for 30 told path.log 2 'READY=1'
    wait_for 30 told_in_order path.log READY=1 'STATUS=another program takes the device over' WATCHDOG=1 WATCHDOG_USEC=900000000 \
        READY=1 "MAINPID=$FIRST" WATCHDOG_USEC=3000000 WATCHDOG=1
}

check 'through an upgrade the process stays, and the next program tells' upgrade_is_told

hangs_while_handed_over() {
    local before
    before=$(grep -c 'STATUS=degraded: image: no answer for ' path.log)
    kill -STOP "$DISK_PID"
    fill "$UP_URI" 8
    wait_for 60 told path.log $((before + 1)) 'STATUS=degraded: image: no answer for '
    background upgrade "$ROOT/ramback" upgrade service
    wait_for 60 told path.log 1 'STATUS=another program takes the device over; waits for the disk: image: no answer for '
    before=$(grep -c WATCHDOG=1 path.log)
    wait_for 60 told path.log $((before + 4)) 'WATCHDOG=1'
    test "$(grep -c READY=1 path.log)" = 2
    kill -CONT "$DISK_PID"
    wait_for 60 told path.log 3 'READY=1'
    wait_for 60 grep -q 'was taken over' upgrade.log
    wait_for 60 gone "$BG_PID"
}

handed_over_by_the_image() { # to a program that has another layout of memory, as it says: first all has to be in the image
    local greens
    greens=$(grep -c 'STATUS=green' path.log)
    pace_disk 50M # the other way: however long the fill takes, seconds are left
    fill "$UP_URI" 64
    curl -sS --fail-with-body --unix-socket "$RAMBACK_RUN_DIR/service/control.sock" \
        -d "{\"launcher\": \"$ROOT/ramback\", \"layout\": 999}" http://localhost/handover
    wait_for 60 told path.log 2 'STATUS=another program takes the device over; stopping, '
    pace_disk 150M
    wait_for 120 told path.log 4 'READY=1'
    test "$(daemon_of service)" = "$FIRST"
    told_in_order path.log 'STATUS=another program takes the device over; stopping, ' WATCHDOG=1 \
        'STATUS=another program takes the device over; stopping, ' WATCHDOG=1 READY=1 "MAINPID=$FIRST"
    grep -F 'takes the device over; stopping, ' path.log
    cmp "$WORK/random" -n $((64 << 20)) slow.img
    # Loaded anew: renew_disk says what becomes of nbdkit otherwise.
    wait_for 60 told path.log $((greens + 1)) 'STATUS=green'
}

check 'an upgrade while the disk hangs waits for it, and the watchdog goes on hearing' hangs_while_handed_over
check 'on the way to a program of another layout it says what is left, and the watchdog hears' handed_over_by_the_image

killed_and_recovered() { # the memory is taken away, so that the journal must be carried to the slow image
    pace_disk 50M
    fill "$UP_URI" 64
    kill -KILL "$FIRST"
    wait_for 30 gone "$FIRST"
    rm -f "$RAM"/service-*
}

check 'killed with 64 MiB in its journal' killed_and_recovered
renew_disk
ear "@ramback-verify-$$" abstract.log
NOTIFY_SOCKET=@ramback-verify-$$ WATCHDOG_USEC=3000000 up "$DISK_URI" "${SERVICE[@]}"
check 'a recovery says how far it is, and asks for time while it gets on' \
    wait_for 20 told_in_order abstract.log EXTEND_TIMEOUT_USEC= 'STATUS=recovering ' READY=1 "MAINPID=$UP_PID" STATUS=
pace_disk 40M
fill "$UP_URI" 64
check 'SIGTERM stops it' stops_as_asked "$UP_PID" abstract.log
check 'the stop is told at once, asks for time while it gets on, and says what is left' \
    wait_for 20 told_in_order abstract.log READY=1 STOPPING=1 EXTEND_TIMEOUT_USEC= 'STATUS=stopping, ' EXTEND_TIMEOUT_USEC= STATUS=
check 'while it stops the watchdog hears' wait_for 20 told_in_order abstract.log STOPPING=1 WATCHDOG=1
check 'nobody but the main process told anything, in whole assignments' from_main_process_alone path.log "$FIRST"
check 'and likewise by the abstract name' from_main_process_alone abstract.log "$UP_PID"
check 'all of it is in the image' cmp "$WORK/random" -n $((64 << 20)) slow.img
end_disk

says_why_it_failed() {
    NOTIFY_SOCKET=$WORK/notify refuses 2 'does not exist' ramback up "$WORK/nowhere.img" --ram-dir "$RAM"
    wait_for 10 told path.log 1 'STATUS=.*nowhere.img.* does not exist'
    test "$(grep -c READY=1 path.log)" = 4
}

check 'a start that fails says why in its status, and is never READY' says_why_it_failed

nobody_listens() {
    NOTIFY_SOCKET=$WORK/nobody up "$WORK/plain.img" --size 16M --journal none
    grep -q 'warning: the service manager can.t be told of the device: sendto .*nobody' "$UP_LOG"
    test "$(grep -c 'service manager' "$UP_LOG")" = 1
    down
}

check 'a socket on which nobody listens is one warning, and no harm' nobody_listens

for ear in "${EARS[@]}"; do
    kill -TERM "$ear"
    wait_for 10 gone "$ear"
done
