# what: in a QEMU guest: attach by ublk and by the kernel's NBD client; a filesystem in use outlives kill -9 and upgrade of the daemon
# budget: 300
# clients: yes

readonly PATIENCE_SECONDS=1500

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
GUEST_KERNEL=6.12
GUEST_MODULES=(ublk_drv)

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

attached() { # WAYS
    guest_run guest.log $PATIENCE_SECONDS 1400M 16 "run=$ROOT/verify.d/guest-attach.sh" "ways=$1"
}

must 'an initramfs' guest_kernel
check 'ublk and nbd: a filesystem in use outlives its daemon, detach cleans, lost writes end the block device' attached ublk,nbd
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
