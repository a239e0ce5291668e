#!/usr/bin/env bash
# Runs in the guest of 83-ublk.sh: block devices of the driver ublk_drv that the server alone serves from memory (ServeUblk of
# nbd's tests). The last line says 'guest: done' when everything came out as it should.

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${HERE%/*}
word() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" /proc/cmdline; }
JAVA_HOME=$(word jdk)
FORM=$(word form)
export JAVA_HOME PATH=/usr/sbin:/usr/bin:/sbin:/bin
readonly MIB=384
cd /run

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }
trap 'say "failed in line $LINENO"; tail -n 20 /run/*.log; dmesg | tail -n 20' ERR

java() {
    exec "$JAVA_HOME/bin/java" -XX:+UseSerialGC -Xmx128m -XX:-UsePerfData -ea --enable-native-access=ALL-UNNAMED \
        -cp "$ROOT/nbd/target/test-classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes:$(cat "$ROOT/nbd/target/test-classpath.txt")" "$@"
}

until_so() { # SECONDS COMMAND...: until it is so
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || { say "never so: $*" && return 1; }
        sleep 0.05
    done
}

serve() { # NAME ARGUMENT...: sets PID; what it says is in NAME.log
    local name=$1
    shift
    (java ramback.ublk.ServeUblk "/dev/shm/$name" $MIB "name=$name" "$@") >"$name.log" 2>&1 &
    PID=$!
}

is_ready() { # NAME
    grep -q '^ready ' "$1.log" || gone "$PID"
}

ready() { # NAME: waits until it serves; sets ID and DEV
    until_so 120 is_ready "$1"
    read -r _ ID DEV < <(grep '^ready ' "$1.log")
}

gone() { ! kill -0 "$1" 2>/dev/null; }

end() { # PID [SIGNAL]
    kill "-${2:-TERM}" "$1"
    until_so 60 gone "$1"
    wait "$1" || true
}

queue() { # FILE: what the block layer knows
    cat "/sys/block/${DEV#/dev/}/queue/$1"
}

is() { # WANTED GOT WHAT
    [[ $1 == "$2" ]] || { say "failed: $3 is '$2', not '$1'" && return 1; }
}

quiet() { # nothing has failed as far as the kernel knows
    if dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|XFS.*(orrupt|rror)|blocked for more|WARNING:|BUG:'; then return 1; fi
}

attributes() {
    is $((MIB << 20)) "$(lsblk -bdno SIZE "$DEV")" 'the size'
    is 512 "$(queue logical_block_size)" 'the logical block size'
    is 4096 "$(queue physical_block_size)" 'the physical block size'
    is 4096 "$(queue minimum_io_size)" 'the least I/O size'
    is 4096 "$(queue optimal_io_size)" 'the optimal I/O size'
    is 4096 "$(queue discard_granularity)" 'the discard granularity'
    is $((1 << 30)) "$(queue discard_max_bytes)" 'the longest discard'
    is $((1 << 30)) "$(queue write_zeroes_max_bytes)" 'the longest write of zeroes'
    is 1024 "$(queue max_hw_sectors_kb)" 'the longest request'
    is 0 "$(queue rotational)" 'whether it turns'
    is 'write back' "$(queue write_cache)" 'the write cache'
    is 1 "$(queue fua)" 'whether it has FUA'
}

work() { # DIRECTORY: writes and checks, again and again, until there is enough
    local round=0
    while [[ ! -e /run/enough ]]; do
        fio --name=work --directory="$1" --size=8M --numjobs=2 --rw=randwrite --bsrange=4k-64k --ioengine=libaio --iodepth=8 --direct=1 \
            --fsync=32 --verify=crc32c --do_verify=1 --verify_fatal=1 --output=fio.log
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
        until_so 120 rounds_are $((kill - 1))
        until_so 60 busy
        end "$PID" KILL
        serve "$1" "recover=$ID" deferring
        ready "$1"
        say "server $((kill + 1)) serves $DEV"
    done
    until_so 120 rounds_are "$2"
    touch enough
    until_so 120 gone $worker
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
    echo 3 >/proc/sys/vm/drop_caches
    (cd mnt/files && sha256sum --quiet -c ../../files.sha256)
    fstrim mnt
    umount mnt
    e2fsck -fn "$DEV" >fsck.log 2>&1
    quiet
    say 'files are right, fsck finds nothing, the kernel has not complained'
}

discards() {
    dd if=/dev/urandom of="$DEV" bs=1M count=16 oflag=direct conv=fsync status=none
    blkdiscard -z -o 4M -l 4M "$DEV"
    cmp -n $((4 << 20)) -i $((4 << 20)):0 "$DEV" /dev/zero
    blkdiscard -o 8M -l 4M "$DEV"
    dd if="$DEV" of=/dev/null bs=1M count=16 iflag=direct status=none
    quiet
    say 'discard and write zeroes'
}

iops() { # DEVICE: 4 KiB random reads a second, sixteen at a time
    fio --name=iops --filename="$1" --rw=randread --bs=4k --ioengine=libaio --iodepth=16 --direct=1 --time_based --runtime="$2" \
        --output-format=json >iops.json
    /usr/bin/python3 -I -c 'import json; print(round(json.load(open("iops.json"))["jobs"][0]["read"]["iops"]))'
}

is_serving() { grep -q ready serve.log; }

figures() { # of both on the same memory, one after the other, after a while to be compiled
    local ublk nbd server
    (java -Dram=/dev/shm ramback.nbd.ServeRam /run/nbd.sock $MIB) >serve.log 2>&1 &
    server=$!
    iops "$DEV" 4 >/dev/null
    ublk=$(iops "$DEV" 6)
    until_so 120 is_serving
    nbd-client -unix /run/nbd.sock /dev/nbd0 -N ram -b 4096 >/dev/null 2>&1
    iops /dev/nbd0 4 >/dev/null
    nbd=$(iops /dev/nbd0 6)
    nbd-client -d /dev/nbd0 >/dev/null
    kill -KILL $server
    wait $server 2>/dev/null || true
    say "4 KiB random reads, 16 at a time: ublk $ublk/s, nbd.ko $nbd/s, $(awk "BEGIN { printf \"%.2f\", $ublk / $nbd }") times"
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
    is 1 "$(lsblk -bdno RO "$DEV")" 'whether it is read-only'
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
    cp -r /usr/lib/python3/dist-packages mnt/ 2>/dev/null || cp -r /usr/share/perl5 mnt/
    (cd mnt && find . -type f -exec sha256sum {} +) >tree.sha256
    # Its server leaves it, and comes back: what is asked for meanwhile waits.
    end "$PID"
    grep -q '^left' "$1.log"
    (dd if=/dev/zero of=mnt/late bs=1M count=4 conv=fsync status=none && touch late) &
    local late=$!
    until_so 60 busy_or_waiting
    [[ ! -e late ]]
    serve "$1" "recover=$ID" copying
    ready "$1"
    until_so 60 test -e late
    wait $late
    umount mnt
    mount "${DEV}p2" mnt
    (cd mnt && sha256sum --quiet -c ../tree.sha256)
    umount mnt
    xfs_repair -n "${DEV}p2" >repair.log 2>&1
    quiet
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
    (java ramback.ublk.ServeUblk remove "$ID")
    [[ ! -e $DEV && ! -e /dev/ublkc$ID ]]
    say 'what nobody serves is found, refused to another device, and removed'
}

say "Linux $(uname -r)"
is available "$( (java ramback.ublk.ServeUblk unavailable))" 'whether it is available'
serve disk queues=2 deferring
ready disk
say "$DEV"
attributes
discards
filesystem disk "$([[ $FORM == long ]] && echo 3 || echo 1)"
end "$PID" KILL
serve disk "recover=$ID"
ready disk
figures
if [[ $FORM == long ]]; then
    several
    serve part leaving
    ready part
    partitions part
    refusals
    PID=$(pgrep -f 'ServeUblk /dev/shm/disk') ID=$(awk '/^ready/ { print $2 }' disk.log) DEV=/dev/ublkb$ID
fi
removed disk
quiet
say done
