# what: attach and detach by FUSE and a loop device: filesystems, databases, kills of daemon and command, the files of 2008, two at once
# budget: 140
# clients: yes
# beside: yes
# long: yes

# By the other ways, in a guest whose kernel has them: 86-attach-guest. The long form repeats kills and crashes.

readonly PYTHON=/usr/bin/python3
readonly RUN=$RAMBACK_RUN_DIR
readonly DELAY=1ms
readonly RATE=120M # bits a second: 15 MB/s, so that loading takes longer than untarring

chmod go+x "$VERIFY_RUN_ROOT" "$WORK" "${RAM%/*}" "$RAM" # PostgreSQL and nobody are users of their own

attach() { # ARGS... -> the path
    timeout 60 "$ROOT/ramback" attach "$@"
}

detached() { # NAME [WORD...]: what `detach` says has these words
    local word
    timeout 60 "$ROOT/ramback" detach "$1" >detached.txt
    cat detached.txt
    for word in "${@:2}"; do grep -qF -- "$word" detached.txt; done
}

nothing_attached() { # NAME...
    local name
    for name in "$@"; do
        without grep -F " $RUN/$name/fuse " /proc/self/mountinfo
        test -z "$(losetup -n -l -O BACK-FILE | grep -F "$RUN/$name/" || true)"
        test ! -e "$RUN/$name/fuse"
        test ! -L "/dev/ramback/$name"
    done
    test -z "$(mounts_under "$WORK" | grep -F "$WORK/mnt" || true)"
}

loop_of() { # NAME -> /dev/loopN
    readlink "/dev/ramback/$1"
}

device_of() { # NAME -> what the daemon says that it is attached as: /dev/loopN, or the file
    json "$1" attached.device
}

# --- the commands ---

mkdir mnt mnt2
up disk.img --size 256M --name disk
must 'attach prints the path of a block device, and standard error says how in a line' eval '
    attach disk >path.txt 2>said.txt && cat path.txt said.txt && test -b "$(cat path.txt)" && test "$(wc -l <path.txt)" = 1 &&
    test "$(wc -l <said.txt)" = 1 && grep -qE "attached by (ublk|nbd|fuse)" said.txt'
ramback detach disk >/dev/null

