#!/usr/bin/env bash
# Runs in the guests of 86-attach-guest.sh: devices of this very guest's ramback, one a way, attached by ublk and by the kernel's
# NBD client, with a filesystem that is written to while its daemon is killed, started again and upgraded, or the guest is reset.

# shellcheck source=guest-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/guest-lib.sh"

export RAMBACK_NO_BUILD=1 RAMBACK_RUN_DIR=/run/ramback RAMBACK_STATE_DIR=/run/state
# C1 alone: in emulation a start is shorter by a quarter, and nothing here lives for long.
export RAMBACK_JAVA_OPTS=-XX:TieredStopAtLevel=1

ramback() { timeout 180 "$ROOT/ramback" "$@"; }

at() { # WAY COMMAND...: in a directory of its own, where the image of the device WAY is
    mkdir -p "/run/$1/mnt"
    cd "/run/$1"
    "${@:2}" "$1"
}

each_at_once() { # COMMAND...: for ublk and nbd
    local ublk nbd
    (at ublk "$@") &
    ublk=$!
    (at nbd "$@") &
    nbd=$!
    wait $ublk
    wait $nbd
}

readonly SMALL=(--size 64M --ram sparse --journal-size 8M)

ready() { grep -q ' ready, ' up.log || gone "$PID"; }

up() { # IMAGE OPTION...: sets PID
    "$ROOT/ramback" up "$@" >up.log 2>&1 </dev/null &
    PID=$!
    disown
    await 180 ready
    grep ' ready, ' up.log
}

killed() {
    kill -KILL "$PID"
    await 30 gone "$PID"
}

stopped() { # by a signal, since a command takes a JVM
    kill -TERM "$PID"
    await 120 gone "$PID"
}

content() { # NUMBER: of the file of that number, 32 KiB; what yes is told by head is no failure
    (
        trap - ERR
        set +o pipefail
        yes "$1" | head -c $((32 << 10))
    )
}

synced() { # NUMBER FILE: its content, written and synced
    content "$1" | dd of="mnt/$2" bs=16k conv=fsync iflag=fullblock status=none
}

readonly KEPT=20 # files, of which a later one takes the place of an earlier one

write_on() { # files, a line in `written` for each, until `enough` is there; what fails ends it
    local number=0
    while [[ ! -e enough ]]; do
        number=$((number + 1))
        synced $number "$((number % KEPT))"
        echo $number >>written
    done
}

verify_on() { # what fio writes, past the page cache, and a line in `rounds` each time, until `enough` is there
    while [[ ! -e enough ]]; do
        fio --name=work --directory=mnt --size=3M --rw=randwrite --bsrange=4k-64k --ioengine=libaio --iodepth=8 --direct=1 --fsync=16 \
            --verify=crc32c --do_verify=1 --verify_fatal=1 --eta=never --output=work.fio
        echo verified >>rounds
    done
}

