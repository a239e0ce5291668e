#!/usr/bin/env bash
# Runs in the guest of 81-service.sh as a service of its systemd: what the unit promises, on a real disk. The last line says
# 'guest: done' when all of it was so.

set -Eeuo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${HERE%/*}
JAVA_HOME=$(sed -n 's/.*jdk=\([^ ]*\).*/\1/p' /proc/cmdline)
export JAVA_HOME RAMBACK_NO_BUILD=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
readonly UNIT=ramback@disk.service
readonly URI='nbd+unix:///disk?socket=/run/ramback/disk/nbd.sock'

say() { printf 'guest: %s (%s s)\n' "$*" "$SECONDS"; }

failed() { # LINE
    say "failed in line $1"
    systemctl status --no-pager -l $UNIT || true
    journalctl --no-pager -n 40 -o cat -u $UNIT || true
}
trap 'failed $LINENO' ERR

of_unit() { # PROPERTY
    systemctl show --property "$1" --value $UNIT
}

is() { # PROPERTY VALUE
    [[ $(of_unit "$1") == "$2" ]] || {
        printf 'guest: %s is %s, not %s\n' "$1" "$(of_unit "$1")" "$2"
        return 1
    }
}

restarted() { # COUNT: so many times, and serving
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        if [[ $(of_unit NRestarts) == "$1" && $(of_unit ActiveState) == active ]]; then return 0; fi
        sleep 0.5
    done
    return 1
}

data_is_there() {
    nbdcopy "$URI" /run/copy
    cmp -n $((4 << 20)) /run/data /run/copy
}

say "$(systemctl --version | head -n 1), Linux $(uname -r), first process $(cat /proc/1/comm)"
mkdir -p /etc/ramback "/etc/systemd/system/$UNIT.d"
cp "$ROOT/packaging/systemd/ramback@.service" /etc/systemd/system/
ln -s "$ROOT/ramback" /usr/bin/ramback
# Of the work tree, not of the package: the program is built, and the JDK is another one.
printf '[Service]\nEnvironment=RAMBACK_NO_BUILD=1 JAVA_HOME=%s\n' "$JAVA_HOME" >"/etc/systemd/system/$UNIT.d/tree.conf"
printf 'IMAGE=/dev/vda\nOPTIONS=--journal none --mode unsafe\n' >/etc/ramback/disk.conf
systemctl daemon-reload

systemctl start $UNIT
is ActiveState active
is Result success
pid=$(of_unit MainPID)
say "started, status '$(of_unit StatusText)'"
ramback status disk --json >/run/status.json
sed -n 's/.*\("process":.*\)}$/guest: \1/p' /run/status.json
grep -q '"memoryLocked":"all"' /run/status.json
grep -q '"ioFlusher":true' /run/status.json
grep -q '"oomScoreAdjust":-999' /run/status.json
head -c 4M /dev/urandom >/run/data
nbdcopy --flush /run/data "$URI"

ramback upgrade disk
is MainPID "$pid"
is ActiveState active
is NRestarts 0
data_is_there
say "upgraded as process $pid, status '$(of_unit StatusText)'"

kill -KILL "$pid"
restarted 1
data_is_there
say 'killed, and started again with what only memory had'

kill -STOP "$(of_unit MainPID)"
restarted 2
journalctl --no-pager -o cat -u $UNIT | grep 'Watchdog timeout'
data_is_there
say 'stopped by SIGSTOP, found by the watchdog, and started again with what only memory had'

pid=$(of_unit MainPID)
systemctl stop $UNIT
is ActiveState inactive
is Result success
[[ ! -e /proc/$pid && ! -e /run/ramback/disk && -z $(ls /dev/shm/ramback) ]]
cmp -n $((4 << 20)) /run/data /dev/vda
say 'stopped, and all of it is in the image'

printf 'IMAGE=/dev/vda\nOPTIONS=--nonsense\n' >/etc/ramback/disk.conf
if systemctl start $UNIT; then false; fi
# A JVM that crashes under emulation is started again, until one has read the options.
for ((tries = 0; tries < 600; tries++)); do
    if [[ $(of_unit ActiveState) == failed ]]; then break; fi
    sleep 0.5
done
is ActiveState failed
is ExecMainStatus 2
say 'bad usage is left to somebody'
if systemctl start ramback@none.service; then false; fi
say 'a device without NAME.conf is not started'
say 'done'
