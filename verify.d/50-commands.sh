# what: every command and option, live modes under load, signals, and every bad input with its exit code, its one line and nothing half made
# budget: 400
# clients: yes

readonly PYTHON=/usr/bin/python3
export RAMBACK_STATE_DIR=$WORK/state # of images that can't have it beside them

# --- helpers ---

contract() { # NAME [FIELD=VALUE...]
    ramback status "$1" --json | $PYTHON "$ROOT/verify.d/status_contract.py" "${@:2}"
}

says() { # REGEX COMMAND...: succeeds, and says it on standard output
    "${@:2}" >said.txt
    cat said.txt
    grep -qE -- "$1" said.txt
}

everything() { # all there is: of images, of memory, of running devices
    find "$WORK/in" "$RAM" "$RAMBACK_RUN_DIR" ! -name said.txt -printf '%p %y %s\n' | sort
}

refused() { # CODE REGEX ARGS...: `refuses`, and nothing has come or gone, grown or shrunk
    local status=0
    everything >"$WORK/before.txt"
    refuses "$1" "$2" "${@:3}" || status=$?
    everything >"$WORK/after.txt"
    rm -f new.img new.img.* # which no check wants; they are in the list if they were made
    diff "$WORK/before.txt" "$WORK/after.txt" && return "$status"
}

refused_up() { # CODE REGEX ARGS...
    refused "$1" "$2" ramback up "${@:3}" --ram-dir "$RAM"
}

ended() { # PID: its exit code, in ENDED; only for a child of the shell that asks
    ENDED=0
    wait_for 60 gone "$1"
    wait "$1" || ENDED=$?
}

mkdir -p in "$RAM"
cd in

# --- a device on a slow disk: what is seen of loading and flushing ---
# 2 MB/s, so that it loads for as long as it is looked at, on any machine; then it is hurried. Later 8 MB/s, but for what is to be
# seen while it lasts.

readonly SLOW_SIZE=$((192 << 20))
head -c $SLOW_SIZE /dev/urandom >slow.img
slow_disk "$WORK/in/slow.img" 1ms 16M
readonly RATE=64M WALK=24M CRAWL=8M RUSH=2G
mount_nbd "$DISK_URI"
SLOW_MOUNT=$NBD_MOUNT
SLOW_FILE=$NBD_FILE
up "$SLOW_FILE" --name slow --mode unsafe --dirty-max 120M --journal none
SLOW_PID_UP=$UP_PID
SLOW_DEVICE=$UP_URI
SLOW_LOG=$UP_LOG

one_ready_line() { # NAME REGEX
    test "$(grep -vc '^ramback: warning: ' "$UP_LOG")" = 1 # what the machine lacks is said besides
    grep -qE "^ramback: $1 ready, $2, nbd\+unix:///$1\?socket=/" "$UP_LOG"
}

watch() { # FILE OPTION...: follows the device, not on a terminal, until the test ends it
    env --default-signal=INT "$ROOT/ramback" status --watch "${@:2}" >"$1" 2>&1 </dev/null &
    WATCH_PID=$!
}

end_watch() {
    kill -INT "$WATCH_PID"
    ended "$WATCH_PID"
    test "$ENDED" = 0
}

flush_beside_loading() { # a flush gets its share of the disk: it returns long before loading is done
    ramback mode slow writeback
    sh_nbd "$SLOW_DEVICE" '
start = time.monotonic()
for offset in range(0, 6 << 20, 1 << 20):
    h.pwrite(os.urandom(1 << 20), offset)
h.flush()
print(time.monotonic() - start)'
    status_is slow .state loading
    ramback mode slow auto
}

watch_loading() {
    watch "$WORK/watch.txt" slow
    wait_for 20 grep -qE '\[#+-+\] +[0-9]+ %.*MiB/s' "$WORK/watch.txt"
    wait_for 20 has_lines 3 '^slow ' "$WORK/watch.txt"
    grep -q 'amber' "$WORK/watch.txt"
    pace_disk $RUSH
    wait_for 60 grep -qE 'green' "$WORK/watch.txt"
    pace_disk $RATE
    end_watch
}

has_lines() { # COUNT REGEX FILE: at least so many that match
    (($(grep -cE "$2" "$3") >= $1))
}

