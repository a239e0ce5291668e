# what: the build: formatter, compiler warnings, Error Prone, NullAway, unit and property tests, architecture
# budget: 420

for script in "$ROOT"/ramback "$ROOT"/verify "$ROOT"/.ci/run "$ROOT"/verify.d/*.sh; do
    check "bash accepts ${script#"$ROOT"/}" bash -n "$script"
done

no_generated_file_is_committed() {
    local found
    found=$(git -C "$ROOT" ls-files | grep -E '\.(jar|class|aot|jfr)$|(^|/)target/' || true)
    if [[ -n $found ]]; then
        printf '%s\n' "$found"
        return 1
    fi
}

check 'no jar, class or other generated file is committed' no_generated_file_is_committed

build() { # what ./ramback builds on first use waits meanwhile
    mkdir -p "$ROOT/target"
    cd "$ROOT" || return
    rm -rf ./*/target/surefire-reports
    flock target/build.lock mvn -B -ntp package >"$WORK/mvn.log" 2>&1 || {
        grep -E '^\[ERROR\]|^\[WARNING\] .*\.java' "$WORK/mvn.log" | head -n 40
        return 1
    }
}

check 'mvn package: format, warnings, Error Prone, NullAway, tests' build

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

check 'ramback builds and starts' "$ROOT/ramback" --help
