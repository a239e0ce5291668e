# what: the daemon as a process: its protection by the kernel, its files' permissions, no allocation in steady state, and nothing left of 10,000 connections
# budget: 230
# alone: yes
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly CONNECTIONS=10000

# --- what the kernel grants ---

process_is() { # FIELD VALUE
    test "$(json "$UP_NAME" ".process.$1")" = "$2"
}

may_be_flusher() { # of this shell's rights; 24 is CAP_SYS_RESOURCE
    local rights
    rights=$(sed -n 's/^CapEff:\t//p' /proc/self/status)
    (((0x$rights >> 24) & 1))
}

warned() { # how often, of the I/O flusher
    test "$(grep -c '^ramback: warning: .*PR_SET_IO_FLUSHER' "$UP_LOG")" = "$1"
}

flusher() {
    if may_be_flusher; then
        $PYTHON "$ROOT/verify.d/threads.py" "$UP_PID" all
        process_is ioFlusher true
        warned 0
    else
        $PYTHON "$ROOT/verify.d/threads.py" "$UP_PID" none
        process_is ioFlusher false
        warned 1
    fi
}

oom_score() {
    local score=0
    if may_be_flusher; then score=-999; fi
    test "$(cat "/proc/$UP_PID/oom_score_adj")" = "$score"
    process_is oomScoreAdjust "$score"
}

locked_as_said() { # what is mapped of the segment, by the kernel's flags
    local locked
    locked=$(awk -v file="$RAM/" '
        /^[0-9a-f]+-[0-9a-f]+ / { ours = index($0, file) > 0 }
        ours && /^VmFlags:/ { seen = seen (/ lo( |$)/ ? "L" : "-") }
        END { print seen }' "/proc/$UP_PID/smaps")
    printf 'locked: %s, said: %s\n' "$locked" "$(json "$UP_NAME" .process.memoryLocked)"
    case $(json "$UP_NAME" .process.memoryLocked) in
        all) [[ $locked =~ ^L+$ ]] ;;
        states) [[ $locked =~ ^L+-+$ ]] ;;
        none) [[ $locked =~ ^-+$ ]] ;;
    esac
}

up "$WORK/disk.img" --size 64M --listen 127.0.0.1:0
check 'every thread is an I/O flusher, or one warning and the status say that it is not permitted' flusher
check 'the OOM score is lowered where that is permitted' oom_score
check 'the memory is locked as the status says' locked_as_said
check 'the process that was started is the daemon' test "$(daemon_of disk)" = "$UP_PID"

# --- connections ---

