#!/usr/bin/env bash
# Runs in the guest of 83-ublk.sh: block devices of the driver ublk_drv that the server alone serves from memory (ServeUblk of
# nbd's tests).

# shellcheck source=guest-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/guest-lib.sh"

readonly MIB=384

java() {
    exec "$JAVA_HOME/bin/java" -XX:+UseSerialGC -Xmx128m -XX:-UsePerfData -ea --enable-native-access=ALL-UNNAMED \
        -cp "$ROOT/nbd/target/test-classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes:$(cat "$ROOT/nbd/target/test-classpath.txt")" "$@"
}

serve() { # NAME ARGUMENT...: sets PID; what it says is in NAME.log
    local name=$1
    shift
    rm -f "$name.log" # what the one before said
    (java ramback.ublk.ServeUblk "/dev/shm/$name" $MIB "name=$name" "$@") >"$name.log" 2>&1 &
    PID=$!
}

is_ready() { # NAME
    grep -qs '^ready ' "$1.log" || gone "$PID"
}

ready() { # NAME: waits until it serves; sets ID and DEV
    await 120 is_ready "$1"
    read -r _ ID DEV < <(grep '^ready ' "$1.log")
}

end() { # PID [SIGNAL]
    kill "-${2:-TERM}" "$1"
    await 60 gone "$1"
    wait "$1" || true
}

queue() { # FILE: what the block layer knows
    cat "/sys/block/${DEV#/dev/}/queue/$1"
}

attributes() {
    is 'the size' "$(lsblk -bdrno SIZE "$DEV")" $((MIB << 20))
    is 'the logical block size' "$(queue logical_block_size)" 512
    is 'the physical block size' "$(queue physical_block_size)" 4096
    is 'the least I/O size' "$(queue minimum_io_size)" 4096
    is 'the optimal I/O size' "$(queue optimal_io_size)" 4096
    is 'the discard granularity' "$(queue discard_granularity)" 4096
    is 'the longest discard' "$(queue discard_max_bytes)" $((1 << 30))
    is 'the longest write of zeroes' "$(queue write_zeroes_max_bytes)" $((1 << 30))
    is 'the longest request' "$(queue max_hw_sectors_kb)" 1024
    is 'whether it turns' "$(queue rotational)" 0
    is 'the write cache' "$(queue write_cache)" 'write back'
    is 'whether it has FUA' "$(queue fua)" 1
}

work() { # DIRECTORY: writes and checks, again and again, until there is enough
    local round=0
    while [[ ! -e /run/enough ]]; do
        fio --name=work --directory="$1" --size=8M --numjobs=2 --rw=randwrite --bsrange=4k-64k --ioengine=libaio --iodepth=8 --direct=1 \
            --fsync=32 --verify=crc32c --do_verify=1 --verify_fatal=1 --output=fio.log --eta=never
        round=$((round + 1))
        echo $round >rounds
    done
}

busy() { # requests are in flight
    local now
    read -r -a now <"/sys/block/${DEV#/dev/}/stat"
    ((now[8] > 0))
}

rounds_are() { (($(cat rounds) >= $1)); }

lives_through_kills() { # NAME TIMES: of its server, under load, with a filesystem mounted
    local kill
    echo 0 >rounds
    work mnt &
    local worker=$!
    for ((kill = 1; kill <= $2; kill++)); do
        await 120 rounds_are $((kill - 1))
        await 60 busy
        end "$PID" KILL
        serve "$1" "recover=$ID" deferring
        ready "$1"
        say "server $((kill + 1)) serves $DEV"
    done
    await 120 rounds_are "$2"
    touch enough
    await 120 gone $worker
    wait $worker
    rm enough
    say "fio has checked what it wrote $(cat rounds) times"
}

filesystem() { # NAME KILLS
    mkfs.ext4 -q -F "$DEV"
    mkdir -p mnt
    mount "$DEV" mnt
    mkdir mnt/files
    cp /usr/bin/[a-e]* mnt/files 2>/dev/null || true
    (cd mnt/files && sha256sum -- *) >files.sha256
    sync
    say "mounted, $(wc -l <files.sha256) files on it"
    lives_through_kills "$1" "$2"
    forgotten
    (cd mnt/files && sha256sum --quiet -c ../../files.sha256)
    fstrim mnt
    umount mnt
    e2fsck -fn "$DEV" >fsck.log 2>&1
    no_complaint
    say 'files are right, fsck finds nothing, the kernel has not complained'
}

discards() { # MEMORY: the server's
    dd if=/dev/urandom of=wanted bs=1M count=16 status=none
    dd if=wanted of="$DEV" bs=1M oflag=direct conv=fsync status=none
    blkdiscard -z -o 4M -l 4M "$DEV"
    blkdiscard -o 8M -l 4M "$DEV"
    dd if=/dev/zero of=wanted bs=1M seek=4 count=4 conv=notrunc status=none
    dd if="$DEV" of=got bs=1M count=16 iflag=direct status=none
    cmp -n $((8 << 20)) wanted got
    cmp -i $((12 << 20)) wanted got
    cmp -n $((16 << 20)) got "$1" # also what was discarded, which may be anything, but the same on both sides
    rm wanted got
    no_complaint
    say 'discard and write zeroes'
}

