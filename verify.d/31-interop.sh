# what: structured replies, extents and extended headers with the clients there are: nbdinfo, nbdcopy, nbdsh, nbddump, nbdfuse, nbdkit, qemu-img, qemu-io, qemu-nbd
# budget: 60
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly SIZE=$((256 << 20))

has() { # PROGRAM...: whether it is there; says so otherwise
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            skip "$program" 'not installed'
            return 1
        fi
    done
}

sh_nbd() { # URI PYTHON: with h, an open connection that has both contexts
    $PYTHON -I - "$1" <<P
import sys, nbd
h = nbd.NBD()
h.add_meta_context("base:allocation")
h.add_meta_context("ramback:dirty")
h.connect_uri(sys.argv[1])
$2
P
}

map_is() { # CONTEXT URI EXPECTED: OFFSET:LENGTH:STATUS ..., neighbours with the same status taken together
    local found
    found=$(nbdinfo --map="$1" --json "$2" | $PYTHON -c '
import json, sys
runs = []
for extent in json.load(sys.stdin):
    if runs and runs[-1][2] == extent["type"]:
        runs[-1][1] += extent["length"]
    else:
        runs.append([extent["offset"], extent["length"], extent["type"]])
print(" ".join(":".join(map(str, run)) for run in runs))')
    printf '%s\n' "$found"
    test "$found" = "$3"
}

loaded() { # NAME
    test "$(json "$1" .loadedChunks)" = "$(json "$1" .chunks)"
}

all_saved() { # NAME
    test "$(json "$1" .dirtyChunks)" = 0
}

flushed() { # NAME: nothing of it is dirty any more
    ramback flush "$1"
    wait_for 30 all_saved "$1"
}

read_bytes() { # NAME
    json "$1" .requests.readBytes
}

# 3 MiB of data at 1 MiB and 1 MiB in the last MiB, the rest of 256 MiB holes.
make_image() { # FILE
    truncate -s $SIZE "$1"
    dd if=/dev/urandom of="$1" bs=1M seek=1 count=3 conv=notrunc status=none
    dd if=/dev/urandom of="$1" bs=1M seek=255 count=1 conv=notrunc status=none
}

readonly MAP="0:$((1 << 20)):3 $((1 << 20)):$((3 << 20)):0 $((4 << 20)):$((251 << 20)):3 $((255 << 20)):$((1 << 20)):0"

make_image map.img
cp --sparse=always map.img same.img
up map.img --name map
URI=$UP_URI
SOCKET=$UP_SOCKET
must 'the image is loaded' wait_for 30 loaded map

# --- libnbd ---

describes() {
    nbdinfo --json "$URI" | $PYTHON -c '
import json, sys
export = json.load(sys.stdin)["exports"][0]
wanted = {"description": "a Ramback device over map.img", "can_df": True}
wrong = {key: (export.get(key), value) for key, value in wanted.items() if export.get(key) != value}
contexts = set(export["contexts"])
if not {"base:allocation", "ramback:dirty"} <= contexts:
    wrong["contexts"] = contexts
sys.exit(f"got, expected: {wrong}" if wrong else 0)'
}

dirty_where_written() {
    sh_nbd "$URI" 'h.pwrite(b"z" * 65536, 8 << 20)'
    flushed map
    map_is ramback:dirty "$URI" "0:$SIZE:0"
    map_is base:allocation "$URI" "${MAP/$((4 << 20)):$((251 << 20)):3/$((4 << 20)):$((4 << 20)):3 $((8 << 20)):65536:0 $(((8 << 20) + 65536)):$(((247 << 20) - 65536)):3}"
    sh_nbd "$URI" 'h.trim(65536, 8 << 20)'
    flushed map
    map_is base:allocation "$URI" "$MAP"
}

copies_data_alone() {
    local before read
    before=$(read_bytes map)
    nbdcopy "$URI" copied.img
    read=$(($(read_bytes map) - before))
    printf '%d bytes read\n' "$read"
    cmp same.img copied.img
    ((read <= 8 << 20))
    (($(stat -c %b copied.img) * 512 <= 8 << 20))
}

if has nbdinfo nbdcopy nbdsh; then
    check 'nbdinfo tells the description, DF and both contexts' describes
    check 'nbdinfo --map tells data and holes as the image has them' map_is base:allocation "$URI" "$MAP"
    check 'nbdinfo --map=ramback:dirty: nothing is dirty in what was loaded' map_is ramback:dirty "$URI" "0:$SIZE:0"
    check 'what was written is data, what was flushed is not dirty, what was trimmed is a hole' dirty_where_written
    check 'nbdcopy of 4 MiB of data in 256 MiB reads no more than 8 MiB' copies_data_alone

    check 'nbdsh: reads come in chunks of data and of holes, in one where DF is set' sh_nbd "$URI" '
def chunks(flags):
    found = []
    def chunk(data, offset, status, error):
        assert not error.value, error.value
        found.append((len(data), offset, status))
    data = h.pread_structured(3 << 20, 1 << 19, chunk, flags)
    assert data[: 1 << 19] == bytes(1 << 19) and data[1 << 19 :] != bytes(5 << 19), "wrong data"
    return found
assert h.get_structured_replies_negotiated()
assert chunks(0) == [(1 << 19, 1 << 19, nbd.READ_HOLE), (5 << 19, 1 << 20, nbd.READ_DATA)], chunks(0)
assert chunks(nbd.CMD_FLAG_DF) == [(3 << 20, 1 << 19, nbd.READ_DATA)], chunks(nbd.CMD_FLAG_DF)'
    check 'nbdsh: block_status of both contexts, and one extent where one is asked for' sh_nbd "$URI" '
def status(length, offset, flags=0):
    found = {}
    def extent(context, at, entries, error):
        found[context] = entries
    h.block_status(length, offset, extent, flags)
    return found
found = status(8 << 20, 0)
assert found == {"base:allocation": [1 << 20, 3, 3 << 20, 0, 4 << 20, 3], "ramback:dirty": [8 << 20, 0]}, found
found = status(8 << 20, 1 << 20, nbd.CMD_FLAG_REQ_ONE)
assert found == {"base:allocation": [3 << 20, 0], "ramback:dirty": [8 << 20, 0]}, found'
    check 'nbdsh: a list of contexts, by namespace and of all' $PYTHON -I -c '
import sys, nbd
def contexts(query):
    h = nbd.NBD()
    h.set_opt_mode(True)
    h.connect_uri(sys.argv[1])
    if query:
        h.add_meta_context(query)
    found = []
    h.opt_list_meta_context(found.append)
    h.opt_abort()
    return found
assert contexts(None) == ["base:allocation", "ramback:dirty"], contexts(None)
assert contexts("base:") == ["base:allocation"], contexts("base:")
assert contexts("qemu:") == [], contexts("qemu:")' "$URI"
    check 'nbdsh: without structured replies everything goes on as before' $PYTHON -I -c '
import sys, nbd
h = nbd.NBD()
h.set_request_structured_replies(False)
h.connect_uri(sys.argv[1])
assert not h.get_structured_replies_negotiated() and not h.can_df()
assert h.pread(4096, 0) == bytes(4096)' "$URI"
fi

# Where somebody else's python3 comes first, it has no module nbd.
shell_works() {
    PATH=/usr/bin:$PATH nbdsh --base-allocation -u "$URI" -c 'h.pwrite(b"n" * 65536, 8 << 20, nbd.CMD_FLAG_FUA)' \
        -c 'assert h.pread(65536, 8 << 20) == b"n" * 65536' -c 'h.zero(65536, 8 << 20)' -c 'print(h.get_size())' | grep -x $SIZE
    flushed map
    map_is base:allocation "$URI" "$MAP"
}

if has nbdsh; then
    check 'nbdsh itself: writes, reads, and makes a hole' shell_works
fi

dumps() {
    nbddump --length=$(((1 << 20) + 16)) "$URI" | tail -n 2
    nbddump "$URI" >/dev/null
}

if has nbddump; then
    check 'nbddump shows all of it' dumps
fi

# Whoever serves on what we serve passes data and holes on, in both directions.
passes_on() { # URI of its own
    local written="0:$((1 << 20)):3 $((1 << 20)):$((3 << 20)):0 $((4 << 20)):$(((12 << 20) + 65536)):3 $(((16 << 20) + 65536)):65536:0"
    written+=" $(((16 << 20) + 131072)):$(((239 << 20) - 131072)):3 $((255 << 20)):$((1 << 20)):0"
    map_is base:allocation "$1" "$MAP"
    nbdcopy "$1" passed.img
    cmp same.img passed.img
    sh_nbd "$1" '
h.pwrite(b"p" * 131072, 16 << 20)
h.zero(65536, 16 << 20)
h.flush()
assert h.pread(131072, 16 << 20) == bytes(65536) + b"p" * 65536'
    map_is base:allocation "$1" "$written"
    map_is base:allocation "$URI" "$written"
    sh_nbd "$URI" 'assert h.pread(131072, 16 << 20) == bytes(65536) + b"p" * 65536'
    sh_nbd "$1" '
h.trim(131072, 16 << 20)
h.flush()'
    flushed map
    map_is base:allocation "$1" "$MAP"
    map_is base:allocation "$URI" "$MAP"
}

ends() { # the server whose pid is in FILE
    local pid
    pid=$(cat "$1")
    kill -TERM "$pid"
    wait_for 20 gone "$pid"
}

nbdkit_passes_on() {
    local status=0
    nbdkit --unix "$WORK/nbdkit.sock" --pidfile "$WORK/nbdkit.pid" nbd uri="$URI"
    wait_for 20 test -s nbdkit.pid
    (set -e && passes_on "nbd+unix:///?socket=$WORK/nbdkit.sock") || status=$?
    ends nbdkit.pid
    return "$status"
}

a_file() { # by nbdfuse: what is done to it is done to us
    mount_nbd "$URI"
    cmp same.img "$NBD_FILE"
    dd if=/dev/urandom of=written.img bs=64k count=2 status=none
    dd if=written.img of="$NBD_FILE" bs=64k seek=128 conv=notrunc,fsync status=none
    fallocate --punch-hole --offset $((8 << 20)) --length 65536 "$NBD_FILE"
    unmount_nbd "$NBD_MOUNT"
    sh_nbd "$URI" '
assert h.pread(131072, 8 << 20) == bytes(65536) + open("written.img", "rb").read()[65536:]
h.trim(131072, 8 << 20)'
    flushed map
    map_is base:allocation "$URI" "$MAP"
}

if has nbdkit nbdcopy; then
    check 'nbdkit as our client passes data and holes on, in both directions' nbdkit_passes_on
fi
if has nbdfuse; then
    check 'nbdfuse: a file that is read, written, and gets a hole' a_file
fi

# --- NAME-ro ---

readonly VIEW_URI="nbd+unix:///map-ro?socket=$SOCKET"

lists_both() { # as the specification's LIST has them, each with its description and whether it takes changes
    nbdinfo --list --json "nbd+unix:///?socket=$SOCKET" | $PYTHON -c '
import json, sys
found = [(e["export-name"], e["description"], e["is_read_only"], e["can_multi_conn"], e["export-size"]) for e in json.load(sys.stdin)["exports"]]
about = "a Ramback device over map.img"
wanted = [("map", about, False, True, 256 << 20), ("map-ro", about + " (read-only, live)", True, True, 256 << 20)]
sys.exit(0 if found == wanted else f"{found}")'
}

view_refuses() {
    sh_nbd "$VIEW_URI" '
import errno
assert h.is_read_only() and h.can_multi_conn() and not h.can_trim() and not h.can_zero()
h.set_strict_mode(0)
for change in (lambda: h.pwrite(b"x", 0), lambda: h.trim(4096, 0), lambda: h.zero(4096, 0)):
    try:
        change()
    except nbd.Error as e:
        assert e.errnum == errno.EPERM, e
    else:
        raise SystemExit("a change was not refused")
h.flush()
writer = nbd.NBD()
writer.connect_uri("'"$URI"'")
writer.pwrite(b"seen at once", 1 << 20)
assert h.pread(12, 1 << 20) == b"seen at once"
writer.pwrite(open("same.img", "rb").read((1 << 20) + 12)[1 << 20:], 1 << 20)'
    ramback flush map
    wait_for 30 all_saved map
}

view_copies() {
    nbdcopy "$VIEW_URI" view.img
    cmp same.img view.img
}

view_in_qemu() {
    qemu-img info --output=json "$VIEW_URI" | $PYTHON -c '
import json, sys
info = json.load(sys.stdin)
sys.exit(0 if info["virtual-size"] == 256 << 20 and info["format"] == "raw" else f"{info}")'
    without qemu-io -f raw -c 'write 0 4k' "$VIEW_URI"
    qemu-io -r -f raw -c 'read -P 0 0 4k' "$VIEW_URI"
}

if has nbdinfo nbdcopy nbdsh; then
    check 'nbdinfo --list shows the device and its read-only view' lists_both
    check 'nbdsh: the view refuses every change with EPERM and shows those of others at once' view_refuses
    check 'nbdinfo --map of the view is that of the device' map_is base:allocation "$VIEW_URI" "$MAP"
    check 'nbdcopy from the view' view_copies
fi
if has qemu-img qemu-io; then
    check 'qemu-img and qemu-io read the view, and do not write' view_in_qemu
fi

# --- qemu ---

qemu_maps() {
    qemu-img map --output=json --image-opts driver=raw,file.driver=nbd,file.server.type=unix,file.server.path="$SOCKET",file.export=map |
        $PYTHON -c '
import json, sys
found = [(e["start"], e["length"], e["zero"]) for e in json.load(sys.stdin)]
M = 1 << 20
wanted = [(0, M, True), (M, 3 * M, False), (4 * M, 251 * M, True), (255 * M, M, False)]
sys.exit(0 if found == wanted else f"{found}")'
}

qemu_converts() {
    local before read
    before=$(read_bytes map)
    qemu-img convert -f raw -O qcow2 "$URI" converted.qcow2
    read=$(($(read_bytes map) - before))
    printf '%d bytes read\n' "$read"
    ((read <= 8 << 20))
    qemu-img compare -f raw -F qcow2 same.img converted.qcow2
    (($(stat -c %b converted.qcow2) * 512 <= 8 << 20))
}

qemu_dirty() { # by the name that qemu has for a context of ours
    qemu-img map --output=json --image-opts driver=raw,file.driver=nbd,file.server.type=unix,file.server.path="$SOCKET",file.export=map,file.x-dirty-bitmap=ramback:dirty |
        $PYTHON -c '
import json, sys
found = [(e["start"], e["length"], e["data"]) for e in json.load(sys.stdin)]
sys.exit(0 if found == [(0, 256 << 20, True)] else f"{found}")'
}

qemu_works() {
    qemu-io -f raw -c 'read -P 0 0 1M' -c 'write -P 0x5a 64M 128k' -c 'read -P 0x5a 64M 128k' -c 'write -z -u 64M 128k' \
        -c 'read -P 0 64M 128k' -c 'discard 64M 128k' -c 'map' -c 'flush' "$URI" | tee io.log
    without grep -i 'fail\|error' io.log
}

qemu_passes_on() {
    local status=0
    qemu-nbd --fork --persistent --pid-file "$WORK/qemu.pid" --socket "$WORK/qemu.sock" --discard unmap \
        --image-opts driver=raw,file.driver=nbd,file.server.type=unix,file.server.path="$SOCKET",file.export=map
    wait_for 20 test -s qemu.pid
    (set -e && passes_on "nbd+unix:///?socket=$WORK/qemu.sock") || status=$?
    ends qemu.pid
    return "$status"
}

qemu_lists() {
    qemu-nbd --list --socket="$SOCKET" | tee list.txt
    grep -x 'exports available: 2' list.txt
    grep -x " export: 'map'" list.txt
    grep -x '  description: a Ramback device over map.img' list.txt
    grep -x " export: 'map-ro'" list.txt
    grep -x '  description: a Ramback device over map.img (read-only, live)' list.txt
    grep -x "  size:  $SIZE" list.txt
    grep -x '   base:allocation' list.txt
    grep -x '   ramback:dirty' list.txt
}

if has qemu-img; then
    check 'qemu-img map tells data and holes' qemu_maps
    check 'qemu-img convert to qcow2 reads data alone' qemu_converts
    check 'qemu-img map of ramback:dirty' qemu_dirty
fi
if has qemu-io; then
    check 'qemu-io reads, writes, zeroes and discards' qemu_works
fi
if has qemu-nbd nbdcopy; then
    check 'qemu-nbd as our client passes data and holes on, in both directions' qemu_passes_on
    check 'qemu-nbd --list tells the export and its contexts' qemu_lists
fi
must 'down' down map
check 'the image is what it was' cmp same.img map.img

# --- qemu-nbd as the image ---

if has qemu-nbd nbdinfo; then
    cp --sparse=always same.img behind.img
    qemu-nbd --fork --persistent --pid-file "$WORK/behind.pid" --socket "$WORK/behind.sock" --export-name behind \
        --format raw --discard unmap "$WORK/behind.img"
    wait_for 20 test -s behind.pid
    up "nbd+unix:///behind?socket=$WORK/behind.sock" --name behind --journal none
    check 'an image behind qemu-nbd: its holes are ours, without being read' wait_for 30 loaded behind
    check 'and are told to clients' map_is base:allocation "$UP_URI" "$MAP"
    must 'down of that' down behind
    ends behind.pid
fi

# --- what the image lacks ---

dirty_until_saved() {
    local expected="0:$((4 << 20)):0 $((4 << 20)):131072:1 $(((4 << 20) + 131072)):$(((60 << 20) - 131072)):0"
    touch failing
    sh_nbd "$UP_URI" 'h.pwrite(b"d" * 131072, 4 << 20)'
    map_is ramback:dirty "$UP_URI" "$expected"
    rm failing
    wait_for 60 all_saved lacking
    map_is ramback:dirty "$UP_URI" "0:$((64 << 20)):0"
}

truncate -s 64M lacking.img
failing_disk "$WORK/lacking.img" "$WORK/failing"
up "$DISK_URI" --name lacking --journal none --mode unsafe
must 'a disk that can be made to fail is loaded' wait_for 30 loaded lacking
check 'ramback:dirty tells what the image lacks while its disk fails, and no more once it has it' dirty_until_saved
must 'down of that too' down lacking
end_disk

# --- extended headers ---

readonly LARGE=$((6 << 30))
up large.img --size 6G --ram sparse --name large --mode unsafe
must 'a device of 6 GiB is loaded' wait_for 30 loaded large
check 'extended headers: 64-bit requests and extents, payloads, one context of two, by a client of our own' \
    $PYTHON "$ROOT/verify.d/extended_headers.py" "$UP_SOCKET" large $LARGE
check 'the largest holes of all clients with 32-bit lengths' map_is base:allocation "$UP_URI" "0:$LARGE:3"
must 'the last down' down large
