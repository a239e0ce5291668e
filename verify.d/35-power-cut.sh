# what: a real power cut: image and journal on a disk with a volatile cache, cut at hundreds of moments, recovered, judged
# budget: 250
# clients: yes
# long: yes

# power_disk.py serves image and journal to a real daemon as block devices (nbdfuse, loop with O_DIRECT), logs every write
# and every flush of both in one order, and can say what the disks would hold had the power gone at any moment, with any part
# of what was not flushed. power_cut.py recovers hundreds of such pairs and judges them.

readonly PYTHON=/usr/bin/python3
readonly IMAGE_BYTES=$((16 << 20))
readonly JOURNAL_BYTES=$((64 << 20))
readonly INTERVAL_MILLIS=200

scale=1
if ((LONG_MINUTES > 0)); then scale=$LONG_MINUTES; fi

state_name() { # LOOP: under which the state of that loop device lies
    $PYTHON - "$(cat "/sys/block/${1#/dev/}/loop/backing_file")" <<'P'
import os, sys
crc = 0xFFFFFFFF
for byte in sys.argv[1].encode():
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
print(f"loop-{os.path.basename(sys.argv[1])}-{crc ^ 0xFFFFFFFF:08x}-0.ramback")
P
}

power_on() { # DIR [IMAGE JOURNAL STATE]: sets DISK_PID, DISK_DIR, IMAGE_LOOP, JOURNAL_LOOP
    rm -f "$RAMBACK_STATE_DIR"/*
    DISK_DIR=$RAM/$1
    mkdir -p "$DISK_DIR"
    if [[ -n ${4:-} ]]; then cp "$4" "$RAMBACK_STATE_DIR/before.ramback"; fi
    background "$1" $PYTHON "$ROOT/verify.d/power_disk.py" --socket "$WORK/$1.sock" --log "$DISK_DIR" \
        --state "$RAMBACK_STATE_DIR" "image=${2:-$IMAGE_BYTES}" "journal=${3:-$JOURNAL_BYTES}"
    DISK_PID=$BG_PID
    wait_for 20 test -e "$DISK_DIR/ready"
    attach_nbd "nbd+unix:///image?socket=$WORK/$1.sock"
    IMAGE_LOOP=$LOOP
    attach_nbd "nbd+unix:///journal?socket=$WORK/$1.sock"
    JOURNAL_LOOP=$LOOP
    if [[ -n ${4:-} ]]; then mv "$RAMBACK_STATE_DIR/before.ramback" "$RAMBACK_STATE_DIR/$(state_name "$IMAGE_LOOP")"; fi
}

power_off() { # what was recorded is complete afterwards
    detach "$IMAGE_LOOP"
    detach "$JOURNAL_LOOP"
    kill -TERM "$DISK_PID"
    wait_for 30 gone "$DISK_PID"
}

forget() { # the daemon and its memory
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    find "$RAM" -name '*.ram' -delete
    rm -rf "${RAMBACK_RUN_DIR:?}/cut"
}

start() { # MODE OPTIONS...
    up "$IMAGE_LOOP" --journal "$JOURNAL_LOOP" --name cut --mode "$1" --interval "${INTERVAL_MILLIS}ms" "${@:2}"
}

write_stamped() { # SECONDS OPTIONS...
    $PYTHON "$ROOT/verify.d/stamped_writers.py" --uri "$UP_URI" --seconds "$1" --seed "$SEED" --log "$DISK_DIR/writers" \
        --position "$DISK_DIR/position" "${@:2}"
}

judge() { # DIR IMAGES OPTIONS...
    $PYTHON "$ROOT/verify.d/power_cut.py" --recording "$RAM/$1" --dir "$RAM/$1.cut" --images "$2" --seed "$SEED" \
        --ramback "$ROOT/ramback" --java "$JAVA_HOME/bin/java" --classes "$WORK/classes" "${@:3}"
}

say() {
    grep -vE '^ramback: building|: line [0-9]+: ' "check-$CHECKS.log" | cut -c1-300 | sed 's/^/        /'
}

flush_arrives() { # fdatasync on a loop device over nbdfuse is a FLUSH at the disk, after the write
    power_on flush
    dd if=/dev/urandom of="$IMAGE_LOOP" bs=4096 count=1 seek=7 oflag=direct conv=notrunc,fdatasync status=none
    dd if=/dev/urandom of="$IMAGE_LOOP" bs=4096 count=1 seek=9 oflag=direct conv=notrunc status=none
    power_off
    $PYTHON - "$DISK_DIR" "$ROOT/verify.d" <<'P'
import sys
sys.path.insert(0, sys.argv[2])
import power_disk
recording = power_disk.Recording(sys.argv[1])
recording.move(len(recording))
kept = bytes(recording.durable[0])
assert kept[7 * 4096 : 8 * 4096] != bytes(4096), "what fdatasync answered for was not flushed at the disk"
assert kept[9 * 4096 : 10 * 4096] == bytes(4096), "what nobody synced is not pending"
assert len(recording.unsynced()) == 1
P
    rm -r "$DISK_DIR"
}

record() { # DIR MODE SECONDS [CHUNK [OPTION...]]: stamped writers until the power goes; options are for up
    power_on "$1"
    start "$2" --chunk "${4:-4096}" "${@:5}"
    write_stamped "$3" --mode "$2" --chunk "${4:-4096}"
    forget
    power_off
}

cut_mode() { # MODE CHUNK [OPTION...]
    record "$1" "$1" 4 "${@:2}"
    judge "$1" $((72 * scale)) --writers "$RAM/$1/writers" --interval-millis $INTERVAL_MILLIS --real 8
    rm -r "$RAM/$1"
}

export RAMBACK_STATE_DIR=$WORK/state # of block devices
mkdir -p "$RAMBACK_STATE_DIR"
"$JAVA_HOME/bin/javac" -d "$WORK/classes" "$ROOT/verify.d/CommandLoop.java"
must 'the oracle takes what happened and refuses what did not' $PYTHON "$ROOT/verify.d/stamps_test.py" "$SEED" 4
must 'fdatasync on a loop device over nbdfuse is a FLUSH at the disk' flush_arrives
check 'writeback: every image after a power cut is one moment of the device, none too old' cut_mode writeback 4096
say
check 'writethrough, chunks of 16 KiB: the same' cut_mode writethrough 16384
say
check 'checkpoint: the same' cut_mode checkpoint 4096
say
check 'checkpoint, hardly any memory for changes: the same' cut_mode checkpoint 65536 --dirty-max 1M
say

# --- modes switched all the time ---

cut_switching() {
    power_on mixed
    start writeback
    write_stamped 6 --mode writeback --switch "$ROOT/ramback mode cut"
    forget
    power_off
    judge mixed $((78 * scale)) --writers "$RAM/mixed/writers" --interval-millis $INTERVAL_MILLIS --real 4
    rm -r "$RAM/mixed"
}

check 'modes switched all the time: every image is what the mode promised, or refused as torn where that was unsafe' cut_switching
say

# --- the life after a power cut ---

cut_second_life() { # recover, up, writers, down on what a power cut has left: a second cut anywhere in that
    local half
    record first writeback 3
    half=$($PYTHON - "$RAM/first" "$ROOT/verify.d" "$SEED" <<'P'
import random, sys
sys.path.insert(0, sys.argv[2])
import power_disk
recording = power_disk.Recording(sys.argv[1])
recording.move(len(recording) * 3 // 4)
chance = random.Random(sys.argv[3])
chosen = {entry: None for entry in recording.unsynced() if chance.random() < 0.5}
with recording.cut(chosen) as disks:
    for name, content in disks.items():
        open(f"{sys.argv[1]}/cut-{name}", "wb").write(content)
open(f"{sys.argv[1]}/cut-state", "wb").write(recording.states_at(recording.position)[0])
print(recording.position)
P
    )
    power_on second "$RAM/first/cut-image" "$RAM/first/cut-journal" "$RAM/first/cut-state"
    if ((SEED % 2)); then ramback recover "$IMAGE_LOOP" --journal "$JOURNAL_LOOP"; fi
    start checkpoint # recovers by itself when nobody has
    write_stamped 2 --mode checkpoint --run 2
    down
    power_off
    judge second $((78 * scale)) --writers "$RAM/second/writers" --before "$RAM/first/writers" --at "$half" \
        --interval-millis $INTERVAL_MILLIS --real 6
    rm -r "$RAM/first" "$RAM/second"
}

check 'a second power cut during recover, up, work or a clean stop: all promised before and after is there' cut_second_life
say

# --- a filesystem ---


cat >fsck-ext4 <<'F'
#!/usr/bin/env bash
# LOG IMAGE ENTRY: the log replays, fsck is clean, files and transactions are there that were answered before ENTRY
set -euo pipefail
loop=$(losetup --find --show "$2")
trap 'umount cut.mnt 2>/dev/null || true; losetup -d "$loop"' EXIT
mount "$loop" cut.mnt
status=0
/usr/bin/python3 "$VERIFY_ROOT/verify.d/fs_work.py" check cut.mnt --log "$1" --until "$3" || status=$?
umount cut.mnt
e2fsck -fn "$loop" 2>&1 || status=$?
exit "$status"
F

cut_ext4() {
    local from
    power_on ext4 $((32 << 20))
    start writeback
    attach_nbd "$UP_URI"
    mkfs.ext4 -q -F "$LOOP"
    mkdir -p mnt cut.mnt
    mount "$LOOP" mnt
    sync -f mnt
    from=$(od -An -tu8 "$DISK_DIR/position")
    $PYTHON "$ROOT/verify.d/fs_work.py" work mnt --log "$DISK_DIR/work" --seed "$SEED" --seconds 4 \
        --position "$DISK_DIR/position"
    forget
    umount mnt
    detach "$LOOP"
    power_off
    judge ext4 $((30 * scale)) --fsck "bash $WORK/fsck-ext4 $RAM/ext4/work" --from "$((from))"
    rm -r "$RAM/ext4"
}

check 'ext4: after a power cut the log replays, fsck is clean, files and SQLite hold what was synced' cut_ext4
say

# --- what this would find ---

cut_mutant() { # MUTANT: a daemon that leaves out a step is found out
    power_on "$1"
    RAMBACK_JAVA_OPTS=-Dramback.mutants=$1 start writeback
    write_stamped 3 --mode writeback
    ramback flush cut # at the latest then the image has it all, or should have
    forget
    power_off
    judge "$1" 60 --writers "$RAM/$1/writers" --wrong
    rm -r "$RAM/$1"
}

for mutant in no_image_fsync no_journal_fsync; do
    check "a daemon with the fault $mutant is found out" cut_mutant "$mutant"
    say
done