first() {
    local loop
    test "$(attach disk --via fuse)" = /dev/ramback/disk
    loop=$(device_of disk)
    test "$(loop_of disk)" = "$loop"
    test "$(lsblk -bndo SIZE,LOG-SEC,RO "$loop" | tr -s ' ')" = "$(printf '%s 512 0' $((256 << 20)) | sed 's/^/ /')" ||
        test "$(lsblk -bndo SIZE,LOG-SEC,RO "$loop" | xargs)" = "$((256 << 20)) 512 0"
    test "$(cat "/sys/block/${loop#/dev/}/loop/dio")" = 1
    test "$(attach disk)" = /dev/ramback/disk # again
    test "$(attach disk --via fuse)" = /dev/ramback/disk
    ramback ls >ls.txt
    grep -E "^disk .* $loop " ls.txt
    ramback status disk | grep -E "attached +$loop, by fuse"
    test "$(json disk attached)" = "{\"via\": \"fuse\", \"device\": \"$loop\", \"mounts\": [], \"left\": false}"
}
must 'its size and sectors are right; again it prints the same; ls and status show it' first
check 'another way than it is attached by' refuses 1 "attached by fuse already .*/dev/loop.*ramback detach disk" \
    ramback attach disk --via nbd
check 'down while it is attached' refuses 4 "attached as /dev/loop.*ramback detach disk" ramback down disk
check 'a mount of nothing' refuses 1 'holds no filesystem; add --mkfs' ramback attach disk --mount mnt
check 'a directory that is not there' refuses 2 'no such directory' ramback attach disk --mount nowhere
check 'a filesystem that nobody can make' refuses 1 'mkfs.nofs is not there' ramback attach disk --mount mnt --mkfs nofs
check 'detach says what it took' detached disk 'released /dev/loop'
check 'nothing of it is left' nothing_attached disk
check 'detach of what is not attached' refuses 1 'not attached' ramback detach disk
check 'attach of no device' refuses 3 'nosuch' ramback attach nosuch
check 'detach of no device' refuses 3 'nosuch' ramback detach nosuch

failing() { # what fails behind the attaching takes it back
    refuses 1 'mkfs.ext4 failed: |mount: ' env PATH="$PWD/bin:$PATH" "$ROOT/ramback" attach disk --via fuse --mount mnt --mkfs ext4
    nothing_attached disk
}
mkdir bin
printf '#!/bin/sh\necho something >&2\necho "mkfs: no" >&2\nexit 1\n' >bin/mkfs.ext4
chmod +x bin/mkfs.ext4
check 'a mkfs that fails leaves nothing attached' failing

protects() {
    attach disk --via fuse --mount mnt --mkfs ext4
    ramback detach disk
    refuses 4 'holds a filesystem \(ext4\) already.*wipefs' ramback attach disk --via fuse --mount mnt --mkfs xfs
    nothing_attached disk
    printf ',,L\n' | sfdisk -q --wipe always "$(attach disk --via fuse)"
    refuses 4 'holds a partition table \(dos\) already' ramback attach disk --mount mnt --mkfs ext4
    refuses 1 'partition table' ramback attach disk --mount mnt
    wipefs -qa "$(attach disk)"
    ramback detach disk
}
check '--mkfs formats over no filesystem and no partition table' protects

busy() {
    local holder
    attach disk --via fuse --mount mnt --mkfs ext4
    (cd mnt && exec sleep 600) &
    holder=$!
    wait_for 10 eval '[[ $(readlink "/proc/$holder/cwd") == */mnt ]]'
    refuses 1 "$WORK/mnt is in use by .*\\(pid $holder\\)" ramback detach disk
    kill "$holder"
    wait "$holder" || true
    exec {held}<"$(loop_of disk)"
    umount mnt
    refuses 1 "is open in .*\\(pid [0-9]+\\)" ramback detach disk
    exec {held}<&-
    ramback detach disk
    nothing_attached disk
}
check 'who uses it is named, and keeps it' busy

file_held() {
    local file
    file=$(attach disk --via fuse >/dev/null && echo "$RUN/disk/fuse/disk")
    losetup -d "$(loop_of disk)"
    exec {held}<"$file"
    refuses 1 "/disk/fuse is in use by .*\\(pid [0-9]+\\)" ramback detach disk
    head -c 512 <&"$held" >/dev/null
    exec {held}<&-
    ramback detach disk
    nothing_attached disk
}
check 'who has the file open keeps it' file_held

covered() {
    attach disk --via fuse --mount mnt
    mount -t tmpfs over mnt
    touch mnt/somebodys
    refuses 1 "over \\(tmpfs\\) is mounted on $WORK/mnt" ramback detach disk
    test -e mnt/somebodys
    umount mnt
    ramback detach disk
    nothing_attached disk
}
check 'what lies over its filesystem is not unmounted in its place' covered

elsewhere() {
    local holder
    attach disk --via fuse --mount mnt
    unshare -m --propagation private sleep 600 &
    holder=$!
    wait_for 10 eval '[[ $(readlink "/proc/$holder/ns/mnt") != $(readlink /proc/self/ns/mnt) ]]'
    refuses 1 "is still mounted where .*\\(pid $holder\\)" ramback detach disk
    kill "$holder"
    wait "$holder" || true
    ramback detach disk
    nothing_attached disk
}
check 'it is not detached while another mount namespace has it mounted' elsewhere

frozen() {
    local loop
    attach disk --via fuse --mount mnt
    loop=$(loop_of disk)
    echo frozen >mnt/frozen
    fsfreeze -f mnt
    refuses 1 "$loop is still taken by the kernel, .* a filesystem that is frozen" ramback detach disk
    mount "$loop" mnt
    fsfreeze -u mnt
    ramback detach disk
    nothing_attached disk
}
check 'a frozen filesystem is not detached; mounted again and thawed it is' frozen

stranger() { # by hand, between two programs that are told the name of the loop device
    truncate -s 64M stranger.raw
    mkdir thief
    cat >thief/blkid <<END
#!/bin/sh
for device; do :; done
if mkdir tried 2>/dev/null; then
    losetup -d "\$device"
    losetup "\$device" stranger.raw
fi
exec $(command -v blkid) "\$@"
END
    chmod +x thief/blkid
    env PATH="$PWD/thief:$PATH" "$ROOT/ramback" attach disk --via fuse --mount mnt || true
    test -d tried
    cmp -n $((64 << 20)) stranger.raw /dev/zero
    test -z "$(losetup -j stranger.raw)"
    test "$(cat mnt/frozen)" = frozen
    ramback detach disk
    nothing_attached disk
    rm stranger.raw
}
check 'a loop device that is given up by hand while programs are told its name does not become another one' stranger

orphan() { # attach is killed, and its losetup goes on
    local attaching detaching
    mkdir slow
    cat >slow/losetup <<END
#!/bin/sh
touch begun
until [ -e go ]; do sleep 0.1; done
exec $(command -v losetup) "\$@"
END
    chmod +x slow/losetup
    env PATH="$PWD/slow:$PATH" "$ROOT/ramback" attach disk --via fuse >orphan.txt 2>&1 &
    attaching=$!
    wait_for 30 test -e begun
    kill -KILL "$attaching"
    wait "$attaching" || true
    "$ROOT/ramback" detach disk >detached.txt 2>&1 &
    detaching=$!
    wait_for 30 eval 'readlink /proc/$detaching/fd/* | grep -qx "$RUN/disk"' # the directory, whose lock the program has
    touch go
    wait "$detaching"
    grep 'released /dev/loop' detached.txt
    nothing_attached disk
}
check 'attach killed while its losetup runs: detach waits for that, and takes its loop device too' orphan
down disk

# --- the files of 2008 ---

files() {
    local files=$RUN/disk/fuse
    attach disk --via fuse
    head -n 1 "$files/status" | grep -E '^disk '
    grep -E '^ +mode +writeback' "$files/status"
    echo writethrough >"$files/mode"
    status_is disk mode writethrough
    test "$(cat "$files/mode")" = writethrough
    echo 0 >"$files/mode"
    status_is disk mode writeback
    echo 1 >"$files/mode"
    status_is disk mode writethrough
    echo auto >"$files/mode"
    test "$(cat "$files/mode")" = writeback
    without eval 'echo fast >"$files/mode"' 2>words.txt
    grep -q 'Invalid argument' words.txt
    echo 256 >"$files/trace"
    test "$(cat "$files/trace")" = on
    echo off >"$files/trace"
    test "$(cat "$files/trace")" = off
    dd if=/dev/urandom of=/dev/ramback/disk bs=1M count=8 oflag=direct status=none
    without grep -qx '0 bytes to write' "$files/flush"
    echo 1 >"$files/flush"
    grep -qx '0 bytes to write' "$files/flush"
    status_is disk dirtyChunks 0
    timeout 2 watch -n1 cat "$files/status" </dev/null >watched.txt 2>&1 || test $? = 124
    ramback detach disk
}
truncate -s 64M files.img
slow_disk "$WORK/files.img" $DELAY 64M # 8 MB/s, so that what was written is still to be written when somebody looks
up "$DISK_URI" --name disk --mode writeback --journal none
check 'status, mode, trace and flush are read and written as the driver of 2008 had it' files

memory_kib() {
    du -sk "$RAM" | cut -f1
}

discards() { # what is discarded gives memory back
    local before
    dd if=/dev/urandom of="$(attach disk --via fuse)" bs=1M count=128 oflag=direct status=none
    before=$(memory_kib)
    blkdiscard -f /dev/ramback/disk
    printf '%s KiB, then %s KiB\n' "$before" "$(memory_kib)"
    wait_for 20 eval "((\$(memory_kib) + 64 * 1024 < $before))"
    cmp -n $((64 << 20)) /dev/ramback/disk /dev/zero
    ramback detach disk
}
down disk
end_disk
up disk.img --name disk --ram sparse
check 'a discard gives memory back, and what was discarded is zeroes' discards

# --- two at once, read-only, no whole number of sectors ---

two() {
    up "$WORK/other.img" --size $(((64 << 20) + 100)) --name other
    attach disk --via fuse --mount mnt --mkfs ext4
    attach other --via fuse --mount mnt2 --mkfs ext4
    test "$(lsblk -bndo SIZE "$(loop_of other)" | xargs)" = $((64 << 20))
    test "$(loop_of disk)" != "$(loop_of other)"
    echo one >mnt/file
    echo two >mnt2/file
    ramback detach other
    test "$(cat mnt/file)" = one
    ramback detach disk
    down other
    up "$WORK/other.img" --name other --read-only
    attach other --mount mnt2 --via fuse
    test "$(lsblk -bndo RO "$(loop_of other)" | xargs)" = 1
    test "$(cat mnt2/file)" = two
    without touch mnt2/new
    ramback detach other
    down other
    nothing_attached disk other
}
check 'two devices at once; a size that is no whole number of sectors; read-only' two

resized() { # by a restart
    up "$WORK/grow.img" --size 64M --name grow
    attach grow --via fuse --mount mnt2 --mkfs ext4
    echo kept >mnt2/file
    ramback detach grow
    down grow
    truncate -s 128M grow.img
    up "$WORK/grow.img" --name grow --adopt-image
    attach grow --via fuse
    test "$(lsblk -bndo SIZE "$(loop_of grow)" | xargs)" = $((128 << 20))
    e2fsck -fp /dev/ramback/grow # while it is mounted, growing it needs a right that not every root has
    resize2fs /dev/ramback/grow
    attach grow --mount mnt2
    head -c 80M /dev/urandom >mnt2/more
    sha256sum mnt2/more >more.sum
    ramback detach grow
    down grow
    e2fsck -fn grow.img
    attach_loop grow.img --read-only
    mount -o ro "$LOOP" mnt2
    sha256sum -c more.sum
    test "$(cat mnt2/file)" = kept
    umount mnt2
    detach "$LOOP"
}
check 'an image that was made larger: a larger block device, and its filesystem grows' resized
down disk

terminated() { # by SIGTERM, in use
    local holder
    up disk.img --name disk
    attach disk --via fuse --mount mnt
    echo before >mnt/before
    (cd mnt && exec sleep 600) &
    holder=$!
    wait_for 10 eval '[[ $(readlink "/proc/$holder/cwd") == */mnt ]]'
    fsfreeze -f mnt
    kill -TERM "$UP_PID"
    wait_for 60 gone "$UP_PID"
    cat "$UP_LOG"
    grep -E "was detached for the stop: thawed $WORK/mnt, cut off $WORK/mnt" "$UP_LOG"
    grep -E "$WORK/mnt is in use by .*\\(pid $holder\\): it is cut off" "$UP_LOG"
    kill "$holder"
    wait "$holder" || true
    wait_for 10 nothing_attached disk
    test ! -e "$RUN/disk"
    up disk.img --name disk
    attach disk --via fuse --mount mnt
    test "$(cat mnt/before)" = before
    ramback detach disk
    down disk
}
check 'SIGTERM detaches what is in use and frozen, with a warning, and loses nothing' terminated

# --- kills ---

left_behind() {
    up disk.img --name disk
    attach disk --via fuse --mount mnt
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    ramback ls >ls.txt
    grep -E '^disk .* gone .* /dev/loop[0-9]+ \(left\)' ls.txt
    up disk.img --name disk
    refuses 1 'left from before .*ramback detach disk' ramback attach disk
    refuses 4 'ramback detach disk' ramback down disk
    detached disk "unmounted $WORK/mnt" 'released /dev/loop' "unmounted $RUN/disk/fuse"
    nothing_attached disk
    attach disk --via fuse
    losetup -d "$(loop_of disk)" # by hand
    wait_for 10 eval '[[ $(device_of disk) == */fuse/disk ]]'
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    up disk.img --name disk # a dead mount that nobody uses is no obstacle, and goes
    nothing_attached disk
    attach disk --via fuse
    umount -l "$RUN/disk/fuse" # by hand, while the loop device has its file
    ramback ls >ls.txt
    detached disk 'released /dev/loop'
    nothing_attached disk
    attach disk --via fuse --mount mnt
    kill -STOP "$UP_PID"
    detached disk "unmounted $WORK/mnt" 2>silent.txt
    grep 'does not answer: it is cut off' silent.txt
    kill -CONT "$UP_PID"
    nothing_attached disk
    attach disk --via fuse --mount mnt
    ramback detach disk
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    refuses 1 'not attached' ramback detach disk
    up disk.img --name disk
    down disk
}
check 'daemon killed or stopped, loop device and FUSE directory torn away by hand: ls shows it, up goes on, detach cleans' left_behind

command_killed() { # ROUNDS
    local round delay status kinds=''
    up disk.img --name disk
    attach disk --via fuse --mount mnt
    ramback detach disk
    for ((round = 0; round < $1; round++)); do
        delay=$($PYTHON -c 'import random, sys; print(random.Random(int(sys.argv[1])).uniform(0.1, 0.9))' $((SEED + round)))
        timeout -s KILL "$delay" "$ROOT/ramback" attach disk --via fuse --mount mnt >killed.txt 2>&1 || true
        status=0
        timeout 60 "$ROOT/ramback" detach disk >detached.txt 2>&1 || status=$?
        if ((status == 1)); then
            grep -q 'not attached' detached.txt
        else
            ((status == 0))
        fi
        kinds+=$(cut -c1-60 detached.txt)$'\n'
        wait_for 10 nothing_attached disk
    done
    sort <<<"$kinds" | uniq -c
    attach disk --via fuse --mount mnt
    test "$(cat mnt/before)" = before
    ramback detach disk
    down disk
}
rounds=8
if ((LONG_MINUTES > 0)); then rounds=$((LONG_MINUTES * 10)); fi
check "attach killed at $rounds random moments: detach cleans, and the next one works" command_killed "$rounds"

upgraded() { # with a filesystem in use
    local worker
    up disk.img --name disk
    attach disk --via fuse --mount mnt
    $PYTHON "$ROOT/verify.d/fs_work.py" work mnt --log upgraded.log --seconds 3 >upgraded.out 2>&1 &
    worker=$!
    wait_for 30 test -e mnt/data.sqlite
    timeout 60 "$ROOT/ramback" upgrade disk
    status_is disk attached.left false
    wait "$worker"
    cat upgraded.out
    without grep -qE 'files: |database: ' upgraded.out
    test "$(cat "$RUN/disk/fuse/mode")" = writeback
    $PYTHON "$ROOT/verify.d/fs_work.py" check mnt --log upgraded.log
    ramback detach disk
    down disk
    e2fsck -fn disk.img
    attach_loop disk.img --read-only
    mount -o ro "$LOOP" mnt
    $PYTHON "$ROOT/verify.d/fs_work.py" check mnt --log upgraded.log
    umount mnt
    detach "$LOOP"
}
check 'an upgrade under a filesystem in use: who writes waits, and goes on' upgraded

ended() { # by SIGTERM, on the way to a program of another layout of memory, as it says: first all has to be in the image
    truncate -s 128M ended.img
    slow_disk "$WORK/ended.img" $DELAY 8G
    up "$DISK_URI" --name ended --journal none
    attach ended --via fuse --mount mnt --mkfs ext4
    pace_disk 40M
    dd if=/dev/urandom of=mnt/synced bs=1M count=16 conv=fsync status=none
    echo not yet >mnt/unsynced
    curl -sS --fail-with-body --unix-socket "$RUN/ended/control.sock" -d "{\"launcher\": \"$ROOT/ramback\", \"layout\": 999}" \
        http://localhost/handover
    wait_for 30 grep -q 'state stopping' "$UP_LOG"
    kill -TERM "$UP_PID"
    pace_disk 8G
    wait_for 60 gone "$UP_PID"
    cat "$UP_LOG"
    grep -F "was detached for the stop: unmounted $WORK/mnt, released /dev/loop" "$UP_LOG"
    nothing_attached ended
    end_disk
    e2fsck -fn ended.img
    attach_loop ended.img --read-only
    mount -o ro "$LOOP" mnt
    test "$(cat mnt/unsynced)" = 'not yet'
    test "$(stat -c %s mnt/synced)" = $((16 << 20))
    umount mnt
    detach "$LOOP"
    rm ended.img*
}
check 'SIGTERM during an upgrade by way of the image: what filesystems had to write is written, and nothing is left' ended
rm -f disk.img* other.img*

# --- filesystems ---

untar_all() { # DIR
    mkdir "$1"
    tar -xf tree.tar -C "$1"
    sync -f "$1"
}

every_file() { # DIR: content, length, owner, permissions, time and link of each file, and no file more
    tar --compare -f tree.tar -C "$1"
    test "$(cd "$1" && find . -mindepth 1 | wc -l)" = "$FILES"
}

fio_verify() { # DIR
    fio --name=verify --directory="$1" --size=32m --rw=randwrite --bssplit=4k/60:16k/20:64k/20 --ioengine=libaio --direct=1 \
        --iodepth=16 --verify=crc32c --verify_fatal=1 --randseed="$SEED" --output-format=terse >fio.txt
    rm "$1"/verify.*
}

fsck_of() { # FILESYSTEM IMAGE; changes nothing
    case $1 in
        ext4) e2fsck -fn "$2" ;;
        xfs) xfs_repair -n "$2" ;;
        btrfs) btrfs check --readonly "$2" ;;
    esac
}

