#!/usr/bin/env bash
# Runs in the guest of 80-guest.sh: a filesystem on a kernel NBD device that this very guest's ramback serves, and a writer
# that dirties several times the guest's memory. The last line says 'guest: done' when everything came to its end.

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${HERE%/*}
word() { sed -n "s/.*$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
JAVA_HOME=$(word jdk)
export JAVA_HOME RAMBACK_NO_BUILD=1 RAMBACK_RUN_DIR=/run/ramback RAMBACK_STATE_DIR=/run/state PATH=/usr/sbin:/usr/bin:/sbin:/bin
FLUSHER=$(word flusher)
ROUNDS=$(word rounds)
MIB=$(word mib)

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }
meminfo() { awk -v key="$1:" '$1 == key { print int($2 / 1024) }' /proc/meminfo; }
trap 'say "failed in line $LINENO"' ERR

say "Linux $(uname -r), $(meminfo MemTotal) MiB, swap $(meminfo SwapTotal) MiB"
if [[ $FLUSHER == off ]]; then
    # What the script would do without perl.
    mkdir /run/bin
    for program in /usr/bin/*; do
        case ${program##*/} in perl*) ;; *) ln -s "$program" "/run/bin/${program##*/}" ;; esac
    done
    PATH=/run/bin "$ROOT/ramback" up /dev/vda --journal none --name guest --listen 127.0.0.1:10809 >/run/up.log 2>&1 &
else
    "$ROOT/ramback" up /dev/vda --journal none --name guest --listen 127.0.0.1:10809 >/run/up.log 2>&1 &
fi
PID=$!
for ((tries = 0; tries < 6000; tries++)); do
    grep -q ' ready, ' /run/up.log && break
    kill -0 "$PID" || { cat /run/up.log && exit 1; }
    sleep 0.1
done
cat /run/up.log
/usr/bin/python3 "$HERE/threads.py" "$PID" "$([[ $FLUSHER == off ]] && echo none || echo all)"
say "oom_score_adj $(cat "/proc/$PID/oom_score_adj"), locked $(sed -n 's/^VmLck:[ \t]*//p' "/proc/$PID/status")"
"$ROOT/ramback" status guest --json | sed -n 's/.*\("process":.*\)}$/guest: \1/p'

nbd-client 127.0.0.1 10809 /dev/nbd0 -N guest -b 4096
mkfs.ext4 -q -F -E nodiscard /dev/nbd0
mkdir -p /run/mnt
mount /dev/nbd0 /run/mnt
say "mounted, $(meminfo MemAvailable) MiB available, the file takes $MIB MiB, $ROUNDS times"
# Let the kernel keep as many dirty pages as it likes: memory, not the limit on them, is to run out.
echo 90 >/proc/sys/vm/dirty_background_ratio
echo 95 >/proc/sys/vm/dirty_ratio
least=$(meminfo MemFree)
most=0
for ((round = 1; round <= ROUNDS; round++)); do
    yes "round $round" | head -c $((MIB << 20)) | dd of=/run/mnt/file bs=1M conv=notrunc iflag=fullblock status=none &
    writer=$!
    while kill -0 "$writer" 2>/dev/null; do
        free=$(meminfo MemFree) dirty=$(($(meminfo Dirty) + $(meminfo Writeback)))
        ((free < least)) && least=$free
        ((dirty > most)) && most=$dirty
        sleep 0.2
    done
    wait "$writer"
    say "round $round written, least $least MiB free, at most $most MiB dirty"
done
sync
say synced
umount /run/mnt
mount -o ro /dev/nbd0 /run/mnt
cmp <(yes "round $ROUNDS" | head -c $((MIB << 20))) /run/mnt/file
say 'read back'
umount /run/mnt
nbd-client -d /dev/nbd0
"$ROOT/ramback" down guest
wait "$PID"
say done
