# what: images behind NBD servers: nbdkit, qemu-nbd with qcow2; servers killed and started again, with and without what was not flushed
# budget: 260
# beside: yes
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly SOCKET=$WORK/disk.sock
readonly URI="nbd+unix:///disk?socket=$SOCKET"

model() { # OPERATIONS OPTIONS...
    $PYTHON "$ROOT/verify.d/nbd_model.py" --seed "$SEED" --operations "$@"
}

# --- servers ---

serve_file() { # FILE OPTION...: nbdkit, every export's name
    rm -f disk.sock disk.pid
    nbdkit --unix "$SOCKET" --pidfile "$WORK/disk.pid" "${@:2}" file "$1"
    wait_for 20 test -s disk.pid
    DISK_PID=$(cat disk.pid)
}

serve_qcow2() { # FILE OPTION...
    rm -f disk.sock disk.pid
    qemu-nbd --fork --persistent --pid-file "$WORK/disk.pid" --socket "$SOCKET" --export-name disk --format qcow2 \
        --discard unmap --detect-zeroes unmap "${@:2}" "$1"
    wait_for 20 test -s disk.pid
    DISK_PID=$(cat disk.pid)
}

serve_forgetful() { # FILE
    rm -f disk.sock
    background forgetful $PYTHON "$ROOT/verify.d/forgetful_disk.py" --socket "$SOCKET" "$1"
    DISK_PID=$BG_PID
    wait_for 20 test -S disk.sock
}

export RAMBACK_STATE_DIR=$WORK/state

new_image() { # another one at the same place, which is what a remote image is known by
    rm -rf "${RAMBACK_STATE_DIR:?}"
}

end_server() { # SIGNAL
    kill "-$1" "$DISK_PID"
    wait_for 30 gone "$DISK_PID"
}

# --- the contract ---

tests_compiled() {
    [[ -s $ROOT/core/target/test-classpath.txt && -d $ROOT/nbd/target/test-classes/ramback/remote ]] &&
        [[ -z $(find "$ROOT/nbd/src" "$ROOT/core/src/contract" -newer "$ROOT/nbd/target/test-classes/ramback/remote" -name '*.java' -print -quit) ]]
}

compile_tests() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl nbd -am test-compile
    touch nbd/target/test-classes/ramback/remote
}

contract() { # NAME: counts each promise
    local passed=0 failed=1 skipped=0
    "$JAVA_HOME/bin/java" -ea -Xmx256m --enable-native-access=ALL-UNNAMED \
        -cp "$ROOT/nbd/target/test-classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes:$(cat "$ROOT/core/target/test-classpath.txt")" \
        ramback.remote.ContractOnServer "$URI" >contract.out 2>contract.err || sed 's/^/        | /' contract.err
    read -r passed failed skipped < <(tail -n 1 contract.out) || true
    count "${passed:-0}" "${failed:-1}" "the contract of slow disks on $1" "${skipped:-0}"
}

if ! tests_compiled; then must 'the tests compile' compile_tests; fi
truncate -s $(((1 << 20) + 4096)) contract.img
serve_file contract.img
contract 'nbdkit'
end_server TERM
rm -f disk.sock disk.pid
nbdkit --unix "$SOCKET" --pidfile "$WORK/disk.pid" --filter=blocksize-policy --filter=noextents file contract.img \
    blocksize-minimum=4096 blocksize-preferred=4096 blocksize-maximum=64k blocksize-error-policy=error
wait_for 20 test -s disk.pid
DISK_PID=$(cat disk.pid)
contract 'nbdkit with blocks of 4096 bytes'
end_server TERM
qemu-img create -q -f qcow2 contract.qcow2 2M
serve_qcow2 contract.qcow2 --shared 8
contract 'qemu-nbd with a qcow2 image, four connections'
end_server TERM
rm -f contract.*

# --- through and through ---

file_behind_nbdkit() {
    head -c 24000512 /dev/urandom >remote.img
    cp remote.img remote.initial
    serve_file remote.img
    new_image
    up "$URI" --journal "$WORK/remote.journal" --journal-size 16M
    test "$UP_NAME" = disk
    status_is disk .backing.uri "$URI"
    status_is disk .sizeBytes 24000512
    model 1000 --initial remote.initial --final remote.final "$UP_URI"
    down
    end_server TERM
    cmp remote.final remote.img
    rm remote.*
}

