# what: the Debian package: built, installed where there is no JDK, used, upgraded under a running device, removed, purged
# budget: 420
# long: only
# alone: yes
# clients: yes

# Installed into a copy of this system that only this section sees: what it changes lies in memory, and what a user's machine would not
# have (JDK, Maven's repository, this work tree) is hidden.

readonly PYTHON=/usr/bin/python3
readonly SYSTEM=$RAM/system
SECONDS_TO_READY=''

in_system() { # COMMAND...: in the copy, with an environment of its own
    nsenter --target "$HOLDER" --mount -- chroot "$SYSTEM/root" /usr/bin/env -i RAMBACK_VERIFY="$WORK" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

begin_system() {
    mkdir -p "$SYSTEM"
    background holder unshare --mount --propagation private bash -c '
        set -e
        mount -t tmpfs -o size=4G ramback-verify "$1"
        mkdir "$1"/{upper,work,root}
        mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" ramback-verify "$1/root"
        for what in proc sys dev; do mount --rbind "/$what" "$1/root/$what"; done
        for what in dev/shm run tmp root usr/lib/jvm opt srv "${2#/}"; do
            if [ -d "$1/root/$what" ]; then mount -t tmpfs ramback-verify "$1/root/$what"; fi
        done
        echo ready
        exec sleep infinity' bash "$SYSTEM" "$ROOT"
    HOLDER=$BG_PID
    wait_for 30 grep -qs ready "$WORK/holder.log"
}

end_system() {
    kill -KILL "$HOLDER" 2>/dev/null || true
    wait_for 30 gone "$HOLDER"
    rm -rf "${SYSTEM:?}"
}

give() { # FILE: into the copy's /tmp
    nsenter --target "$HOLDER" --mount -- cp "$1" "$SYSTEM/root/tmp/"
}

left_in_system() { # what is in the copy and not in this system, but for what dpkg and apt note down
    nsenter --target "$HOLDER" --mount -- find "$SYSTEM/upper" -mindepth 1 \( ! -type d -o -name '*ramback*' \) \
        ! -path '*/upper/var/lib/dpkg/*' ! -path '*/upper/var/cache/*' ! -path '*/upper/var/log/*' -printf '%P %y\n' | sort
}

# --- building ---

package_is_built() {
    "$ROOT/package" "$WORK/first" >built.txt
    test -s "$(cat built.txt)"
}

must 'the package is built' package_is_built
PACKAGE=$(cat built.txt)
readonly PACKAGE
note "$(du -h --apparent-size "$PACKAGE" | cut -f1) packed, $(($(dpkg-deb -f "$PACKAGE" Installed-Size) / 1024)) MiB installed"

builds_the_same_again() {
    "$ROOT/package" "$WORK/second" >/dev/null
    cmp first/*.deb second/*.deb && return 0
    dpkg-deb -R "$WORK"/first/*.deb first/tree
    dpkg-deb -R "$WORK"/second/*.deb second/tree
    diff -r --no-dereference first/tree second/tree
    diff <(cd first/tree && find . -printf '%P %m %T@\n' | sort) <(cd second/tree && find . -printf '%P %m %T@\n' | sort)
    return 1
}

check 'a second build is the same, to the byte' builds_the_same_again
rm -rf second

lintian_is_content() {
    lintian --fail-on error "$PACKAGE"
}

if ! command -v lintian >/dev/null && (($(id -u) == 0)); then
    apt-get install -y -q --no-install-recommends lintian >"$WORK/lintian-install.log" 2>&1 </dev/null || true
fi
if command -v lintian >/dev/null; then
    check 'lintian finds no error' lintian_is_content
    note "lintian: $(grep -cE '^W: ' "check-$CHECKS.log" || true) warnings"
else
    skip 'lintian finds no error' 'it is not installed'
fi

# --- installing ---

begin_system

no_java_here() {
    if in_system sh -c 'java -version || ls /usr/lib/jvm/*/bin/java' 2>/dev/null; then return 1; fi
    if in_system test -e "$ROOT/ramback"; then return 1; fi
}

c_library_is_asked_for() { # in the version that the linked runtime needs, as another tool reads it
    local needed
    command -v objdump >/dev/null || return 0
    dpkg-deb -x "$PACKAGE" contents
    needed=$(find contents/usr/lib/ramback/dist/runtime -type f \( -name '*.so' -o -path '*/bin/*' \) -exec objdump -T {} + 2>/dev/null |
        grep -oE 'GLIBC_[0-9.]+' | sed 's/^GLIBC_//' | sort -uV | tail -n 1)
    rm -r contents
    dpkg-deb -f "$PACKAGE" Depends
    test "$needed"
    dpkg --compare-versions "$(dpkg-deb -f "$PACKAGE" Depends | sed -n 's/.*libc6 (>= \([0-9.]*\)).*/\1/p')" ge "$needed"
}

installs() {
    local started
    give "$PACKAGE"
    started=$(now_millis)
    in_system dpkg -i "/tmp/${PACKAGE##*/}"
    printf 'installed in %d ms\n' $(($(now_millis) - started))
    in_system dpkg --verify ramback >verify.txt || true
    if grep . verify.txt; then return 1; fi
    c_library_is_asked_for
    left_in_system >there.txt
    grep -qx 'usr/bin/ramback l' there.txt && test "$(wc -l <there.txt)" -gt 100
}

must 'there is no Java where it is installed' no_java_here
must 'it is installed' installs
note "$(grep -h '^installed in' "check-$CHECKS.log")"

serve() { # NAME OPTION...: in the copy, in the background; sets SERVED to the daemon's pid
    local started
    started=$(now_millis)
    background "serve-$1" nsenter --target "$HOLDER" --mount -- chroot "$SYSTEM/root" /usr/bin/env -i RAMBACK_VERIFY="$WORK" \
        PATH=/usr/bin:/bin LANG=C.UTF-8 /usr/bin/ramback up "/tmp/$1.img" "${@:2}"
    SERVED=$BG_PID
    wait_for 30 grep -qs ' ready, ' "$WORK/serve-$1.log" || { cat "$WORK/serve-$1.log" && return 1; }
    SECONDS_TO_READY=$(($(now_millis) - started))
}

serves() { # and is used by a real client
    serve first --size 64M
    printf 'ready after %d ms\n' "$SECONDS_TO_READY"
    in_system ramback status first
    test "$(in_system ramback status first --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')" = "$SERVED"
    in_system nbdinfo 'nbd+unix:///first?socket=/run/ramback/first/nbd.sock' | grep -F 'export-size: 67108864'
    in_system sh -c 'head -c 8M /dev/urandom >/tmp/data && nbdcopy --flush /tmp/data "nbd+unix:///first?socket=/run/ramback/first/nbd.sock"'
    in_system ramback down first
    wait_for 30 gone "$SERVED"
    in_system cmp -n 8388608 /tmp/data /tmp/first.img
}

commands_are_quick() { # the caches fit: the JVM refuses to start with one that does not
    local command
    for command in 'up /tmp/x.img' status; do
        # shellcheck disable=SC2086 # words
        command=$(in_system RAMBACK_PRINT=1 ramback $command)
        grep -oE 'XX:AOTCache=/usr/lib/ramback/live-[^ ]*\.aot' <<<"$command"
        in_system sh -c "${command/-XX:AOTCache/-XX:AOTMode=on --dry-run -XX:AOTCache}"
    done
}

all_of_it_is_there() { # what the linked runtime and the libraries must have for it: pages by HTTP, flight recordings, benchmarks
    local uri
    serve whole --size 64M --http 127.0.0.1:0
    uri=$(in_system ramback status whole --json | $PYTHON -c 'import json, sys; print(json.load(sys.stdin)["httpUri"])')
    curl -sS --fail "$uri" | grep -ci '<!doctype html'
    curl -sS --fail "${uri}metrics" | grep -c '^ramback_'
    in_system ramback trace whole on
    in_system nbdcopy --flush /usr/lib/ramback/ramback 'nbd+unix:///whole?socket=/run/ramback/whole/nbd.sock'
    in_system ramback trace whole dump /tmp/trace.jfr
    in_system head -c 3 /tmp/trace.jfr | grep -x FLR
    in_system ramback bench whole -- --seconds 1
    in_system ramback down whole
    wait_for 30 gone "$SERVED"
}

top_in_a_terminal() {
    serve seen --size 16M
    $PYTHON "$ROOT/verify.d/terminal.py" 120 'seen .*green(.|\n)*seen' 'q' -- \
        nsenter --target "$HOLDER" --mount -- chroot "$SYSTEM/root" /usr/bin/env -i TERM=xterm PATH=/usr/bin:/bin LANG=C.UTF-8 /usr/bin/ramback top >top.txt
    cat -v top.txt | tail -n 5
    grep -q $'\033\\[?1049h' top.txt # the second screen: by the library, not as plain lines
    in_system ramback down seen
    wait_for 30 gone "$SERVED"
}

check 'it serves a device: up, status, nbdinfo, nbdcopy, down' serves
note "$(grep -h '^ready after' "check-$CHECKS.log")"
check 'the runtime has all that it needs: dashboard, metrics, flight recording, benchmark' all_of_it_is_there
check 'and for the full screen of top' top_in_a_terminal
check 'its start-up caches fit where they are installed' commands_are_quick

pages_and_completion() {
    local page
    for page in 1:ramback 5:ramback-format 7:ramback-modes 7:ramback-nut; do
        in_system man -w "${page%:*}" "${page#*:}"
        in_system sh -c "MANWIDTH=80 man ${page%:*} ${page#*:}" | col -b | grep -c "${page#*:}" >/dev/null
    done
    in_system bash -c 'source /usr/share/bash-completion/completions/ramback && complete -p ramback'
    in_system sh -c 'zcat /usr/share/doc/ramback/changelog.gz /usr/share/doc/ramback/changelog.Debian.gz' | grep -c Safety >/dev/null
    in_system test -x /usr/lib/ramback/nut-notify -a -x /usr/lib/ramback/apcupsd-event
}

zsh_completes() { # it finds the function by itself, which asks bash's
    in_system zsh -f -c 'autoload -Uz compinit && compinit -u -d /tmp/zcompdump && [[ $_comps[ramback] == _ramback ]]' # by #compdef
    in_system zsh -f -c 'autoload -Uz compinit && compinit -u -d /tmp/zcompdump
        _bash_complete() { print -r -- "asks: $*"; }
        functions -c _bash_complete answer
        autoload +X _ramback
        functions[_ramback]=${functions[_ramback]//_bash_complete/answer}
        _ramback' | grep -x 'asks: -o default -F _ramback_complete'
}

unit_is_taken() { # with its program and its pages in place
    in_system sh -c 'printf "IMAGE=/tmp/first.img\nOPTIONS=\n" >/etc/ramback/first.conf'
    in_system systemd-analyze verify --man=yes ramback@first.service >unit.txt 2>&1 || { cat unit.txt && return 1; }
    cat unit.txt
    if grep ramback unit.txt; then return 1; fi
    in_system rm /etc/ramback/first.conf
}

licences_are_there() {
    in_system test -s /usr/lib/ramback/dist/runtime/legal/java.base/LICENSE
    in_system grep -c '^Files: ' /usr/share/doc/ramback/copyright
    in_system grep -A3 'picocli' /usr/share/doc/ramback/copyright
    in_system grep -A2 'jline-terminal' /usr/share/doc/ramback/copyright | grep -x 'License: BSD-3-Clause'
    in_system grep -x 'License: BSD-3-Clause' /usr/share/doc/ramback/copyright
}

check 'man finds its pages, bash its completion' pages_and_completion
if command -v zsh >/dev/null; then
    check 'zsh its own' zsh_completes
else
    skip 'zsh its own' 'there is no zsh here'
fi
check 'systemd takes its unit' unit_is_taken
check 'the licences of all that is in it are there' licences_are_there

# --- another version, under a running device ---

next_version() { # the same program with a greater number, and without a class that is needed late
    local tree=$WORK/next
    dpkg-deb -R "$PACKAGE" "$tree"
    $PYTHON - "$tree"/usr/lib/ramback/dist/lib/ramback-core-*.jar 'ramback/writeback/Verifier$Outcome.class' <<'PY'
import os, sys, zipfile
path, gone = sys.argv[1:]
with zipfile.ZipFile(path) as old, zipfile.ZipFile(path + ".new", "w", zipfile.ZIP_DEFLATED) as new:
    assert gone in old.namelist(), gone
    for entry in old.infolist():
        if entry.filename != gone:
            new.writestr(entry, old.read(entry))
os.replace(path + ".new", path)
PY
    sed -i 's/^Version: .*/&+next/' "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip --build "$tree" "$WORK/next.deb" >/dev/null
    rm -r "$tree"
    give "$WORK/next.deb"
}

lives() {
    in_system sh -c 'ls -d /usr/lib/ramback/live-*' | wc -l
}

upgraded_under_it() {
    serve second --size 64M
    next_version
    in_system dpkg -i /tmp/next.deb >upgrade.txt
    cat upgrade.txt
    grep -q "ramback: device second goes on with the version before; 'ramback upgrade second'" upgrade.txt
    test "$(lives)" = 2
    # All of the program that the device was started from is there still, also the class that the next one lacks.
    in_system ramback status second >/dev/null
    in_system ramback snapshot second /tmp/second.copy >/dev/null
    in_system ramback verify second
    in_system grep -c /usr/lib/ramback/live- "/proc/$SERVED/maps"
    if grep -q 'internal error' serve-second.log; then return 1; fi
    in_system ramback upgrade second
    if in_system ramback verify second; then return 1; fi # it has become the other program indeed
    grep -F 'NoClassDefFoundError: ramback/writeback/Verifier$Outcome' serve-second.log
    mv serve-second.log serve-second.txt # where that is no error
    in_system ramback status second
    test "$(in_system cat /run/ramback/second/pid)" = "$SERVED"
    test "$(in_system sh -c "tr '\\0' '\\n' </proc/$SERVED/cmdline | grep -o '/usr/lib/ramback/live-[0-9-]*' | sort -u")" = "$(in_system readlink -f /usr/lib/ramback/live)"
    printf '%s' "$SERVED" >served.pid
}

not_removed_under_it() {
    local status=0
    in_system dpkg -r ramback >removal.txt 2>&1 || status=$?
    cat removal.txt
    ((status != 0))
    grep -q "ramback: devices are running, as process $(cat served.pid);" removal.txt
    in_system ramback status second >/dev/null
    in_system dpkg -s ramback | grep -x 'Status: [a-z]* ok installed'
}

old_one_is_let_go() {
    in_system ramback down second
    wait_for 30 gone "$(cat served.pid)"
    in_system dpkg -i /tmp/next.deb >/dev/null
    test "$(lives)" = 1
}

not_removed_over_its_memory() { # of a device that was killed: what was acknowledged is nowhere else
    local status=0
    serve third --size 16M --mode unsafe
    in_system nbdcopy --flush /usr/lib/ramback/ramback 'nbd+unix:///third?socket=/run/ramback/third/nbd.sock'
    kill -KILL "$SERVED"
    wait_for 30 gone "$SERVED"
    in_system dpkg -r ramback >removal.txt 2>&1 || status=$?
    cat removal.txt
    ((status != 0))
    grep -q 'ramback: memory of devices that do not run is left: /dev/shm/ramback/third-.*\.ram;' removal.txt
    in_system dpkg -s ramback | grep -x 'Status: [a-z]* ok installed'
    serve third
    in_system ramback down third
    wait_for 30 gone "$SERVED"
    in_system sh -c 'cmp -n "$(stat -c %s /usr/lib/ramback/ramback)" /usr/lib/ramback/ramback /tmp/third.img'
}

check 'an upgrade of the package leaves a running device its program, until it is upgraded itself' upgraded_under_it
check 'it can not be removed under a running device' not_removed_under_it
check 'a program that nobody runs any more is let go' old_one_is_let_go
check 'it can not be removed over the memory of a device that was killed' not_removed_over_its_memory

# --- removing ---

removed_and_purged() {
    in_system dpkg -r ramback
    in_system test -e /etc/ramback/NAME.conf.example # a configuration file, which only a purge removes
    if in_system test -e /usr/lib/ramback; then return 1; fi
    in_system dpkg -P ramback
    left_in_system >left.txt
    cat left.txt
    test ! -s left.txt
    if in_system dpkg -s ramback >/dev/null 2>&1; then return 1; fi
    if in_system find /run /dev/shm -xdev -name '*ramback*' ! -type d | grep .; then return 1; fi
}

check 'removed and purged, nothing of it is left' removed_and_purged
end_system
