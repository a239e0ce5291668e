# what: in a QEMU guest: attach by ublk and by the kernel's NBD client; a filesystem in use outlives kill -9 and upgrade of the daemon
# budget: 480
# clients: yes
# long: yes

# The long form adds: detach without a daemon, lost writes, what auto takes, and memory pressure in a cgroup by ublk and by FUSE.

readonly PATIENCE_SECONDS=1800

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
GUEST_KERNEL=6.12
GUEST_MODULES=(ublk_drv fuse loop)

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

attached() { # WORD...
    guest_run guest.log $PATIENCE_SECONDS 1400M 16 "run=$ROOT/verify.d/guest-attach.sh" "$@"
}

must 'an initramfs' guest_kernel
if ((LONG_MINUTES == 0)); then
    check 'ublk and nbd: a filesystem in use outlives its daemon, detach takes all of it apart' \
        attached ways=ublk,nbd parts=outlived more=no
else
    check 'ublk and nbd: a filesystem in use outlives its daemon, detach cleans, lost writes end the block device; no deadlock in a small cgroup' \
        attached ways=ublk,nbd parts=outlived,without_daemon,lost more=yes
fi
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
