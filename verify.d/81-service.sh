# what: in a QEMU guest with a real systemd as the first process: ramback@.service started, upgraded, killed, hung, stopped, and refused
# budget: 300
# clients: yes
# long: only

# Software emulation, so it takes minutes; once, however long is given.

readonly PATIENCE_SECONDS=1500

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"

service() {
    guest_run guest-service.log $PATIENCE_SECONDS 1024M 64 "run=$ROOT/verify.d/guest-service.sh" systemd.unit=guest.target \
        fstab=no systemd.show_status=0 systemd.default_timeout_start_sec=600
}

must "QEMU and Debian's kernel" guest_available
must 'an initramfs' guest_kernel
check 'ramback@.service does under a real systemd what docs/operations.md says' service
grep -h '^guest: ' "check-$CHECKS.log" | sed 's/^/        /'