filesystem() { # FILESYSTEM MODE
    local image=$1.img
    # Noise, where nothing is known to be: it has to be loaded.
    cp noise "$image"
    truncate -s 512M "$image"
    slow_disk "$WORK/$image" $DELAY $RATE
    up "$DISK_URI" --name fs --mode "$2" --journal "$WORK/fs.journal" --journal-size 128M
    attach fs --via fuse
    case $1 in # without discarding, which would leave nothing to load
        ext4) mkfs.ext4 -q -E nodiscard /dev/ramback/fs ;;
        xfs) mkfs.xfs -q -K /dev/ramback/fs ;;
        btrfs) mkfs.btrfs -q -K /dev/ramback/fs ;;
    esac
    attach fs --mount mnt
    status_is fs state loading
    untar_all mnt/tree
    status_is fs state loading
    every_file mnt/tree
    pace_disk 8G
    fio_verify mnt
    fstrim mnt
    detached fs "unmounted $WORK/mnt" 'released /dev/loop'
    down fs
    end_disk
    rm fs.journal
    fsck_of "$1" "$image"
    attach_loop "$image" --read-only
    mount -o ro "$LOOP" mnt
    every_file mnt/tree
    umount mnt
    detach "$LOOP"
    rm "$image"*
}

{ head -c 4M /dev/zero && head -c 380M /dev/urandom; } >noise
must 'a tree of a few thousand files' $PYTHON "$ROOT/verify.d/source_tree.py" tree.tar "$SEED" "$JAVA_HOME/lib/src.zip"
FILES=$(tar -tf tree.tar | wc -l)
check "ext4, writeback: $FILES files untarred while loading, fio verify, detach; fsck and every file of the plain image" \
    filesystem ext4 writeback
