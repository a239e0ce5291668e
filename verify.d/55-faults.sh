# what: disks that fail, hang, fill up, shrink or go away under image and journal: clients served, red with the cause, drained when cured
# budget: 280
# beside: yes
# clients: yes

# Real parts: nbdkit's error, delay, pause and retry filters behind nbdfuse, and a loop device over that where a block device is
# wanted; a full ext4; SIGSTOP and SIGKILL for the disk's server. Every fault that was made is a line in $WORK/tried.

readonly PYTHON=/usr/bin/python3

work() { # change|same|unreadable ...
    $PYTHON "$ROOT/verify.d/fault_clients.py" "$@"
}

tried() { # WHAT
    printf '%s\n' "$1" >>"$WORK/tried"
}

failing_with() { # NAME REGEX: degraded, red, and the status says why
    ramback status "$1" --json >"failing-$1.json"
    $PYTHON "$ROOT/verify.d/status_contract.py" state=degraded light=red greenLight=false <"failing-$1.json" &&
        grep -qE -- "\"failing\":\"[^\"]*$2" "failing-$1.json"
}

red() { # NAME REGEX: as above, within 25 s; on the screen and in the list as well
    wait_for 25 failing_with "$1" "$2"
    ramback status "$1" | tee "screen-$1.txt"
    grep -qE "^ *failing .*$2" "screen-$1.txt"
    ramback ls >"ls-$1.txt"
    grep -qE "^$1 .* red " "ls-$1.txt"
}

fails() { # REGEX COMMAND...: exit code 1, and says so, perhaps after lines about its progress
    local code=0
    "${@:2}" >failed.txt 2>&1 || code=$?
    cat failed.txt
    test "$code" = 1
    grep -qE -- "$1" failed.txt
}

drained() { # NAME
    status_is "$1" .dirtyBytes 0 && status_is "$1" .state ready && status_is "$1" .backing.failing null
}

cured() { # NAME: by itself
    wait_for 60 drained "$1"
}

loaded() { # NAME
    wait_for 60 status_is "$1" .state ready
}

new_image() { # NAME MIB: NAME.img and its model
    head -c $(($2 << 20)) /dev/urandom >"$1.img"
    cp "$1.img" "$1.model"
}

zeroes() { # FILE MIB
    head -c $(($2 << 20)) /dev/zero >"$1"
}

warned_once() { # LOG REGEX
    test "$(grep -cE -- "$2" "$1")" = 1
}

mend() { # what makes a failing_disk fail; also what a check that failed left of it
    rm -f trouble
}

# --- errors ---

image_fails() { # with a journal: what was flushed is safe meanwhile, and a flush goes on
    new_image image 24
    mend
    failing_disk "$WORK/image.img" "$WORK/trouble"
    mount_nbd "$DISK_URI"
    up "$NBD_FILE" --name image --journal "$WORK/image.journal"
    loaded image
    touch trouble
    tried 'EIO on every call of an image'
    work change "$UP_URI" image.model 1
    $PYTHON -m nbd -u "$UP_URI" -c 'h.flush()'
    fails 'flush failed.*dirty.*EIO|flush failed.*dirty.*Input/output' ramback flush image
    red image 'cannot (write|zero) [0-9]+ bytes at [0-9]+ of .*EIO'
    work same "$UP_URI" image.model
    mend
    cured image
    warned_once "$UP_LOG" 'backing store fails'
    cmp image.model image.img
    down
    cmp image.model image.img
    unmount_nbd "$NBD_MOUNT"
    end_disk
    rm image*
}

