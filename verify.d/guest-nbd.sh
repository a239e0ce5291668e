#!/usr/bin/env bash
# Runs in the guest of 84-kernel-nbd.sh: block devices that the kernel's NBD driver makes of a server on this very guest, whose memory is
# in a file on tmpfs and so outlives it. The last line says 'guest: done' when all of it was so.

set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${HERE%/*}
word() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" /proc/cmdline; }
JAVA_HOME=$(word jdk)
FORM=$(word form) # smoke|long
readonly JAVA_HOME FORM
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
readonly CLASSES=$ROOT/nbd/target/test-classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes
readonly JAVA=("$JAVA_HOME/bin/java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx64m -Xshare:auto
    --enable-native-access=ALL-UNNAMED -cp "$CLASSES" ramback.nbd.AttachRam)
readonly MNT=/run/mnt FIO=(fio --ioengine=libaio --direct=1 --output-format=terse)
declare -A SERVER=()

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }

failed() { # LINE
    say "failed in line $1"
    tail -n 20 /run/*.log || true
    dmesg | grep -a nbd | tail -n 20 || true
}
trap 'failed $LINENO' ERR

await() { # SECONDS COMMAND...
    local until=$((SECONDS + $1))
    shift
    while ! "$@"; do
        if ((SECONDS >= until)); then
            say "not in time: $*"
            return 1
        fi
        sleep 0.1
    done
}

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
    await 120 attached "$name"
}

device() { # NAME -> nbdN
    sed -n 's/^attached \/dev\///p' "/run/$1.log"
}

counts() { # NAME KIND -> how many requests of it
    local before
    before=$(wc -l <"/run/$1.log")
    printf '\n' >"/run/$1.in"
    await 20 counted "$1" "$before"
    tail -n 1 "/run/$1.log" | sed "s/.*$2=Tally\[requestCount=\([0-9]*\).*/\1/"
}

counted() { # NAME LINES
    (($(wc -l <"/run/$1.log") > $2))
}

end() { # NAME: as by kill -9, whatever it is at
    kill -KILL "${SERVER[$1]}"
    await 20 test ! -e "/proc/${SERVER[$1]}"
}

queue() { # nbdN ATTRIBUTE
    cat "/sys/block/$1/$2"
}

is() { # WHAT VALUE WANTED
    [[ $2 == "$3" ]] || {
        say "$1 is $2, not $3"
        return 1
    }
}

