# what: ext4 and xfs on a real block device over a slow disk: files untarred while the image is loading, fsck and every file in the plain image
# budget: 200
# beside: yes
# clients: yes

# Two passes for each filesystem. The first formats a device whose image is full of noise and untars a few thousand files
# while it is loading. The second finds the filesystem in the image, reads and changes it while that is loading. After each
# the image is checked and mounted without us. The disk is slow on purpose, so that loading takes much longer than untarring.

readonly PYTHON=/usr/bin/python3
readonly SIZE=$((1 << 30))
readonly NOISE_MIB=800
readonly DELAY=2ms
readonly RATE=240M # bits a second: 30 MB/s, 36 s to load 1 GiB

untar_all() { # DIR
    mkdir "$1"
    tar -xf tree.tar -C "$1"
}

every_file() { # DIR: content, length, owner, permissions, time and link of each file, and no file more
    tar --compare -f tree.tar -C "$1"
    test "$(cd "$1" && find . -mindepth 1 | wc -l)" = "$FILES"
}

is_loading() { # NAME: prints how far
    ramback status "$1" --json >loading.json
    $PYTHON -c '
import json
status = json.load(open("loading.json"))
print(status["state"], status["loadedChunks"], "of", status["chunks"], "chunks loaded")
assert status["state"] == "loading" and 0 <= status["loadedChunks"] < status["chunks"]'
}

mount_device() { # DEVICE
    mount "$1" mnt
}

unmount() {
    sync -f mnt
    umount mnt
}

format() { # FILESYSTEM DEVICE; without discarding, which would leave nothing to load
    case $1 in
        ext4) mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$2" ;;
        xfs) mkfs.xfs -q -f -K "$2" ;;
    esac
}

fsck() { # FILESYSTEM IMAGE; changes nothing
    case $1 in
        ext4) e2fsck -fn "$2" ;;
        xfs) xfs_repair -n "$2" ;;
    esac
}

start_on_slow_disk() { # FILESYSTEM MODE; sets IMAGE, DISK, DEVICE
    IMAGE=$1.img
    slow_disk "$WORK/$IMAGE" $DELAY $RATE
    if [[ $1 == ext4 ]]; then
        attach_nbd "$DISK_URI" # a block device as image
        DISK=$LOOP
        up "$DISK" --name "$1" --mode "$2" --journal "$WORK/$1.journal"
    else
        mount_nbd "$DISK_URI" # a file as image
        DISK=$NBD_MOUNT
        # nbdfuse gives it another time at each mount, as if somebody had changed it.
        up "$NBD_FILE" --name "$1" --mode "$2" --journal "$WORK/$1.journal" --adopt-image
    fi
    attach_nbd "$UP_URI"
    DEVICE=$LOOP
}

stop_on_slow_disk() { # FILESYSTEM
    detach "$DEVICE"
    down "$1"
    rm "$WORK/$1.journal" # of a disk that has another name the next time
    if [[ $DISK == /dev/* ]]; then detach "$DISK"; else unmount_nbd "$DISK"; fi
    end_disk
}

in_plain_image() { # IMAGE CHECK DIR
    attach_loop "$1" --read-only
    mount -o ro "$LOOP" mnt
    "$2" "mnt/$3"
    umount mnt
    detach "$LOOP"
}

changed() { # DIR: what the second pass left of the first tree
    test ! -e "$1/odd"
    test -n "$(find "$1" -type f -print -quit)"
}

flow() { # FILESYSTEM MODE1 MODE2
    local fs=$1
    mkdir -p mnt
    head -c $((NOISE_MIB << 20)) /dev/urandom >"$fs.img"
    truncate -s $SIZE "$fs.img"

    start_on_slow_disk "$fs" "$2"
    check "$fs, $2: mkfs on noise" format "$fs" "$DEVICE"
    must "$fs, $2: mount" mount_device "$DEVICE"
    check "$fs, $2: the image is still loading when untarring begins" is_loading "$fs"
    sed 's/^/        /' "check-$CHECKS.log"
    check "$fs, $2: untar $FILES files" untar_all mnt/one
    check "$fs, $2: every file while mounted" every_file mnt/one
    check "$fs, $2: the image is still loading after that" is_loading "$fs"
    sed 's/^/        /' "check-$CHECKS.log"
    must "$fs, $2: unmount" unmount
    must "$fs, $2: detach and down" stop_on_slow_disk "$fs"
    check "$fs, $2: fsck of the plain image" fsck "$fs" "$fs.img"
    check "$fs, $2: every file in the plain image, mounted without us" in_plain_image "$fs.img" every_file one

    start_on_slow_disk "$fs" "$3"
    must "$fs, $3: mount what the image holds" mount_device "$DEVICE"
    check "$fs, $3: it is loading" is_loading "$fs"
    check "$fs, $3: every file, read while loading" every_file mnt/one
    check "$fs, $3: untar again while loading" untar_all mnt/two
    check "$fs, $3: it is still loading after that" is_loading "$fs"
    rm -rf mnt/one/odd
    sync -f mnt
    check "$fs, $3: fstrim" fstrim -v mnt
    must "$fs, $3: unmount" unmount
    must "$fs, $3: detach and down" stop_on_slow_disk "$fs"
    check "$fs, $3: fsck of the plain image" fsck "$fs" "$fs.img"
    check "$fs, $3: every file of the second tree in the plain image" in_plain_image "$fs.img" every_file two
    check "$fs, $3: what was removed is gone from it, and only that" in_plain_image "$fs.img" changed one
    rm "$fs.img"*
}

run_flow() { # one that breaks off does not take the others along
    local status=0
    set +e
    (
        set -e
        flow "$@"
    )
    status=$?
    set -e
    CHECKS=$((CHECKS + 100))
    if ((status != 0 && status != 3)); then count 0 1 "$1: ended early, exit code $status"; fi
}

must 'a tree of a few thousand files' $PYTHON "$ROOT/verify.d/source_tree.py" tree.tar "$SEED" "$JAVA_HOME/lib/src.zip"
FILES=$(tar -tf tree.tar | wc -l)
run_flow ext4 writeback unsafe
run_flow xfs unsafe writethrough
