# what: top and status --watch on a real terminal: keys, sizes, devices that come, go and hang, and the terminal given back however it ends
# budget: 120
# clients: yes

readonly PYTHON=/usr/bin/python3

# --- a terminal: tmux, which shows what a person would see ---

terminal() { # a tmux server of our own, without anybody's configuration
    env -u TMUX LC_ALL=C.UTF-8 tmux -u -S "$WORK/tmux.sock" -f /dev/null "$@"
}

in_terminal() { # COMMAND: in a new terminal of 80 by 24; the terminal's settings before and after it, and its exit code, in files
    terminal kill-session -t t 2>/dev/null || true # of a check that failed
    rm -f before.txt after.txt code.txt
    terminal new-session -d -s t -x 80 -y 24 \
        "cd '$WORK'; stty -g >before.txt; $1; echo \$? >code.txt; stty -g >after.txt; exec cat"
}

screen() {
    terminal capture-pane -p -t t
}

shows() { # REGEX
    screen | grep -qE -- "$1"
}

shows_not() { # REGEX
    ! shows "$1"
}

sees() { # REGEX: waits for it
    wait_for 20 shows "$1" || {
        screen
        return 1
    }
}

sees_no_more() { # REGEX: waits until it has gone
    wait_for 20 shows_not "$1" || {
        screen
        return 1
    }
}

keys() { # one after the other, as tmux names them
    terminal send-keys -t t "$@"
}

process() { # the program in the terminal: a child of its shell
    local shell
    shell=$(terminal display-message -p -t t '#{pane_pid}')
    tr -d ' ' <"/proc/$shell/task/$shell/children"
}

ends() { # CODE: it has ended so, and the terminal is as it was: settings, first screen, cursor
    wait_for 30 test -s after.txt
    test "$(cat code.txt)" = "$1"
    cmp before.txt after.txt
    test "$(terminal display-message -p -t t '#{alternate_on} #{cursor_flag}')" = '0 1'
    terminal kill-session -t t
}

fits() { # COLUMNS ROWS: nothing is wrapped or cut by the terminal: titles first, keys last
    # Under wait_for, and so without `set -e`: each condition is named.
    screen >screen.txt &&
        cat screen.txt &&
        test "$(wc -l <screen.txt)" = "$2" &&
        head -n 1 screen.txt | grep -q '^  NAME ' &&
        tail -n 1 screen.txt | grep -q 'q quit' &&
        terminal capture-pane -p -J -t t >joined.txt && # where the terminal has wrapped a line, it is whole again here
        no_line_is_longer "$1" joined.txt
}

no_line_is_longer() { # COLUMNS FILE
    $PYTHON - "$1" "$2" <<'PY'
import sys
for line in open(sys.argv[2], encoding="utf-8"):
    assert len(line.rstrip("\n")) <= int(sys.argv[1]), line
PY
}

# --- nothing runs ---

nothing_runs() {
    in_terminal "'$ROOT/ramback' top"
    sees '^no device is running'
    up "$WORK/new.img" --size 8M --journal-size 4M
    sees '^> new .*● green'
    ramback down new
    sees '^no device is running'
    keys q
    ends 0
}

check 'top says that nothing runs, shows what starts, and says so again' nothing_runs

# --- keys ---

up "$WORK/alpha.img" --size 64M --mode writeback --journal-size 16M
up "$WORK/beta.img" --size 64M --mode checkpoint --journal-size 16M
BETA_URI=$UP_URI
BETA_PID=$UP_PID

stepped_to() { # NAME: the last key again where it came in pieces, of which ESC is a key too
    keys Down && screen | grep "^> $1 "
}

down_to() { # NAME, the last one
    wait_for 20 stepped_to "$1"
}

flush_by_key() {
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha .*● green'
    sees '^  beta .*● green'
    sees '^alpha  ● green'
    down_to beta
    sees '^beta  ● green'
    sees '^at risk '
    ramback mode beta unsafe
    sh_nbd "$BETA_URI" 'h.pwrite(b"k" * (4 << 20), 0)'
    keys f
    sees 'flush of beta: done in '
    status_is beta .dirtyBytes 0
    cmp -n $((4 << 20)) beta.img <(tr '\0' k </dev/zero | head -c $((4 << 20)))
    keys q
    ends 0
}

