#!/usr/bin/env bash
# Runs in the guest of 84-kernel-nbd.sh: block devices that the kernel's NBD driver makes of a server on this very guest, whose memory is
# in a file on tmpfs and so outlives it.

# shellcheck source=guest-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/guest-lib.sh"

readonly CLASSES=$ROOT/nbd/target/test-classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes
readonly JAVA=("$JAVA_HOME/bin/java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx64m -Xshare:auto
    --enable-native-access=ALL-UNNAMED -cp "$CLASSES" ramback.nbd.AttachRam)
readonly MNT=/run/mnt FIO=(fio --ioengine=libaio --direct=1 --output-format=terse)
declare -A SERVER=()

attached() { # NAME
    grep -q '^attached\|^serving' "/run/$1.log"
}

serve() { # NAME BYTES ro|rw WAY...: a server of a life of its own
    local name=$1
    shift
    rm -f "/run/$name.in"
    mkfifo "/run/$name.in"
    "${JAVA[@]}" serve "/run/$name.sock" "/run/$name.ram" "$@" <>"/run/$name.in" >"/run/$name.log" 2>&1 &
    SERVER[$name]=$!
    disown
    await 300 attached "$name"
}

device() { # NAME -> nbdN
    sed -n 's/^attached \/dev\///p' "/run/$1.log"
}

freed() { # NAME: its block device is taken apart; says whether it is free then
    "${JAVA[@]}" disconnect "$(device "$1" | tr -dc 0-9)" "/run/$1.sock"
}

counts() { # NAME KIND -> how many requests of it
    local before
    before=$(wc -l <"/run/$1.log")
    printf '\n' >"/run/$1.in"
    await 60 counted "$1" "$before"
    tail -n 1 "/run/$1.log" | sed "s/.*$2=Tally\[requestCount=\([0-9]*\).*/\1/"
}

counted() { # NAME LINES
    (($(wc -l <"/run/$1.log") > $2))
}

end() { # NAME: as by kill -9, whatever it is at
    kill -KILL "${SERVER[$1]}"
    await 60 test ! -e "/proc/${SERVER[$1]}"
}

queue() { # nbdN ATTRIBUTE
    cat "/sys/block/$1/$2"
}

load() { # writes and verifies in the filesystem until there is /run/enough
    local round=0
    rm -f /run/enough
    while [[ ! -e /run/enough ]]; do
        round=$((round + 1))
        "${FIO[@]}" --name=load --filename=$MNT/load --rw=randwrite --bsrange=4k-64k --size=32m --iodepth=16 --fsync=64 \
            --verify=crc32c --verify_fatal=1 --randseed="$round" >>/run/fio.txt
    done
    printf '%d\n' "$round" >/run/rounds
}

written() { # nbdN -> sectors
    awk '{ print $7 }' "/sys/block/$1/stat"
}

goes_on() { # nbdN SECTORS
    (($(written "$1") > $2))
}

outlives() { # NAME BYTES TIMES: kills of the server under load, with the filesystem mounted throughout
    local name=$1 bytes=$2 at loader node started
    node=$(device "$name")
    load &
    loader=$!
    for ((at = 1; at <= $3; at++)); do
        await 120 goes_on "$node" $(($(written "$node") + 2000))
        end "$name"
        started=$SECONDS
        serve "$name" "$bytes" rw reconnect "${node#nbd}"
        await 120 goes_on "$node" $(($(written "$node") + 2000))
        say "killed under load, back after $((SECONDS - started)) s, and it goes on"
    done
    touch /run/enough
    wait "$loader"
    no_complaint
    say "$(cat /run/rounds) rounds of fio verified, no I/O error"
}

filesystem() { # nbdN
    mkfs.ext4 -q -F "/dev/$1"
    mkdir -p $MNT
    mount "/dev/$1" $MNT
}

nothing_left() {
    local pid
    for pid in /sys/block/nbd*/pid; do
        if [[ -e $pid ]]; then
            say "left: $pid"
            return 1
        fi
    done
    is 'the list of what is attached' "$("${JAVA[@]}" list)" ''
    is 'the time-out of requests' "$(sort -u /sys/block/nbd*/queue/io_timeout)" 30000
}

shape() { # of a device with several connections, of which one a processor are made
    serve four $((192 << 20)) rw connect 4 4096
    is 'the first device' "$(device four)" nbd0
    lsblk -o NAME,SIZE,RO,LOG-SEC,PHY-SEC,ROTA,DISC-MAX /dev/nbd0 | sed 's/^/guest: /'
    is size "$(blockdev --getsize64 /dev/nbd0)" $((192 << 20))
    is 'block size' "$(blockdev --getss /dev/nbd0)" 4096
    is rotational "$(queue nbd0 queue/rotational)" 0
    is cache "$(queue nbd0 queue/write_cache)" 'write back'
    is FUA "$(queue nbd0 queue/fua)" 1
    is 'hardware queues' "$(find /sys/block/nbd0/mq -mindepth 1 -maxdepth 1 | wc -l)" "$(nproc)"
    is backend "$(queue nbd0 backend)" 'nbd+unix:///ram?socket=/run/four.sock'
    is 'the list' "$("${JAVA[@]}" list)" '/dev/nbd0 nbd+unix:///ram?socket=/run/four.sock'
}

