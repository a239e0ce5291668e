# what: NBD clients in every mode, over a Unix socket and TCP, and the plain image they leave: nbdinfo, nbdcopy, qemu-img, libnbd, fio
# budget: 150
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly MODES=(unsafe writeback writethrough)
readonly SIZE=$((256 << 20))

start() { # IMAGE OPTIONS...: a device on a Unix socket and on TCP; sets UP_* and TCP_URI
    local port
    port=$(free_port)
    up "$@" --listen "127.0.0.1:$port"
    TCP_URI=nbd://127.0.0.1:$port/$UP_NAME
}

same() { # FILE FILE: says where they differ, if they do
    cmp "$1" "$2"
}

# A filesystem with our own sources in it, made without mounting anything, and a second image to convert.
make_filesystem() {
    truncate -s $SIZE fs.img
    mkfs.ext4 -q -F -E lazy_itable_init=0,root_owner=0:0 -d "$ROOT/core" fs.img
    e2fsck -fn fs.img
}

must 'a filesystem image of 256 MiB' make_filesystem
head -c $((96 << 20)) /dev/urandom >convert.img
truncate -s $SIZE convert.img
printf 'the end' | dd of=convert.img bs=1 seek=$((SIZE - 7)) conv=notrunc status=none

# --- what the server says of itself ---

start info.img --size 100M --name info
INFO_URI=$UP_URI
INFO_TCP=$TCP_URI

tells() { # URI: nbdinfo's view of the export
    nbdinfo --json "$1" | $PYTHON -c '
import json, sys
export = json.load(sys.stdin)["exports"][0]
expected = {
    "export-size": 100 << 20, "is_read_only": False, "can_flush": True, "can_fua": True, "can_trim": True,
    "can_zero": True, "can_fast_zero": True, "can_cache": True, "can_multi_conn": True, "is_rotational": False,
    "block_size_minimum": 1, "block_size_preferred": 4096, "block_size_maximum": 32 << 20,
}
wrong = {key: (export.get(key), value) for key, value in expected.items() if export.get(key) != value}
sys.exit(f"got, expected: {wrong}" if wrong else 0)'
}

lists() { # URI: the export's name and that of its view, and no other
    nbdinfo --list --json "$1" | $PYTHON -c '
import json, sys
names = [export["export-name"] for export in json.load(sys.stdin)["exports"]]
sys.exit(0 if names == ["info", "info-ro"] else f"exports {names}")'
}

knows_no_other() {
    without nbdinfo "${1/\/info/\/other}" 2>other.log
    grep -q 'No such file\|unknown export\|server replied' other.log || { cat other.log && return 1; }
}

check 'nbdinfo tells size, abilities and block sizes, Unix socket' tells "$INFO_URI"
check 'nbdinfo tells size, abilities and block sizes, TCP' tells "$INFO_TCP"
check 'nbdinfo --list names both exports, Unix socket' lists "$INFO_URI"
check 'nbdinfo --list names both exports, TCP' lists "$INFO_TCP"
check 'another name is not served' knows_no_other "$INFO_URI"
check 'the size by nbdinfo --size' test "$(nbdinfo --size "$INFO_URI")" = $((100 << 20))
check 'the socket is its owner'\''s alone' test "$(stat -c %a "$UP_SOCKET")" = 600

# --- wrong requests and clients that misbehave ---

errors() {
    $PYTHON "$ROOT/verify.d/nbd_errors.py" "$UP_SOCKET" info $((100 << 20)) >errors.log 2>&1
}

check 'nbd_errors ran to its end' eval 'errors || grep -q "^fail" errors.log'
sed -n 's/^  /        /p' errors.log
while IFS=$'\t' read -r kind title; do
    case $kind in
        pass) check "protocol: $title" true ;;
        fail) check "protocol: $title" eval 'printf "%s\n" "$title"; false' ;;
    esac
done <errors.log
clients_are() {
    test "$(json info .clients)" = "$1"
}
check 'no client is left once all have gone' wait_for 15 clients_are 0
check 'down' down info

# --- the number of clients has a limit ---

start few.img --size 1M --max-clients 3