loads_on_demand() { # an application's read does not wait for its turn: the last chunk, long before all is loaded
    local seconds
    seconds=$(sh_nbd "$SLOW_DEVICE" '
start = time.monotonic()
data = h.pread(4096, (192 << 20) - 4096)
print(time.monotonic() - start)
os.write(2, data)' 2>tail.bin)
    printf 'read the last 4 KiB in %s s\n' "$seconds"
    cmp tail.bin <(tail -c 4096 slow.img)
    status_is slow .state loading
}

waiting_holds_nobody_up() { # on one connection: twelve reads that must be loaded first, and behind them one that need not
    sh_nbd "$SLOW_DEVICE" '
h.pread(4096, 0)
answered, buffers = [], []
for turn in range(12):
    buffers.append(nbd.Buffer(4096))
    h.aio_pread(buffers[-1], (150 << 20) - (turn << 20), lambda error, turn=turn: answered.append(turn) or 1)
buffers.append(nbd.Buffer(4096))
h.aio_pread(buffers[-1], 0, lambda error: answered.append("loaded") or 1)
while len(answered) < 13:
    h.poll(-1)
print(answered)
assert answered.index("loaded") < 6'
    status_is slow .state loading
}

check 'up says one line: name, size, mode, URI' one_ready_line slow '192 MiB, unsafe'
check 'status --json while loading keeps the contract' contract slow state=loading greenLight=false name=slow mode=unsafe \
    configuredMode=unsafe sizeBytes=$SLOW_SIZE chunkBytes=4096 chunks=49152 journal=null power.state=none trace=false
check 'a read of the last chunk is answered long before loading gets there' loads_on_demand
check 'a request that waits for loading does not hold up the one behind it' waiting_holds_nobody_up
check 'status shows a bar of what is loaded' says '^ *loaded .*\[#*-+\] +[0-9]+ %' ramback status slow
check 'ls shows name, size, mode, light, loss, block device, URI' says "^slow +192 MiB +unsafe +amber +nothing +- +nbd\+unix:///slow" ramback ls
check 'a flush returns while loading goes on' flush_beside_loading
check 'status --watch, not on a terminal, follows loading with bar and rate up to the green light' watch_loading
check 'status --json when loaded keeps the contract' contract slow state=ready greenLight=true loadedChunks=49152 dirtyBytes=0 \
    lossIfPowerFailedNow.bytes=0
check 'ls shows the green light' says '^slow .* green ' ramback ls
check 'status shows the green light' says '^slow .*green' ramback status

watch_json() {
    watch watch.json --json
    wait_for 20 has_lines 2 '^' watch.json
    end_watch
    $PYTHON "$ROOT/verify.d/status_contract.py" name=slow <watch.json
}

check 'status --watch --json: a line a second, each keeping the contract' watch_json

# --- flush ---

dirty() { # MIB: that much new data at the beginning, acknowledged from RAM
    sh_nbd "$SLOW_DEVICE" "
data = os.urandom($1 << 20)
open('wrote.bin', 'wb').write(data)
for offset in range(0, len(data), 1 << 20):
    h.pwrite(data[offset:offset + (1 << 20)], offset)"
}

in_image() { # what `dirty` wrote is in the image's file, behind our back
    cmp -n "$(stat -c %s wrote.bin)" wrote.bin slow.img
}

flush_with_progress() {
    pace_disk $WALK
    dirty 48
    watch "$WORK/watch.txt" slow
    ramback flush slow >flush.out 2>flush.err &
    local flushing=$!
    wait_for 20 status_is slow .state flushing
    contract slow state=flushing greenLight=false lossIfPowerFailedNow.bytes=$SLOW_SIZE
    wait_for 20 grep -qE '\[#+-+\] +[0-9]+ % flushed.*[MK]iB/s' "$WORK/watch.txt"
    wait_for 20 test -s flush.err
    pace_disk $RATE
    wait "$flushing"
    end_watch
    in_image
    contract slow dirtyBytes=0 dirtyChunks=0 lossIfPowerFailedNow.bytes=0
    cat flush.err
    grep -qE '^ramback: .*MiB of .* left' flush.err
    grep -q '^ramback: slow flushed' flush.out
}

unsafe_flush_is_free() { # 50 flushes with the disk seconds behind
    pace_disk $CRAWL
    dirty 32
    sh_nbd "$SLOW_DEVICE" '
start = time.monotonic()
for _ in range(50):
    h.flush()
print(time.monotonic() - start)'
    test "$(json slow .dirtyBytes)" -gt 0
    pace_disk $RATE
    ramback flush slow
}

check 'flush: progress, state, watch, and then the image has it' flush_with_progress
check 'unsafe: an NBD flush does not wait for the disk' unsafe_flush_is_free

# --- modes and what they promise ---

writeback_flush_waits() {
    ramback mode slow writeback
    status_is slow .mode writeback
    dirty 4
    sh_nbd "$SLOW_DEVICE" 'h.flush()'
    in_image
    sh_nbd "$SLOW_DEVICE" '
data = os.urandom(10000)
open("wrote.bin", "wb").write(data)
h.pwrite(data, 0, nbd.CMD_FLAG_FUA)'
    in_image
}

writethrough_write_waits() {
    ramback mode slow writethrough
    status_is slow .mode writethrough
    sh_nbd "$SLOW_DEVICE" '
for turn in range(20):
    data = os.urandom(5000)
    h.pwrite(data, turn * 40961)
    with open("slow.img", "rb") as image:
        image.seek(turn * 40961)
        assert image.read(5000) == data, f"write {turn} was acknowledged and is not in the image"'
}

stricter_when_it_is_true() { # seconds of flushing first
    ramback mode slow auto
    status_is slow .modeByHand false
    pace_disk $CRAWL
    dirty 48
    ramback mode slow writethrough >said.txt &
    local switching=$!
    wait_for 20 status_is slow .modeByHand true # it has been heard
    contract slow mode=unsafe
    pace_disk $RATE
    wait "$switching"
    contract slow mode=writethrough lossIfPowerFailedNow.bytes=0
    in_image
}

speed_returns_at_once() { # on leaving writethrough
    ramback mode slow writethrough
    ramback mode slow unsafe
    pace_disk $CRAWL
    sh_nbd "$SLOW_DEVICE" '
start = time.monotonic()
for turn in range(200):
    h.pwrite(os.urandom(65536), (100 << 20) + turn * 65536)
print(time.monotonic() - start)'
    test "$(json slow .dirtyBytes)" -gt 0
    contract slow mode=unsafe
    pace_disk $RATE
}

auto_is_what_up_was_given() {
    ramback mode slow writethrough
    contract slow mode=writethrough configuredMode=unsafe greenLight=false
    ramback mode auto
    contract slow mode=unsafe configuredMode=unsafe
}

check 'writeback: FLUSH and FUA return when the image has it' writeback_flush_waits
check 'writethrough: a write returns when the image has it' writethrough_write_waits
check 'a stricter mode is reported only when its promise holds for everything before' stricter_when_it_is_true
check 'leaving writethrough, RAM speed returns at once' speed_returns_at_once
check 'mode auto goes back to what up was given' auto_is_what_up_was_given
check 'mode checkpoint needs a journal' refused 1 'checkpoint needs a journal, and this device keeps none' ramback mode slow checkpoint

# --- how much may be dirty in unsafe ---

fill_most() { # URI: writes 48 MiB, which stay in fill.bin
    sh_nbd "$1" '
data = os.urandom(48 << 20)
open("fill.bin", "wb").write(data)
for offset in range(0, len(data), 1 << 20):
    h.pwrite(data[offset : offset + (1 << 20)], offset)'
}

fills_beyond_a_quarter() { # of what rests the image gets it soon: on a slow machine it takes another look
    fill_most "$UP_URI" && test "$(json roomy .dirtyBytes)" -gt $((32 << 20))
}

unsafe_has_no_limit() { # and the image is left alone
    up roomy.img --size 64M --mode unsafe
    wait_for 20 status_is roomy .state ready
    contract roomy dirtyMaxBytes=$((64 << 20))
    wait_for 60 fills_beyond_a_quarter
    contract roomy throttling=false
    ramback mode roomy writeback
    contract roomy mode=writeback dirtyMaxBytes=$((16 << 20)) lossIfPowerFailedNow.bytes=0
    ramback flush roomy
    cmp -n $((48 << 20)) fill.bin roomy.img
    ramback mode roomy auto
    fill_most "$UP_URI"
    ramback flush roomy
    contract roomy dirtyBytes=0
    cmp -n $((48 << 20)) fill.bin roomy.img
    fill_most "$UP_URI"
    down roomy
    cmp -n $((48 << 20)) fill.bin roomy.img
}

unsafe_keeps_a_limit_that_is_given() {
    up tight.img --size 64M --mode unsafe --dirty-max 8M
    wait_for 20 status_is tight .state ready
    fill_most "$UP_URI"
    contract tight dirtyMaxBytes=$((8 << 20))
    test "$(json tight .dirtyBytes)" -le $((8 << 20))
    down tight
    cmp -n $((48 << 20)) fill.bin tight.img
}

check 'unsafe: no limit holds writers up, and a flush, another mode and a stop carry everything' unsafe_has_no_limit
check 'unsafe: --dirty-max holds there as well' unsafe_keeps_a_limit_that_is_given

# --- signals ---

second_signal() { # SIGNAL: the first flushes and stops, the second says what is still dirty and does not end it
    ramback flush slow
    pace_disk $CRAWL
    dirty 48
    kill -"$1" "$SLOW_PID_UP"
    wait_for 20 status_is slow .state stopping
    test "$(grep -c 'still has' "$SLOW_LOG")" = 0
    kill -"$1" "$SLOW_PID_UP"
    wait_for 5 grep -qE '^ramback: slow still has [0-9.]+ MiB \([0-9,]+ chunks\) to write' "$SLOW_LOG"
    without gone "$SLOW_PID_UP"
    pace_disk $RUSH
}

check 'SIGTERM: state stopping; a second one says what is still dirty and goes on flushing' second_signal TERM
ended "$SLOW_PID_UP"
check 'then it ends with 0' test "$ENDED" = 0
check 'and the image has everything' in_image
unmount_nbd "$SLOW_MOUNT"
end_disk

interrupted() { # SIGINT from another process, which a shell's background jobs ignore unless told otherwise
    env --default-signal=INT "$ROOT/ramback" up sigint.img --size 16M --journal-size 4M --ram-dir "$RAM" >sigint.log 2>&1 </dev/null &
    local pid=$!
    wait_for 20 grep -q ' ready, ' sigint.log
    sh_nbd "$(sed -n '/ ready, /s/.* //p' sigint.log)" 'h.pwrite(b"kept", 1000)'
    kill -INT "$pid"
    ended "$pid"
    test "$ENDED" = 0
    test "$(dd if=sigint.img bs=1 skip=1000 count=4 status=none)" = kept
    rm sigint.img*
}

ctrl_c() {
    $PYTHON "$ROOT/verify.d/terminal.py" 30 ' ready, .*\n' '\x03' -- \
        "$ROOT/ramback" up ctrl.img --size 16M --journal-size 4M --ram-dir "$RAM" >ctrl.log
    grep -q '^ramback: ctrl ready, 16 MiB, writeback, ' ctrl.log
    test "$(stat -c %s ctrl.img)" = $((16 << 20))
    rm ctrl.img*
}

stdin_may_be_closed() {
    "$ROOT/ramback" up closed.img --size 1M --journal-size 4M --ram-dir "$RAM" >closed.log 2>&1 <&- &
    local pid=$!
    wait_for 20 grep -q ' ready, ' closed.log
    ramback down closed
    ended "$pid"
    test "$ENDED" = 0
    rm closed.img*
}

name_beyond_ascii() { # in the locale that services, cron and ssh often have
    local image="$PWD/bücher/größe ☃.img"
    mkdir bücher
    (
        unset LANG LC_CTYPE
        export LC_ALL=POSIX
        up "$image" --size 1M --journal-size 4M --name names
        [[ $(json names .journal.path) == "$image.journal" ]]
        down names
        ramback check "$image" | grep -qF 'größe ☃.img'
    )
    rm -r bücher
}

check 'names of files beyond ASCII, in a POSIX locale' name_beyond_ascii
check 'SIGINT: flushes, ends with 0, the image has it' interrupted
check 'Ctrl-C in a terminal: ends with 0' ctrl_c
check 'down of a device without standard input' stdin_may_be_closed

# --- modes switched under load ---

up load.img --size 40M --mode writeback
LOAD_URI=$UP_URI

switch_under_load() { # each of the twelve directions and auto, while every answer is held against a byte array
    local model mode round
    rm -f stop
    $PYTHON "$ROOT/verify.d/nbd_model.py" --seed "$SEED" --operations 1000000 --until stop --final final.img "$LOAD_URI" \
        >model.log 2>&1 &
    model=$!
    for round in 1 2; do
        for mode in unsafe writeback writethrough unsafe writethrough writeback checkpoint unsafe checkpoint writethrough \
            checkpoint auto; do
            if gone "$model"; then break; fi
            ramback mode load "$mode"
            if [[ $mode == auto ]]; then mode=writeback; fi
            contract load mode=$mode configuredMode=writeback
        done
    done
    if gone "$model"; then printf 'the clients ended before round %d was over\n' "$round"; fi
    touch stop
    wait "$model" || { cat model.log && return 1; }
    cat model.log
    ramback down load
    cmp final.img load.img
    rm load.img* final.img model.log stop
}

check 'mode in every direction under load: all answers right, and the image after down' switch_under_load

# --- trace ---

up traced.img --size 8M
TRACED_LOG=$UP_LOG

go_away() {
    local socket=$RAMBACK_RUN_DIR/traced/control.sock
    $PYTHON - "$socket" <<'END'
import socket, sys
request = b"POST /trace HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n{\"on\":false}"
for sent in range(len(request) + 1):
    for answered in (False, True):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(sys.argv[1])
            client.sendall(request[:sent])
            if answered:
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
END
    contract traced trace=false
    complains_not "$TRACED_LOG"
}

check 'clients of the control socket that go at any byte of a request are nothing to complain of' go_away

some_requests() {
    sh_nbd "$UP_URI" 'h.pwrite(b"x" * 5000, 12345); h.pread(77, 40961); h.trim(8192, 65536); h.zero(4096, 131072); h.flush()'
}

traced() {
    ramback trace traced on
    contract traced trace=true
    some_requests
    ramback trace traced dump trace.txt
    test "$(stat -c %a trace.txt)" = 600
    cat trace.txt
    local words
    for words in 'write.*12345.*5000' 'read.*40961.*77' 'trim.*65536.*8192' 'zero.*131072.*4096' 'flush'; do
        grep -qiE "$words" trace.txt || { printf 'nothing of %s\n' "$words" && return 1; }
    done
    test "$(grep -cE '[0-9]+\.[0-9]{3,}' trace.txt)" -ge 5
    wait_for 5 grep -qE 'write.*12345' "$TRACED_LOG"
}

trace_off() {
    ramback trace traced off
    contract traced trace=false
    some_requests
    ramback trace traced dump trace2.txt
    test "$(grep -ciE 'write.*12345' trace2.txt)" = "$(grep -ciE 'write.*12345' trace.txt)"
}

check 'trace on: every request with its time, on standard error and in the dump' traced
check 'trace dump does not overwrite' refused 1 "trace.txt exists" ramback trace traced dump trace.txt
check 'trace off: no more events' trace_off
check 'trace without a word' refused 2 "trace" ramback trace
check 'trace with a wrong word' refused 2 "maybe.*'off'" ramback trace traced maybe
rm -f trace.txt trace2.txt

# --- bench ---

bench_reads_only() { # by name and by URI; what it measures is not overwritten
    sh_nbd "$UP_URI" 'h.pwrite(os.urandom(8 << 20), 0)'
    ramback flush traced
    sha256sum traced.img >traced.sum
    says 'MiB/s' ramback bench traced -- --seconds 1
    grep -q 'Only reads were measured' said.txt
    says 'MiB/s' ramback bench "$UP_URI" -- --seconds 1
    ramback flush traced
    sha256sum --check traced.sum
    rm traced.sum
}

check 'bench measures by name and by URI, and reads only' bench_reads_only
check 'bench of what nobody serves' refused 1 'nobody\.sock' ramback bench "nbd+unix:///x?socket=$PWD/nobody.sock"
check 'bench of no such device' refused 3 'nosuch.*ramback ls' ramback bench nosuch
check 'bench with a wrong argument' refused 2 "'--fast'.*--seconds" ramback bench traced -- --fast

# --- bad input ---

all_options() {
    local option
    ramback up --help >said.txt
    for option in size name mode interval journal journal-size chunk socket listen dirty-max ram max-clients snapshot-buffer \
        detect-zeroes accept-torn discard-ram ram-dir run-dir read-only; do
        grep -qE -- "--$option\b" said.txt || { printf 'nothing of --%s\n' "$option" && return 1; }
    done
}

truncate -s 1M mib.img
mkdir directory
mkfifo fifo
: >empty.img

check 'no IMAGE given' refused_up 2 'IMAGE'
check 'no IMAGE and no --size' refused_up 2 'missing\.img does not exist.*--size' missing.img
check 'no directory for the IMAGE' refused_up 2 'nowhere' nowhere/new.img --size 1M
check 'a size that disagrees' refused_up 2 'mib\.img has 1048576 bytes.*2097152.*--size' mib.img --size 2M
check 'a directory' refused_up 2 'directory is a directory' directory
check 'a FIFO' refused_up 2 'fifo' fifo
check 'a character device' refused_up 2 '/dev/null' /dev/null
check 'an empty file' refused_up 2 'empty\.img has 0 bytes' empty.img
check 'a remote image whose server is away' refused_up 1 'no connection to nbd://localhost:1/x' nbd://localhost:1/x
check 'a bad name' refused_up 2 "'Bad Name'.*a-z" new.img --size 1M --name 'Bad Name'
check 'a name too long' refused_up 2 '64' new.img --size 1M --name "$(printf 'n%.0s' {1..65})"
check 'a bad name from the image' refused_up 2 "'My Disk'.*--name" 'My Disk.img' --size 1M
check 'a bad size' refused_up 2 "'12X'" new.img --size 12X
check 'no size' refused_up 2 "'0'.*at least 1" new.img --size 0
check 'a negative size' refused_up 2 "'-5'.*at least 1" new.img --size=-5
check 'a size over 63 bits' refused_up 2 "'99999999T'.*limit" new.img --size 99999999T
check 'a bad mode' refused_up 2 "'fast'.*writethrough.*writeback.*unsafe" new.img --size 1M --mode fast
check 'checkpoint without a journal' refused_up 2 'checkpoint needs a journal' new.img --size 1M --mode checkpoint --journal none
check 'a bad duration' refused_up 2 "'5x'.*1s" new.img --size 1M --interval 5x
check 'no duration' refused_up 2 "'0s'.*20ms to 1h" new.img --size 1M --interval 0s
check 'a duration too short' refused_up 2 "'19ms'.*20ms to 1h" new.img --size 1M --interval 19ms
check 'a duration too long' refused_up 2 "'61m'.*20ms to 1h" new.img --size 1M --interval 61m
check 'a chunk that is no power of two' refused_up 2 "'5K'.*power of two" new.img --size 1M --chunk 5K
check 'a chunk too small' refused_up 2 "'2K'.*4K" new.img --size 1M --chunk 2K
check 'a chunk too large' refused_up 2 "'2M'.*1M" new.img --size 1M --chunk 2M
check 'a bad --dirty-max' refused_up 2 "'1K'.*at least" new.img --size 1M --dirty-max 1K
check 'a bad --ram' refused_up 2 "'lots'.*reserve.*sparse" new.img --size 1M --ram lots
check 'no clients' refused_up 2 "'0'.*1.*4096" new.img --size 1M --max-clients 0
check 'no file for the journal' refused_up 2 "'': not a path" new.img --size 1M --journal ''
check 'no directory for the journal' refused_up 1 'cannot create the journal .*nowhere/j.*--journal none' new.img --size 1M --journal nowhere/j
check 'a journal too small' refused_up 2 "'1M'.*2 MiB to 1 TiB" new.img --size 1M --journal-size 1M
check 'a journal too large' refused_up 2 "'2T'.*2 MiB to 1 TiB" new.img --size 1M --journal-size 2T
check 'a size for no journal' refused_up 2 'journal-size 4M.*none' new.img --size 1M --journal none --journal-size 4M
check 'a snapshot buffer too small' refused_up 2 "'1K'.*at least" new.img --size 1M --snapshot-buffer 1K
check 'recover without an image' refused 2 'IMAGE' ramback recover
check 'recover of no image' refused 2 'missing\.img does not exist' ramback recover missing.img
check 'recover to no epoch' refused 2 "'last'.*ramback check" ramback recover mib.img --to-epoch last
check 'check without an image' refused 2 'IMAGE' ramback check
check 'check of no image' refused 2 'missing\.img does not exist' ramback check missing.img
check 'check of a directory' refused 2 'directory is a directory' ramback check directory
check 'check of an image in use' refused 1 'traced\.img is in use' ramback check traced.img
check 'recover of an image in use' refused 1 'traced\.img is in use' ramback recover traced.img
check 'a bad address' refused_up 2 "'localhost'" new.img --size 1M --listen localhost
check 'a bad port' refused_up 2 "99999" new.img --size 1M --listen 127.0.0.1:99999
check 'an address that is not the loopback' refused_up 2 "0\.0\.0\.0.*loopback" new.img --size 1M --listen 0.0.0.0:10809
check 'an option that does not exist' refused_up 2 "'?--sise'?" new.img --sise 1M
check 'an option without its value' refused_up 2 '--size' new.img --size
check 'an option twice' refused_up 2 '--size' new.img --size 1M --size 2M
check 'two images' refused_up 2 "other\.img" new.img other.img --size 1M
check 'a command that does not exist' refused 2 "'upp'.*up.*status" ramback upp
check 'no command' refused 2 "up.*status" ramback
check 'attach in a way that there is not' refused 2 "'loop'.*auto, ublk, nbd or fuse" ramback attach traced --via loop
check 'connections of another way than nbd' refused 2 '--connections 4 is for --via nbd' ramback attach traced --connections 4
check 'more connections than there can be' refused 2 "bad --connections '17': .* from 1 to 16" \
    ramback attach traced --via nbd --connections 17
check 'a filesystem for no mount' refused 2 '--mkfs ext4 is for --mount DIR' ramback attach traced --mkfs ext4
check 'a mount on nothing' refused 2 "'nowhere'.*no such directory" ramback attach traced --mount nowhere
check 'detach of what is not attached' refuses 1 'traced is not attached' ramback detach traced
check 'a bad mode for a running device' refused 2 "'quick'.*writethrough.*auto" ramback mode traced quick
check '--help is no error' says 'Usage: ramback' ramback --help
check 'up --help names every option' all_options

for command in status 'mode unsafe' flush 'trace on' 'snapshot file' attach detach down; do
    read -r verb rest <<<"$command"
    # shellcheck disable=SC2086 # a word or none
    check "no such device: $command" refused 3 "nosuch.*ramback ls" ramback "$verb" nosuch $rest
done

# --- in use ---

check 'an image in use' refused_up 1 'traced\.img.*in use' traced.img --name another
check 'a name in use' refused_up 1 "named traced.*already running.*pid $UP_PID" mib.img --name traced
check 'what was asked of a running device did it no harm' contract traced state=ready greenLight=true backing.errors=0
ln traced.img hard.img
ln -s traced.img soft.img
check 'an image in use, by a hard link' refused_up 1 'hard\.img.*in use' hard.img
check 'an image in use, by a symbolic link' refused_up 1 'soft\.img.*in use' soft.img
rm hard.img soft.img

long_path() { # LENGTH: a path of that many bytes in this directory
    local head=$WORK/in/s
    printf '%s%0*d' "$head" $(($1 - ${#head})) 0
}

socket_of_107_bytes() {
    up mib.img --socket "$(long_path 107)"
    sh_nbd "$UP_URI" 'assert h.get_size() == 1 << 20'
    down
    test ! -e "$(long_path 107)"
}

dead_socket_is_replaced() {
    $PYTHON -c 'import socket; socket.socket(socket.AF_UNIX).bind("dead.sock")'
    test -S dead.sock
    up mib.img --socket "$PWD/dead.sock"
    sh_nbd "$UP_URI" 'h.pread(1, 0)'
    down
    test ! -e dead.sock
}

check 'a socket path of 107 bytes' socket_of_107_bytes
check 'a socket path of 108 bytes' refused_up 2 '108 bytes.*107' new.img --size 1M --socket "$(long_path 108)"
check 'a socket in use by a live server' refused_up 1 'socket is in use.*traced/nbd.sock' new.img --size 1M --socket "$UP_SOCKET"
check 'the live server goes on' sh_nbd "$UP_URI" 'h.pread(1, 0)'
check 'a file in the way of the socket' refused_up 1 'mib.img.*' new.img --size 1M --socket "$PWD/mib.img"
check 'a dead socket is replaced' dead_socket_is_replaced

port_in_use() {
    local pid port status=0
    $PYTHON -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(100)' >port.txt &
    pid=$!
    wait_for 10 test -s port.txt
    port=$(cat port.txt)
    refused_up 1 "$port.*in use" new.img --size 1M --listen "127.0.0.1:$port" || status=$?
    kill "$pid"
    rm port.txt
    return "$status"
}

port_0() {
    up mib.img --listen 127.0.0.1:0
    sh_nbd "$(json mib .tcpUri)" 'assert h.get_size() == 1 << 20'
    down
}

check 'a port in use' port_in_use
check 'port 0 takes a free one' port_0

# --- two devices, one, none ---

up mib.img
check 'ls shows both' eval 'says "^mib " ramback ls && grep -q "^traced " said.txt'
for command in status 'mode unsafe' flush 'trace on' 'snapshot file' attach detach down; do
    # shellcheck disable=SC2086 # words
    check "two devices and no NAME: $command" refused 2 '2 devices.*mib, traced' ramback $command
done
down mib
check 'one device needs no NAME' says '"name":"traced"' ramback status --json
down traced
check 'no device: ls shows none' eval 'ramback ls >said.txt && test "$(wc -l <said.txt)" -le 1'
check 'no device: status' refused 3 'no device' ramback status
rm traced.img*

# --- memory, disk, permission ---

small_tmpfs() { # with room for a device of 4 MiB and its client areas, and not for 64 MiB
    mkdir "$WORK/small"
    mount -t tmpfs -o size=48m,mode=700 none "$WORK/small"
    refused 1 'need (6[4-9]|[7-9][0-9]|1[0-9][0-9]) MiB, have 4[0-8] MiB' ramback up new.img --size 64M --ram-dir "$WORK/small"
    test -z "$(ls -A "$WORK/small")"
    ramback up new.img --size 4M --journal-size 4M --ram-dir "$WORK/small" --max-clients 2 >small.log 2>&1 &
    wait_for 20 grep -q ' ready, ' small.log
    ramback down new
    test -z "$(ls -A "$WORK/small")"
    rm new.img* small.log
    umount "$WORK/small"
}

full_filesystem() { # no inode left
    truncate -s 8M "$WORK/full.img"
    mkfs.ext4 -q -F -N 16 "$WORK/full.img"
    attach_loop "$WORK/full.img"
    mkdir "$WORK/full"
    mount "$LOOP" "$WORK/full"
    local i
    for i in {1..64}; do : 2>/dev/null >"$WORK/full/$i" || break; done
    local status=0
    refused_up 1 'cannot create image .*new\.img.*No space' "$WORK/full/new.img" --size 1M || status=$?
    test ! -e "$WORK/full/new.img" || status=1
    umount "$WORK/full"
    detach "$LOOP"
    rm "$WORK/full.img"
    return "$status"
}

no_room_for_the_journal() { # for the image there is: it is sparse
    truncate -s 16M "$WORK/full.img"
    mkfs.ext4 -q -F "$WORK/full.img"
    attach_loop "$WORK/full.img"
    mkdir -p "$WORK/full"
    mount "$LOOP" "$WORK/full"
    local status=0
    refused_up 1 'no room for the journal .*new\.img\.journal of 67108864 bytes: No space.*--journal-size.*none' \
        "$WORK/full/new.img" --size 8M || status=$?
    test "$(find "$WORK/full" -type f)" = '' || status=1
    umount "$WORK/full"
    detach "$LOOP"
    rm "$WORK/full.img"
    return "$status"
}

without_rights() { # as root, but bound to permissions like everybody else
    chown nobody mib.img
    chmod 600 mib.img
    mkdir locked
    chown nobody locked
    chmod 755 locked
    local status=0
    refused 1 'no permission.*mib\.img' setpriv --bounding-set=-all "$ROOT/ramback" up mib.img --ram-dir "$RAM" &&
        refused 1 'locked/new\.img.*Permission denied' setpriv --bounding-set=-all "$ROOT/ramback" up locked/new.img --size 1M --ram-dir "$RAM" || status=$?
    chown root mib.img
    rmdir locked
    return "$status"
}

as_nobody() { # a user who is not root: own run directory, own memory, the same life
    local home=$WORK/nobody
    mkdir "$home"
    mkdir -p -m 700 "$RAMBACK_STATE_DIR" # root's, of other devices
    mkdir -p "$VERIFY_RAM_ROOT/nobody"
    chown nobody "$home" "$VERIFY_RAM_ROOT/nobody"
    chmod 711 "$VERIFY_RUN_ROOT" "$VERIFY_RAM_ROOT" "$WORK"
    local as=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u RAMBACK_RUN_DIR HOME="$home" RAMBACK_NO_BUILD=1)
    cd "$home"
    refuses 2 'XDG_RUNTIME_DIR.*--run-dir' "${as[@]}" XDG_RUNTIME_DIR= "$ROOT/ramback" ls
    as+=(XDG_RUNTIME_DIR="$home")
    "${as[@]}" "$ROOT/ramback" up mine.img --size 4M --journal-size 4M --ram-dir "$VERIFY_RAM_ROOT/nobody" >up.log 2>&1 &
    wait_for 20 grep -q ' ready, ' up.log
    test "$(stat -c '%U %a' mine.img)" = 'nobody 600'
    test -S "$home/ramback/mine/nbd.sock"
    "${as[@]}" "$ROOT/ramback" status
    "${as[@]}" "$ROOT/ramback" down
    rm -r "$home" "$VERIFY_RAM_ROOT/nobody"
}

check 'too little memory in --ram-dir' small_tmpfs
check 'more than the machine has' refused_up 1 'need .*MiB, have ' new.img --size 1T
check 'the disk is full when creating' full_filesystem
check 'no room for the journal: nothing is left, not even the image' no_room_for_the_journal
check 'larger than the filesystem can hold' refused_up 2 'new\.img.*[0-9]{10,}' new.img --size 8388607T
check 'no permission' without_rights
if setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$ROOT/target/dist/stamp" -a -x "$JAVA_HOME/bin/java"; then
    check 'a user who is not root' as_nobody
else
    skip 'a user who is not root' "nobody cannot read $ROOT"
fi

# --- the daemon is gone ---

# Seconds after a commit the image gets what was committed: whoever asks with commands in between may be too late.
written_and_killed() { # CONDITION PYTHON: writes to the last `up`, and kills it as soon as this holds of its status
    sh_nbd "$UP_URI" "$2
import http.client, json, signal, socket
def status():
    control = http.client.HTTPConnection('localhost')
    control.sock = socket.socket(socket.AF_UNIX)
    control.sock.connect(os.path.join(os.environ['RAMBACK_RUN_DIR'], '$UP_NAME', 'control.sock'))
    control.request('GET', '/status')
    return json.loads(control.getresponse().read())
end = time.monotonic() + 60
while True:
    now = status()
    if $1: break
    if time.monotonic() > end: sys.exit(f'never as it is to be: {now}')
    time.sleep(0.01)
os.kill($UP_PID, signal.SIGKILL)"
}

killed_clean() {
    up killed.img --size 8M
    sh_nbd "$UP_URI" 'h.pwrite(b"survives", 777); h.flush()'
    ramback flush killed
    kill -KILL "$UP_PID"
    wait_for 10 gone "$UP_PID"
}

after_killed_clean() {
    up killed.img
    sh_nbd "$UP_URI" 'assert h.pread(8, 777) == b"survives"'
    down
}

killed_dirty() { # what was written is nowhere but in the memory that outlives the daemon: never thrown away unasked
    up killed.img --mode unsafe
    written_and_killed True 'h.pwrite(os.urandom(4 << 20), 0)'
    wait_for 10 gone "$UP_PID"
    if [[ -z $(find "$RAM" -type f -print -quit) ]]; then
        printf 'its memory is gone\n'
        return 1
    fi
    find "$RAM" -type f -exec sha256sum {} + >memory.txt
    refuses 4 'killed.*1024 chunks.*that it lacks.*up. takes it over.*--discard-ram' ramback check killed.img
    refuses 4 'killed.*1024 chunks.*that it lacks' ramback recover killed.img --yes
    refuses 4 'mode unsafe' ramback recover killed.img --discard-ram --yes
    refuses 4 '1024 chunks.*only the memory.*mixture.*--yes' ramback recover killed.img --discard-ram --accept-torn
    sha256sum --check memory.txt
    ramback recover killed.img --discard-ram --accept-torn --yes
    test -z "$(find "$RAM" -type f -print -quit)"
    up killed.img
    down
    rm killed.img* memory.txt
}

check 'killed when clean' killed_clean
check 'daemon gone: status' refused 3 'killed.*gone.*ramback up' ramback status killed
check 'daemon gone: flush' refused 3 'killed.*gone' ramback flush
check 'daemon gone: down' refused 3 'killed.*gone' ramback down killed
check 'daemon gone: ls goes on' says '^killed .*gone' ramback ls
check 'daemon gone: up again, with the data' after_killed_clean
check 'killed when dirty: check and recover refuse to lose it, until told' killed_dirty

# --- the daemon and its memory are gone: a crash of the machine, as far as files are concerned ---

readonly CRASH_BYTES=$((8 << 20))

machine_is_lost() { # the last `up`: its daemon, its memory, its run files
    kill -KILL "$UP_PID" 2>/dev/null || true # it may be on its way out
    wait_for 10 gone "$UP_PID"
    find "$RAM" -type f -delete
    rm -r "${RAMBACK_RUN_DIR:?}/$UP_NAME"
}

crash_in() { # MODE: leaves crash.img with what was written and flushed in its journal alone
    rm -f crash.img*
    up crash.img --size $CRASH_BYTES --journal-size 32M --mode "$1"
    contract crash mode="$1" journal.path="$PWD/crash.img.journal" journal.sizeBytes=$((32 << 20))
    local safe="now['lastCommit']['epoch'] > 0 and now['lossIfPowerFailedNow']['bytes'] == 0"
    if [[ $1 == unsafe ]]; then safe=True; fi
    written_and_killed "$safe" '
for turn in range(64):
    h.pwrite(bytes([turn + 1]) * 8192, turn * 12288)
h.flush()'
    machine_is_lost
}

holds_it() { # IMAGE
    $PYTHON - "$1" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
for turn in range(64):
    assert data[turn * 12288:turn * 12288 + 8192] == bytes([turn + 1]) * 8192, turn
    assert data[turn * 12288 + 8192:(turn + 1) * 12288] == bytes(4096), turn
END
}

recovered_by_up() { # MODE
    crash_in "$1"
    if holds_it crash.img 2>/dev/null; then printf 'the image has it already\n' && return 1; fi
    refused 4 'needs its journal.*none' ramback up crash.img --journal none --ram-dir "$RAM"
    refused 4 'read-only.*recover' ramback up crash.img --read-only --ram-dir "$RAM"
    everything >"$WORK/before.txt"
    says 'needs recovery: [0-9]+ epochs? up to epoch [0-9]+ of 20[0-9T:.-]+Z, [0-9]+ chunks \([0-9]+ bytes\)' ramback check crash.img
    everything | diff "$WORK/before.txt" -
    up crash.img
    grep -qE '^ramback: .*crash.img was not stopped cleanly and is recovered: epoch [0-9]+ of 20' "$UP_LOG"
    sh_nbd "$UP_URI" 'assert h.pread(8192, 63 * 12288) == bytes([64]) * 8192'
    down
    holds_it crash.img
    says 'crash.img is clean$' ramback check crash.img
}

recovered_by_recover() {
    crash_in writeback
    says 'crash.img is recovered: epoch' ramback recover crash.img
    holds_it crash.img
    says 'is clean: nothing to recover' ramback recover crash.img
}

torn_in_unsafe() {
    crash_in unsafe
    refused 4 'mode unsafe.*--accept-torn' ramback check crash.img
    refused_up 4 'mode unsafe.*--accept-torn' crash.img
    up crash.img --accept-torn
    down
}

copied_while_frozen() { # image, journal and state file of one instant, recovered elsewhere
    rm -f crash.img*
    up crash.img --size $CRASH_BYTES --journal-size 32M --mode writeback
    sh_nbd "$UP_URI" '
for turn in range(64):
    h.pwrite(bytes([turn + 1]) * 8192, turn * 12288)
h.flush()'
    kill -STOP "$UP_PID"
    mkdir -p copy
    cp crash.img* copy/
    kill -CONT "$UP_PID"
    ramback recover copy/crash.img
    holds_it copy/crash.img
    ramback down
    holds_it crash.img
    rm -r copy
}

damaged() { # CODE REGEX COMMAND...: after a crash and the command, up, check and recover refuse and change nothing
    crash_in writeback
    "${@:3}"
    refused_up "$1" "$2" crash.img
    refused "$1" "$2" ramback check crash.img
    refused "$1" "$2" ramback recover crash.img --yes
}

flip_in_journal() { # in the payload of the flushed epoch: the middle of what is used
    local used
    used=$(ramback check crash.img | sed -n 's/.* holds \([0-9]*\) of .*/\1/p')
    $PYTHON - crash.img.journal $((65536 + used / 2)) <<'END'
import sys
with open(sys.argv[1], "r+b") as journal:
    journal.seek(int(sys.argv[2]))
    byte = journal.read(1)[0]
    journal.seek(int(sys.argv[2]))
    journal.write(bytes([byte ^ 1]))
END
}

flipped_byte() {
    damaged 4 'is damaged at byte [0-9]+.*good up to epoch [0-9]+.*--to-epoch [0-9]+' flip_in_journal
    local epoch
    epoch=$({ ramback check crash.img 2>&1 || true; } | sed -n 's/.*--to-epoch \([0-9]*\).*/\1/p')
    refused 4 'gives this up: epochs.*--yes' ramback recover crash.img --to-epoch "$epoch"
    ramback recover crash.img --to-epoch "$epoch" --yes
    says 'crash.img is clean' ramback check crash.img
    up crash.img
    down
}

another_journal() {
    up other.img --size 1M --journal-size 32M
    down
    mv other.img.journal crash.img.journal
}

journal_missing() {
    damaged 4 'needs its journal, and journal .*crash\.img\.journal does not exist' mv crash.img.journal away.journal
    mv away.journal crash.img.journal
    ramback recover crash.img
    holds_it crash.img
}

state_file_lost() {
    crash_in writeback
    rm crash.img.ramback
    ramback recover crash.img
    holds_it crash.img
}

not_a_journal() {
    rm -f crash.img*
    truncate -s 1M crash.img
    seq 10000 >crash.img.journal
    refused_up 4 'crash\.img\.journal is not a journal' crash.img
}

for mode in writethrough writeback checkpoint; do
    check "$mode: the machine is lost, up recovers everything committed" recovered_by_up "$mode"
done
check 'recover does it without serving' recovered_by_recover
check 'unsafe: torn, and refused until accepted' torn_in_unsafe
check 'copied at a frozen instant, it is recovered elsewhere' copied_while_frozen
check 'the journal is missing' journal_missing
check 'the journal is truncated' damaged 4 'is shorter than it says' truncate -s 1M crash.img.journal
check 'the journal is empty' damaged 4 'is not a journal' truncate -s 0 crash.img.journal
check 'the journal is overwritten' damaged 4 'is not a journal' dd if=/dev/zero of=crash.img.journal bs=64K count=1 conv=notrunc status=none
check 'a byte of the journal is flipped: says how far back, and goes there' flipped_byte
check 'the journal is another image'"'"'s' damaged 4 'belongs to another image' another_journal
check 'the state file is damaged' damaged 4 'ramback of image .* can.t be read' truncate -s 100 crash.img.ramback
check 'the state file is lost: the journal knows its image' state_file_lost
check 'a file that is no journal is not overwritten' not_a_journal

# --- an image that somebody else changes ---

flip() { # FILE OFFSET: one byte, in place
    $PYTHON - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte ^ 0x40]))
END
}