one() { # connection: partitions, discard, kills, an export that grows
    local trims zeroes
    serve one $((96 << 20)) rw connect 1 512
    is 'the second device' "$(device one)" nbd1
    is 'block size' "$(blockdev --getss /dev/nbd1)" 512
    is 'its time-out of requests' "$(queue nbd1 queue/io_timeout)" 5000
    # Two of 65,536 sectors, from 2,048 on.
    printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\0\1\0\0\0\0\0\203\0\0\0\0\10\1\0\0\0\1\0' |
        dd of=/dev/nbd1 bs=1 seek=446 status=none
    printf '\125\252' | dd of=/dev/nbd1 bs=1 seek=510 conv=fsync status=none
    blockdev --rereadpt /dev/nbd1
    is partitions "$(lsblk -nro NAME /dev/nbd1 | tr '\n' ' ')" 'nbd1 nbd1p1 nbd1p2 '
    trims=$(counts one trim)
    zeroes=$(counts one zero)
    dd if=/dev/urandom of=/run/random bs=1M count=34 status=none
    dd if=/run/random of=/dev/nbd1p1 bs=1M count=32 oflag=direct status=none
    dd if=/run/random of=/dev/nbd1p2 bs=1M count=2 skip=32 oflag=direct status=none
    blkdiscard /dev/nbd1p1
    (($(counts one trim) > trims))
    blkdiscard -z /dev/nbd1p1
    blockdev --flushbufs /dev/nbd1
    cmp -n $((32 << 20)) /dev/nbd1p1 /dev/zero
    cmp -n $((32 << 20)) -i $((1 << 20)):0 /run/one.ram /dev/zero
    cmp -n $((2 << 20)) -i $((33 << 20)):$((32 << 20)) /run/one.ram /run/random
    rm /run/random
    say "blkdiscard: TRIM arrives; WRITE_ZEROES $(($(counts one zero) - zeroes)) times (Linux 6.12 has it)"
    dd if=/dev/zero of=/dev/nbd1 bs=512 count=1 conv=fsync status=none
    blockdev --rereadpt /dev/nbd1
    filesystem nbd1
    outlives one $((96 << 20)) 2
    end one
    truncate -s 128M /run/one.ram
    serve one $((128 << 20)) rw reconnect 1
    is 'the size when the export has grown' "$(blockdev --getsize64 /dev/nbd1)" $((96 << 20))
    umount $MNT
    e2fsck -fn /run/one.ram >/run/fsck.txt 2>&1
    say 'e2fsck finds nothing'
}

refusals() {
    serve spare $((64 << 20)) rw none
    if "${JAVA[@]}" serve /run/other.sock /run/other.ram $((8 << 20)) rw reconnect 0 >/run/other.log 2>&1; then false; fi
    grep -o 'KernelNbdException: .*' /run/other.log | sed 's/^/guest: /'
    grep -q 'is the block device of' /run/other.log
    if "${JAVA[@]}" serve /run/other.sock /run/other.ram $((8 << 20)) rw reconnect 9 >/run/other.log 2>&1; then false; fi
    grep -q 'nothing to reconnect' /run/other.log
    if "${JAVA[@]}" disconnect 0 /run/other.sock >/run/other.log 2>&1; then false; fi
    grep -q 'is the block device of' /run/other.log
    setpriv --bounding-set=-sys_admin "${JAVA[@]}" unavailable | sed 's/^/guest: without the right: /' | tee /run/without.txt
    grep -q CAP_SYS_ADMIN /run/without.txt
    is root "$("${JAVA[@]}" unavailable)" available
    end spare
}

odd() { # sizes, and read-only
    serve odd $(((10 << 20) + 1536 + 100)) rw connect 1 4096
    is 'block size' "$(blockdev --getss "/dev/$(device odd)")" 512
    is size "$(blockdev --getsize64 "/dev/$(device odd)")" $(((10 << 20) + 1536))
    dd if=/dev/urandom of=/run/tail bs=512 count=1 status=none
    dd if=/run/tail "of=/dev/$(device odd)" bs=512 seek=$(((10 << 11) + 2)) oflag=direct status=none
    cmp /run/tail <(tail -c +$(((10 << 20) + 1025)) /run/odd.ram | head -c 512)
    say 'the last sector of a device of an odd size can be written'
    is free "$(freed odd)" 'free true'
    end odd
    serve ro $((16 << 20)) ro connect 1 512
    is 'read-only' "$(blockdev --getro "/dev/$(device ro)")" 1
    if dd if=/run/tail "of=/dev/$(device ro)" bs=512 oflag=direct status=none 2>/run/dd.txt; then false; fi
    is free "$(freed ro)" 'free true'
    end ro
}

figures() { # of the RAM device, under emulation: only what they are to each other counts
    say "4 KiB random read, QD16: $(nproc) connections $(iops /dev/nbd0 randread 5) IOPS, 1 connection $(iops /dev/nbd1 randread 5) IOPS"
}

dead() { # server, and a filesystem on it
    local writer
    filesystem nbd1
    end one
    dd if=/dev/zero of=$MNT/more bs=1M count=8 conv=fsync status=none 2>/run/dd.txt &
    writer=$!
    is 'the list' "$("${JAVA[@]}" list)" '/dev/nbd1 nbd+unix:///ram?socket=/run/one.sock'
    is 'the writer of a dead device' "$(ps -o stat= -p $writer | cut -c1)" D
    is free "$(freed one)" 'free false'
    if wait $writer; then false; fi
    umount $MNT
    await 20 test ! -e /sys/block/nbd1/pid
    is free "$(freed one)" 'free true'
    say 'a dead device is taken apart under a mounted filesystem: its writer fails, and nothing hangs'
}

several() { # connections, a kill: what was under way waits for its time-out
    filesystem nbd0
    end four
    serve four $((192 << 20)) rw reconnect 0
    dd if=/dev/zero of=$MNT/more bs=1M count=8 conv=fsync status=none
    umount $MNT
    say 'several connections are brought back together'
    is free "$(freed four)" 'free true'
    end four
}

say "Linux $(uname -r)"
ln -sf /proc/self/fd/0 /dev/stdin
shape
one
refusals
odd
figures
several
dead
nothing_left
say 'done'