check "xfs, checkpoint: the same" filesystem xfs checkpoint
check "btrfs, writethrough: the same" filesystem btrfs writethrough
rm noise

# --- killed under a filesystem and databases ---

kill_daemon() { # SECONDS: after so long and up to one second more; the memory stays
    $PYTHON -c 'import os, random, signal, sys, time
time.sleep(float(sys.argv[1]) + random.random())
os.kill(int(sys.argv[2]), signal.SIGKILL)' "$1" "$UP_PID"
    wait_for 30 gone "$UP_PID"
}

crash_on() { # FILESYSTEM SEED
    local worker
    up crash.img --size 320M --name crash --mode writeback
    attach crash --via fuse --mount mnt --mkfs "$1"
    $PYTHON "$ROOT/verify.d/fs_work.py" work mnt --log crash.log --seed "$2" --seconds 60 >crash.out 2>&1 &
    worker=$!
    wait_for 30 test -e mnt/data.sqlite
    kill_daemon 0.4
    wait "$worker"
    cat crash.out
    up crash.img --name crash --mode writeback
    detached crash "unmounted $WORK/mnt"
    attach crash --via fuse --mount mnt
    $PYTHON "$ROOT/verify.d/fs_work.py" check mnt --log crash.log
    ramback detach crash
    down crash
    fsck_of "$1" crash.img
    rm -f crash.*
}

