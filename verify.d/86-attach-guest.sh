# what: in a QEMU guest: attach by ublk and by the kernel's NBD client; a filesystem in use outlives kill -9 of the daemon
# budget: 120
# clients: yes
# beside: yes
# long: yes

# The long form adds: an upgrade, detach without a daemon, lost writes, what auto takes, memory pressure in a cgroup, figures, and resets
# of the guest, after which the image is recovered here: one a mode, and more for as long as is given.

readonly SMOKE_SECONDS=300 GUEST_SECONDS=900
readonly GOAL=1.5
readonly RESET_MODES=(writeback writethrough checkpoint) RESET_FILES=40

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
# shellcheck disable=SC2034 # guest.sh's
GUEST_KERNEL=6.12 GUEST_MODULES=(ublk_drv fuse loop)

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

attached() { # SECONDS PART[,WORD...]
    guest_run "guest-${2%%,*}.log" "$1" 1400M 16 "run=$ROOT/verify.d/guest-attach.sh" "part=$2"
}

told() {
    grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
}

figure() { # reads|writes -> ublk's to nbd.ko's
    sed -n "s/^guest: 4 KiB random $1, .*, \([0-9.]*\) times.*/\1/p" figures.txt
}

reaches() { # reads|writes
    grep "random $1" figures.txt
    awk -v ratio="$(figure "$1")" -v goal=$GOAL 'BEGIN { exit !(ratio >= goal) }'
}

# --- resets ---

acknowledged() { # WAY -> NUMBER UPTIME lines
    tr -d '\r' <reset.log | sed -n "s/^guest: synced $1 \([0-9]*\) \([0-9]*\.[0-9]*\)$/\1 \2/p"
}

enough_acknowledged() {
    gone "$GUEST_PID" || { (($(acknowledged ublk | wc -l) >= RESET_FILES)) && (($(acknowledged nbd | wc -l) >= RESET_FILES)); }
}

guest_reset() { # MODE HOW: a guest that records in that mode is cut off in the midst of it
    rm -f disk.raw qmp.sock
    truncate -s 512M disk.raw
    mkfs.ext4 -q -F disk.raw
    guest_of_host 1400M "run=$ROOT/verify.d/guest-attach.sh" "part=reset,$1"
    "${GUEST_QEMU[@]}" -qmp unix:qmp.sock,server=on,wait=off </dev/null >reset.log 2>&1 &
    GUEST_PID=$!
    disown # or the shell tells of its end
    wait_for 120 enough_acknowledged || true
    if ! gone "$GUEST_PID" && enough_acknowledged; then
        case $2 in
            reset) guest_command qmp.sock system_reset || true ;; # it ends, since it may not boot again
            kill) kill -KILL "$GUEST_PID" ;;
        esac
        wait_for 10 gone "$GUEST_PID" && return
    fi
    kill -KILL "$GUEST_PID" 2>/dev/null || true
    guest_complaints reset.log
    return 1
}

repaired() { # IMAGE: as at boot, and then nothing is found any more
    local status=0
    e2fsck -p "$1" || status=$?
    ((status <= 1))
    e2fsck -fn "$1"
}

promised() { # MODE WAY -> the last number that must be there
    if [[ $1 == checkpoint ]]; then # of more than a second before the last sign of life
        tr -d '\r' <reset.log | sed -n 's/^guest: synced [a-z]* [0-9]* \([0-9]*\.[0-9]*\)$/\1/p' | sort -n | tail -n 1 >last.txt
        acknowledged "$2" | awk -v last="$(cat last.txt)" '$2 < last - 1 { number = $1 } END { print number + 0 }'
    else
        acknowledged "$2" | awk '{ number = $1 } END { print number }'
    fi
}

recovered() { # MODE: from the disk that the guest had
    local way last number there
    repaired disk.raw
    rm -rf host
    mkdir host
    debugfs -R 'rdump / host' disk.raw
    for way in ublk nbd; do
        "$ROOT/ramback" recover "host/$way.img" --yes
        repaired "host/$way.img"
        mkdir "host/$way"
        debugfs -R "rdump /files host/$way" "host/$way.img"
        last=$(promised "$1" "$way")
        there=$(find "host/$way/files" -type f -size 32k | wc -l)
        printf 'recovered: %s, %s: %d acknowledged, %d promised, %d there\n' "$1" "$way" "$(acknowledged "$way" | wc -l)" "$last" "$there"
        ((last > 0 && there >= last))
        # It is the device of one moment: none is missing before the last one.
        for ((number = 1; number <= there; number++)); do
            cmp <(yes $number 2>/dev/null | head -c $((32 << 10))) "host/$way/files/$number"
        done
    done
}

# ---

must 'an initramfs' guest_kernel
if ((LONG_MINUTES == 0)); then
    check 'ublk and nbd: mkfs, fio verify, kill -9 of the daemon under load, and on; detach and SIGTERM leave nothing' \
        attached $SMOKE_SECONDS killed_and_back,restarted
    told
    return 0
fi

END=$((SECONDS + LONG_MINUTES * 60))
check 'ublk and nbd: a filesystem in use outlives kill -9 and upgrade of its daemon, detach takes all of it apart' \
    attached $GUEST_SECONDS killed_and_back,upgraded
told
check 'detach cleans what has no daemon, and lost writes end the block device' attached $GUEST_SECONDS orphaned
told
check 'nbd over two connections; auto takes ublk; no deadlock in a small cgroup by ublk and by FUSE' attached $GUEST_SECONDS little_memory
told

ROUND=0
while ((ROUND < ${#RESET_MODES[@]} || SECONDS + 150 < END)); do
    mode=${RESET_MODES[ROUND % ${#RESET_MODES[@]}]}
    how=$( ((ROUND % 2 == 0)) && echo reset || echo kill)
    ROUND=$((ROUND + 1))
    check "guest $ROUND, $mode: cut off in the midst of fsyncs ($how)" guest_reset "$mode" "$how"
    if ((LAST_STATUS == 0)); then
        check 'recovered here: e2fsck finds nothing, and what was promised is there, of one moment' recovered "$mode"
        grep -h '^recovered: ' "check-$CHECKS.log" | sed 's/^/        /'
    fi
done

check "ublk against nbd.ko, one device" attached $GUEST_SECONDS figures
grep -h '^guest: 4 KiB' "check-$CHECKS.log" >figures.txt || true
while IFS= read -r line; do
    line=${line#guest: }
    note "${line% (*} (goal $GOAL)"
done <figures.txt
check "ublk reads $(figure reads) times as often as nbd.ko (goal $GOAL)" reaches reads
check "ublk writes $(figure writes) times as often as nbd.ko (goal $GOAL)" reaches writes