left_clean() { # a stopped device with data in every MiB
    rm -f changed.img*
    head -c $((8 << 20)) /dev/urandom >changed.img
    up changed.img "$@"
    wait_for 60 status_is changed .state ready
    down
}

changed_is_refused() {
    left_clean --journal-size 8M
    dd if=/dev/urandom of=changed.img bs=4096 count=1 seek=100 conv=notrunc status=none
    refused_up 4 'changed behind our back since its clean stop: it was last modified at .*--adopt-image' changed.img
    refused 4 'changed behind our back' ramback check changed.img
    refused 4 'changed behind our back' ramback recover changed.img
    cp changed.img changed.copy
    up changed.img --adopt-image
    nbdcopy "$UP_URI" - | cmp - changed.copy
    down
    cmp changed.img changed.copy
    up changed.img
    down
    rm changed.*
}

changed_in_secret() { # with the time of the last change put back
    left_clean --journal-size 8M
    touch -r changed.img changed.stamp
    dd if=/dev/urandom of=changed.img bs=4096 count=1 seek=$((5 * 256 + 7)) conv=notrunc status=none
    touch -r changed.stamp changed.img
    up changed.img
    grep -q 'its attributes were last changed at .* is checked while it is loaded' "$UP_LOG"
    sh_nbd "$UP_URI" '
def fails(call):
    try:
        call()
    except nbd.Error as error:
        assert error.errno == "EIO", error
    else:
        raise AssertionError("served what somebody else had changed")
fails(lambda: h.pread(512, 5 << 20))
fails(lambda: h.pwrite(b"part", 5 << 20))
h.pread(5 << 20, 0)
h.pread(2 << 20, 6 << 20)
h.pwrite(bytes(4096), 5 << 20)
assert h.pread(4096, 5 << 20) == bytes(4096)
fails(lambda: h.pread(4096, (5 << 20) + 4096))'
    contract changed state=degraded light=red backing.changedBytes=$((1 << 20))
    json changed .backing.lastError | grep -q 'changed behind our back at bytes 5242880 to 6291455'
    kill -KILL "$UP_PID" # which makes nothing good
    wait_for 30 gone "$UP_PID"
    find "$RAM" -name '*.ram' -delete
    up changed.img
    wait_for 60 status_is changed .light red
    down
    up changed.img --adopt-image
    sh_nbd "$UP_URI" 'h.pread(8 << 20, 0)'
    wait_for 60 status_is changed .greenLight true
    down
    rm changed.*
}

