# what: SIGKILL and the memory removed, in every mode: stamped writers, filesystems and databases hold what was promised
# budget: 240
# clients: yes
# long: yes

# SIGKILL alone would prove nothing about the disk, since the RAM outlives the process: each kill here takes the memory too,
# which is what a power failure does to it. What the page cache and the disk do to unsynced writes is 35-power-cut's.

readonly PYTHON=/usr/bin/python3
readonly ROUNDS=7
readonly LONG_ROUNDS_AN_HOUR=250 # in each of the four modes, and with the modes switched
readonly INTERVAL_MILLIS=250
readonly FS_SIZE=320M

# --- stamped writers ---

rounds() { # MODE ROUNDS OPTIONS...
    $PYTHON "$ROOT/verify.d/crash_rounds.py" --ramback "$ROOT/ramback" --work "$WORK" --ram "$RAM/$1" --mode "$1" \
        --rounds "$2" --seed "$SEED" "${@:3}"
}

two_modes() { # MODE MODE ROUNDS: at once, each on a device of its own
    local status=0
    rounds "$1" "$3" >"$1.out" 2>&1 &
    rounds "$2" "$3" --chunk 16384 || status=$?
    wait $! || status=$?
    cat "$1.out"
    return "$status"
}

say() { # what the last check printed
    grep -vE '^ramback: building|: line [0-9]+: ' "check-$CHECKS.log" | sed 's/^/        /'
}

count=$ROUNDS
if ((LONG_MINUTES > 0)); then
    count=$((ROUNDS + LONG_ROUNDS_AN_HOUR * LONG_MINUTES / 60))
    note "$count kills in each mode, and as many while modes are switched"
fi
check "writeback and writethrough: $count kills each, everything promised is there" two_modes writeback writethrough "$count"
say
check "checkpoint and unsafe: $count kills each; at most the interval is lost; a torn image is refused" \
    two_modes checkpoint unsafe "$count"
say
check "modes switched all the time: $count kills, each mode's promise is kept" rounds mixed "$count"
say

# --- filesystems and databases ---

mkfs_on() { # FILESYSTEM DEVICE
    case $1 in
        ext4) mkfs.ext4 -q -F "$2" ;;
        xfs) mkfs.xfs -q -f "$2" ;;
        btrfs) mkfs.btrfs -q -f "$2" ;;
    esac
}

fsck_of() { # FILESYSTEM DEVICE, log replayed; changes nothing
    case $1 in
        ext4) e2fsck -fn "$2" ;;
        xfs) xfs_repair -n "$2" ;;
        btrfs) btrfs check --readonly "$2" ;;
    esac
}

lines_in() { # FILE LEAST
    (($(wc -l <"$1") >= $2))
}

