# what: millions of messages, right and wrong, against a second reading of the NBD specification: a server alone, then a daemon
# budget: 150
# long: yes

# nbd/src/fuzz holds conversations that its seed invents with a server in its own process, whose devices defer and fail what
# they like, and then with a daemon. Every answer, every byte of the device and what the server keeps of its clients are held
# against what the specification says of the bytes that were sent, and a good client beside always reads what it wrote. The
# long form does both at once until its time is up; the row counts both.

readonly MESSAGES=200000
readonly DAEMON_MESSAGES=20000
# Checks of what can't be, a thread that can't be started, and what is behind a TLS handshake: see docs/reliability.md. The fuzzer goes on for that many, ten
# times as long at most; a few more depend on which of two threads is faster, and need not come even then.
readonly BRANCHES_MISSED_WANTED=22
readonly BRANCHES_MISSED_MAX=25
readonly DESCRIPTORS_MORE_MAX=8
path=$ROOT/nbd/target/test-classpath.txt
classes=$ROOT/nbd/target/test-classes

compiled() {
    [[ -s $path && -f $classes/ramback/nbd/Fuzzer.class ]] &&
        [[ -z $(find "$ROOT"/nbd/src/{main,test,fuzz} -newer "$classes/ramback/nbd/Fuzzer.class" -name '*.java' -print -quit) ]]
}

compile() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl nbd -am test-compile
    touch "$classes/ramback/nbd/Fuzzer.class"
}

if ! compiled; then must 'the fuzzer compiles' compile; fi
agent=$(tr : '\n' <"$path" | grep 'jacoco.agent.*runtime.jar$')

fuzzer() { # JVM_OPTIONS... -- ARGS...
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    "$JAVA_HOME/bin/java" "${options[@]}" -Xmx512m -XX:+UseSerialGC -ea --enable-native-access=ALL-UNNAMED \
        -cp "$classes:$ROOT/nbd/target/classes:$ROOT/core/target/classes:$(cat "$path")" ramback.nbd.Fuzzer --seed "$SEED" "${@:2}"
}

until_then() { # MESSAGES -> how long, in UNTIL
    UNTIL=(--messages "$1")
    if ((LONG_MINUTES > 0)); then UNTIL=(--minutes "$LONG_MINUTES"); fi
}

alone() {
    local status
    until_then "$MESSAGES"
    fuzzer -javaagent:"$agent=output=none,includes=ramback.nbd.*" -- "${UNTIL[@]}" --coverage "$ROOT/nbd/target/classes" \
        --missed $BRANCHES_MISSED_WANTED 2>&1 |
        tee "$WORK/alone.log"
    status=${PIPESTATUS[0]}
    return "$status"
}

up "$WORK/fuzz.img" --size 1M --name fuzz --mode writeback --dirty-max 256K --chunk 8K
daemon=$UP_PID

a_daemon() {
    local status
    until_then "$DAEMON_MESSAGES"
    fuzzer -- "${UNTIL[@]}" --socket "$UP_SOCKET" --control "$RAMBACK_RUN_DIR/fuzz/control.sock" --pid "$daemon" \
        --name fuzz --chunk 8192 \
        --description "$1" --generation "$2" --save "$WORK/fuzz.last" | tee "$WORK/daemon.log"
    status=${PIPESTATUS[0]}
    return "$status"
}

with_code() { # COMMAND...: in the background; its exit code in the file code
    "$@" || {
        printf '%d\n' $? >code
        return
    }
    printf '0\n' >code
}

description() {
    nbdinfo --json "$UP_URI" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["exports"][0].get("description", ""))'
}

descriptors() {
    find "/proc/$daemon/fd" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

threads() { # of clients
    grep -lE '^(nbd|reply)-[0-9]' "/proc/$daemon"/task/*/comm 2>/dev/null | wc -l
}

no_clients() {
    [[ $(json fuzz .clients) == 0 ]]
}

as_before() { # DESCRIPTORS: the JDK makes pollers for virtual threads, each with a descriptor, when they are first needed
    (($(threads) == 0 && $(descriptors) <= $1 + DESCRIPTORS_MORE_MAX)) && no_clients
}

text=$(description)
wait_for 15 no_clients
before=$(descriptors)
if ((LONG_MINUTES > 0)); then
    background other with_code a_daemon "$text" "$(json fuzz .exportGeneration)"
    check 'a server alone answers as the specification says' alone
    wait_for 300 gone "$BG_PID" || true
    check 'so does a daemon' eval 'cat other.log; test "$(cat code)" = 0'
else
    check 'a server alone answers as the specification says' alone
    check 'so does a daemon' a_daemon "$text" "$(json fuzz .exportGeneration)"
fi
check 'the server alone has nothing to complain of' complains_not "$WORK/alone.log"
check 'the daemon has no thread, descriptor or client more than before' wait_for 60 as_before "$before"
check 'the daemon has nothing to complain of' complains_not "$UP_LOG"
must 'down' down fuzz
check 'its image is what the fuzzer says' cmp "$WORK/fuzz.last" "$WORK/fuzz.img"

branches() { # TAKEN or ALL, by the fuzzer alone
    sed -n "s/^coverage: \([0-9]*\) of \([0-9]*\) branches\$/\\$1/p" "$WORK/alone.log"
}

messages() {
    sed -n 's/^done: \([0-9]*\) messages.*/\1/p' "$WORK/alone.log" "$WORK/daemon.log" | awk '{ sum += $1 } END { print sum + 0 }'
}

check "all but $BRANCHES_MISSED_MAX of the protocol's branches were taken" \
    test $(($(branches 2) - $(branches 1))) -le $BRANCHES_MISSED_MAX
grep -E '^(done|not all)' "$WORK/alone.log" "$WORK/daemon.log" | sed 's/^[^:]*:/        | /'
note "$(messages) messages; $(branches 1) of $(branches 2) branches; next seed $(sed -n 's/^next seed //p' "$WORK/alone.log")"