block_device_changed() { # which has no times: only its checksums tell
    rm -f block.img*
    head -c $((4 << 20)) /dev/urandom >block.img
    attach_loop "$WORK/in/block.img"
    up "$LOOP" --name block --journal none
    wait_for 60 status_is block .state ready
    down
    dd if=/dev/zero of="$LOOP" bs=4096 count=1 seek=300 oflag=direct conv=notrunc status=none
    up "$LOOP" --name block --journal none
    wait_for 60 status_is block .light red
    contract block backing.changedBytes=$((1 << 20))
    down
    up "$LOOP" --name block --journal none --adopt-image
    wait_for 60 status_is block .greenLight true
    down
    detach "$LOOP"
    rm block.*
}

# --- verify ---

verify_finds_and_heals() { # OPTIONS...: a byte flipped in the image underneath, healed from either side
    rm -f held.img*
    head -c $((24 << 20)) /dev/urandom >held.img
    truncate -s 32M held.img
    up held.img --journal-size 8M "$@"
    wait_for 60 status_is held .state ready
    says '^ramback: verify of held: 32.0 MiB compared, nothing differs, in ' ramback verify held
    cp held.img held.first
    flip held.img $(((5 << 20) + 4097))
    flip held.img $((30 << 20))
    cp held.img held.second
    local status=0
    ramback verify held >verify.out 2>verify.err || status=$?
    cat verify.out verify.err
    test "$status" = 1
    test "$(grep -vc '^ramback: held verify, ' verify.err)" = 1 # apart from how far it is
    grep -q -- '8.00 KiB of held differ between RAM and image; --repair=ram .* --repair=image' verify.err
    grep -q '^ramback: bytes 5246976 to 5251071 differ$' verify.out
    grep -q '^ramback: bytes 31457280 to 31461375 differ$' verify.out
    cmp held.img held.second # only told
    says '8.00 KiB differed, 8.00 KiB repaired from RAM' ramback verify held --repair=ram
    cmp held.img held.first
    says 'nothing differs' ramback verify held
    flip held.img $(((5 << 20) + 4097))
    flip held.img $((30 << 20))
    says '8.00 KiB differed, 8.00 KiB repaired from the image' ramback verify --repair=image --rate 1G
    nbdcopy "$UP_URI" - | cmp - held.second
    says 'nothing differs' ramback verify
    contract held verify=null dirtyBytes=0 state=ready
    down
    cmp held.img held.second
    up held.img # as its checksums say
    test ! -s "$UP_LOG" || ! grep -q 'changed' "$UP_LOG"
    wait_for 60 status_is held .greenLight true
    down
    rm held.*
}