lines_are() { # FILE LEAST
    local lines=()
    mapfile -t lines <"$1"
    ((${#lines[@]} >= $2))
}

works() { # sets WRITERS
    rm -f enough
    : >written
    : >rounds
    write_on &
    WRITERS=$!
    verify_on &
    WRITERS+=" $!"
}

goes_on() { # some more files and a round of fio that has begun by now
    local files rounds
    files=$(wc -l <written)
    rounds=$(wc -l <rounds)
    await 180 lines_are written $((files + 5))
    await 180 lines_are rounds $((rounds + 1))
}

busy() { # DEVICE: requests are in flight
    local now
    read -r -a now <"/sys/block/${1#/dev/}/stat"
    ((now[8] > 0))
}

all_there() { # the last files, whole, not only in the page cache
    local number last writer
    touch enough
    for writer in $WRITERS; do wait "$writer"; done
    last=$(tail -n 1 written)
    ((last > 5))
    forgotten
    for ((number = last >= KEPT ? last - KEPT + 1 : 1; number <= last; number++)); do
        cmp <(content "$number") "mnt/$((number % KEPT))"
    done
    no_complaint
}

outlived() { # upgraded|restarted WAY
    local how=$1 way=$2 device disk times
    up "$way.img" "${SMALL[@]}"
    device=$(ramback attach "$way" --via "$way" --mount mnt --mkfs ext4)
    is 'the path' "$device" "/dev/ramback/$way"
    disk=$(readlink "$device")
    is 'size, sectors' "$(lsblk -bndo SIZE,LOG-SEC "$device" | xargs)" "$((64 << 20)) 512"
    say "$way: $disk"
    works
    await 120 lines_are written 5
    await 60 busy "$disk"
    killed
    up "$way.img" "${SMALL[@]}"
    grep 'is served again' up.log
    goes_on
    say "$way: killed and started again, $(wc -l <written) files written, $(wc -l <rounds) times verified by fio"
    if [[ $how == upgraded ]]; then
        # Again and again: what comes in the moment in which one daemon leaves must not be lost.
        for ((times = 0; times < 3; times++)); do
            ramback upgrade "$way"
            goes_on
        done
        say "$way: upgraded $times times, $(wc -l <written) files written, $(wc -l <rounds) times verified by fio"
    fi
    all_there
    if [[ $how == upgraded || $way == ublk ]]; then
        ramback detach "$way" | tee detached.txt
        grep -q "unmounted /run/$way/mnt, removed $disk" detached.txt
        [[ ! -e /run/ramback/$way/attachment ]]
    fi
    stopped # which detaches what still is attached
    [[ ! -e $device ]]
    if mountpoint -q mnt; then false; fi
    [[ ! -e /run/ramback/$way ]]
    e2fsck -fn "$way.img" >fsck.log 2>&1
    say "$way: detached, the plain image is clean"
}

nothing_left() { # of either: names, block devices, memory
    is 'what is left' "$(find /dev/ramback /dev/ublkb* /dev/shm /sys/block/nbd*/pid -not -type d 2>missing.txt || true)" ''
}

killed_and_back() { # restarted|upgraded
    each_at_once outlived "$1"
    nothing_left
}

without_daemon() { # WAY: detach of what waits for a daemon that does not come
    local disk
    up "$1.img" "${SMALL[@]}"
    disk=$(readlink "$(ramback attach "$1" --via "$1" --mount mnt --mkfs ext4)")
    killed
    ramback ls >ls.txt
    grep -q "gone .*$disk (left)" ls.txt
    ramback detach "$1" | tee detached.txt
    grep -q "removed $disk" detached.txt
    grep -q "unmounted /run/$1/mnt" detached.txt
    if mountpoint -q mnt; then false; fi
    [[ ! -e /dev/ramback/$1 ]]
    up "$1.img" "${SMALL[@]}"
    stopped
    say "$1: detached without its daemon"
}

lost() { # WAY: writes that were acknowledged are lost, so the block device must not go on
    local disk
    up "$1.img" "${SMALL[@]}" --mode checkpoint --interval 1h --dirty-max 4M
    disk=$(readlink "$(ramback attach "$1" --via "$1")")
    dd if=/dev/urandom of="$disk" bs=64k count=16 oflag=direct seek=100 status=none
    killed
    [[ -n $(find /dev/shm/ramback -name "$1*" -print -delete) ]]
    up "$1.img" "${SMALL[@]}" --mode checkpoint
    grep "$disk was removed: writes that it had been told of as done were lost" up.log
    stopped
    say "$1: after a loss the block device is removed"
}

orphaned() {
    each_at_once without_daemon
    each_at_once lost
    nothing_left
}

pressed() { # WAY: daemon and writer in one memory cgroup that is too small for what is written
    local group=/sys/fs/cgroup/pressed round
    if ! mountpoint -q /sys/fs/cgroup; then
        mount -t cgroup2 none /sys/fs/cgroup
        echo +memory >/sys/fs/cgroup/cgroup.subtree_control
        mkdir $group
    fi
    rm -f "$1.img"* # a smaller one
    up "$1.img" --size 160M --ram sparse --journal-size 16M
    echo "$PID" >$group/cgroup.procs # what it has taken so far is not counted, the rest is
    ramback attach "$1" --via "$1" --mount mnt --mkfs ext4
    for round in 1 2 3; do
        (
            trap - ERR
            set +o pipefail
            echo "$BASHPID" >$group/cgroup.procs
            content "$round" | cat - /dev/zero | head -c 110M | timeout 300 dd of=mnt/file bs=1M conv=notrunc iflag=fullblock status=none
        )
        # The device has its memory, and so has the image, which is in memory here: what is left is half of what the page cache
        # would take.
        if ((round == 1)); then
            sync -f mnt
            ramback flush "$1"
            echo 1 >/proc/sys/vm/drop_caches
            echo $(($(cat $group/memory.current) + (60 << 20))) >$group/memory.max
        fi
    done
    timeout 300 sync -f mnt
    forgotten
    cmp -n $((32 << 10)) <(content 3) mnt/file
    grep -E '^(max|oom_kill) ' $group/memory.events | xargs
    grep -q '^oom_kill 0$' $group/memory.events
    if grep -q '^max 0$' $group/memory.events; then false; fi # it was not too small
    ramback detach "$1"
    stopped
    say "$1: no deadlock in a memory cgroup, of which at most $(($(cat $group/memory.peak) >> 20)) MiB were used"
    echo max >$group/memory.max
}

automatic() { # WAY that must be taken, and that SIGTERM ends
    up "$1.img" "${SMALL[@]}"
    ramback attach "$1" >path.txt 2>said.txt
    grep -q "attached by $1" said.txt
    dd if=/dev/urandom of="$(<path.txt)" bs=64k count=16 oflag=direct status=none
    ramback status "$1" --json >status.json
    grep -q "\"$1\": *1" status.json # of clientsVia
    grep -q '"writes": *[1-9]' status.json
    stopped
    [[ ! -e /dev/ramback && ! -e /run/ramback/$1 ]]
    say "auto takes $1, and SIGTERM detaches it"
}

connected_twice() { # WAY, which is nbd
    local disk
    up "$1.img" "${SMALL[@]}"
    disk=$(readlink "$(ramback attach "$1" --via "$1" --connections 2 --mount mnt --mkfs ext4)")
    is 'queues' "$(find "/sys/block/${disk#/dev/}/mq" -mindepth 1 -maxdepth 1 | wc -l)" 2
    is 'threads of connections' "$(cat /proc/"$PID"/task/*/comm | grep -c '^nbd-[0-9]')" 2
    synced 7 file
    forgotten
    cmp <(content 7) mnt/file
    stopped
    e2fsck -fn "$1.img" >fsck.log 2>&1
    say "$1: over two connections"
}

little_memory() {
    (at nbd connected_twice)
    (at ublk automatic)
    (at ublk pressed)
    (at fuse pressed)
}

steady() { # DEVICE: until the compiler has little left to do
    local best=0 now still=0 rounds
    for ((rounds = 0; rounds < 20 && still < 2; rounds++)); do
        now=$(iops "$1" randread 3)
        iops "$1" randwrite 2 >/dev/null
        if ((now * 10 > best * 11)); then
            best=$now still=0
        else
            still=$((still + 1))
        fi
    done
}

median() { printf '%s\n' "$@" | sort -n | sed -n $((($# + 1) / 2))p; }

compared() { # what NUMBER... of ublk, NUMBER... of nbd, three each
    local what=$1 ublk nbd
    ublk=$(median "${@:2:3}")
    nbd=$(median "${@:5:3}")
    say "$what: ublk $ublk/s (${*:2:3}), nbd.ko $nbd/s (${*:5:3}), $(awk "BEGIN { printf \"%.2f\", $ublk / $nbd }") times"
}

figures() { # of one device that keeps nothing, by one daemon, attached in turns
    local round way disk
    local -A reads=() writes=()
    cd /run
    RAMBACK_JAVA_OPTS='' up figures.img --size 64M --mode unsafe --journal none
    for round in 0 1 2 3; do
        for way in ublk nbd; do
            disk=$(readlink "$(ramback attach figures --via $way)")
            if ((round == 0)); then
                dd if=/dev/urandom of="$disk" bs=1M oflag=direct status=none count=64
                steady "$disk"
            else
                iops "$disk" randread 3 >/dev/null
                reads[$way]+=" $(iops "$disk" randread 6)"
                writes[$way]+=" $(iops "$disk" randwrite 6)"
            fi
            ramback detach figures >/dev/null
        done
    done
    # shellcheck disable=SC2086 # numbers
    {
        compared '4 KiB random reads, 16 at a time' ${reads[ublk]} ${reads[nbd]}
        compared '4 KiB random writes, 16 at a time' ${writes[ublk]} ${writes[nbd]}
    }
    stopped
}

recorded() { # MODE WAY: files, each synced, told of then, and by when, until the guest is reset; the image is on the host's disk
    local number=0 uptime
    up "/run/disk/$2.img" "${SMALL[@]}" --mode "$1"
    ramback attach "$2" --via "$2" --mount mnt --mkfs ext4
    mkdir mnt/files
    while true; do
        number=$((number + 1))
        synced $number files/$number
        read -r uptime _ </proc/uptime
        printf 'guest: synced %s %s %s\n' "$2" $number "$uptime"
    done
}

reset() { # MODE
    mkdir disk
    mount /dev/vda disk
    each_at_once recorded "$1"
}

say "Linux $(uname -r)"
# shellcheck disable=SC2046 # a word each
$(word part | tr , ' ')
say 'done'