allocated() { # NAME: bytes that its queues' threads have allocated, by what it has said last
    awk '$1 == "allocated" { bytes = $2 } END { print bytes }' "$1.log"
}

requests() { # that the block device has been asked, reads alone
    awk '{ print $1 }' "/sys/block/${DEV#/dev/}/stat"
}

frugal() { # requests are served without allocating, once the compiler is through
    local bytes count
    for _ in {1..10}; do
        bytes=$(allocated disk) count=$(requests)
        iops "$DEV" randread 4 >/dev/null
        bytes=$(($(allocated disk) - bytes)) count=$(($(requests) - count))
        if ((bytes < count)); then break; fi
    done
    say "$count requests, for which the server has allocated $bytes bytes"
    ((bytes < count))
}

removed() { # once its server ends as it should
    end "$PID"
    grep -q '^closed' "$1.log"
    [[ ! -e $DEV && ! -e /dev/ublkc$ID ]]
    say 'removed at its end'
}

several() { # devices at once: one read-only, one with partitions
    local first=$PID first_dev=$DEV
    serve read read-only queues=2
    ready read
    is 'whether it is read-only' "$(lsblk -bdrno RO "$DEV")" 1
    if dd if=/dev/zero of="$DEV" bs=4k count=1 oflag=direct status=none 2>refused.log; then return 1; fi
    cmp -n 1048576 "$DEV" /dev/zero
    [[ $DEV != "$first_dev" && -b $first_dev ]]
    end "$PID"
    say 'a read-only device refuses writes'
    PID=$first DEV=$first_dev
}

partitions() { # NAME
    sfdisk -q "$DEV" <<<$',32M\n,,'
    [[ -b ${DEV}p1 && -b ${DEV}p2 ]]
    mkfs.xfs -q -f "${DEV}p2"
    mount "${DEV}p2" mnt
    cp -r /usr/lib/python3.*/[e-i]* mnt/
    (cd mnt && find . -type f -exec sha256sum {} +) >tree.sha256
    # Its server leaves it, and comes back: what is asked for meanwhile waits.
    end "$PID"
    grep -q '^left' "$1.log"
    (dd if=/dev/zero of=mnt/late bs=1M count=4 conv=fsync status=none && touch late) &
    local late=$!
    await 60 busy_or_waiting
    [[ ! -e late ]]
    serve "$1" "recover=$ID" copying
    ready "$1"
    await 60 test -e late
    wait $late
    umount mnt
    mount "${DEV}p2" mnt
    (cd mnt && sha256sum --quiet -c ../tree.sha256)
    umount mnt
    xfs_repair -n "${DEV}p2" >repair.log 2>&1
    no_complaint
    say "partitions, xfs, $(wc -l <tree.sha256) files; left and recovered, reads copied"
}

busy_or_waiting() { # a write has reached the block layer, or waits to
    busy || grep -q '[1-9]' <(awk '$1 == "Writeback:" || $1 == "Dirty:" { print $2 }' /proc/meminfo)
}

refusals() {
    end "$PID" KILL
    if (java ramback.ublk.ServeUblk /dev/shm/part $MIB name=other "recover=$ID") >other.log 2>&1; then return 1; fi
    grep -q 'was not made for other' other.log
    (java ramback.ublk.ServeUblk find part) | grep -qx "\[$ID\]"
    if (java ramback.ublk.ServeUblk remove other "$ID") >other.log 2>&1; then return 1; fi
    grep -q 'was made for another device' other.log
    (java ramback.ublk.ServeUblk remove part "$ID")
    [[ ! -e $DEV && ! -e /dev/ublkc$ID ]]
    say 'what nobody serves is found, refused to another device, and removed'
}

all_are_in_flight() {
    local now
    read -r -a now <"/sys/block/${DEV#/dev/}/stat"
    ((now[8] >= 128)) # those that wait for a tag are counted as well
}

held() { # its server is killed while every tag is in flight, which the driver notices only when a request has taken 30 s
    local before
    serve held deferring hold=/run/hold
    ready held
    touch hold
    fio --name=held --filename="$DEV" --rw=randread --bs=4k --ioengine=libaio --iodepth=256 --direct=1 --number_ios=2000 --eta=never --output=held.fio &
    local reader=$!
    await 60 all_are_in_flight
    end "$PID" KILL
    rm hold
    before=$SECONDS
    serve held "recover=$ID"
    ready held
    say "with all in flight, recovered in $((SECONDS - before)) s"
    await 120 gone $reader
    wait $reader
    no_complaint
}

open_elsewhere() { # a device that somebody has open is removed all the same
    exec 9<"$DEV"
    removed "$1"
    exec 9<&-
}

say "Linux $(uname -r)"
is 'whether it is available' "$( (java ramback.ublk.ServeUblk unavailable))" available
serve disk queues=2 deferring
ready disk
say "$DEV"
attributes
discards /dev/shm/disk
filesystem disk 3
end "$PID" KILL
serve disk "recover=$ID" counting
ready disk
frugal
several
serve part leaving
ready part
partitions part
refusals
held
open_elsewhere held
PID=$(pgrep -f 'ServeUblk /dev/shm/disk') ID=$(awk '/^ready/ { print $2 }' disk.log) DEV=/dev/ublkb$ID
removed disk
no_complaint
say 'done'