turns=1
if ((LONG_MINUTES > 0)); then turns=$((1 + LONG_MINUTES / 4)); fi
for ((turn = 1; turn <= turns; turn++)); do
    for fs in ext4 xfs btrfs; do
        check "$fs: daemon killed while files and SQLite are written; up, detach, attach: all that was synced is there, fsck is clean" \
            crash_on $fs $((SEED + turn))
    done
done

torn_away() { # the loop device, under load
    local worker
    up crash.img --size 320M --name crash --mode writeback
    attach crash --via fuse --mount mnt --mkfs ext4
    $PYTHON "$ROOT/verify.d/fs_work.py" work mnt --log crash.log --seed "$SEED" --seconds 2 >crash.out 2>&1 &
    worker=$!
    # Both kinds of work: one that begins after the unmount would work in the directory below.
    wait_for 30 eval '[[ -e mnt/data.sqlite && -n $(ls mnt/files) ]]'
    umount -l mnt
    losetup -d "$(loop_of crash)" # it goes with the last who has it open
    wait "$worker"
    cat crash.out
    wait_for 30 eval '[[ $(device_of crash) == */fuse/disk ]]'
    attach crash --mount mnt --via fuse # over the same directory
    $PYTHON "$ROOT/verify.d/fs_work.py" check mnt --log crash.log
    ramback detach crash
    down crash
    e2fsck -fn crash.img
    rm -f crash.*
}
check 'the loop device is torn away under load: attach makes another, nothing is lost' torn_away