journal_fails() { # what is loaded is read, and a flush waits until it can be kept
    new_image log 16
    zeroes log.disk 80
    mend
    failing_disk "$WORK/log.disk" "$WORK/trouble"
    attach_nbd "$DISK_URI"
    local flush=
    up log.img --journal "$LOOP"
    loaded log
    touch trouble
    tried 'EIO on every call of a journal'
    $PYTHON -m nbd -u "$UP_URI" -c 'h.pwrite(b"x" * 65536, 1 << 20); h.flush()' &
    flush=$!
    red log '(cannot|journal).*(EIO|Input/output)'
    fails 'log stays in writeback.*journal' ramback mode log unsafe
    head -c 65536 /dev/zero | tr '\0' x | dd of=log.model bs=64K seek=16 conv=notrunc status=none
    work same "$UP_URI" log.model
    without gone "$flush"
    mend
    wait "$flush"
    cured log
    work change "$UP_URI" log.model 2
    down
    cmp log.model log.img
    detach "$LOOP"
    end_disk
    rm log*
}

one_in_ten_fails() { # of image and journal, while clients write and flush
    new_image odds 16
    mend
    zeroes odds.disk 80
    local journal image_pid disk_pid
    serve_disk "$WORK/odds.disk" --filter=error -- error=EIO error-pwrite-rate=10% error-file="$WORK/trouble"
    disk_pid=$DISK_PID
    attach_nbd "$DISK_URI"
    journal=$LOOP
    serve_disk "$WORK/odds.img" --filter=error -- error=EIO error-rate=10% error-file="$WORK/trouble"
    image_pid=$DISK_PID
    mount_nbd "$DISK_URI"
    local mount=$NBD_MOUNT
    up "$NBD_FILE" --name odds --journal "$journal"
    loaded odds
    touch trouble
    tried 'one call in ten of image and journal fails'
    for seed in 3 4 5; do
        work change "$UP_URI" odds.model $seed 200
        $PYTHON -m nbd -u "$UP_URI" -c 'h.flush()'
        ramback flush odds || true
    done
    mend
    cured odds
    work same "$UP_URI" odds.model
    down
    cmp odds.model odds.img
    detach "$journal"
    unmount_nbd "$mount"
    DISK_PID=$disk_pid end_disk
    DISK_PID=$image_pid end_disk
    rm odds*
}

unloaded_fails() { # only what was never loaded, and only until the disk is back
    new_image part 32
    mend
    failing_disk "$WORK/part.img" "$WORK/trouble"
    mount_nbd "$DISK_URI"
    touch trouble
    up "$NBD_FILE" --name part --journal "$WORK/part.journal"
    tried 'EIO on every load'
    work unreadable "$UP_URI" $((9 << 20)) 4096
    $PYTHON -m nbd -u "$UP_URI" -c 'h.pwrite(b"y" * 4096, 8 << 20); assert h.pread(4096, 8 << 20) == b"y" * 4096; h.flush()'
    head -c 4096 /dev/zero | tr '\0' y | dd of=part.model bs=4K seek=2048 conv=notrunc status=none
    red part 'cannot (read|look for holes)'
    fails "can't be read" ramback snapshot part "$WORK/part.snapshot"
    test ! -e part.snapshot
    mend
    # Whoever asks is answered at once, however long the background rests.
    $PYTHON -m nbd -u "$UP_URI" -c 'h.pread(4096, 9 << 20)'
    cured part
    work same "$UP_URI" part.model
    down
    cmp part.model part.img
    unmount_nbd "$NBD_MOUNT"
    end_disk
    rm part*
}

check 'an image whose disk gives EIO: clients served, flushed into the journal, drained when it is back' image_fails
check 'a journal whose disk gives EIO: what is loaded is read, a flush waits, and returns when it is back' journal_fails
check 'one call in ten of image and journal fails: everything right in the end' one_in_ten_fails
check 'EIO for what was never loaded and for that alone; read at once when the disk is back' unloaded_fails

# --- hangs ---

says_no_answer() { # FILE
    grep -q 'no answer for [0-9]* s' "$1"
}

