# what: manual pages, shell completion in a real bash and zsh, and the scripts for NUT and apcupsd with their real callers
# budget: 90
# clients: yes

readonly PAGES=(ramback.1 ramback-modes.7 ramback-nut.7 ramback-format.5)

# --- manual pages ---

mkdir pages
cp "$ROOT"/docs/man/*.[1-8] pages/
must 'ramback-format(5) is made of the two pages on formats' bash -c "'$ROOT/docs/man/format-page' >pages/ramback-format.5"

page_is_clean() { # PAGE
    # No page has a date: it is true of the program that it came with.
    mandoc -T lint -W warning "pages/$1" 2>&1 | grep -vF 'missing date, using "": TH' >lint.txt || true
    MANWIDTH=80 man --warnings -l "pages/$1" >rendered.txt 2>>lint.txt
    cat lint.txt
    test ! -s lint.txt
    # Found by apropos; and nothing of its markup is left on the screen.
    lexgrog "pages/$1" | grep -qF '"'"${1%.*} - "
    if col -b <rendered.txt | grep -nE '^\.[A-Z]{2}|\\f[BIRC]|\*\*|^ *T[{}]'; then return 1; fi
    test "$(wc -l <rendered.txt)" -gt 50
}

for page in "${PAGES[@]}"; do
    check "${page%.*}(${page##*.}) is without a fault by mandoc's and man's reading" page_is_clean "$page"
done

format_page_is_whole() { # each heading and each table of the sources is there
    local tables
    tables=$(cat "$ROOT"/docs/{journal,state}-format.md | grep -cE '^\|[-:| ]+\|$')
    printf '%d tables\n' "$tables"
    test "$(grep -c '^\.TS' pages/ramback-format.5)" = "$tables"
    grep -hE '^#+ ' "$ROOT"/docs/{journal,state}-format.md | sed 's/^#* //' | while IFS= read -r heading; do
        grep -qF "${heading%%:*}" pages/ramback-format.5 || { printf 'missing: %s\n' "$heading" && return 1; }
    done
}

check 'it has each table and each heading of theirs' format_page_is_whole

links_lead_somewhere() { # between our own pages
    local name
    for name in $(cat pages/* | grep -ohE 'ramback\\?-?[a-z]* ?\\?(fR)?\([1-8]\)' | sed -E 's/\\f?R?//g; s/[ \\]//g' | sort -u); do
        test -e "pages/${name%(*}.$(sed 's/.*(\([1-8]\))/\1/' <<<"$name")" || { printf 'no page %s\n' "$name" && return 1; }
    done
}

check 'pages that they name exist' links_lead_somewhere

# --- completion ---

completed() { # WORD...: what bash makes of a line of these words, the last one being typed
    RAMBACK_RUN_DIR=$RAMBACK_RUN_DIR bash --norc -c '
        set -u
        source "$1/completion"
        shift
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        COMP_LINE="$*"
        COMP_POINT=${#COMP_LINE}
        COMPREPLY=()
        _ramback_complete 2>/dev/null # compopt outside of a completion
        printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' bash "$WORK" "$@" | sort -u | paste -sd ' '
}

completes() { # EXPECTED WORD...
    local found
    found=$(completed "${@:2}")
    printf '%s: %s\n' "${*:2}" "$found"
    test "$found" = "$1"
}

completes_commands() {
    ramback completion >completion
    bash --norc -c 'source completion && complete -p ramback' | grep -xF 'complete -o default -F _ramback_complete ramback'
    completes 'snapshot status' ramback s
    completes 'upgrade' ramback upg
    completes '--snapshot-buffer' ramback up disk.img --sn
    completes '--keep-ram' ramback down --k
    completes '--to-epoch' ramback recover disk.img --to
}

completes_words() {
    completes 'checkpoint' ramback up disk.img --mode c
    completes 'unsafe' ramback up disk.img --mode = u
    completes 'reserve sparse' ramback up disk.img --ram ''
    completes 'none' ramback up disk.img --journal n
    completes 'ram' ramback verify --repair r
    completes 'off on' ramback trace o
}

devices_by_name() {
    completes 'inventory' ramback status inv
    completes 'inventory' ramback status --json inv
    completes 'inventory' ramback down ''
    completes 'inventory' ramback upgrade i
    completes 'auto checkpoint inventory unsafe writeback writethrough' ramback mode ''
    completes 'writeback writethrough' ramback mode inventory w
    completes '' ramback up inv
    completes '' ramback verify --rate inv
    # From another directory of devices.
    mkdir -p other/run/elsewhere
    touch other/run/elsewhere/pid
    completes 'elsewhere' ramback status --run-dir "$WORK/other/run" e
    completes 'elsewhere' ramback status "--run-dir=$WORK/other/run" e
    completes 'elsewhere' ramback status --run-dir = "$WORK/other/run" e # as bash splits it
}

in_zsh() { # a terminal, and a Tab
    cat >zsh.zsh <<'ZSH'
zmodload zsh/zpty
zpty shell "TERM=dumb zsh -f -i"
# The prompt says that a line can be typed; the command that is completed does nothing but say what it was called with.
zpty -w shell 'unset zle_bracketed_paste; autoload -U compinit && compinit -u -D; source ./completion; ramback() { print -r -- "CALLED: $*" }; PS1="TYPE""> "'
zpty -r -m shell seen '*TYPE> *' || exit 1
zpty -n -w shell $'ramback upg\t--hel\t\n'
zpty -r -m shell seen '*CALLED:*TYPE> *' || exit 1
print -r -- "$seen"
ZSH
    timeout 60 zsh -f zsh.zsh >zsh.txt 2>&1
    cat -v zsh.txt
    grep -q 'CALLED: upgrade --help' zsh.txt
}

check 'completion knows commands and options' completes_commands
check 'and the words that options and commands take' completes_words
up "$WORK/inventory.img" --size 16M --journal none
check 'and running devices, without asking a process' devices_by_name
down
check 'the same script completes in zsh' in_zsh

# --- power scripts ---

cat >ramback-fake <<'FAKE'
#!/bin/sh
echo "$*" >>"$FAKE_SAID"
exit "${FAKE_EXIT:-0}"
FAKE
chmod +x ramback-fake
export RAMBACK=$WORK/ramback-fake FAKE_SAID=$WORK/said.txt

said() { # WORDS: what ramback was told since the last look
    printf 'told: %s\n' "$(cat said.txt 2>/dev/null)"
    test "$(cat said.txt 2>/dev/null)" = "$1"
    rm -f said.txt
}

posix_scripts() {
    local script
    for script in "$ROOT/packaging/nut/ramback-notify" "$ROOT/packaging/apcupsd/ramback-event"; do
        dash -n "$script"
        test -x "$script"
    done
}

upsmon_events() {
    local notify=$ROOT/packaging/nut/ramback-notify event
    for event in ONLINE ONBATT LOWBATT FSD SHUTDOWN COMMBAD COMMOK NOCOMM REPLBATT NOPARENT CAL OFF; do
        printf '%s ' "$event"
        NOTIFYTYPE=$event UPSNAME=ups@localhost "$notify" 'UPS ups@localhost: a message'
        case $event in
            ONLINE) said 'power on-line' ;;
            ONBATT) said 'power on-battery' ;;
            LOWBATT | FSD | SHUTDOWN) said 'power low' ;;
            *) said '' ;;
        esac
    done
    RAMBACK_UPS=other@localhost NOTIFYTYPE=ONBATT UPSNAME=ups@localhost "$notify"
    said ''
    FAKE_EXIT=3 NOTIFYTYPE=ONBATT "$notify" # no device runs
    if FAKE_EXIT=1 NOTIFYTYPE=ONBATT "$notify"; then return 1; fi
    if env -u NOTIFYTYPE "$notify"; then return 1; fi
    if env -u NOTIFYTYPE "$notify" 'a message without a type'; then return 1; fi
    rm -f said.txt
    # Another timer's word comes with the environment of whatever event upssched began at.
    for event in early-shutdown mail_them ramback-on-batteryx x; do
        NOTIFYTYPE=ONBATT "$notify" "$event"
        said ''
    done
    env -u NOTIFYTYPE "$notify" early-shutdown
}

export NUT_CONFPATH=$WORK/nut

by_the_real_upssched() { # each event as upsmon would hand it over
    mkdir -p nut
    sed -e "s#^CMDSCRIPT .*#CMDSCRIPT $ROOT/packaging/nut/ramback-notify#" -e "s#/run/nut/#$WORK/nut/#" \
        -e 's/on-line 5$/on-line 1/' "$ROOT/packaging/nut/upssched.conf" >nut/upssched.conf
    chmod 640 nut/upssched.conf
    for event in ONBATT LOWBATT FSD SHUTDOWN; do
        NOTIFYTYPE=$event UPSNAME=ups@localhost upssched
    done
    said "$(printf 'power on-battery\npower low\npower low\npower low')"
    # The power comes back for good: by a timer, which runs in a process of its own.
    NOTIFYTYPE=ONLINE UPSNAME=ups@localhost upssched
    wait_for 30 test -s said.txt
    said 'power on-line'
}

flicker_by_the_real_upssched() { # it comes back and goes again before the timer has run out
    sed -i 's/on-line 1$/on-line 3600/' nut/upssched.conf
    NOTIFYTYPE=ONLINE UPSNAME=ups@localhost upssched
    NOTIFYTYPE=ONBATT UPSNAME=ups@localhost upssched
    said 'power on-battery'
    # With nothing to wait for it ends by itself.
    wait_for 60 no_upssched
}

no_upssched() {
    no_process_matches upssched
}

apcupsd_events() {
    local event
    mkdir -p apc
    for event in powerout onbattery mainsback offbattery failing timeout loadlimit runlimit emergency remotedown doshutdown \
        doreboot commfailure commok annoyme startselftest endselftest changeme; do
        ln -sf "$ROOT/packaging/apcupsd/ramback-event" "apc/$event"
        printf '%s ' "$event"
        APCUPSD_POWERFAIL=$WORK/apc/powerfail "apc/$event" ups daemon powered
        case $event in
            powerout | onbattery) said 'power on-battery' ;;
            mainsback | offbattery) said 'power on-line' ;;
            commfailure | commok | annoyme | startselftest | endselftest | changeme) said '' ;;
            *) said 'power low' ;;
        esac
    done
    "$ROOT/packaging/apcupsd/ramback-event" powerout
    said 'power on-battery'
    # The power is back, and the shutdown goes on.
    touch apc/powerfail
    APCUPSD_POWERFAIL=$WORK/apc/powerfail apc/mainsback ups
    said ''
    # Whatever happens here, apccontrol does what it has to do: never 99.
    FAKE_EXIT=99 APCUPSD_POWERFAIL=/nowhere apc/powerout ups
    rm -f said.txt apc/powerfail
}

by_the_real_apccontrol() { # out of its package: it can't be installed beside NUT
    (cd "$WORK" && apt-get download -q apcupsd >apt.txt 2>&1 && dpkg-deb -x apcupsd_*.deb apcupsd)
    sed -e "s#^SCRIPTDIR=.*#SCRIPTDIR=$WORK/apc#" -e 's#^WALL=.*#WALL=cat#' -e 's#^SHUTDOWN=.*#SHUTDOWN=echo#' \
        apcupsd/etc/apcupsd/apccontrol >apccontrol
    export APCUPSD_POWERFAIL=$WORK/apc/powerfail
    sh apccontrol powerout ups
    sh apccontrol onbattery ups
    sh apccontrol mainsback ups
    sh apccontrol doshutdown ups >shutdown.txt
    grep -q 'apcupsd UPS ups initiated shutdown' shutdown.txt
    said "$(printf 'power on-battery\npower on-battery\npower on-line\npower low')"
}

check 'the scripts are for any POSIX shell' posix_scripts
check "what upsmon says is what ramback is told" upsmon_events
check "upssched, the real one, runs ours as its configuration says" by_the_real_upssched
check "and takes a flicker for one outage" flicker_by_the_real_upssched
check "what apcupsd says is what ramback is told" apcupsd_events
if (($(id -u) == 0)) && apt-cache show apcupsd >/dev/null 2>&1; then
    check 'apccontrol, the real one, runs ours before what it does itself' by_the_real_apccontrol
else
    skip 'apccontrol, the real one, runs ours' 'its package is not to be had here'
fi

examples_are_on_the_page() { # line by line
    local file line
    sed 's/\\-/-/g' pages/ramback-nut.7 >nut-page.txt
    for file in upsmon.conf upssched.conf; do
        while IFS= read -r line; do
            [[ -z $line || $line == \#* || $line == *COMM* ]] && continue
            grep -qxF -- "$line" nut-page.txt || { printf 'not in ramback-nut(7): %s\n' "$line" && return 1; }
        done <"$ROOT/packaging/nut/$file"
    done
}

check 'ramback-nut(7) has the files that are delivered' examples_are_on_the_page
if command -v visudo >/dev/null; then check 'sudo takes its rule' visudo -cf "$ROOT/packaging/nut/sudoers"; fi