qcow2_behind_qemu() { # holes stay holes: they are not read, and what was trimmed is given back
    qemu-img create -q -f qcow2 sparse.qcow2 1G
    qemu-io -f qcow2 -c 'write -P 7 512M 1M' sparse.qcow2 >/dev/null
    serve_qcow2 sparse.qcow2
    new_image
    up "$URI" --journal none --name sparse --ram sparse
    wait_for 30 status_is sparse .state ready
    sh_nbd "$UP_URI" '
assert h.pread(1 << 20, 512 << 20) == bytes([7]) * (1 << 20)
h.pwrite(os.urandom(8 << 20), 100 << 20)
h.pwrite(b"the end", (1 << 30) - 7)
h.trim(1 << 20, 512 << 20)
open("sparse.expected", "wb").write(h.pread(9 << 20, 100 << 20))'
    down
    end_server TERM
    test "$(stat -c %s sparse.qcow2)" -lt $((16 << 20))
    qemu-img check -q sparse.qcow2
    qemu-img convert -f qcow2 -O raw sparse.qcow2 sparse.raw
    cmp -n $((9 << 20)) -i 0:$((100 << 20)) sparse.expected sparse.raw
    cmp -n $((1 << 20)) -i $((512 << 20)):0 sparse.raw /dev/zero
    test "$(tail -c 7 sparse.raw)" = 'the end'
    rm sparse.*
}

over_tcp() { # read-only, as its server is
    local port
    port=$(free_port)
    head -c 5000000 /dev/urandom >tcp.img
    rm -f disk.pid
    nbdkit --ipaddr 127.0.0.1 --port "$port" --pidfile "$WORK/disk.pid" --readonly file tcp.img
    wait_for 20 test -s disk.pid
    DISK_PID=$(cat disk.pid)
    refuses 1 'is read-only; give --read-only' ramback up "nbd://localhost:$port/x" --journal none --ram-dir "$RAM"
    up "nbd://127.0.0.1:$port/x" --read-only --name tcp
    nbdcopy "$UP_URI" tcp.copy
    down
    end_server TERM
    cmp tcp.img tcp.copy
    rm tcp.*
}

check 'a file behind nbdkit: what clients did is what is in it' file_behind_nbdkit
check 'a sparse qcow2 image behind qemu-nbd: read without its holes, trimmed' qcow2_behind_qemu
check 'over TCP, read-only' over_tcp

# --- servers that go away ---

kill_often() { # SERVE FILE TIMES, a while apart; leaves the last server's pid in the file disk.pid, and the file remote.done
    local i
    for ((i = 0; i < $3; i++)); do
        sleep 2
        end_server KILL
        "$1" "$2"
    done 2>/dev/null
    printf '%s\n' "$DISK_PID" >disk.pid
    touch remote.done
}

survives() { # SERVE FILE MODE OPTIONS...: clients write while the server is killed and started again
    local killer
    rm -f remote.done
    truncate -s 16M "$2"
    "$1" "$2"
    new_image
    up "$URI" --name remote --mode "$3" "${@:4}"
    kill_often "$1" "$2" 4 &
    killer=$!
    model 10000000 --until remote.done --final remote.final "$UP_URI"
    wait "$killer"
    DISK_PID=$(cat disk.pid)
    wait_for 60 status_is remote .state ready
    down
    end_server TERM
    cmp remote.final "$2"
    grep 'connection to .* lost' "$UP_LOG"
    rm remote.*
}

check 'nbdkit killed again and again, without a journal: everything drains by itself' survives serve_file remote.img unsafe --journal none
check 'a server that forgets what was not flushed, killed again and again, with a journal' \
    survives serve_forgetful remote.img writeback --journal remote.journal --journal-size 16M
check 'the same without a journal' survives serve_forgetful remote.img writeback --journal none

stays_away() { # red with the cause, and green again
    truncate -s 16M away.img
    serve_file away.img
    new_image
    up "$URI" --journal none --name away --mode unsafe
    wait_for 30 status_is away .state ready
    end_server KILL
    wait_for 40 status_is away .state degraded # nobody has asked anything of it
    sh_nbd "$UP_URI" 'h.pwrite(b"a" * (1 << 20), 1 << 20); assert h.pread(4, 1 << 20) == b"aaaa"'
    wait_for 20 says_red away
    ramback status away >status.txt
    cat status.txt
    grep -q 'no connection: \|the connection was lost: ' status.txt
    serve_file away.img
    wait_for 60 status_is away .dirtyBytes 0
    wait_for 20 status_is away .state ready
    status_is away .greenLight true
    cmp -n $((1 << 20)) -i $((1 << 20)):0 away.img <(head -c $((1 << 20)) /dev/zero | tr '\0' a)
    down
    end_server TERM
    rm away.*
}