disks_hang() { # the servers of an image, a journal and an image that is being loaded are stopped at once, and go on later
    local one two three pid1 pid2 pid3 mount1 mount3 journal down_pid
    new_image hang 16
    serve_disk "$WORK/hang.img" --
    pid1=$DISK_PID
    mount_nbd "$DISK_URI"
    mount1=$NBD_MOUNT
    up "$NBD_FILE" --name hang --journal "$WORK/hang.journal"
    one=$UP_URI
    local log1=$UP_LOG

    new_image slowlog 16
    zeroes slowlog.disk 80
    serve_disk "$WORK/slowlog.disk" --
    pid2=$DISK_PID
    attach_nbd "$DISK_URI"
    journal=$LOOP
    up slowlog.img --journal "$journal"
    two=$UP_URI

    new_image lazy 64
    serve_disk "$WORK/lazy.img" --filter=pause --filter=rate -- pause-control="$WORK/pause" rate=16M burstiness=0.25
    pid3=$DISK_PID
    mount_nbd "$DISK_URI"
    mount3=$NBD_MOUNT
    up "$NBD_FILE" --name lazy --journal "$WORK/lazy.journal"
    three=$UP_URI
    loaded hang
    loaded slowlog

    kill -STOP "$pid1" "$pid2"
    pause p
    tried 'an image that does not answer (SIGSTOP)'
    tried 'a journal that does not answer (SIGSTOP)'
    tried 'an image that does not answer while it is loaded (pause filter)'
    work change "$one" hang.model 6
    $PYTHON -m nbd -u "$one" -c 'h.flush()' # into the journal, which answers
    work same "$two" slowlog.model
    $PYTHON -m nbd -u "$two" -c 'h.pwrite(b"z" * 65536, 1 << 20); h.flush()' &
    local flush=$!
    $PYTHON -m nbd -u "$three" -c 'assert h.pread(4096, 60 << 20) == open("lazy.model", "rb").read()[60 << 20:][:4096]' &
    local read=$!
    ramback flush hang >flush.out 2>&1 &
    local flushing=$!
    red hang 'image: no answer for [0-9]+ s: (write|sync|zeroing|look)'
    red slowlog 'journal: no answer for [0-9]+ s: (write|sync|look)'
    red lazy 'image: no answer for [0-9]+ s: (read|look)'
    work same "$one" hang.model
    without gone "$flush"
    without gone "$read"
    ramback down lazy >down.out 2>&1 &
    down_pid=$!
    wait_for 30 says_no_answer down.out
    kill -CONT "$pid1" "$pid2"
    pause r
    wait "$flush"
    wait "$flushing" || cat flush.out # the disk may have given an error in between
    wait "$read" || true # its device was stopped meanwhile
    wait "$down_pid"
    cured hang
    cured slowlog
    warned_once "$log1" 'warning: image: no answer for'
    warned_once "$log1" 'image answers again, after'
    cmp hang.model hang.img
    head -c 65536 /dev/zero | tr '\0' z | dd of=slowlog.model bs=64K seek=16 conv=notrunc status=none
    down hang
    down slowlog
    cmp slowlog.model slowlog.img
    cmp lazy.model lazy.img
    detach "$journal"
    unmount_nbd "$mount1"
    unmount_nbd "$mount3"
    DISK_PID=$pid1 end_disk
    DISK_PID=$pid2 end_disk
    DISK_PID=$pid3 end_disk
    rm hang* slowlog* lazy*
}

pause() { # p|r, to the pause filter
    $PYTHON -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode())
s.recv(1)' "$WORK/pause" "$1"
}

slow_is_not_silent() { # half a second a call is slow, and an answer
    new_image tired 8
    serve_disk "$WORK/tired.img" --filter=delay -- rdelay=500ms wdelay=500ms
    mount_nbd "$DISK_URI"
    up "$NBD_FILE" --name tired --journal "$WORK/tired.journal"
    tried 'half a second a call'
    work change "$UP_URI" tired.model 7 20
    ramback flush tired
    status_is tired .backing.failing null
    down
    cmp tired.model tired.img
    unmount_nbd "$NBD_MOUNT"
    end_disk
    rm tired*
}

