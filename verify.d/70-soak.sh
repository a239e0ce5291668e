# what: hours of three devices under load: every answer right, modes switched, snapshots, clients that vanish; nothing grows
# budget: 150
# clients: yes
# long: only

# Round after round, drawn from the seed: two devices with modes, chunks and memory of their own are started on the images
# that the last round left. On one nbd_model holds every request against a byte array, on the other fio writes and
# verifies, over and over. Meanwhile modes are switched, flushes asked for, traces switched, statuses held against their
# contract, snapshots taken, and clients vanish. Then both devices are stopped, by `down` or a signal, and both images
# compared. A third device, in checkpoint, lives from the first minute to the last: soak_watch has it under a steady
# load, and compares at the end what its daemon keeps, and how fast it answers, in the first and the last quarter.

readonly PYTHON=/usr/bin/python3
readonly ROUND_SECONDS=50
readonly LONG_ROUND_SECONDS=300 # every fifth, for what grows slowly
readonly MODES=(unsafe writeback writethrough checkpoint)
readonly STEADY_MODES=(unsafe writeback auto auto) # those that answer a write from RAM
readonly CHUNKS=(4K 4K 8K 64K 256K 1M)
readonly MEMORY_KIB_MAX=$((256 << 10)) # after a minute or five under load
readonly UP_SECONDS=300 # it shares a machine for hours
RANDOM=$((SEED % 32768))

any() { # WORD...: one of them, in ANY
    ANY=${*:RANDOM % $# + 1:1}
}

memory_kib() { # PID: besides the device
    awk '/^VmRSS|^RssShmem/ { kib[$1] = $2 } END { print kib["VmRSS:"] - kib["RssShmem:"] }' "/proc/$1/status"
}

contract() { # NAME
    ramback status "$1" --json | $PYTHON "$ROOT/verify.d/status_contract.py" "backing.errors=0"
}

vanish() { # URI: clients that leave in the middle of what they said
    $PYTHON - "$1" <<'P'
import sys, nbd
for turn in range(20):
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    for _ in range(8):
        h.aio_pread(nbd.Buffer(1 << 20), 0)
P
}

snapshot() { # NAME
    ramback snapshot "$1" snapshot.img >/dev/null
    rm snapshot.img
}

something() { # to one of the devices
    local name uri
    any model fio steady
    name=$ANY
    case $name in
        model) uri=$MODEL_URI ;;
        fio) uri=$FIO_URI ;;
        steady) uri=$STEADY_URI ;;
    esac
    case $((RANDOM % 11)) in
        0 | 1 | 2)
            if [[ $name == steady ]]; then any "${STEADY_MODES[@]}"; else any "${MODES[@]}" auto; fi
            printf '%s: mode %s\n' "$name" "$ANY"
            ramback mode "$name" "$ANY" >/dev/null
            ;;
        3) ramback flush "$name" ;;
        4)
            any on off off
            ramback trace "$name" "$ANY" >/dev/null
            ;;
        5) ramback ls ;;
        6) nbdinfo --json "$uri" >/dev/null ;;
        7) vanish "$uri" ;;
        8) snapshot "$name" ;;
        *) contract "$name" ;;
    esac
}

fio_until_stop() {
    local turn=0
    while [[ ! -e stop ]]; do
        SEED=$((SEED + ROUND * 1000 + turn)) fio --output=fio.log "$ROOT/verify.d/verify.fio" || {
            grep -E 'verify|err=' fio.log
            return 1
        }
        turn=$((turn + 1))
    done
    printf 'fio verified %d times\n' "$turn"
    ((turn > 0))
}

stop() { # NAME PID
    local code=0
    if ((RANDOM % 2)); then
        down "$1"
    else
        any TERM INT
        kill -"$ANY" "$2"
    fi
    wait_for 120 gone "$2"
    wait "$2" || code=$?
    if ((code != 0)); then
        printf '%s ended with %d\n' "$1" "$code"
        return 1
    fi
}

