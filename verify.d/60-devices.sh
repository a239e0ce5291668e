# what: several devices, odd sizes, chunk sizes, block devices, holes in image and RAM, read-only, a hundred starts and stops, start-up figures
# budget: 400
# beside: yes
# clients: yes

readonly PYTHON=/usr/bin/python3

model() { # OPERATIONS OPTIONS...
    $PYTHON "$ROOT/verify.d/nbd_model.py" --seed "$SEED" --operations "$@"
}

wait_loaded() { # NAME
    wait_for 60 status_is "$1" .state ready
}

mib_used() { # FILE: what it takes on its filesystem
    printf '%d\n' $(($(stat -c %b "$1") * 512 >> 20))
}

uses() { # FILE LEAST MOST, in MiB
    local mib
    mib=$(mib_used "$1")
    printf '%s uses %d MiB\n' "$1" "$mib"
    ((mib >= $2 && mib <= $3))
}

segment() { # the one file in memory
    find "$RAM" -type f -name '*.ram'
}

# --- two at once ---

two_devices() {
    local first second uri1 uri2
    head -c 30000001 /dev/urandom >one.img
    head -c $((16 << 20)) /dev/urandom >two.img
    cp one.img one.initial
    cp two.img two.initial
    up one.img --mode unsafe --chunk 16K
    uri1=$UP_URI
    up two.img --mode writethrough --ram sparse
    uri2=$UP_URI
    model 1200 --chunk 16384 --initial one.initial --final one.final "$uri1" &
    first=$!
    model 600 --initial two.initial --final two.final "$uri2" &
    second=$!
    test "$(ramback ls | wc -l)" = 3
    status_is one .mode unsafe
    status_is two .mode writethrough
    wait "$first"
    wait "$second"
    down one
    status_is two .name two
    down two
    cmp one.final one.img
    cmp two.final two.img
    rm one.* two.*
}

check 'two devices at once, each with its own content and mode' two_devices

# --- sizes and chunks ---

geometry() { # SIZE CHUNK MODE OPTIONS...
    head -c "$1" /dev/urandom >odd.img
    cp odd.img odd.initial
    up odd.img --chunk "$2" --mode "$3" "${@:4}"
    status_is odd .sizeBytes "$1"
    status_is odd .chunkBytes "$(numfmt --from=iec "$2")"
    model 600 --chunk "$(numfmt --from=iec "$2")" --initial odd.initial --final odd.final "$UP_URI"
    down
    cmp odd.final odd.img
    rm odd.*
}

check '1 byte' geometry 1 4K writeback
check '511 bytes' geometry 511 4K writethrough
check '4,097 bytes, chunks of 64 KiB' geometry 4097 64K unsafe --ram sparse
check '1 MiB and 37 bytes' geometry 1048613 4K writeback --ram sparse
check '1 MiB and 37 bytes, chunks of 1 MiB' geometry 1048613 1M writethrough
check '9,999,999 bytes, chunks of 8 KiB' geometry 9999999 8K unsafe
check '20,000,001 bytes, chunks of 256 KiB' geometry 20000001 256K writeback
check '12 MiB, chunks of 32 KiB' geometry $((12 << 20)) 32K writeback --ram sparse

# --- a block device as image ---

