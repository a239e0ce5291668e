# what: in a QEMU guest: block devices of the kernel's NBD driver, without a process of their own, outlive a kill of their server under load
# budget: 90
# clients: yes
# long: yes

readonly PATIENCE_SECONDS=900

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"
GUEST_KERNEL=6.12

if ! guest_available >packages.log 2>&1; then
    skip 'everything in a guest' "QEMU, busybox or Debian's kernel cannot be installed: $(tail -n 1 packages.log)"
    return 0
fi

guest() { # smoke|long
    guest_run "guest-$1.log" $PATIENCE_SECONDS 1024M 16 "run=$ROOT/verify.d/guest-nbd.sh" "form=$1"
}

must 'an initramfs' guest_kernel
if ((LONG_MINUTES == 0)); then
    check 'mkfs, fio verify, a kill of the server under a mounted filesystem: nothing fails, nothing is left' guest smoke
else
    check 'all that a block device of the kernel promises' guest long
fi
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