hangs() { # stopped in the middle and let go on: what it was asked before does not come behind what is newer
    truncate -s 16M hang.img
    serve_file hang.img
    new_image
    up "$URI" --journal none --name hang --mode unsafe
    wait_for 30 status_is hang .state ready
    kill -STOP "$DISK_PID"
    sh_nbd "$UP_URI" 'h.pwrite(b"1" * (4 << 20), 0)'
    ramback flush hang >flush.out 2>&1 &
    local flush=$!
    sh_nbd "$UP_URI" 'h.pwrite(b"2" * (4 << 20), 0)'
    kill -CONT "$DISK_PID"
    wait "$flush"
    down
    end_server TERM
    cmp -n $((4 << 20)) hang.img <(head -c $((4 << 20)) /dev/zero | tr '\0' 2)
    rm hang.*
}

check 'a server that stays away: red with the cause, green again by itself' stays_away
check 'a server that is stopped for a while' hangs

# --- after a crash of ours ---

recovered() {
    truncate -s 16M crash.img
    serve_file crash.img
    new_image
    up "$URI" --journal "$WORK/crash.journal" --journal-size 16M --name crash --mode writeback
    sh_nbd "$UP_URI" 'h.pwrite(b"kept" * 4096, 1 << 20); h.flush()'
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    find "$RAM" -name '*.ram' -delete
    rm -rf "${RAMBACK_RUN_DIR:?}/crash"
    ramback check "$URI" >check.out
    cat check.out
    refuses 4 'needs its journal' ramback up "$URI" --journal none --name crash --ram-dir "$RAM"
    ramback recover "$URI" # the state file says where the journal is
    cmp -n 16384 -i $((1 << 20)):0 crash.img <(for _ in {1..4096}; do printf kept; done)
    ramback check "$URI" | grep -q 'is clean'
    end_server TERM
    rm crash.*
}

goes_on() { # the memory is there: nothing is lost, in any mode
    truncate -s 16M memory.img
    serve_file memory.img
    new_image
    up "$URI" --journal none --name memory --mode unsafe
    sh_nbd "$UP_URI" 'h.pwrite(b"more" * 4096, 1 << 20)'
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    up "$URI" --journal none --name memory --mode unsafe
    sh_nbd "$UP_URI" 'assert h.pread(16384, 1 << 20) == b"more" * 4096'
    down
    end_server TERM
    cmp -n 16384 -i $((1 << 20)):0 memory.img <(for _ in {1..4096}; do printf more; done)
    rm memory.*
}

check 'SIGKILL: up goes on from the memory' goes_on
check 'SIGKILL and the memory gone: check says what is needed, recover brings it back' recovered

# --- what is refused ---

refuse() { # CODE REGEX URI OPTIONS...
    refuses "$1" "$2" ramback up "$3" --name refused --ram-dir "$RAM" "${@:4}"
}

unknown_export() {
    truncate -s 1M unknown.img
    rm -f disk.sock disk.pid
    qemu-nbd --fork --persistent --pid-file "$WORK/disk.pid" --socket "$SOCKET" --export-name other --format raw unknown.img
    wait_for 20 test -s disk.pid
    DISK_PID=$(cat disk.pid)
    refuse 1 "has no export 'disk'" "$URI" --journal none
    end_server TERM
    rm unknown.img
}

not_a_server() {
    background greeter $PYTHON -c '
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
peer, _ = listener.accept()
peer.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
peer.recv(1)' "$WORK/greeter.sock"
    wait_for 20 test -S greeter.sock
    refuse 1 'is not an NBD server' "nbd+unix:///x?socket=$WORK/greeter.sock" --journal none
    wait_for 20 gone "$BG_PID"
    rm greeter.sock
}

truncate -s 1M refused.img
serve_file refused.img
check 'a journal must be named' refuse 2 'a journal beside the remote image .* is not possible; name one with --journal' "$URI"
check 'the size must match' refuse 2 'has 1048576 bytes, not the 2097152 of --size' "$URI" --journal none --size 2M
check 'a nameless export needs --name' refuses 2 'pass one with --name' ramback up "nbd+unix://?socket=$SOCKET" --journal none
end_server TERM
check 'a server that is away' refuse 1 'no connection to .*: ' "$URI" --journal none
check 'an export that it does not have' unknown_export
check 'what is not an NBD server' not_a_server
check 'a bad URI' refuse 2 "bad IMAGE 'nbd:///x': it names no host" nbd:///x
rm -f refused.img