block_device() {
    local name
    head -c $((48 << 20)) /dev/urandom >block.img
    cp block.img block.initial
    attach_loop block.img
    name=${LOOP#/dev/}
    up "$LOOP" --size 48M --journal none
    test "$UP_NAME" = "$name"
    status_is "$name" .sizeBytes $((48 << 20))
    model 800 --initial block.initial --final block.final "$UP_URI"
    refuses 1 "$LOOP is in use" ramback up "$LOOP" --journal none --name second --ram-dir "$RAM"
    refuses 2 "$LOOP has 50331648 bytes.*1048576" ramback up "$LOOP" --journal none --name second --size 1M --ram-dir "$RAM" ||
        refuses 1 "$LOOP is in use" ramback up "$LOOP" --journal none --name second --size 1M --ram-dir "$RAM"
    if mount "$LOOP" /mnt 2>mount.log; then
        umount /mnt
        printf 'it could be mounted meanwhile\n'
        return 1
    fi
    down
    detach "$LOOP"
    cmp block.final block.img
    rm block.*
}

block_device_in_use() { # mounted
    truncate -s 16M mounted.img
    mkfs.ext4 -q -F mounted.img
    attach_loop mounted.img
    mkdir mounted
    mount "$LOOP" mounted
    local status=0
    refuses 1 "$LOOP is in use" ramback up "$LOOP" --journal none --ram-dir "$RAM" || status=$?
    umount mounted
    detach "$LOOP"
    rm -r mounted mounted.img*
    return "$status"
}

block_device_write_protected() {
    head -c $((4 << 20)) /dev/urandom >protected.img
    attach_loop protected.img --read-only
    local status=0
    refuses 1 'write-protected|no permission' ramback up "$LOOP" --journal none --name protected --ram-dir "$RAM" || status=$?
    up "$LOOP" --journal none --name protected --read-only
    nbdcopy "$UP_URI" protected.copy
    down
    detach "$LOOP"
    cmp protected.img protected.copy
    rm protected.*
    return "$status"
}

check 'a block device as image, locked meanwhile' block_device
check 'a block device that is mounted is refused' block_device_in_use
check 'a write-protected block device is refused, and served with --read-only' block_device_write_protected

# --- disks that are slow, or fail for a while ---

is_asked() { # NAME: a client is at work
    (($(json "$1" .requests.writes) > 0))
}

answers_while_loading() { # partial and whole writes, trims and reads of what the loader is about to bring
    head -c 48000001 /dev/urandom >loading.img
    cp loading.img loading.initial
    slow_disk "$WORK/loading.img" 1ms 32M
    mount_nbd "$DISK_URI"
    up "$NBD_FILE" --journal none --name loading --mode unsafe
    test "$(json loading .state)" = loading
    model 600 --initial loading.initial --final loading.final "$UP_URI" &
    local model=$!
    wait_for 20 is_asked loading
    pace_disk 64M
    wait "$model"
    down
    unmount_nbd "$NBD_MOUNT"
    end_disk
    cmp loading.final loading.img
    rm -r loading.*
}

fails_for_a_while() { # what was acknowledged from RAM gets to the image once the disk is back
    head -c $((16 << 20)) /dev/urandom >failing.img
    failing_disk "$WORK/failing.img" "$WORK/trouble"
    mount_nbd "$DISK_URI"
    up "$NBD_FILE" --journal none --name failing --mode unsafe
    wait_loaded failing
    touch trouble
    sh_nbd "$UP_URI" '
data = os.urandom(4 << 20)
open("failing.wrote", "wb").write(data)
h.pwrite(data, 2 << 20)'
    wait_for 20 status_is failing .state degraded
    ramback status failing --json | $PYTHON "$ROOT/verify.d/status_contract.py" state=degraded greenLight=false
    test "$(json failing .backing.errors)" -gt 0
    wait_for 20 says_red failing
    refuses 1 'flush failed.*dirty' ramback flush failing
    sh_nbd "$UP_URI" 'assert h.pread(4 << 20, 2 << 20) == open("failing.wrote", "rb").read()'
    rm trouble
    wait_for 60 status_is failing .dirtyBytes 0
    wait_for 20 status_is failing .state ready
    cmp -n $((4 << 20)) -i 0:$((2 << 20)) failing.wrote failing.img
    down
    unmount_nbd "$NBD_MOUNT"
    end_disk
    rm failing.*
}

fails_to_load() { # EIO for what cannot be loaded, and for that alone; loaded when the disk is back
    head -c $((64 << 20)) /dev/urandom >unloaded.img
    failing_disk "$WORK/unloaded.img" "$WORK/trouble"
    mount_nbd "$DISK_URI"
    touch trouble
    up "$NBD_FILE" --journal none --name unloaded --mode unsafe
    sh_nbd "$UP_URI" '
try:
    h.pread(4096, 8 << 20)
except nbd.Error as error:
    assert error.errno == "EIO", error
else:
    raise AssertionError("read what could not be loaded")
h.pwrite(bytes(4096), 40 << 20)
assert h.pread(4096, 40 << 20) == bytes(4096)'
    rm trouble
    wait_loaded unloaded
    cp unloaded.img unloaded.expected
    nbdcopy "$UP_URI" unloaded.copy
    down
    unmount_nbd "$NBD_MOUNT"
    end_disk
    cmp unloaded.copy unloaded.img
    cmp -n $((8 << 20)) -i $((8 << 20)) unloaded.expected unloaded.copy
    rm unloaded.*
}

check 'every request answered right while a slow disk is loading' answers_while_loading
check 'a disk that fails for a while: red, nothing lost, green again' fails_for_a_while
check 'a disk that fails while loading: EIO for that alone, loaded when it is back' fails_to_load

# --- holes ---

sparse_stays_sparse() {
    truncate -s 512M sparse.img
    head -c $((3 << 20)) /dev/urandom | dd of=sparse.img bs=1M seek=200 conv=notrunc status=none
    sha256sum sparse.img >sparse.sum
    uses sparse.img 3 3
    up sparse.img
    nbdcopy "$UP_URI" - | cmp - sparse.img
    wait_loaded sparse
    sh_nbd "$UP_URI" 'h.pwrite(h.pread(1000, 201 << 20), 201 << 20); h.flush()'
    down
    sha256sum --check sparse.sum
    uses sparse.img 3 3
    rm sparse.*
}

holes_in_image() {
    up holes.img --size 256M --mode unsafe
    uses holes.img 0 0
    sh_nbd "$UP_URI" '
for offset in range(0, 96 << 20, 1 << 20):
    h.pwrite(os.urandom(1 << 20), offset)'
    ramback flush holes
    uses holes.img 96 97
    sh_nbd "$UP_URI" 'h.trim(32 << 20, 0)'
    ramback flush holes
    uses holes.img 64 65
    sh_nbd "$UP_URI" 'h.zero(32 << 20, 32 << 20)'
    ramback flush holes
    uses holes.img 32 33
    sh_nbd "$UP_URI" 'h.zero(32 << 20, 64 << 20, nbd.CMD_FLAG_NO_HOLE)'
    ramback flush holes
    uses holes.img 32 33
    down
    cmp -n $((96 << 20)) holes.img /dev/zero
    uses holes.img 32 33
    rm holes.img*
}

trim_reaches_the_disk_below() { # through a block device
    head -c $((32 << 20)) /dev/urandom >below.img
    attach_loop below.img
    up "$LOOP" --journal none --name below
    sh_nbd "$UP_URI" 'h.trim(24 << 20, 4 << 20); h.flush()'
    down
    detach "$LOOP"
    uses below.img 8 9
    rm below.img*
}

reserve_takes_all() {
    up reserve.img --size 64M
    uses "$(segment)" 64 160
    down
    rm reserve.img*
}

sparse_gives_back() {
    local empty
    up ram.img --size 256M --ram sparse --mode unsafe
    wait_loaded ram
    empty=$(mib_used "$(segment)")
    printf 'empty: %d MiB\n' "$empty"
    ((empty < 64))
    sh_nbd "$UP_URI" '
for offset in range(0, 128 << 20, 1 << 20):
    h.pwrite(os.urandom(1 << 20), offset)'
    uses "$(segment)" $((empty + 120)) $((empty + 140))
    sh_nbd "$UP_URI" 'h.trim(128 << 20, 0)'
    ramback flush ram
    uses "$(segment)" 0 $((empty + 8))
    sh_nbd "$UP_URI" 'assert h.pread(1 << 20, 64 << 20) == bytes(1 << 20)'
    uses "$(segment)" 0 $((empty + 8))
    down
    rm ram.img*
}

one_tebibyte() {
    up huge.img --size 1T --ram sparse --journal-size 256M # its own choice would be 16 GiB, all of them written at the start
    sh_nbd "$UP_URI" '
h.pwrite(b"the last", (1 << 40) - 8)
h.pwrite(b"the middle", (1 << 39) - 5)
h.flush()
assert h.pread(16, (1 << 40) - 16) == bytes(8) + b"the last"
h.trim(0xffff0000, 1 << 38)'
    wait_loaded huge
    uses "$(segment)" 0 400
    down
    test "$(stat -c %s huge.img)" = $((1 << 40))
    test "$(tail -c 8 huge.img)" = 'the last'
    uses huge.img 0 1
    rm huge.img*
}

check 'a sparse image stays sparse' sparse_stays_sparse
check 'TRIM and zeroes become holes in the image, zeroes with NO_HOLE do not' holes_in_image
check 'TRIM reaches the disk below a block device' trim_reaches_the_disk_below
check '--ram reserve takes all memory at the start' reserve_takes_all
check '--ram sparse takes what is touched and gives it back on TRIM' sparse_gives_back
check 'a device of 1 TiB with --ram sparse' one_tebibyte

# --- read-only ---

read_only() {
    head -c 5000001 /dev/urandom >ro.img
    chmod 444 ro.img
    local before
    before=$(stat -c '%s %Y %Z %b' ro.img)
    sha256sum ro.img >ro.sum
    up ro.img --read-only
    nbdinfo --json "$UP_URI" | grep -q '"is_read_only": true'
    sh_nbd "$UP_URI" '
h2 = nbd.NBD()
h2.set_strict_mode(0)
h2.connect_uri(h.get_uri())
for call in (lambda: h2.pwrite(b"x", 0), lambda: h2.zero(4096, 0), lambda: h2.trim(4096, 0)):
    try:
        call()
    except nbd.Error as error:
        assert error.errno == "EPERM", error
    else:
        raise AssertionError("a change was taken")
h2.flush()'
    nbdcopy "$UP_URI" ro.copy
    cmp ro.copy ro.img
    ramback flush
    down
    sha256sum --check ro.sum
    test "$(stat -c '%s %Y %Z %b' ro.img)" = "$before"
    refuses 2 'does not exist.*--read-only' ramback up none.img --size 1M --read-only --ram-dir "$RAM"
    test ! -e none.img
    rm -f ro.*
}

check '--read-only: all of it readable, no change taken, the image untouched' read_only

# --- what clients leave in a daemon ---

up clients.img --size 4M
descriptors() {
    find "/proc/$UP_PID/fd" -mindepth 1 | wc -l
}
threads() {
    find "/proc/$UP_PID/task" -mindepth 1 -maxdepth 1 | wc -l
}
as_before() {
    (($(descriptors) <= DESCRIPTORS && $(threads) <= THREADS))
}
come_and_go() {
    $PYTHON - "$UP_URI" <<'P'
import sys, nbd
for turn in range(300):
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    h.pread(4096, 0)
    if turn % 2:
        h.shutdown()  # the others just vanish
P
}
come_and_go
wait_for 15 status_is clients .clients 0
DESCRIPTORS=$(descriptors) THREADS=$(threads)
check '300 clients come and go' come_and_go
check 'and leave no descriptor and no thread in the daemon' wait_for 15 as_before
check 'down' down

# --- a hundred starts and stops ---

lane() { # NAME CYCLES: each finds what the one before wrote
    local cycle
    truncate -s 2M "$1.img"
    for ((cycle = 1; cycle <= $2; cycle++)); do
        up "$1.img"
        sh_nbd "$UP_URI" "
assert h.pread(8, 4090) == ($cycle - 1).to_bytes(8), 'cycle $cycle finds ' + repr(h.pread(8, 4090))
h.pwrite(($cycle).to_bytes(8), 4090)"
        if ((cycle % 5 == 0)); then
            down "$1"
        else
            kill -TERM "$UP_PID"
            wait "$UP_PID"
        fi
    done
    test "$(od -An -tu1 -j 4097 -N 1 "$1.img")" -eq "$2"
}

hundred_cycles() {
    lane left 50 &
    local left=$!
    lane right 50
    wait "$left"
}

no_trace_of_cycles() {
    local left
    left=$(
        find "$RAM" "$RAMBACK_RUN_DIR" -mindepth 1
        grep -F "$RAMBACK_RUN_DIR" /proc/net/unix || true
        find . -maxdepth 1 -newer cycles.stamp ! -name . ! -name run ! -name '*.log' ! -name '*.img' ! -name '*.img.journal' ! -name '*.img.ramback' ! -name '*.img.ramback.crc' ! -name up.pids ! -name '*.out' ! -name '*.err'
    )
    printf '%s' "$left"
    test -z "$left"
}

touch cycles.stamp
check 'a hundred starts and stops, each finding what the last one left' hundred_cycles
check 'they left no socket, no memory, no run file, no file beside the image but its journal, state and checksums' no_trace_of_cycles
rm -f left.img* right.img* cycles.stamp

# --- start-up ---

head -c $((1 << 30)) /dev/urandom >gib.img
sync gib.img
check 'a 1 GiB image takes at most 160 MiB besides the device (median of 5); the times to ready and of a command are printed' \
    $PYTHON "$ROOT/verify.d/startup.py" "$ROOT/ramback" gib.img "$RAM" 5
sed 's/^/        /' "check-$CHECKS.log"
rm gib.img*