PG_BIN=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)

pg() { # PROGRAM ARGS...: as the user who may
    runuser -u postgres -- "$PG_BIN/$1" "${@:2}"
}

pg_start() {
    pg pg_ctl -D mnt/data -w -t 60 -l pg/server.log -o "-k $WORK/pg -c listen_addresses= -c shared_buffers=32MB" start
}

pg_work() { # work|check OPTIONS...
    $PYTHON "$ROOT/verify.d/pg_work.py" "$1" --psql "runuser -u postgres -- $PG_BIN/psql -h $WORK/pg -d postgres" \
        --log pg.work "${@:2}"
}

postgres() {
    local worker bench
    mkdir -p pg
    chown postgres pg
    up pg.img --size 512M --name pg
    attach pg --via fuse --mount mnt --mkfs ext4
    chmod go+rx mnt
    mkdir mnt/data
    chown postgres mnt/data
    pg initdb -D mnt/data --no-sync --auth=trust >initdb.log
    pg_start
    pg pgbench -h "$WORK/pg" -i -q -s 1 postgres
    pg psql -h "$WORK/pg" -d postgres -c CHECKPOINT
    sync -f mnt
    pg pgbench -h "$WORK/pg" -c 2 -T 60 postgres >pgbench.log 2>&1 &
    bench=$!
    pg_work work --begun pg.begun >pg.out 2>&1 &
    worker=$!
    wait_for 60 test -e pg.begun
    kill_daemon 1
    pg pg_ctl -D mnt/data -m immediate -w stop || true
    wait "$worker"
    wait "$bench" || true # its server is gone
    cat pg.out
    up pg.img --name pg
    detached pg "unmounted $WORK/mnt"
    attach pg --via fuse --mount mnt
    rm -f mnt/data/postmaster.pid
    pg_start
    pg_work check
    pg pg_amcheck -h "$WORK/pg" --install-missing --heapallindexed -d postgres
    pg pg_ctl -D mnt/data -m fast -w stop
    ramback detach pg
    down pg
    e2fsck -fn pg.img
    rm -rf pg pg.*
}
name='PostgreSQL: daemon killed under pgbench; up, detach, attach, recovery: every transaction is there, pg_amcheck finds nothing'
if [[ -z $PG_BIN ]] || ! id postgres >/dev/null 2>&1; then
    skip "$name" 'PostgreSQL is not installed'