modes_by_key() {
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha '
    down_to beta
    keys m
    sees '^mode of beta\? +1 writethrough +2 writeback +3 checkpoint +4 unsafe'
    keys 1
    sees 'mode writethrough of beta: done'
    status_is beta .mode writethrough
    sees '^> beta .*writethrough'
    keys m 4
    sees 'y switches'
    keys n
    sees_no_more 'y switches'
    status_is beta .mode writethrough
    keys m 4
    sees 'y switches'
    keys y
    sees 'mode unsafe of beta: done'
    status_is beta .mode unsafe
    keys m 5
    sees 'mode auto of beta: done'
    status_is beta .mode checkpoint
    keys '?'
    sees '^any key goes back'
    keys x
    sees_no_more '^any key goes back'
    keys q
    ends 0
    status_is alpha .mode writeback
}

check 'top: arrows choose, f flushes the chosen device' flush_by_key
check 'top: m and a number switch the mode, unsafe only after a y; ? helps' modes_by_key

up "$WORK/plain.img" --size 8M --journal none

refused_by_key() {
    in_terminal "'$ROOT/ramback' status plain --watch"
    sees '^plain  ● green'
    keys m 3
    sees 'mode checkpoint of plain failed: .*needs a journal'
    status_is plain .mode writeback
    keys Escape
    sees_no_more 'of plain failed'
    keys f
    sees 'flush of plain: done'
    keys q
    ends 0
}

check 'status --watch: the same keys; a refusal is shown and read away' refused_by_key
down plain

# --- sizes ---

resized() {
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha '
    wait_for 20 fits 80 24 >fits.txt
    terminal resize-window -t t -x 40 -y 10
    wait_for 20 fits 40 10 >fits.txt
    terminal resize-window -t t -x 132 -y 43
    sees 'WR B/s POWER'
    wait_for 20 fits 132 43 >fits.txt
    terminal resize-window -t t -x 80 -y 24
    wait_for 20 fits 80 24 >fits.txt
    terminal resize-window -t t -x 5 -y 2
    sees '^> '
    keys q
    ends 0
}

check 'a terminal of 40 by 10, 132 by 43, 5 by 2: drawn anew, nothing wraps' resized

# --- what is attached ---

attached_is_shown() {
    local loop
    ramback attach alpha --via fuse
    loop=$(json alpha attached.device)
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha '
    sees "^attached +$loop, by fuse$"
    sees '^clients +1 \(1 by fuse\), '
    terminal resize-window -t t -x 132 -y 43
    sees ' ATTACHED$'
    sees '^> alpha .* fuse$'
    sees '^  beta .* -$'
    dd if="$loop" of=/dev/null bs=4096 count=4096 iflag=direct &
    sees '^requests +[1-9][0-9,]* reads/s'
    wait $!
    ramback detach alpha
    sees_no_more '^attached '
    keys q
    ends 0
}

check 'top shows by what a device is attached, and what is asked of it there' attached_is_shown
ramback detach alpha >/dev/null 2>&1 || true # of a check that failed

# --- devices that hang, or go ---

hung() { # one that is stopped: its row ages, the others and the keys go on
    in_terminal "'$ROOT/ramback' top"
    sees '^  beta .*● green'
    kill -STOP "$BETA_PID"
    sees '^  beta +\? none +[a-z]+ +[0-9]+ s old'
    sees '^> alpha .*● green'
    keys f
    sees 'flush of alpha: done'
    down_to beta
    sees '^beta  \? none  [0-9]+ s old'
    kill -CONT "$BETA_PID"
    sees '^> beta .*● green'
    keys q
    ends 0
}

goes() {
    up "$WORK/short.img" --size 8M --journal-size 4M
    in_terminal "'$ROOT/ramback' status short --watch"
    sees '^short  ● green'
    ramback down short
    wait_for 30 test -s code.txt
    shows '^ramback: .*short'
    ends "$(cat code.txt)"
    grep -qx '[03]' code.txt # whether it was seen to stop is a matter of luck
}