clients_at_most() {
    "$PYTHON" - "$UP_URI" <<'P'
import sys, time, nbd
def client():
    connection = nbd.NBD()
    connection.connect_uri(sys.argv[1])
    connection.pread(1, 0)
    return connection
three = [client() for _ in range(3)]
try:
    client()
    sys.exit("a fourth client was let in where --max-clients is 3")
except nbd.Error as error:
    print(error)
for connection in three:
    connection.pread(1, 0)
three.pop().shutdown()
for attempt in range(200):
    try:
        client()
        break
    except nbd.Error:
        time.sleep(0.05)
else:
    sys.exit("no client is let in after one has gone")
P
}

check '--max-clients 3: a fourth is refused, and let in when one has gone' clients_at_most
check 'down' down few

# --- copies in and out ---

nbdcopy_in_and_out() { # MODE
    local mode=$1
    start "nbdcopy-$mode.img" --size 256M --mode "$mode"
    nbdcopy fs.img "$UP_URI"
    nbdcopy "$TCP_URI" out.img
    same fs.img out.img
    nbdcopy --flush --connections=4 --requests=16 --request-size=$((1 << 20)) convert.img "$TCP_URI"
    nbdcopy --allocated "$UP_URI" out.img
    same convert.img out.img
    nbdcopy --flush --connections=2 fs.img "$UP_URI"
    down
    same fs.img "nbdcopy-$mode.img"
    e2fsck -fn "nbdcopy-$mode.img"
    rm "nbdcopy-$mode.img"* out.img
}

qemu_in_and_out() { # MODE
    local mode=$1
    start "qemu-$mode.img" --size 256M --mode "$mode"
    qemu-img convert -n -f raw -O raw convert.img "$TCP_URI"
    qemu-img compare -f raw -F raw convert.img "$UP_URI"
    qemu-img convert -f raw -O raw "$UP_URI" out.img
    same convert.img out.img
    qemu-img convert -n -f raw -O raw fs.img "$UP_URI"
    qemu-img compare -f raw -F raw fs.img "$TCP_URI"
    down
    same fs.img "qemu-$mode.img"
    rm "qemu-$mode.img"* out.img
}

for mode in "${MODES[@]}"; do
    check "$mode: nbdcopy of a filesystem in and out, compared, and the image after down" nbdcopy_in_and_out "$mode"
done
for mode in "${MODES[@]}"; do
    check "$mode: qemu-img convert in and out, compare, and the image after down" qemu_in_and_out "$mode"
done

# --- every request at any byte ---

libnbd_model() { # MODE SIZE OPERATIONS: on top of what the image holds already
    local mode=$1 size=$2 operations=$3 image=model-$1.img
    head -c "$size" /dev/urandom >"$image"
    cp "$image" initial.img
    start "$image" --mode "$mode"
    $PYTHON "$ROOT/verify.d/nbd_model.py" --seed "$SEED" --operations "$operations" --connections 6 \
        --initial initial.img --final final.img "$UP_URI" "$TCP_URI"
    down
    same final.img "$image"
    rm "$image"* initial.img final.img
}

check 'unsafe: libnbd, all requests at any byte against a byte array' libnbd_model unsafe 50000037 4000
check 'writeback: libnbd, all requests at any byte against a byte array' libnbd_model writeback 33554432 3000
check 'writethrough: libnbd, all requests at any byte against a byte array' libnbd_model writethrough 20000001 1500

# --- fio ---

fio_verify() { # MODE
    local mode=$1 transport uri
    start "fio-$mode.img" --size 256M --mode "$mode"
    for transport in unix tcp; do
        uri=$UP_URI
        if [[ $transport == tcp ]]; then uri=$TCP_URI; fi
        SEED=$((SEED + ${#transport})) FIO_URI=$uri fio --output="fio-$mode-$transport.log" "$ROOT/verify.d/verify.fio" ||
            { grep -E 'verify|err=' "fio-$mode-$transport.log" && return 1; }
        grep -E '(READ|WRITE):' "fio-$mode-$transport.log"
    done
    nbdcopy "$UP_URI" last.img
    down
    same last.img "fio-$mode.img"
    if cmp -s -n $((24 << 20)) last.img /dev/zero; then
        printf 'fio wrote nothing\n'
        return 1
    fi
    rm "fio-$mode.img"* last.img
}

for mode in "${MODES[@]}"; do
    check "$mode: fio crc32c, five jobs and connections, 512 bytes to 1 MiB, Unix socket and TCP, and the image after down" \
        fio_verify "$mode"
done
