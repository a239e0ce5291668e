# what: a simulated device under power failures and kills at every moment: the real recovery and take over, an oracle that knows what was promised
# budget: 450
# beside: yes
# long: yes

# From the run's seed on, one seed after the other: a device with its journal and clients, one without, one whose process is
# killed, one whose power fails, or the journal alone, on one thread under a simulated clock and simulated disks; then every crash
# image of its recording is recovered and judged (core/src/sim, docs/mutants.md). The long form goes on until its time is up; the next seed
# that its last line names resumes it.

readonly IMAGES=200000 OUTAGES=1000
path=$ROOT/core/target/test-classpath.txt
classes=$ROOT/core/target/test-classes

compiled() {
    [[ -s $path && -f $classes/ramback/sim/Campaign.class ]] &&
        [[ -z $(find "$ROOT/core/src/sim" "$ROOT/core/src/main" -newer "$classes/ramback/sim/Campaign.class" -name '*.java' -print -quit) ]]
}

compile() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl core -am test-compile
    touch "$classes/ramback/sim/Campaign.class"
}

if ! compiled; then must 'the simulation compiles' compile; fi

campaign() { # ARGS...
    "$JAVA_HOME/bin/java" -Xmx512m -XX:+UseSerialGC -ea --enable-native-access=ALL-UNNAMED -Dramback.mutants=allowed \
        -cp "$classes:$ROOT/core/target/classes:$(cat "$path")" ramback.sim.Campaign "$@"
}

# In the long form one campaign a processor, each with seeds of its own.
readonly LANE_SEEDS=1000000000
lanes=1
if ((LONG_MINUTES > 0)); then lanes=$(nproc); fi

lane() { # NUMBER ARGS...: says what is wrong and where it stands, and keeps it
    campaign "${@:2}" --seed "$((SEED + $1 * LANE_SEEDS))" | tee "$WORK/campaign-$1.log"
    return "${PIPESTATUS[0]}"
}

explore() {
    local number pids=() status=0 pid
    local -a until=(--images "$IMAGES")
    if ((LONG_MINUTES > 0)); then until=(--minutes "$LONG_MINUTES"); fi
    for ((number = 0; number < lanes; number++)); do
        lane "$number" "${until[@]}" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid" || status=1; done
    return "$status"
}

check 'every crash image is recovered to what was promised' explore
for log in "$WORK"/campaign-*.log; do tail -n 1 "$log" | sed 's/^/        | /'; done

counted() { # crash images of all campaigns that came to their end
    sed -n 's/^done: \([0-9,]*\) crash images.*/\1/p' "$WORK"/campaign-*.log | tr -d , | awk '{ sum += $1 } END { print sum + 0 }'
}

outages_survived() { # few images of each run: what counts is at which moments the line fails
    campaign --kind power --outages "$OUTAGES" --a-run 20 --seed "$SEED" | tee "$WORK/outages.log"
    return "${PIPESTATUS[0]}"
}

if ((LONG_MINUTES == 0)); then
    check "$OUTAGES outages cost nothing that was promised" outages_survived
    note "$(tail -n 1 "$WORK/outages.log")"
fi

next_seeds() { # of each campaign
    sed -n 's/^done: .*; next seed \([0-9]*\)$/\1/p' "$WORK"/campaign-*.log | paste -sd ' '
}

kills() { # of all campaigns that came to their end
    sed -n 's/^done: .*, \([0-9,]*\) kills and .*/\1/p' "$WORK"/campaign-*.log | tr -d , | awk '{ sum += $1 } END { print sum + 0 }'
}

images=$(counted)
check "at least $IMAGES crash images were looked at" test "$images" -ge "$IMAGES"
note "$(printf "%'d" "$images") crash images, $(printf "%'d" "$(kills)") kills; next seeds $(next_seeds)"