server_dies() { # and comes back, behind nbdkit's retry filter: a remote disk as many are
    new_image remote 16
    local inner=$WORK/inner.sock inner_pid
    start_inner() {
        rm -f "$inner" inner.pid
        nbdkit --unix "$inner" --pidfile "$WORK/inner.pid" file "$WORK/remote.img"
        wait_for 10 test -s inner.pid
        inner_pid=$(cat inner.pid)
    }
    start_inner
    nbdkit --unix "$WORK/outer.sock" --pidfile "$WORK/outer.pid" --filter=retry nbd socket="$inner" retries=20 retry-delay=1 \
        retry-exponential=no
    wait_for 10 test -s outer.pid
    mount_nbd "nbd+unix:///?socket=$WORK/outer.sock"
    up "$NBD_FILE" --name remote --journal "$WORK/remote.journal"
    loaded remote
    kill -KILL "$inner_pid"
    wait_for 10 gone "$inner_pid"
    tried 'the server of an image is killed, and comes back'
    work change "$UP_URI" remote.model 8
    ramback flush remote >flush.out 2>&1 &
    local flushing=$!
    red remote 'no answer|cannot'
    work same "$UP_URI" remote.model
    start_inner
    wait "$flushing" || true # it says when the disk gave an error in between
    cured remote
    cmp remote.model remote.img
    down
    unmount_nbd "$NBD_MOUNT"
    kill "$(cat outer.pid)" "$inner_pid"
    wait_for 10 gone "$inner_pid"
    rm remote* inner* outer*
}

check 'disks that hang: reported after 10 s with how long and which call, healed when they answer; down says what it waits for' disks_hang
check 'a disk that is only slow is not reported' slow_is_not_silent
check 'the server of the disk is killed and comes back: drained by itself' server_dies

# --- no space ---

filesystem_full() {
    truncate -s 96M full.fs
    mkfs.ext4 -q -F full.fs
    mkdir full
    attach_loop full.fs
    local loop=$LOOP status=0
    mount "$loop" full
    fallocate -l 60M full/ballast
    full_filesystem || status=$?
    umount full
    detach "$loop"
    rm -r full full.*
    return "$status"
}

full_filesystem() {
    up "$WORK/full/sparse.img" --size 48M --journal "$WORK/full.journal"
    truncate -s 48M full.model
    loaded sparse
    tried 'a filesystem without room for a sparse image'
    $PYTHON -m nbd -u "$UP_URI" -c '
data = open("/dev/urandom", "rb").read(40 << 20)
for at in range(0, len(data), 1 << 20):
    h.pwrite(data[at:at + (1 << 20)], at)
with open("full.model", "r+b") as model:
    model.write(data)
h.flush()'
    fails 'flush failed.*dirty.*(ENOSPC|No space)' ramback flush sparse
    red sparse '(ENOSPC|No space)'
    work change "$UP_URI" full.model 9
    rm full/ballast
    cured sparse
    cmp full.model full/sparse.img
    down
    cmp full.model full/sparse.img
}

check 'a full filesystem: red with ENOSPC, clients served, drained when there is room' filesystem_full

# --- an image that is not what it was ---

image_cut() { # red, nothing of it taken for zeroes, it does not grow; with its size back all of it is written again
    new_image cut 24
    up cut.img
    loaded cut
    work change "$UP_URI" cut.model 10
    ramback flush cut
    truncate -s 5M cut.img
    tried 'an image cut short'
    red cut 'it was cut to 5242880 bytes and had 25165824.*truncate -s 25165824'
    work change "$UP_URI" cut.model 11
    fails 'flush failed.*cut to' ramback flush cut
    test "$(stat -c %s cut.img)" = $((5 << 20))
    work same "$UP_URI" cut.model
    truncate -s 24M cut.img
    cured cut
    cmp cut.model cut.img
    down
    cmp cut.model cut.img
    rm cut*
}