dies() {
    up "$WORK/killed.img" --size 8M --journal none
    in_terminal "'$ROOT/ramback' status killed --watch"
    sees '^killed  ● green'
    kill -KILL "$UP_PID"
    wait_for 30 test -s code.txt
    shows 'the daemon of killed .* is gone'
    ends 3
    up "$WORK/killed.img" --journal none
    down killed
}

check 'a daemon that hangs is shown with its age and holds up nobody' hung
check 'status --watch of a device that stops ends with a line' goes
check 'status --watch of a device whose daemon is killed ends with exit code 3' dies

# --- given back ---

ended_by() { # KEY or SIGNAL
    in_terminal "'$ROOT/ramback' status alpha --watch"
    sees '^alpha  '
    test "$(terminal display-message -p -t t '#{alternate_on} #{cursor_flag}')" = '1 0'
    case $1 in
        C-c) keys C-c ;;
        *) kill -"$1" "$(process)" ;;
    esac
    ends 0
}

suspended() { # Ctrl-Z and Ctrl-\ would leave the terminal as we have it: they do nothing
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha '
    keys C-z 'C-\'
    down_to beta
    keys q
    ends 0
}

terminal_goes() {
    local pid
    in_terminal "'$ROOT/ramback' top"
    sees '^> alpha '
    pid=$(process)
    terminal kill-session -t t
    wait_for 30 gone "$pid"
}

stuck() { # what is written cannot be given back there, but nobody has to use SIGKILL
    TERM=xterm $PYTHON "$ROOT/verify.d/stuck_terminal.py" 120 "$ROOT/ramback" top
}

hasty() {
    TERM=xterm $PYTHON "$ROOT/verify.d/hasty_terminal.py" 60 'q quit' "$ROOT/ramback" top
}

check 'Ctrl-C gives the terminal back' ended_by C-c
check 'and so does a second one, while it does' hasty
check 'SIGTERM gives the terminal back' ended_by TERM
check 'SIGHUP gives the terminal back' ended_by HUP
check 'SIGINT from another process gives the terminal back' ended_by INT
check 'Ctrl-Z and Ctrl-\ do not leave it half taken' suspended
check 'a terminal that goes away ends it' terminal_goes
check 'SIGTERM ends it also when the terminal takes nothing any more' stuck

# --- what the terminal can do ---

colours() { # the colours on the screen
    terminal capture-pane -e -p -t t >raw.txt
    grep -oP '\x1b\[([0-9]+;)*[34][0-7](?=[;m])' raw.txt
}

in_colour() {
    in_terminal "'$ROOT/ramback' $1"
    sees '● green'
    colours | grep -q '32$'
    keys q
    ends 0
}

without_colour() {
    in_terminal "NO_COLOR=1 '$ROOT/ramback' top"
    sees '● green'
    if colours; then return 1; fi
    keys q
    ends 0
}

dumb() { # lines, and no sequence of any kind
    TERM=dumb $PYTHON "$ROOT/verify.d/terminal.py" 20 'beta(.|\n)*beta' '\x03' -- "$ROOT/ramback" top >raw.txt || true
    grep -q '^NAME ' raw.txt
    if grep -q $'\033' raw.txt; then return 1; fi
}

has_lines() { # FILE REGEX COUNT: at least so many
    (($(grep -cE -- "$2" "$1") >= $3))
}

no_terminal() {
    env --default-signal=INT "$ROOT/ramback" top </dev/null >plain.txt &
    wait_for 20 has_lines plain.txt '^alpha ' 2
    kill -INT $!
    wait $!
    if grep -q $'\033' plain.txt; then return 1; fi
    "$ROOT/ramback" top </dev/null | head -n 3 >plain.txt # and ends when nobody reads on
    grep -q '^alpha ' plain.txt
}

check 'top: a green light in green' in_colour top
check 'status --watch: the same' in_colour 'status alpha --watch'
check 'NO_COLOR: no colour, and every light has its word' without_colour
check 'TERM=dumb: plain lines' dumb
check 'no terminal: a table each second, until nobody reads it' no_terminal

down alpha
down beta
terminal kill-server 2>/dev/null || true