else
    check "$name" postgres
fi

# --- without root ---

# Words and no function, since `refuses` runs a program.
readonly NOBODY=(setpriv --reuid=nobody --regid=nogroup --clear-groups -- env RAMBACK_RUN_DIR="$WORK/nobody/run" HOME="$WORK/nobody"
    RAMBACK_NO_BUILD=1)
PROGRAM=$ROOT/ramback
if ! "${NOBODY[@]}" test -x "$PROGRAM"; then # it lies in a directory of root's own
    mkdir -p program/target
    cp "$PROGRAM" program/
    cp -rL "$ROOT/target/dist" program/target/
    rm -f program/target/dist/*.aot # they are good where they were made alone
    chmod -R go+rX program
    PROGRAM=$WORK/program/ramback
fi
readonly PROGRAM

nobody_answers() { # PID
    grep -q ' ready, ' nobody/up.log || gone "$1"
}

without_root() {
    local pid
    mkdir -p nobody
    chown nobody:nogroup nobody
    install -d -o nobody -g nogroup "$RAM/nobody"
    "${NOBODY[@]}" "$PROGRAM" up nobody/disk.img --size 64M --ram-dir "$RAM/nobody" >nobody/up.log 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >>up.pids
    wait_for 60 nobody_answers "$pid"
    refuses 1 'a block device needs root; .*--via fuse' "${NOBODY[@]}" "$PROGRAM" attach disk
    refuses 1 'mount needs root' "${NOBODY[@]}" "$PROGRAM" attach disk --via fuse --mount mnt
    test "$("${NOBODY[@]}" "$PROGRAM" attach disk --via fuse)" = "$WORK/nobody/run/disk/fuse/disk"
    "${NOBODY[@]}" mkfs.ext4 -q -F "$WORK/nobody/run/disk/fuse/disk"
    "${NOBODY[@]}" sh -c 'echo writethrough >"$RAMBACK_RUN_DIR/disk/fuse/mode" && cat "$RAMBACK_RUN_DIR/disk/fuse/mode"'
    "${NOBODY[@]}" "$PROGRAM" detach disk
    "${NOBODY[@]}" "$PROGRAM" attach disk --via fuse
    kill -KILL "$pid"
    wait_for 30 gone "$pid"
    "${NOBODY[@]}" "$PROGRAM" detach disk
    "${NOBODY[@]}" "$PROGRAM" up nobody/disk.img --ram-dir "$RAM/nobody" >nobody/up.log 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >>up.pids
    wait_for 60 nobody_answers "$pid"
    "${NOBODY[@]}" "$PROGRAM" down disk
    e2fsck -fn nobody/disk.img
}
if "${NOBODY[@]}" test -x "$PROGRAM" && "${NOBODY[@]}" test -x "$JAVA_HOME/bin/java"; then
    check 'without root: the file alone, its filesystem, the files beside it; the rest is a clear answer' without_root
else
    skip 'without root' "nobody may not run $PROGRAM"
fi

# --- memory ---

pressed() { # daemon and filesystem in one memory cgroup, whose limit is less than what is written
    local group=$1 image=pressed.img
    mkdir "$group"
    # shellcheck disable=SC2064 # now
    trap "for pid in \$(cat '$group/cgroup.procs'); do kill -KILL \$pid; done; rmdir '$group'" EXIT
    if [[ -e $group/memory.max ]]; then
        echo 700M >"$group/memory.max"
    else
        echo 700M >"$group/memory.limit_in_bytes"
    fi
    echo "$BASHPID" >"$group/cgroup.procs"
    up "$image" --size 256M --name pressed
    attach pressed --via fuse --mount mnt --mkfs ext4
    for _ in 1 2 3 4 5 6; do
        timeout 120 dd if=/dev/zero of=mnt/file bs=1M count=200 conv=notrunc status=none
    done
    timeout 120 sync -f mnt
    ramback detach pressed
    down pressed
    e2fsck -fn "$image"
    echo "$BASHPID" >"${group%/*}/cgroup.procs"
}
name='no deadlock with the daemon and its filesystem in one memory cgroup that is too small for what is written'
group=/sys/fs/cgroup/memory
if [[ -e /sys/fs/cgroup/cgroup.subtree_control ]]; then group=/sys/fs/cgroup; fi
up flusher.img --size 1M --name flusher
flusher=$(json flusher process.ioFlusher)
down flusher
if [[ $flusher != true ]]; then
    skip "$name" 'PR_SET_IO_FLUSHER is not permitted here; 80-guest tries it'
elif ! mkdir "$group/${WORK//\//-}" 2>/dev/null; then
    skip "$name" 'no memory cgroup can be made here'
else
    rmdir "$group/${WORK//\//-}"
    check "$name" pressed "$group/${WORK//\//-}"
fi

check 'no name is left in /dev/ramback' eval 'for name in disk other fs crash pg pressed; do test ! -L "/dev/ramback/$name"; done'
