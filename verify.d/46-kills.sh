# what: SIGKILL and the memory left: nothing that was answered is lost, in any mode, whatever the daemon was at
# budget: 240
# beside: yes
# clients: yes
# long: yes

# 45-crashes takes the memory away with the process. Here it stays, as it does when only the process dies.

readonly PYTHON=/usr/bin/python3
readonly ROUNDS=8
readonly LONG_ROUNDS_AN_HOUR=200 # in each of five; with the kills of starts 2,000 in 75 minutes
readonly RUNS=(writeback unsafe checkpoint writethrough mixed)

rounds() { # MODE ROUNDS OPTIONS...
    $PYTHON "$ROOT/verify.d/kill_rounds.py" --ramback "$ROOT/ramback" --work "$WORK" --ram "$RAM/$1" --mode "$1" \
        --rounds "$2" --seed "$SEED" "${@:3}"
}

at_once() { # ROUNDS: all runs, each on a device of its own; every other one's memory is sparse
    local mode pid status=0 options pids=()
    for mode in "${RUNS[@]}"; do
        options=()
        if ((${#pids[@]} % 2)); then options=(--chunk 16384 --up=--ram=sparse); fi
        rounds "$mode" "$1" "${options[@]}" >"$mode.out" 2>&1 &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
    cat "${RUNS[@]/%/.out}"
    return "$status"
}

say() { # what the last check printed, in a long run also in its row
    local line
    while IFS= read -r line; do
        if ((LONG_MINUTES > 0)); then note "$line"; else printf '        %s\n' "$line"; fi
    done < <(grep -E ' kills \(|stall of a client' "check-$CHECKS.log")
}

count=$ROUNDS
size=512M
if ((LONG_MINUTES > 0)); then
    count=$((ROUNDS + LONG_ROUNDS_AN_HOUR * LONG_MINUTES / 60))
    size=8G
fi
check "$count kills in each mode and with modes switched: writing, loading, flushing, in snapshots, stops, recoveries, and of starts" \
    at_once "$count"
say

stall() { # OPTIONS...
    $PYTHON "$ROOT/verify.d/attach_stall.py" --ramback "$ROOT/ramback" --image "$WORK/stall.img" --ram "$RAM/stall" \
        --size "$size" --rounds 3 "$@"
}

check "a client that connects again goes on after kill -9 and up, $size loaded" stall
say
rm -f "$WORK"/stall.img*
check "and through an upgrade" stall --upgrade
say
rm -f "$WORK"/stall.img*

# QEMU's own client, which waits and asks again what was not answered.
qemu_goes_on() {
    up qemu.img --size 64M
    local pid=$UP_PID
    {
        echo 'write -P 0x5a 0 1M'
        wait_for 30 grep -q 'wrote 1048576' qemu.out
        ramback upgrade "$UP_NAME" >&2
        echo 'read -P 0x5a 0 1M'
        echo 'write -P 0x6b 1M 1M'
        echo 'flush'
    } | qemu-io --image-opts "driver=nbd,server.type=unix,server.path=$RAMBACK_RUN_DIR/$UP_NAME/nbd.sock,export=$UP_NAME,reconnect-delay=60" \
        >qemu.out 2>&1
    cat qemu.out
    grep -q 'read 1048576/1048576' qemu.out
    without grep -i 'pattern verification failed\|error' qemu.out
    kill -0 "$pid"
    down
    qemu-io -f raw -c 'read -P 0x5a 0 1M' -c 'read -P 0x6b 1M 1M' qemu.img
}

check 'QEMU with reconnect-delay goes on through an upgrade, under the same process number' qemu_goes_on

kept() {
    up kept.img --size 64M
    nbd_fill "$UP_URI"
    ramback down "$UP_NAME" --keep-ram
    wait_for 30 gone "$UP_PID"
    cp kept.img copy.img
    up kept.img
    # Loaded at once, and from memory: nobody had the time to read it.
    nbdcopy "$UP_URI" back.img
    cmp back.img copy.img
    ramback down "$UP_NAME" --keep-ram
    wait_for 30 gone "$UP_PID"
    ls "$RAM"/*.ram
    # Somebody else changes the image: what is in memory is not the truth any more.
    printf 'changed' | dd of=kept.img bs=1 seek=4096 conv=notrunc status=none
    if up kept.img --adopt-image; then
        nbdcopy "$UP_URI" back.img
        cmp back.img kept.img
        down
    else
        return 1
    fi
}

nbd_fill() { # URI
    $PYTHON - "$1" <<'P'
import sys, nbd
h = nbd.NBD()
h.connect_uri(sys.argv[1])
for at in range(0, h.get_size(), 1 << 20):
    h.pwrite(bytes([at >> 20 & 255]) * (1 << 20), at)
P
}

check 'memory kept at a clean stop is used by the next start, and not if the image was changed' kept

same_moment() { # several at once: one gets the image
    up once.img --size 64M
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    local i pids=() ready=0 refused=0
    for i in 1 2 3 4; do
        timeout 60 "$ROOT/ramback" up once.img --name "once$i" --ram-dir "$RAM" >"once$i.out" 2>&1 &
        pids+=($!)
    done
    all_decided() { # one serves, the others have ended
        ready=$(cat once?.out | grep -c ' ready, ')
        refused=$(cat once?.out | grep -c ' in use\|locked by')
        ((ready + refused == 4))
    }
    wait_for 60 all_decided
    cat once?.out
    ((ready == 1 && refused == 3))
    for i in "${pids[@]}"; do kill -TERM "$i" 2>/dev/null || true; done
    for i in "${pids[@]}"; do wait "$i" || true; done
    rm -rf "${RAMBACK_RUN_DIR:?}/once" # the killed one's
    ramback check once.img
}

check 'of four daemons started at the same moment after a kill one takes the memory over, the others are refused' same_moment