verify_refuses() {
    rm -f held.img*
    head -c $((16 << 20)) /dev/urandom >held.img
    up held.img --journal-size 8M
    wait_for 60 status_is held .state ready
    refuses 2 "bad --repair 'disk'; use ram.* or image" ramback verify held --repair=disk
    refuses 2 "bad --rate '1K': must be at least 4 KiB" ramback verify held --rate 1K
    refuses 3 'no device named nobody' ramback verify nobody
    background slowly ramback verify held --rate 128K
    local slowly=$BG_PID
    wait_for 20 is_verifying
    local status=0
    ramback verify held 2>second.err || status=$? # which may see how far the first one is before it is told
    cat second.err
    test "$status" = 1
    tail -n 1 second.err | grep -q 'a verify of held is under way'
    down # a stop ends it
    ended "$slowly"
    test "$ENDED" = 1
    grep -q 'was given up, because the device stops' "$WORK/slowly.log"
    up held.img --read-only
    says 'nothing differs' ramback verify held
    refuses 1 'held is read-only' ramback verify held --repair=ram
    down
    rm held.* second.err
}

is_verifying() {
    test "$(json held .verify)" != null
}

verify_beside_writers() { # nothing differs while clients write
    rm -f busy.img*
    up busy.img --size 64M --journal-size 16M --mode writeback
    wait_for 60 status_is busy .state ready
    background writers sh_nbd "$UP_URI" '
import random
end = time.monotonic() + 6
while time.monotonic() < end:
    h.pwrite(os.urandom(random.randrange(1, 20000)), random.randrange(0, (64 << 20) - 20000))
    if random.random() < 0.1: h.flush()'
    local writers=$BG_PID turn
    for turn in 1 2 3; do says 'nothing differs' ramback verify busy --rate 1G; done
    ended "$writers"
    test "$ENDED" = 0
    down
    rm busy.*
}