kill_and_forget() { # SECONDS: after so long and up to one second more; sets KILLED, seconds of the monotonic clock
    KILLED=$($PYTHON -c 'import os, random, signal, sys, time
time.sleep(float(sys.argv[1]) + random.random())
print(time.monotonic())
os.kill(int(sys.argv[2]), signal.SIGKILL)' "$1" "$UP_PID")
    wait_for 30 gone "$UP_PID"
    find "$RAM" -type f -delete
}

crash_on() { # FILESYSTEM MODE ROUND
    local image=$1-$2.img worker
    # Mounted without us the turn before, if there was one.
    up "$image" --size "$FS_SIZE" --mode "$2" --interval "${INTERVAL_MILLIS}ms" --adopt-image
    attach_nbd "$UP_URI"
    if [[ ! -e $image.formatted ]]; then
        mkfs_on "$1" "$LOOP"
        touch "$image.formatted"
    fi
    mkdir -p mnt
    mount "$LOOP" mnt
    rm -rf mnt/files mnt/data.sqlite*
    sync -f mnt
    ramback flush "$UP_NAME" >/dev/null
    $PYTHON "$ROOT/verify.d/fs_work.py" work mnt --log "$image.log" --seed $((SEED + $3)) >"$image.out" 2>&1 &
    worker=$!
    kill_and_forget 1
    wait "$worker"
    cat "$image.out"
    rm -rf "${RAMBACK_RUN_DIR:?}/$UP_NAME"
    umount mnt
    detach "$LOOP"

    if (($3 % 2)); then
        ramback check "$image"
        ramback recover "$image"
    else
        up "$image" --mode "$2" # recovers by itself
        down
    fi
    attach_loop "$image"
    mount "$LOOP" mnt
    local interval=0 status=0
    if [[ $2 == checkpoint ]]; then interval=$INTERVAL_MILLIS; fi
    $PYTHON "$ROOT/verify.d/fs_work.py" check mnt --log "$image.log" --killed "$KILLED" --interval-millis "$interval" ||
        status=$?
    umount mnt
    fsck_of "$1" "$LOOP" >"$image.fsck" 2>&1 || {
        tail -n 20 "$image.fsck"
        status=1
    }
    detach "$LOOP"
    return "$status"
}

turns=1
if ((LONG_MINUTES > 0)); then turns=$((1 + LONG_MINUTES / 5)); fi
for ((turn = 1; turn <= turns; turn++)); do
    for fs in ext4 xfs btrfs; do
        for mode in writeback checkpoint; do
            check "$fs, $mode: killed while written to; the log replays, fsck is clean, files and SQLite hold what was promised" \
                crash_on "$fs" "$mode" "$((turn + ${#fs} + ${#mode}))"
            say | grep -E 'synced|promised' || true
        done
    done
done
rm -f ./*.img ./*.img.*

# --- PostgreSQL ---

postgres_programs() { # the newest that is installed
    find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1
}

PG_BIN=$(postgres_programs)

pg() { # PROGRAM ARGS...: as the user who may
    runuser -u postgres -- "$PG_BIN/$1" "${@:2}"
}

pg_start() { # on mnt/data; reached only through a socket in the work directory
    pg pg_ctl -D mnt/data -w -t 60 -l pg/server.log -o "-k $WORK/pg -c listen_addresses= -c shared_buffers=32MB" start
}

pg_work() { # work|check OPTIONS...
    $PYTHON "$ROOT/verify.d/pg_work.py" "$1" --psql "runuser -u postgres -- $PG_BIN/psql -h $WORK/pg -d postgres" \
        --log pg.work "${@:2}"
}

postgres() { # MODE
    local image=pg-$1.img worker bench interval=0 status=0
    chmod go+x "$VERIFY_RUN_ROOT" "$WORK" # PostgreSQL runs as its own user
    rm -rf pg
    mkdir -p mnt pg
    chown postgres pg
    up "$image" --size 512M --mode "$1" --interval "${INTERVAL_MILLIS}ms"
    attach_nbd "$UP_URI"
    mkfs.ext4 -q -F "$LOOP"
    mount "$LOOP" mnt
    mkdir mnt/data
    chown postgres mnt/data
    pg initdb -D mnt/data --no-sync --auth=trust >initdb.log
    pg_start
    pg pgbench -h "$WORK/pg" -i -q -s 1 postgres
    pg psql -h "$WORK/pg" -d postgres -c CHECKPOINT
    sync -f mnt
    pg pgbench -h "$WORK/pg" -c 2 -T 60 postgres >pgbench.log 2>&1 &
    bench=$!
    rm -f pg.begun
    pg_work work --begun pg.begun >pg.out 2>&1 &
    worker=$!
    wait_for 60 test -e pg.begun
    kill_and_forget 1
    pg pg_ctl -D mnt/data -m immediate -w stop || true
    wait "$worker"
    wait "$bench" || true # its server is gone
    cat pg.out
    rm -rf "${RAMBACK_RUN_DIR:?}/$UP_NAME"
    umount mnt
    detach "$LOOP"

    ramback recover "$image"
    attach_loop "$image"
    mount "$LOOP" mnt
    rm -f mnt/data/postmaster.pid
    pg_start
    if [[ $1 == checkpoint ]]; then interval=$INTERVAL_MILLIS; fi
    pg_work check --killed "$KILLED" --interval-millis "$interval" || status=$?
    pg pg_amcheck -h "$WORK/pg" --install-missing --heapallindexed -d postgres || status=$?
    pg pg_ctl -D mnt/data -m fast -w stop
    umount mnt
    e2fsck -fn "$LOOP" || status=$?
    detach "$LOOP"
    rm -rf "$image" "$image".* pg
    return "$status"
}

modes=(writeback)
if ((LONG_MINUTES > 0)); then modes=(writeback checkpoint writethrough); fi
for mode in "${modes[@]}"; do
    name="PostgreSQL, $mode: killed under pgbench; every transaction promised is there, pg_amcheck finds nothing"
    if [[ -z $PG_BIN ]] || ! id postgres >/dev/null 2>&1; then
        skip "$name" 'PostgreSQL is not installed'
    else
        check "$name" postgres "$mode"
        say | grep -E 'committed|promised' || true
    fi
done
