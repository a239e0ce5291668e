# what: a QEMU guest whose disk is a device of ours boots, writes, is reset, outlives a kill of the daemon, loses power, and comes back each time
# budget: 90
# clients: yes

readonly SIZE=512M FILES=5
readonly BOOT_SECONDS=60 WORK_SECONDS=30

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

device() { # OPTION...
    up disk.img --name disk --mode writeback "$@"
    disown
}

filesystem() { # on the device: the guest's root
    mkdir -p tree/{bin,sbin,proc,sys,dev,run,files}
    cp "$(command -v busybox)" tree/bin/
    cp "$ROOT/verify.d/guest-boot" tree/sbin/init
    chmod +x tree/sbin/init
    chroot tree /bin/busybox --install -s /bin
    mount_nbd "$UP_URI"
    mkfs.ext4 -q -F -d tree "$NBD_FILE"
    unmount_nbd "$NBD_MOUNT"
}

start_guest() { # sets GUEST_PID and GUEST_IN; what it says is added to guest.log
    rm -f guest.in
    mkfifo guest.in
    exec {GUEST_IN}<>guest.in
    guest_machine 256M root=/dev/vda
    "${GUEST_QEMU[@]}" -serial stdio -monitor none -qmp unix:qmp.sock,server=on,wait=off \
        -drive "driver=nbd,server.type=unix,server.path=$UP_SOCKET,export=disk,reconnect-delay=600,discard=unmap,if=virtio" \
        <guest.in >>guest.log 2>&1 &
    GUEST_PID=$!
    disown # or the shell tells of its end
}

tell() { # LINE for the guest's shell
    printf '%s\n' "$1" >&"$GUEST_IN"
}

lines() { # REGEX: of what the guest has said; none is no failure
    tr -d '\r' <guest.log | { grep -a -E "$1" || (($? == 1)); }
}

said() { # TIMES REGEX: so often or more; or it never will
    gone "$GUEST_PID" || (($(lines "$2" | wc -l) >= $1))
}

await() { # SECONDS TIMES REGEX
    if ! wait_for "$1" said "$2" "$3" || gone "$GUEST_PID"; then
        tail -n 10 guest.log
        return 1
    fi
}

booted() { # TIMES in all; each time but the first the disk had not been given back
    await $BOOT_SECONDS "$1" '^guest: ready$'
    lines '^/dev/vda: |^guest: fsck'
    (($(lines '/dev/vda: recovering journal' | wc -l) == $1 - 1))
}

hashes() { # synced|has: NUMBER HASH
    lines "^guest: $1 [0-9]+ [0-9a-f]{64}  -$" | awk '{ print $3, $4 }' | sort -u
}

works() { # NUMBER of its first file, or nothing when it is at work already: until it has synced some more
    local before
    before=$(hashes synced | wc -l)
    if (($# > 0)); then tell "start $1"; fi
    await $WORK_SECONDS $((before + FILES)) '^guest: synced .* -$'
}

holds() { # LISTS: how many it has made then; every file that it had synced is in the last one as it was
    tell list
    await $WORK_SECONDS "$1" '^guest: listed$'
    hashes synced >synced.txt
    hashes has >has.txt
    printf '%d files were synced, %d are there\n' "$(wc -l <synced.txt)" "$(wc -l <has.txt)"
    comm -23 synced.txt has.txt >lost.txt
    without grep . lost.txt
}

reset() {
    guest_command qmp.sock system_reset
    booted 2
}

kill_daemon() {
    local pid
    pid=$(daemon_of disk)
    kill -KILL "$pid"
    wait_for 30 gone "$pid"
}

outlives() { # the daemon: QEMU waits for the next one, and asks again what was not answered
    for _ in 1 2 3; do
        kill_daemon
        device
        works
    done
}

lose_power() { # of the host: neither the guest nor the daemon nor its memory is there any more
    kill_daemon
    kill -KILL "$GUEST_PID"
    wait_for 30 gone "$GUEST_PID"
    find "$RAM" -type f -delete
    rm -rf "${RAMBACK_RUN_DIR:?}/disk"
}

power_off() {
    works 3000
    tell off
    wait_for $WORK_SECONDS gone "$GUEST_PID"
    lines '^guest: off$' | grep off
}

content() { # of the image on the host, without the guest
    e2fsck -fn disk.img
    mkdir image
    debugfs -R 'rdump /files image' disk.img
    (cd image/files && sha256sum -- *) | awk '{ print $2, $1 }' | sort >image.txt
    hashes synced >synced.txt
    printf '%d files were synced, %d are there\n' "$(wc -l <synced.txt)" "$(wc -l <image.txt)"
    comm -23 synced.txt image.txt >lost.txt
    without grep . lost.txt
}

no_complaint() { # of the guest, in all its lives
    lines 'guest: fail|guest: no module|I/O error|EXT4-fs (error|warning)|[Pp]anic' >complaints.txt
    without grep . complaints.txt
}

must 'an initramfs' guest_kernel e2fsck
device --size $SIZE
must 'a root filesystem on the device' filesystem
start_guest
must 'the guest boots from it' booted 1
must 'and writes, and syncs some of it' works 1
must 'it is reset in the middle of that, checks its disk, and boots again' reset
check 'all that it had synced is there' holds 1
must 'it writes again' works 1000
must 'three times the daemon is killed under it and started again: the guest goes on' outlives
must 'power fails, of host and guest, and memory is lost' lose_power
device
start_guest
must 'the guest boots once more' booted 3
check 'all that it had synced before each of them is there' holds 2
must 'it writes, trims, and powers off' power_off
check 'nothing ever failed in the guest' no_complaint
must 'flush' ramback flush disk
must 'down' down disk
check 'the image on the host: e2fsck finds nothing, and the files are right' content
grep -h 'files were synced' "check-$CHECKS.log" | sed 's/^/        /'
