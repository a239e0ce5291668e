# what: a simulated device under power failures at every moment: the real recovery, an oracle that knows what was promised
# budget: 150
# long: yes

# From the run's seed on, one seed after the other: a device with its journal and clients, one without, or the journal
# alone, on one thread under a simulated clock and simulated disks; then every crash image of its recording is recovered
# and judged (core/src/sim, docs/mutants.md). The long form goes on until its time is up; the next seed that its last line
# names resumes it.

readonly IMAGES=200000
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
    "$JAVA_HOME/bin/java" -Xmx512m -XX:+UseSerialGC -ea --enable-native-access=ALL-UNNAMED \
        -cp "$classes:$ROOT/core/target/classes:$(cat "$path")" ramback.sim.Campaign "$@"
}

explore() {
    if ((LONG_MINUTES == 0)); then
        campaign --images "$IMAGES" --seed "$SEED"
    else
        campaign --minutes "$LONG_MINUTES" --seed "$SEED"
    fi | tee "$WORK/campaign.log"
    return "${PIPESTATUS[0]}"
}

check 'every crash image is recovered to what was promised' explore
tail -n 1 "$WORK/campaign.log" | sed 's/^/        | /'

enough() {
    local images
    images=$(sed -n 's/^done: \([0-9,]*\) crash images.*/\1/p' "$WORK/campaign.log" | tr -d ,)
    ((images >= IMAGES || LONG_MINUTES > 0))
}

check "at least $IMAGES crash images were looked at" enough
