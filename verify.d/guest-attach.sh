#!/usr/bin/env bash
# Runs in the guest of 86-attach-guest.sh: a device of this very guest's ramback attached by ublk and by the kernel's NBD client,
# with a filesystem that is written to while its daemon is killed, started again and upgraded. The last line says 'guest: done' when
# all of it was so.

set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${HERE%/*}
word() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" /proc/cmdline; }
JAVA_HOME=$(word jdk)
WAYS=$(word ways) # such as ublk,nbd
PARTS=$(word parts) # such as outlived,without_daemon: of each way
MORE=$(word more) # yes: and what is tried once
export JAVA_HOME RAMBACK_NO_BUILD=1 RAMBACK_RUN_DIR=/run/ramback RAMBACK_STATE_DIR=/run/state PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
cd /run
mkdir mnt

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }
failed() { # LINE
    say "failed in line $1"
    tail -n 12 /run/*.log /run/*.txt || true
    dmesg | tail -n 12 || true
}
trap 'failed $LINENO' ERR

ramback() { timeout 180 "$ROOT/ramback" "$@"; }

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

ready() { grep -q ' ready, ' up.log || ! kill -0 "$PID" 2>/dev/null; }

up() { # OPTION...: sets PID
    "$ROOT/ramback" up disk.img --size 160M --ram sparse --journal-size 16M "$@" >up.log 2>&1 </dev/null &
    PID=$!
    disown
    await 180 ready
    grep ' ready, ' up.log
}

gone() { [[ ! -e /proc/$1 ]]; }

killed() {
    kill -KILL "$PID"
    await 30 gone "$PID"
}

content() { # NUMBER: of the file of that number, 64 KiB; what yes is told by head is no failure
    (
        trap - ERR
        set +o pipefail
        yes "$1" | head -c $((64 << 10))
    )
}

write_on() { # files, each synced, until `stop` is there; what fails ends it
    local number=0
    while [[ ! -e stop ]]; do
        number=$((number + 1))
        content "$number" | dd of="mnt/$((number % 40))" bs=16k conv=fsync iflag=fullblock status=none || return 1
        echo "$number" >written
    done
}

more_written() { # than this
    (($(cat written) > $1))
}

goes_on() { # within some seconds
    local number
    number=$(cat written)
    await 120 more_written $((number + 5))
    kill -0 "$WRITER"
}

all_there() { # the last 40 files, whole
    local number last
    last=$(cat written)
    for ((number = last > 40 ? last - 39 : 1; number <= last; number++)); do
        cmp <(content "$number") "mnt/$((number % 40))"
    done
}

outlived() { # WAY
    local device
    up
    device=$(ramback attach disk --via "$1" --mount mnt --mkfs ext4)
    say "$1: attached as $device, $(readlink "$device"), $(lsblk -bndo SIZE,LOG-SEC,DISC-MAX "$device" | xargs)"
    [[ $device == /dev/ramback/disk ]]
    rm -f stop written
    echo 0 >written
    write_on &
    WRITER=$!
    await 60 more_written 5
    killed
    ramback ls >ls.txt
    grep -q "gone .*$(readlink "$device") (left)" ls.txt
    up
    grep 'is served again' up.log
    goes_on
    say "$1: killed and started again, $(cat written) files written"
    ramback upgrade disk
    goes_on
    say "$1: upgraded, $(cat written) files written"
    touch stop
    wait "$WRITER"
    all_there
    ramback status disk --json | grep -o '"attached":{[^}]*}'
    ramback detach disk | tee detached.txt
    grep -q 'unmounted /run/mnt, removed /dev/' detached.txt
    [[ ! -e $device && ! -e /run/ramback/disk/attachment ]]
    ramback down disk
    await 60 gone "$PID"
    e2fsck -fn disk.img
    say "$1: detached, the plain image is clean"
}

without_daemon() { # WAY: detach of what waits for a daemon that does not come
    local disk
    up
    disk=$(readlink "$(ramback attach disk --via "$1" --mount mnt)")
    killed
    ramback detach disk | tee detached.txt
    grep -q "removed $disk" detached.txt
    grep -q 'unmounted /run/mnt' detached.txt
    if mountpoint -q mnt || [[ -e /dev/ramback ]]; then return 1; fi
    up
    ramback down disk
    await 60 gone "$PID"
    say "$1: detached without its daemon"
}

lost() { # WAY: writes that were acknowledged are lost, so the block device must not go on
    local disk
    up --mode checkpoint --interval 1h --dirty-max 32M
    disk=$(readlink "$(ramback attach disk --via "$1")")
    dd if=/dev/urandom of="$disk" bs=64k count=16 oflag=direct seek=100 status=none
    killed
    rm -rf /dev/shm/ramback
    up --mode checkpoint
    grep "$disk was removed: writes that it had been told of as done were lost" up.log
    ramback down disk
    await 60 gone "$PID"
    say "$1: after a loss the block device is removed"
}

pressed() { # WAY: daemon and writer in one memory cgroup that is too small for what is written
    local group=/sys/fs/cgroup/pressed round
    if ! mountpoint -q /sys/fs/cgroup; then
        mount -t cgroup2 none /sys/fs/cgroup
        echo +memory >/sys/fs/cgroup/cgroup.subtree_control
        mkdir $group
    fi
    up
    echo "$PID" >$group/cgroup.procs # what it has taken so far is not counted, the rest is
    ramback attach disk --via "$1" --mount mnt --mkfs ext4
    for round in 1 2 3; do
        (
            trap - ERR
            set +o pipefail
            echo "$BASHPID" >$group/cgroup.procs
            content "$round" | cat - /dev/zero | head -c 110M | timeout 300 dd of=mnt/file bs=1M conv=notrunc iflag=fullblock status=none
        )
        if ((round == 1)); then # the device has its memory: now there is half of what the page cache would take
            sync -f mnt
            echo 1 >/proc/sys/vm/drop_caches
            echo $(($(cat $group/memory.current) + (60 << 20))) >$group/memory.max
        fi
    done
    timeout 300 sync -f mnt
    cmp -n $((64 << 10)) <(content 3) mnt/file
    grep -E '^(max|oom_kill) ' $group/memory.events | xargs
    grep -q '^oom_kill 0$' $group/memory.events
    if grep -q '^max 0$' $group/memory.events; then return 1; fi # it was not too small
    ramback detach disk
    ramback down disk
    await 60 gone "$PID"
    say "$1: no deadlock in a memory cgroup, of which at most $(($(cat $group/memory.peak) >> 20)) MiB were used"
    echo max >$group/memory.max
}

automatic() { # the best way, which SIGTERM ends
    up
    ramback attach disk >path.txt 2>said.txt
    grep -q 'attached by ublk' said.txt
    kill -TERM "$PID"
    await 120 gone "$PID"
    [[ ! -e /dev/ramback && ! -e /run/ramback/disk ]]
    say 'auto takes ublk, and SIGTERM detaches it'
}

say "Linux $(uname -r)"
for way in ${WAYS//,/ }; do
    for part in ${PARTS//,/ }; do "$part" "$way"; done
    rm -f disk.img*
done
if [[ $MORE == yes ]]; then
    automatic
    for way in ublk fuse; do
        pressed "$way"
        rm -f disk.img*
    done
fi
say done