old_clients_are_not_resumed() { # whoever asked for NAME@GENERATION
    rm -f crash.img*
    up crash.img --size $CRASH_BYTES --journal-size 32M --mode checkpoint
    contract crash exportGeneration=0
    local now="${UP_URI/crash?/crash@0?}"
    nbdinfo --json "$now" >/dev/null
    sh_nbd "$UP_URI" 'h.pwrite(b"x" * 4096, 0)'
    machine_is_lost
    up crash.img
    contract crash exportGeneration=1
    local status=0
    nbdinfo "$now" 2>old.err || status=$?
    cat old.err
    test "$status" != 0
    grep -q 'crash@0' old.err
    nbdinfo --json "${UP_URI/crash?/crash@1?}" >/dev/null
    nbdinfo --json "$UP_URI" >/dev/null
    down
    up crash.img
    contract crash exportGeneration=1
    down
    rm crash.img* old.err
}

check 'verify finds a byte that was flipped in the image, and heals it from either side' verify_finds_and_heals
check 'the same with sparse memory and chunks of 4 KiB in unsafe' verify_finds_and_heals --ram sparse --mode unsafe
check 'verify: bad words, no second one, a stop ends it, no repair of what is read-only' verify_refuses
check 'verify finds nothing while clients write' verify_beside_writers
check 'a client that asks for a generation is not resumed when acknowledged writes are lost' old_clients_are_not_resumed