iops() { # nbdN -> 4 KiB random reads a second at QD16
    "${FIO[@]}" --name=read --filename="/dev/$1" --rw=randread --bs=4k --iodepth=16 --time_based --runtime=5 | cut -d';' -f8
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

no_io_error() {
    dmesg >/run/dmesg.txt
    ! grep -aE 'I/O error|EXT4-fs (error|warning)|Buffer I/O|blocked for more' /run/dmesg.txt
}

outlives() { # NAME BYTES TIMES: kills of the server under load, with the filesystem mounted throughout
    local name=$1 bytes=$2 at loader node started
    node=$(device "$name")
    load &
    loader=$!
    for ((at = 1; at <= $3; at++)); do
        await 60 goes_on "$node" $(($(written "$node") + 2000))
        end "$name"
        started=$SECONDS
        serve "$name" "$bytes" rw reconnect "${node#nbd}"
        await 60 goes_on "$node" $(($(written "$node") + 2000))
        say "killed under load, back after $((SECONDS - started)) s, and it goes on"
    done
    touch /run/enough
    wait "$loader"
    no_io_error
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

smoke() {
    serve one $((96 << 20)) rw connect 1 512
    is 'the first device' "$(device one)" nbd0
    filesystem nbd0
    outlives one $((96 << 20)) 1
    umount $MNT
    is free "$("${JAVA[@]}" disconnect 0)" 'free true'
    e2fsck -fn /run/one.ram >/run/fsck.txt 2>&1
    end one
    nothing_left
}

shape() { # of a device with several connections
    serve four $((192 << 20)) rw connect 4 4096
    is 'the first device' "$(device four)" nbd0
    lsblk -o NAME,SIZE,RO,LOG-SEC,PHY-SEC,ROTA,DISC-MAX /dev/nbd0 | sed 's/^/guest: /'
    is size "$(blockdev --getsize64 /dev/nbd0)" $((192 << 20))
    is 'block size' "$(blockdev --getss /dev/nbd0)" 4096
    is rotational "$(queue nbd0 queue/rotational)" 0
    is cache "$(queue nbd0 queue/write_cache)" 'write back'
    is FUA "$(queue nbd0 queue/fua)" 1
    is 'hardware queues' "$(find /sys/block/nbd0/mq -mindepth 1 -maxdepth 1 | wc -l)" 4
    is backend "$(queue nbd0 backend)" 'nbd+unix:///ram?socket=/run/four.sock'
    is 'the list' "$("${JAVA[@]}" list)" '/dev/nbd0 nbd+unix:///ram?socket=/run/four.sock'
}

one() { # connection: partitions, discard, figures, kills, growth
    local trims zeroes
    serve one $((96 << 20)) rw connect 1 512
    is 'the second device' "$(device one)" nbd1
    is 'block size' "$(blockdev --getss /dev/nbd1)" 512
    is 'its time-out of requests' "$(queue nbd1 queue/io_timeout)" 5000
    printf '2048,65536\n,\n' | sfdisk -q --label gpt /dev/nbd1
    is partitions "$(lsblk -nro NAME /dev/nbd1 | tr '\n' ' ')" 'nbd1 nbd1p1 nbd1p2 '
    trims=$(counts one trim)
    zeroes=$(counts one zero)
    blkdiscard /dev/nbd1p1
    (($(counts one trim) > trims))
    blkdiscard -z /dev/nbd1p1
    say "blkdiscard: TRIM arrives; WRITE_ZEROES $(($(counts one zero) - zeroes)) times (Linux 6.12 has it)"
    wipefs -qa /dev/nbd1
    filesystem nbd1
    outlives one $((96 << 20)) 2
    end one
    truncate -s 128M /run/one.ram
    serve one $((128 << 20)) rw reconnect 1
    is 'the size after the server has grown' "$(blockdev --getsize64 /dev/nbd1)" $((128 << 20))
    resize2fs /dev/nbd1 >/run/resize.txt 2>&1
    cmp <(head -c 1M $MNT/load) <(head -c 1M $MNT/load)
    umount $MNT
    e2fsck -fn /run/one.ram >/run/fsck.txt 2>&1
    say 'grown under a mounted filesystem, and e2fsck finds nothing'
}

refusals() {
    serve spare $((64 << 20)) rw none
    if "${JAVA[@]}" serve /run/other.sock /run/other.ram $((8 << 20)) rw reconnect 0 >/run/other.log 2>&1; then false; fi
    grep -o 'KernelNbdException: .*' /run/other.log | sed 's/^/guest: /'
    grep -q 'is the block device of' /run/other.log
    if "${JAVA[@]}" serve /run/other.sock /run/other.ram $((8 << 20)) rw reconnect 9 >/run/other.log 2>&1; then false; fi
    grep -q 'nothing to reconnect' /run/other.log
    setpriv --reuid 65534 --clear-groups --inh-caps=-all "${JAVA[@]}" unavailable | sed 's/^/guest: nobody: /' | tee /run/nobody.txt
    grep -q CAP_SYS_ADMIN /run/nobody.txt
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
    is free "$("${JAVA[@]}" disconnect "$(device odd | tr -dc 0-9)")" 'free true'
    end odd
    serve ro $((16 << 20)) ro connect 1 512
    is 'read-only' "$(blockdev --getro "/dev/$(device ro)")" 1
    if dd if=/run/tail "of=/dev/$(device ro)" bs=512 oflag=direct status=none 2>/run/dd.txt; then false; fi
    is free "$("${JAVA[@]}" disconnect "$(device ro | tr -dc 0-9)")" 'free true'
    end ro
}

figures() { # of the RAM device, under emulation: only what they are to each other counts
    say "4 KiB random read, QD16: 4 connections $(iops nbd0) IOPS, 1 connection $(iops nbd1) IOPS"
}

dead() { # server, and a filesystem on it
    local writer
    filesystem nbd1
    end one
    dd if=/dev/zero of=$MNT/more bs=1M count=8 conv=fsync status=none 2>/run/dd.txt &
    writer=$!
    sleep 1 # it waits meanwhile, as it should
    is 'the writer of a dead device' "$(ps -o stat= -p $writer | cut -c1)" D
    is free "$("${JAVA[@]}" disconnect 1)" 'free false'
    if wait $writer; then false; fi
    umount $MNT
    await 20 test ! -e /sys/block/nbd1/pid
    is free "$("${JAVA[@]}" disconnect 1)" 'free true'
    say 'a dead device is taken apart under a mounted filesystem: its writer fails, and nothing hangs'
}

several() { # connections, a kill: what was under way waits for its time-out
    filesystem nbd0
    end four
    serve four $((192 << 20)) rw reconnect 0
    dd if=/dev/zero of=$MNT/more bs=1M count=8 conv=fsync status=none
    umount $MNT
    say 'four connections are brought back together'
    is free "$("${JAVA[@]}" disconnect 0)" 'free true'
    end four
}

say "Linux $(uname -r)"
ln -sf /proc/self/fd/0 /dev/stdin
if [[ $FORM == smoke ]]; then
    smoke
else
    shape
    one
    refusals
    odd
    figures
    several
    dead
    nothing_left
fi
say 'done'
