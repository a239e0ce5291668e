# what: in a QEMU guest with little memory: a filesystem on a device that its own host serves takes several times the memory and comes to its end
# budget: 120
# clients: yes
# long: only

# Software emulation, so it takes minutes. Runs for as long as is given, at least once: each time the guest is new.

readonly MEMORY=640M DISK_MIB=256 FILE_MIB=200 ROUNDS=8
readonly PATIENCE_SECONDS=1500

# shellcheck source=guest.sh
source "$ROOT/verify.d/guest.sh"

guest() { # FLUSHER: on|off
    guest_run "guest-$1.log" $PATIENCE_SECONDS $MEMORY $DISK_MIB "run=$ROOT/verify.d/guest-pressure.sh" "flusher=$1 rounds=$ROUNDS mib=$FILE_MIB"
}

must "QEMU and Debian's kernel" guest_available nbd-client:nbd-client
must 'an initramfs' guest_kernel
ROUND=0
END=$((SECONDS + LONG_MINUTES * 60))
while ((ROUND == 0 || SECONDS + 300 < END)); do
    ROUND=$((ROUND + 1))
    check "guest $ROUND: $((FILE_MIB * ROUNDS)) MiB through $MEMORY of memory, every thread an I/O flusher" guest on
    grep -h '^guest: round\|^guest: done\|threads have' "check-$CHECKS.log" | tail -n 3 | sed 's/^/        /'
done