connections() {
    local port
    port=$(json "$UP_NAME" .tcpUri)
    port=${port##*:}
    $PYTHON "$ROOT/verify.d/connections.py" "$UP_PID" "$(echo "$RAM"/disk-*.ram)" "$UP_SOCKET" "${port%%/*}" disk $CONNECTIONS "$SEED"
}

check "after $CONNECTIONS connections descriptors, threads and the segment are as before" connections
note "$(grep -hE '^[0-9]+ connections|before, ' "check-$CHECKS.log" | sed 's/ in \([0-9.]*\) s:.*/ in \1 s/' | paste -sd ';' | sed 's/;/; /g')"
down

# --- files, whatever the umask, and nothing through somebody else's ---

everything_made() { # UMASK: lists what a device makes that others could reach, by its permissions
    local base=$WORK/umask-$1
    mkdir "$base"
    (
        umask "$1"
        RAM=$RAM/umask-$1/deep/ram
        export RAMBACK_RUN_DIR=$base/deep/run
        up "$base/u.img" --size 16M --journal-size 2M --socket "$base/u.sock" --listen 127.0.0.1:0
        ramback trace u on >/dev/null
        ramback trace u dump "$base/u.trace"
        ramback snapshot u "$base/u.copy"
        find "$base" "${RAM%/deep/ram}" -mindepth 1 ! -type l -printf '%m %y %P\n' | sort -k3
        down u
    )
}

permissions() { # UMASK
    everything_made "$1" >made.txt
    cat made.txt
    for made in '600 f u.img' '600 f u.img.journal' '600 f u.img.ramback' '600 f u.trace' '600 f u.copy' '600 s u.sock' \
        '600 s deep/run/u/control.sock' '600 f deep/run/u/pid' '600 f deep/run/u/lock' '700 d deep/run' '700 d deep/run/u' '700 d deep/ram'; do
        grep -qxF -- "$made" made.txt || { printf 'missing: %s\n' "$made" && return 1; }
    done
    grep -qE '^600 f deep/ram/u-.*\.ram$' made.txt
    if grep -E '^[0-7]?[0-7][0-7][2367] |^[0-7]?[0-7][2367][0-7] ' made.txt; then
        printf 'others may write these\n'
        return 1
    fi
}

planted() { # WHAT COMMAND...: what was planted, and what it leads to, is afterwards as it was
    local status=0
    find "$WORK/victim" "$RAM" "$WORK/shared" -printf '%p %y %s %l\n' | sort >before.txt
    "${@:2}" || status=$?
    find "$WORK/victim" "$RAM" "$WORK/shared" -printf '%p %y %s %l\n' | sort >after.txt
    diff before.txt after.txt && return "$status"
}

mkdir victim shared
chmod 1777 shared
head -c 65536 /dev/zero >victim/file
head -c 8388608 /dev/zero >plain.img
for umask in 000 077; do
    check "with umask $umask every file and socket is its owner's alone" permissions "$umask"
done

ram_dir_is_a_link() {
    ln -s "$WORK/victim" "$RAM/link"
    planted link refuses 1 'link is not a directory' ramback up "$WORK/plain.img" --ram-dir "$RAM/link"
    rm "$RAM/link"
}

ram_dir_is_somebodys() {
    mkdir -m 700 "$RAM/theirs"
    touch "$RAM/theirs/$(printf 'plain-%x-%x.ram' "$(stat -c %d plain.img)" "$(stat -c %i plain.img)")"
    chown -R 4321 "$RAM/theirs"
    planted theirs refuses 1 'belongs to user 4321' ramback up "$WORK/plain.img" --ram-dir "$RAM/theirs"
    rm -r "$RAM/theirs"
}

ram_dir_is_everybodys() {
    mkdir -m 777 "$RAM/open"
    chmod 777 "$RAM/open"
    planted open refuses 1 'others could take' ramback up "$WORK/plain.img" --ram-dir "$RAM/open"
    rmdir "$RAM/open"
}

links_in_a_shared_directory() { # in place of what a device makes
    up "$WORK/plain.img" --journal none
    ln -s "$WORK/victim/file" shared/copy
    ln -s "$WORK/victim/new" shared/dangling
    planted trace refuses 1 'exists' ramback trace plain dump "$WORK/shared/copy"
    planted trace refuses 1 'exists' ramback trace plain dump "$WORK/shared/dangling"
    planted snapshot refuses 1 'exists' ramback snapshot plain "$WORK/shared/copy"
    planted snapshot refuses 1 'exists' ramback snapshot plain "$WORK/shared/dangling"
    down
    planted socket refuses 1 'not a socket' ramback up "$WORK/plain.img" --journal none --ram-dir "$RAM" --socket "$WORK/shared/copy"
    planted journal refuses 4 'is not a journal' ramback up "$WORK/plain.img" --ram-dir "$RAM" --journal "$WORK/shared/copy"
    planted image refuses 1 '.' ramback up "$WORK/shared/dangling" --size 8M --journal none --ram-dir "$RAM"
    rm shared/copy shared/dangling
}

check 'a memory directory that is a link is refused' ram_dir_is_a_link
check 'a memory directory of another user is refused, and nothing in it is looked at or removed' ram_dir_is_somebodys
check 'a memory directory that others can write is refused' ram_dir_is_everybodys
check 'links planted in a shared directory are not followed' links_in_a_shared_directory
check 'nothing but the loopback is listened on' refuses 2 'loopback' ramback up "$WORK/plain.img" --listen 0.0.0.0:0

# --- allocation ---
# Without the threads' own buffers every single allocation is an event.

record_load() {
    local mode uri window commits flags
    # The start-up cache does not fit a JVM that records.
    flags="-XX:AOTMode=off -XX:-UseTLAB -XX:StartFlightRecording=filename=$WORK/a.jfr,settings=$ROOT/verify.d/allocation.jfc"
    RAMBACK_JAVA_OPTS=$flags up "$WORK/steady.img" --size 64M
    uri=$UP_URI
    for mode in writeback checkpoint writethrough unsafe; do
        ramback mode steady "$mode" >/dev/null
        commits=$(json steady .lastCommit.epoch)
        window=$($PYTHON "$ROOT/verify.d/steady_load.py" "$uri" 40000 4)
        printf '%s %s %s\n' "$window" "$mode" $(($(json steady .lastCommit.epoch) - commits)) >>windows.txt
    done
    down
    test "$(wc -l <windows.txt)" = 4
}

allocates_nothing() { # MODE
    local begin end requests mode commits
    while read -r begin end requests mode commits; do
        if [[ $mode == "$1" ]]; then
            "$JAVA_HOME/bin/java" "$ROOT/verify.d/Allocations.java" a.jfr "$begin" "$end" "$requests" "$commits" "$mode"
        fi
    done <windows.txt
}

must 'a steady load in each mode is recorded' record_load
for mode in writeback checkpoint writethrough unsafe; do
    check "in $mode no request allocates" allocates_nothing "$mode"
    note "$(grep -h '^[a-z]*: ' "check-$CHECKS.log")"
done
rm -f a.jfr