start() { # IMAGE ARGS...
    any reserve sparse
    up "$@" --ram "$ANY"
}

round() { # MODEL_MODE MODEL_CHUNK FIO_MODE FIO_CHUNK
    local model fio model_pid fio_pid until kib
    rm -f stop
    start model.img --mode "$1" --chunk "$2"
    MODEL_URI=$UP_URI model_pid=$UP_PID
    start fio.img --mode "$3" --chunk "$4"
    export FIO_URI=$UP_URI
    fio_pid=$UP_PID
    nbdcopy "$FIO_URI" - | cmp - fio.last
    $PYTHON "$ROOT/verify.d/nbd_model.py" --seed $((SEED + ROUND)) --operations 1000000000 --until stop --connections 5 \
        --chunk "$(numfmt --from=iec "$2")" --initial model.last --final model.next "$MODEL_URI" >model.log 2>&1 &
    model=$!
    fio_until_stop >fio.out 2>&1 &
    fio=$!
    until=$((SECONDS + (ROUND % 5 == 0 ? LONG_ROUND_SECONDS : ROUND_SECONDS)))
    until=$((until < END ? until : END))
    while ((SECONDS < until)) && ! gone "$model" && ! gone "$fio"; do something; done
    touch stop
    wait "$model" || { cat model.log && return 1; }
    wait "$fio" || { cat fio.out && return 1; }
    cat model.log fio.out
    for name in model fio; do contract "$name"; done
    for pid in "$model_pid" "$fio_pid"; do
        kib=$(memory_kib "$pid")
        printf 'memory besides the device: %d KiB\n' "$kib"
        if ((kib > MEMORY_KIB_MAX)); then
            printf 'more than %d KiB\n' "$MEMORY_KIB_MAX"
            return 1
        fi
    done
    nbdcopy "$FIO_URI" fio.last
    stop model "$model_pid"
    stop fio "$fio_pid"
    mv model.next model.last
    cmp model.last model.img
    cmp fio.last fio.img
}

head -c 60000037 /dev/urandom >model.img
head -c $((256 << 20)) /dev/urandom >fio.img
cp model.img model.last
cp fio.img fio.last
up steady.img --size 64M --mode checkpoint
STEADY_URI=$UP_URI STEADY_PID=$UP_PID
watch() {
    local status=0
    $PYTHON "$ROOT/verify.d/soak_watch.py" "$STEADY_URI" "$STEADY_PID" "$RAM/steady" --until steady.stop --seed "$SEED" ||
        status=$?
    printf '%d\n' "$status" >watch.code
}

background watch watch
WATCH_PID=$BG_PID

ROUND=0
END=$((SECONDS + LONG_MINUTES * 60))
while ((SECONDS < END)); do
    ROUND=$((ROUND + 1))
    any "${MODES[@]}"
    model_mode=$ANY
    any "${CHUNKS[@]}"
    model_chunk=$ANY
    any "${MODES[@]}"
    fio_mode=$ANY
    any "${CHUNKS[@]}"
    RANDOM=$(((SEED + ROUND) % 32768)) # a round's draws are its own, however many the one before made
    must "round $ROUND: model $model_mode $model_chunk, fio $fio_mode $ANY" round "$model_mode" "$model_chunk" "$fio_mode" "$ANY"
    grep -E '^fio verified|^memory|[0-9] write,' "check-$CHECKS.log" | sed 's/^/        /'
done

stays_as_it_was() {
    touch steady.stop
    wait_for 60 gone "$WATCH_PID"
    tail -n 5 watch.log
    test "$(cat watch.code)" = 0
}

check 'the device that lived through it has grown by nothing, and was right all the time' stays_as_it_was
check 'its status is as it should be' contract steady
must 'it stops' down steady
note "$ROUND rounds; $(sed -n 's/^flat: //p' watch.log)"
