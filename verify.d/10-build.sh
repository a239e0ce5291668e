# what: the build: formatter, compiler warnings, Error Prone, NullAway, unit and property tests, architecture
# budget: 600
# alone: yes

for script in "$ROOT"/ramback "$ROOT"/package "$ROOT"/docs/man/format-page "$ROOT"/verify "$ROOT"/.ci/run "$ROOT"/verify.d/*.sh; do
    check "bash accepts ${script#"$ROOT"/}" bash -n "$script"
done

# Under `set -e` a command that `!` inverts never ends anything: only at the end of a function is what came of it looked at.
no_check_is_void() {
    awk '
        FNR == 1 { pending = ""; isContinued = 0 }
        pending != "" && NF { if ($0 !~ /^[[:space:]]*[)}]/) { print pending; found = 1 } pending = "" }
        !isContinued && /^[[:space:]]*! / && !/ (\|\||&&) / { begun = FILENAME ":" FNR ": " $0; isInverted = 1 }
        { isContinued = /\\$/; if (isInverted && !isContinued) { pending = begun; isInverted = 0 } }
        END { exit found }' "$ROOT"/verify.d/*.sh
}

check "no check is one that cannot fail (write 'without COMMAND', not '! COMMAND')" no_check_is_void

no_generated_file_is_committed() {
    local found
    found=$(git -C "$ROOT" ls-files | grep -E '\.(jar|class|aot|jfr|pyc)$|(^|/)target/' || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found"
        return 1
    fi
}

check 'no jar, class or other generated file is committed' no_generated_file_is_committed

laid_out() {
    cd "$ROOT" || return
    mvn -B -ntp --fail-at-end spotless:check >"$WORK/format.log" 2>&1 || {
        grep -E '^\[ERROR\] {1,5}src/' "$WORK/format.log" || grep -E '^\[ERROR\]' "$WORK/format.log" | head -n 10
        printf 'mvn spotless:apply lays them out\n'
        return 1
    }
}

check 'the code is laid out by the formatter' laid_out

build() { # what ./ramback builds on first use waits meanwhile; a failed test is counted below, and does not end the build
    cd "$ROOT" || return
    mkdir -p target
    rm -rf ./*/target/surefire-reports
    flock target/build.lock mvn -B -ntp package -Dspotless.check.skip -Dmaven.test.failure.ignore >"$WORK/mvn.log" 2>&1 || {
        grep -E '^\[ERROR\]|^\[WARNING\] .*\.java' "$WORK/mvn.log" | head -n 40
        return 1
    }
}

check 'everything compiles without a warning: javac, Error Prone, NullAway' build

every_test_class_reported() { # a test JVM that died, or a class that no engine took, leaves no report
    local module tests file name missing=0
    for tests in {core,nbd,daemon,bench}/src/test/java core/src/sim/java nbd/src/fuzz/java; do
        module=${tests%%/*}
        tests=$ROOT/$tests
        [[ -d $tests ]] || continue
        while IFS= read -r file; do
            name=${file#"$tests/"}
            name=${name%.java}
            if [[ ! -s $ROOT/$module/target/surefire-reports/TEST-${name//\//.}.xml ]] && ! grep -qE '^(public )?abstract |^(public )?(sealed )?interface ' "$file"; then
                printf '%s\n' "$name"
                missing=1
            fi
        done < <(find "$tests" -name '*Test.java')
    done
    if grep -E 'The forked VM terminated|Crashed tests|There was a timeout' "$WORK/mvn.log" | sort -u; then missing=1; fi
    ((missing == 0))
}

if ((LAST_STATUS == 0)); then check 'every test class ran to its end' every_test_class_reported; fi

# Surefire's own figures, summed over its reports, so that each test counts.
surefire() { # MODULE
    local file head attribute value
    local -A sum=([tests]=0 [errors]=0 [failures]=0 [skipped]=0)
    for file in "$ROOT/$1"/target/surefire-reports/TEST-*.xml; do
        [[ -e $file ]] || continue
        head=$(grep -m 1 '<testsuite ' "$file")
        for attribute in "${!sum[@]}"; do
            value=$(sed -n "s/.* $attribute=\"\([0-9]*\)\".*/\1/p" <<<"$head")
            sum[$attribute]=$((sum[$attribute] + ${value:-0}))
        done
    done
    local failed=$((sum[errors] + sum[failures]))
    ((sum[tests] > 0)) || return 0
    count $((sum[tests] - failed - sum[skipped])) "$failed" "tests of $1" "${sum[skipped]}"
}

for module in core nbd daemon bench; do surefire "$module"; done
sed -n 's/^\[ERROR\]   \([A-Za-z]*Test.*\)/\1/p' "$WORK/mvn.log" | cut -c1-160 >failed-tests
sed 's/^/        | /' failed-tests
why <failed-tests

check 'ramback builds and starts' "$ROOT/ramback" --help