check 'an image that was changed after a clean stop is refused until it is adopted' changed_is_refused
check 'changed with its time put back: that MiB is EIO and red, over kill -9 and restarts, until it is adopted' changed_in_secret
check 'a block device that was changed: the same' block_device_changed

# --- journal, snapshot ---

journal_elsewhere() {
    mkdir elsewhere
    up there.img --size 8M --journal elsewhere/j --journal-size 8M --mode checkpoint --interval 50ms
    contract there journal.path="$PWD/elsewhere/j" journal.sizeBytes=$((8 << 20)) intervalSeconds=0.05
    written_and_killed "now['lossIfPowerFailedNow']['bytes'] == 0" 'h.pwrite(b"there", 0)'
    machine_is_lost
    says 'needs recovery' ramback check there.img
    ramback recover there.img
    test "$(head -c 5 there.img)" = there
    refused_up 2 'has 8388608 bytes, not the 16777216 of --journal-size' there.img --journal elsewhere/j --journal-size 16M
    rm -r elsewhere there.img*
}

block_device_needs_a_name() {
    rm -rf "${RAMBACK_STATE_DIR:?}" # of another image on a device of the same name
    truncate -s 8M block.img
    attach_loop "$WORK/in/block.img"
    local status=0
    refused_up 2 "block device $LOOP .*--journal" "$LOOP" || status=$?
    up "$LOOP" --name block --journal block.journal --journal-size 8M
    sh_nbd "$UP_URI" 'h.pwrite(b"blocks", 0); h.flush()'
    machine_is_lost
    refuses 4 'needs its journal' ramback up "$LOOP" --name block --journal none --ram-dir "$RAM" || status=$?
    ramback recover "$LOOP"
    detach "$LOOP"
    test "$(head -c 6 block.img)" = blocks || status=1
    test "$(find "$RAMBACK_STATE_DIR" -name 'loop-block.img-*.ramback' | wc -l)" = 1 || status=1
    rm block.img block.journal
    return "$status"
}