device_shrinks() { # as a volume that somebody reduced
    new_image lost 64
    attach_loop lost.img
    local loop=$LOOP status=0
    up "$loop" --name lost --journal "$WORK/lost.journal"
    loaded lost
    truncate -s 32M lost.img
    losetup --set-capacity "$loop"
    tried 'a block device that shrank'
    red lost 'it was cut to 33554432 bytes and had 67108864'
    work change "$UP_URI" lost.model 12
    truncate -s 64M lost.img
    losetup --set-capacity "$loop"
    cured lost
    down
    cmp lost.model lost.img || status=1
    detach "$loop"
    rm lost*
    return "$status"
}

image_moved() {
    new_image moved 8
    up moved.img
    loaded moved
    mv moved.img away.img
    tried 'an image moved away'
    red moved 'was moved to .*away.img.*move it back'
    work change "$UP_URI" moved.model 13
    ramback flush moved
    cmp moved.model away.img
    mv away.img moved.img
    cured moved
    mv moved.img away.img
    head -c $((8 << 20)) /dev/zero >moved.img
    red moved 'moved.img is another file now'
    kill -TERM "$UP_PID"
    local code=0
    wait "$UP_PID" || code=$?
    test "$code" = 1
    tail -n 1 "$UP_LOG" | grep -q 'its image is not where it was'
    cmp moved.model away.img
    cmp -n $((8 << 20)) moved.img /dev/zero
    rm moved* away*
}

image_deleted() { # down refuses, a snapshot saves it, SIGTERM ends it and says what is lost
    new_image deleted 8
    up deleted.img
    loaded deleted
    rm deleted.img
    tried 'an image deleted'
    red deleted 'was deleted: what is written goes to'
    work change "$UP_URI" deleted.model 14
    refuses 4 "a stop would lose all of deleted: .*ramback snapshot deleted FILE.*kill $UP_PID" ramback down deleted
    ramback snapshot deleted "$WORK/deleted.copy"
    cmp deleted.model deleted.copy
    kill -TERM "$UP_PID"
    local code=0
    wait "$UP_PID" || code=$?
    test "$code" = 1
    tail -n 1 "$UP_LOG" | grep -q 'its image is not where it was.*deleted'
    rm deleted*
}

journal_deleted() {
    new_image unlogged 8
    up unlogged.img
    loaded unlogged
    rm unlogged.img.journal
    tried 'a journal deleted'
    red unlogged 'unlogged.img.journal was deleted'
    work change "$UP_URI" unlogged.model 15
    down
    cmp unlogged.model unlogged.img
    up unlogged.img # and gets a new one
    down
    rm unlogged*
}

disk_gone_for_good() { # a loop device detached underneath is let go only when nobody uses it; a disk that is pulled is gone
    new_image gone 16
    serve_disk "$WORK/gone.img" --
    attach_nbd "$DISK_URI"
    local loop=$LOOP
    up "$loop" --name gone --journal "$WORK/gone.journal"
    loaded gone
    losetup -d "$loop"
    tried 'a loop device detached underneath'
    work change "$UP_URI" gone.model 16
    ramback flush gone
    cmp gone.model gone.img
    kill -KILL "$DISK_PID"
    wait_for 10 gone "$DISK_PID"
    tried 'a disk pulled for good'
    work change "$UP_URI" gone.model 17
    fails 'flush failed' ramback flush gone
    red gone 'cannot'
    work same "$UP_URI" gone.model
    ramback snapshot gone "$WORK/gone.copy"
    cmp gone.model gone.copy
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    rm -rf "${RAMBACK_RUN_DIR:?}/gone"
    find "$RAM" -type f -delete
    wait_for 30 loop_is_free "$loop"
    unmount_nbd "$NBD_MOUNT"
    rm -rf gone* state
}

check 'an image cut short: no growth, no zeroes; written again when it has its size again' image_cut
check 'a block device that shrank, likewise' device_shrinks
check 'an image moved away: told where to; a stop says that it is not where it was' image_moved
check 'an image deleted: down refuses with 4, a snapshot saves it' image_deleted
check 'a journal deleted: told; a clean stop does not need it' journal_deleted
check 'a disk that is pulled: clients served from RAM, a snapshot saves all of it' disk_gone_for_good

note "faults tried: $(wc -l <tried)"
