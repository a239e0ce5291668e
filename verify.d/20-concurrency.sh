# what: jcstress: one test for each 'why' of an access mode in ARCHITECTURE.md
# budget: 240
# long: yes

classes=$ROOT/core/target/jcstress-classes
path=$ROOT/core/target/test-classpath.txt

compiled() {
    [[ -s $path && -d $classes ]] &&
        [[ -z $(find "$ROOT/core/src/jcstress" "$ROOT/core/src/main" -newer "$path" -name '*.java' -print -quit) ]]
}

compile() {
    cd "$ROOT" || return
    mkdir -p target
    flock target/build.lock mvn -B -ntp -q -Dspotless.check.skip -pl core -am test-compile
}

if ! compiled; then must 'the jcstress tests compile' compile; fi

# A small heap that is not touched beforehand: two hundred JVMs would spend their time on clearing it, and see no more outcomes.
jcstress() { # ARGS...
    "$JAVA_HOME/bin/java" -Xmx256m --enable-native-access=ALL-UNNAMED \
        -cp "$classes:$ROOT/core/target/classes:$(cat "$path")" org.openjdk.jcstress.Main -r "$WORK/jcstress" -hs 64 -pth false "$@"
}

tests=$(jcstress -l 2>/dev/null | grep -cE '^[a-z][A-Za-z0-9_.]*$' || true)

# A run compiles both actors together and gives each JVM configuration a short turn, shorter the more tests there are. The
# long form splits their compilation as well (seven times the configurations) and goes on until the time is up.
turn_millis=$((3000 / (tests > 0 ? tests : 1)))
turn_millis=$((turn_millis > 500 ? 500 : turn_millis < 50 ? 50 : turn_millis))

rounds() {
    if ((LONG_MINUTES == 0)); then
        jcstress -m quick -sc false -f 1 -fsm 1 -iters 1 -time "$turn_millis"
        return
    fi
    local until=$((SECONDS + LONG_MINUTES * 60))
    while ((SECONDS < until)); do jcstress -m quick -f 1 -fsm 1 -iters 1 -time 1000 || return; done
}

judge() { # counts each test class; jcstress names those that failed at its end, once for each configuration
    local failed
    if rounds >"$WORK/jcstress.log" 2>&1; then
        count "$tests" 0 'jcstress tests'
        return
    fi
    grep -E '^[a-z][A-Za-z0-9_.]* \[.*\]: ' "$WORK/jcstress.log" | sort -u | head -n 20 | sed 's/^/        | /' || true
    failed=$(sed -nE 's/^([a-z][A-Za-z0-9_.]*) \[.*\]: .*/\1/p' "$WORK/jcstress.log" | sort -u | wc -l)
    if ((failed == 0)); then
        printf '%s\n' "$(tail -n 20 "$WORK/jcstress.log")" | sed 's/^/        | /'
        failed=$tests
    fi
    count $((tests - failed)) "$failed" 'jcstress tests'
}

if ((tests == 0)); then
    check 'there are jcstress tests' false
else
    judge
fi