snapshot_while_written() {
    up live.img --size 64M --journal-size 32M
    sh_nbd "$UP_URI" '
for offset in range(0, 16 << 20, 1 << 20):
    h.pwrite(bytes([1 + (offset >> 20)]) * (1 << 20), offset)'
    sh_nbd "$UP_URI" '
end = time.monotonic() + 3
while time.monotonic() < end:
    for offset in range(0, 16 << 20, 1 << 20):
        h.pwrite(bytes([101 + (offset >> 20)]) * 4096, offset + 4096)' &
    local writing=$!
    ramback snapshot live shot.img
    wait "$writing"
    $PYTHON - shot.img <<'END'
import os, sys
data = open(sys.argv[1], "rb").read()
assert len(data) == 64 << 20
for turn in range(16):
    part = data[turn << 20:(turn + 1) << 20]
    assert part[:4096] == bytes([turn + 1]) * 4096 and part[8192:] == bytes([turn + 1]) * ((1 << 20) - 8192), turn
    assert part[4096:8192] in (bytes([turn + 1]) * 4096, bytes([turn + 101]) * 4096), turn
assert data[16 << 20:] == bytes(48 << 20)
assert os.stat(sys.argv[1]).st_blocks * 512 < 20 << 20, "not sparse"
END
    refused 1 'shot\.img exists' ramback snapshot live shot.img
    refused 2 'nowhere' ramback snapshot live nowhere/shot.img
    test ! -e shot.img.partial
    down
    rm live.img* shot.img
}

check 'a journal on another path, in checkpoint at 50 ms; recover finds it' journal_elsewhere
check 'a block device: its journal must be named, its state lies in RAMBACK_STATE_DIR' block_device_needs_a_name
check 'a snapshot shows one moment, sparse, while writes go on' snapshot_while_written

cd "$WORK"
rm -rf in
