# what: a real NUT server and a UPS of its own invention: outages at every moment, a battery that lies, a server that dies; scripts
# budget: 230
# clients: yes
# beside: yes

# upsd and dummy-ups by their paths: Debian's wrapper starts neither before its own configuration says so. dummy-ups is NUT's own pretender: its file says what the UPS says, and is read again when it changes. What counts is what status and
# the image say; somebody writes all the time, and at the end everything acknowledged must be there. The times are printed; those that
# are promised are asserted, for a machine that may be PATIENCE times slower than a quiet one.

readonly PYTHON=/usr/bin/python3
readonly RAM_SPEED_AGAIN=30
readonly OUTAGES=4 FALLS=3
readonly WRITETHROUGH_SECONDS=1.5 # from the server's word on: it is asked once a second
readonly WRITE_BYTES_MAX=20000 # power_writers.py
readonly LIMIT_SECONDS=1.0
NUT_PORT=$(free_port)
NUT=$WORK/nut
export NUT_CONFPATH=$NUT NUT_STATEPATH=$NUT
UPS=ups@127.0.0.1:$NUT_PORT

# --- the pretender ---

ups_says() { # STATUS [RUNTIME [CHARGE [RUNTIME_LOW]]]: whole, so that the driver never reads a half of it
    local second
    printf 'ups.status: %s\nbattery.runtime: %s\nbattery.charge: %s\nbattery.runtime.low: %s\n' \
        "$1" "${2:-840}" "${3:-92}" "${4:-20}" >"$NUT/ups.new"
    # The driver looks at the file's time in whole seconds: two of the same would be one.
    second=$(($(cat "$NUT/second" 2>/dev/null || printf 0) + 1))
    if ((second < EPOCHSECONDS)); then second=$EPOCHSECONDS; fi
    printf '%d\n' "$second" >"$NUT/second"
    touch -d "@$second" "$NUT/ups.new"
    mv "$NUT/ups.new" "$NUT/ups.dev"
}

start_driver() {
    /lib/nut/dummy-ups -a ups -u root -F >>"$WORK/driver.log" 2>&1 </dev/null &
    DRIVER_PID=$!
}

start_upsd() {
    /lib/nut/upsd -u root -F >>"$WORK/upsd.log" 2>&1 </dev/null &
    UPSD_PID=$!
}

upsd_says() {
    [[ $(upsc "$UPS" ups.status 2>/dev/null) == "$1" ]]
}

shift_driver() { # it looks at its file once a second, and the daemon at upsd: at another distance from now on
    kill -STOP "$DRIVER_PID"
    sleep "1.$((RANDOM % 10))"
    kill -CONT "$DRIVER_PID"
}

line_is_back() {
    ups_says OL
    wait_for 20 upsd_says OL
}

ended() { # PID
    kill -TERM "$1"
    wait_for 20 gone "$1"
}

mkdir -p "$NUT"
chmod 700 "$NUT"
printf 'maxretry = 3\n[ups]\n    driver = dummy-ups\n    port = ups.dev\n    mode = dummy-once\n    pollinterval = 1\n' >"$NUT/ups.conf"
printf 'LISTEN 127.0.0.1 %s\nMAXAGE 60\n' "$NUT_PORT" >"$NUT/upsd.conf"
printf '[jane]\n    password = "a word"\n    upsmon secondary\n' >"$NUT/upsd.users"
chmod 600 "$NUT"/upsd.*
ups_says OL
start_driver
start_upsd

must 'a NUT server with a UPS' wait_for 20 upsd_says OL

# --- looks ---

power_is() { # NAME STATE MODE
    [[ $(json "$1" .power.state) == "$2" && $(json "$1" .mode) == "$3" ]]
}

nothing_acknowledged_at_risk() { # NAME: several looks; the one write that is under way is not acknowledged
    local most seen
    most=$((WRITE_BYTES_MAX + 2 * $(json "$1" .chunkBytes)))
    for _ in {1..4}; do
        seen=$(json "$1" .lossIfPowerFailedNow.bytes)
        printf 'at risk: %s bytes, one write is %s at most\n' "$seen" "$most"
        ((seen <= most))
    done
}

reacts() { # NAME STATUS RUNTIME VARIABLE WORD STAGES [FIELD...]: the UPS says it, and times.txt has when what was so
    local watch
    : >times.txt
    $PYTHON "$ROOT/verify.d/outage_times.py" "$NUT_PORT" "$RAMBACK_RUN_DIR/$1/control.sock" "${@:4}" >times.txt 2>&1 &
    watch=$!
    wait_for 20 grep -q watching times.txt
    ups_says "$2" "$3"
    wait "$watch" || {
        cat times.txt
        return 1
    }
}

outage() { # NAME STATUS RUNTIME [FIELD...]: writethrough, and nothing at risk before the battery is at its end; fields.txt has FIELDs
    local state=on-battery times
    if [[ $2 == *LB* ]]; then state=low-battery; fi
    reacts "$1" "$2" "$3" ups.status OB \
        "power.state~battery;power.state~battery,mode=writethrough;mode=writethrough,lossIfPowerFailedNow.bytes=0" \
        power.batteryRuntimeSeconds "${@:4}"
    cut -d ' ' -f 3- times.txt | sed -n 2p >fields.txt
    mapfile -t times < <(cut -d ' ' -f 1 times.txt | tail -n +2)
    printf '%s\n' "${times[1]}" >>"$WORK/writethrough.times"
    announced=$(sed -n '2s/^[^ ]* \([^ ]*\).*/\1/p' times.txt)
    printf 'after upsd said %s: known %s s, writethrough %s s, nothing at risk %s s, of %s s of battery\n' \
        "$2" "${times[@]:0:3}" "$announced" | tee -a "$WORK/told.txt"
    awk -v took="${times[2]}" -v announced="$announced" 'BEGIN { exit !(took < announced) }'
    wait_for 30 status_is "$1" .power.state "$state"
    # And it stays so, whoever writes.
    nothing_acknowledged_at_risk "$1"
    status_is "$1" .mode writethrough
}

tell() { # what the last check measured
    if [[ -s $WORK/told.txt ]]; then sed 's/^/        | /' "$WORK/told.txt"; fi
    rm -f "$WORK/told.txt"
}

median_is_below() { # FILE SECONDS WHAT: of times in a file
    sort -n "$1" | awk -v most="$2" -v patience="$PATIENCE" -v what="$3" '
        { all = all " " $1; value[NR] = $1 }
        END {
            median = value[int((NR + 1) / 2)]
            printf "%s: median %s s of%s s (promised %s s)\n", what, median, all, most
            exit !(NR > 0 && median <= most * patience)
        }' | tee -a "$WORK/told.txt"
}

# --- who writes ---

begin_writers() { # NAME URI: changes it without end, until end_writers or the device's end
    rm -f writers.stop writers.begun
    background writers "$PYTHON" "$ROOT/verify.d/power_writers.py" "$2" "$WORK/$1.model" "$WORK/writers.stop" "$WORK/writers.begun"
    WRITERS_PID=$BG_PID
}

end_writers() { # what they wrote is in the model
    touch writers.stop
    wait_for 60 gone "$WRITERS_PID"
    cat writers.log
    tail -n 1 writers.log | grep -qE '^wrote [1-9]'
}

holds_all() { # NAME DEVICE, a file or a URI
    $PYTHON "$ROOT/verify.d/power_writers.py" --compare "$WORK/$1.model" "$2"
}

lose_power() { # NAME: in the middle of writing; as far as processes can: what only memory had is gone
    local pid
    pid=$(daemon_of "$1")
    kill -KILL "$pid"
    wait_for 30 gone "$pid"
    find "$RAM" -name "$1-*.ram" -print -delete | grep -q . # there was one
    end_writers
    grep -q 'times, then:' writers.log
}

# --- the UPS is heard ---

up power.img --size 64M --journal-size 32M --ups "$UPS"
POWER_URI=$UP_URI
# shellcheck disable=SC2153 # up sets it
disown "$UP_PID" # the shell has nothing to say when it is killed
begin_writers power "$POWER_URI"

check 'with line power and a battery: checkpoint' wait_for 30 power_is power online checkpoint

tells_of_it() {
    wait_for 30 status_is power .greenLight true
    test "$(json power .power.batteryRuntimeSeconds)" = 840.0
    test "$(json power .power.source)" = "$UPS"
    ramback status power | tee screen.txt
    grep -qE '^ *power +online' screen.txt
    grep -qE '^ *power gone now: [0-9.]+ [A-Za-z]+ to save, [0-9.]+ s of 840 s battery' screen.txt
}

check 'status tells of it, with the green light' tells_of_it

outages() {
    rm -f writethrough.times
    for _ in $(seq "$OUTAGES"); do
        shift_driver
        outage power 'OB DISCHRG' 60
        status_is power .light amber
        ups_says 'OL CHRG' 600
        wait_for "$RAM_SPEED_AGAIN" power_is power online checkpoint
    done
    median_is_below writethrough.times "$WRITETHROUGH_SECONDS" 'from OB at upsd to writethrough'
}

check "$OUTAGES outages: writethrough in time, nothing at risk; line power: checkpoint" outages
tell

limit_follows() {
    local full
    ups_says OL 840
    wait_for 30 status_is power .power.batteryRuntimeSeconds 840.0
    full=$(json power .dirtyMaxBytes)
    for _ in $(seq "$FALLS"); do
        shift_driver
        reacts power OL 35.02 battery.runtime 35.02 "dirtyMaxBytes<$full"
        sed -n 2p times.txt >>limit.times
        ups_says OL 840
        wait_for 30 status_is power .dirtyMaxBytes "$full"
    done
    median_is_below limit.times "$LIMIT_SECONDS" 'from a shorter runtime at upsd to a lower limit'
    wait_for 30 power_is power online checkpoint
}

check 'a runtime that falls: the limit follows' limit_follows
tell

flicker() {
    for _ in {1..4}; do
        ups_says OB
        wait_for 20 upsd_says OB
        line_is_back
    done
    wait_for "$RAM_SPEED_AGAIN" power_is power online checkpoint
}

check 'line power that flickers ends where it began' flicker

low() { # a battery that is at its end as soon as it is needed: the power goes while somebody writes
    outage power 'OB LB' 30
    lose_power power
}

check 'a low battery: readable and writable, nothing at risk, when the power goes' low
tell

# --- a recovery in an outage ---

# The power comes back for a moment, and the shutdown is announced: the journal is all there is.
ups_says 'FSD OB LB' 60
wait_for 20 upsd_says 'FSD OB LB'
up power.img --ups "$UPS"
POWER_URI=$UP_URI POWER_LOG=$UP_LOG
disown "$UP_PID"

recovered() {
    cat "$POWER_LOG"
    grep -q 'was not stopped cleanly and is recovered: ' "$POWER_LOG"
    wait_for 30 power_is power low-battery writethrough
    holds_all power "$POWER_URI"
}

check 'a start in the outage recovers: writethrough, and everything acknowledged is there' recovered
begin_writers power "$POWER_URI"

again() { # the power goes once more, before the image has anything of it
    wait_for 30 test -e writers.begun
    nothing_acknowledged_at_risk power
    lose_power power
    ramback recover power.img --yes
    holds_all power power.img
}

check 'the power goes once more: everything acknowledged is there' again

# --- a disk that takes its time ---

line_is_back
cp power.model slow.model
cp power.model slow.img
printf '20M\n' >rate
serve_disk "$WORK/slow.img" --filter=delay --filter=rate -- rdelay=5ms wdelay=5ms rate-file="$WORK/rate"
up "$DISK_URI" --name slow --journal slow.journal --journal-size 32M --ups "$UPS"
SLOW_URI=$UP_URI
begin_writers slow "$SLOW_URI"

while_loading() {
    wait_for 30 status_is slow .mode checkpoint
    outage slow OB 60 state
    tee -a told.txt <fields.txt
    grep -qx loading fields.txt
    line_is_back
    wait_for "$RAM_SPEED_AGAIN" power_is slow online checkpoint
}

has_to_flush() {
    test "$(json slow .dirtyBytes)" -ge $((4 << 20))
}

while_flushing() {
    local flush
    printf '400M\n' >rate
    wait_for 60 status_is slow .state ready
    # A quarter of a MB a second: the flush takes longer than the outage needs to be heard of, on any machine.
    printf '2M\n' >rate
    wait_for 60 has_to_flush
    ramback flush slow >flush.txt 2>&1 &
    flush=$!
    wait_for 20 status_is slow .state flushing
    outage slow OB 60 state
    tee -a told.txt <fields.txt
    grep -qx flushing fields.txt
    printf '400M\n' >rate
    line_is_back
    wait "$flush" || {
        cat flush.txt
        return 1
    }
    wait_for "$RAM_SPEED_AGAIN" power_is slow online checkpoint
}

check 'an outage while it is loading' while_loading
tell
check 'an outage while it is flushing, which ends well' while_flushing
tell
end_writers >/dev/null

held() { # on battery the image is left alone
    ramback flush slow
    outage slow OB 500
    local before
    before=$(json slow .savedChunks)
    $PYTHON -m nbd -u "$SLOW_URI" -c 'import os' -c 'h.pwrite(os.urandom(1 << 20), 3 << 20)'
    sleep 7 # longer than the lag after which it would be carried
    status_is slow .savedChunks "$before"
    test "$(json slow .dirtyChunks)" -ge 16
    $PYTHON -m nbd -u "$SLOW_URI" -c 'm = open("slow.model", "r+b")' -c 'm.seek(3 << 20)' -c 'm.write(h.pread(1 << 20, 3 << 20))' \
        -c 'm.close()'
    line_is_back
    wait_for 60 status_is slow .dirtyChunks 0
    down slow
    end_disk
    holds_all slow slow.img
}

check 'on battery the image is left alone, and gets everything when the line is back' held
tell

# --- a battery that is not what it seems ---

rm -f power.model
up power.img --ups "$UPS"
POWER_URI=$UP_URI
disown "$UP_PID"
begin_writers power "$POWER_URI"

full_limit_is_back() { # BYTES
    ups_says OL 840
    wait_for "$RAM_SPEED_AGAIN" power_is power online checkpoint
    wait_for 30 status_is power .dirtyMaxBytes "$1"
}

lying() {
    wait_for 30 power_is power online checkpoint
    local full
    full=$(json power .dirtyMaxBytes)
    ups_says OL 20
    wait_for 30 power_is power online writethrough
    json power .power.detail | grep 'the battery is too weak'
    nothing_acknowledged_at_risk power
    full_limit_is_back "$full"
    # With 100 s of a good battery it would stay as it is.
    ups_says 'OL RB' 100
    wait_for 30 power_is power online writethrough
    json power .power.detail | grep 'to be replaced'
    full_limit_is_back "$full"
    # It would last, but machines are shut down when it is at this.
    ups_says OL 100 92 120
    wait_for 30 power_is power online writethrough
    full_limit_is_back "$full"
    # The next outage would be followed by a shutdown at once.
    ups_says 'OL LB' 840
    wait_for 30 power_is power online writethrough
    json power .power.detail | grep 'the battery is low'
    full_limit_is_back "$full"
    # In the outage it turns out to have a tenth of what it said.
    outage power OB 600
    ups_says 'OB LB' 60
    wait_for 30 status_is power .power.state low-battery
    nothing_acknowledged_at_risk power
    full_limit_is_back "$full"
}

check 'a battery too weak, one to be replaced, one that lies: writethrough; and back' lying
tell

by_hand() { # wins until auto
    ramback mode power unsafe
    ups_says OB
    wait_for 30 power_is power on-battery unsafe
    status_is power .modeByHand true
    ramback mode power auto
    power_is power on-battery writethrough
    line_is_back
    wait_for "$RAM_SPEED_AGAIN" power_is power online checkpoint
}

check 'a mode by hand wins until auto' by_hand

# --- a server that can't be heard ---

server_dies() {
    ended "$UPSD_PID"
    wait_for 60 power_is power unknown writeback
    status_is power .light amber
    json power .power.detail | grep 'not heard: .*Connection refused'
}

server_dies_in_an_outage() {
    outage power OB 60
    ended "$UPSD_PID"
    wait_for 60 status_is power .power.state unknown
    status_is power .mode writethrough
    nothing_acknowledged_at_risk power
    ups_says OL
}

no_driver_is_heard() {
    json power .power.detail | grep -qE 'not heard: .*(has not heard of the UPS|no connection to the UPS)'
}

driver_dies_in_an_outage() {
    outage power OB 60
    ended "$DRIVER_PID"
    for _ in {1..20}; do
        power_is power on-battery writethrough || power_is power unknown writethrough
    done
    wait_for 90 no_driver_is_heard
    power_is power unknown writethrough
    nothing_acknowledged_at_risk power
    ups_says OL
}

check 'a server that dies: unknown, writeback, amber' server_dies
start_upsd
check 'it comes back: checkpoint' wait_for 30 power_is power online checkpoint
check 'a server that dies in an outage: writethrough stays' server_dies_in_an_outage
tell
start_upsd
check 'it comes back, with the line' wait_for 30 power_is power online checkpoint
check 'a driver that dies in an outage: the same' driver_dies_in_an_outage
tell
start_driver
check 'it comes back' wait_for 90 power_is power online checkpoint

nothing_is_lost() { # in all of that, and when the power goes now, in an outage
    outage power OB 60
    lose_power power
    ramback recover power.img --yes
    holds_all power power.img
    line_is_back
}

check 'somebody wrote all the time; the power goes: everything acknowledged is there' nothing_is_lost
tell

# --- logins, and encryption ---

certificate() { # NAME: NAME.pem, and its key in NAME.key
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 2 -subj '/CN=a NUT server' \
        -addext subjectAltName=IP:127.0.0.1 >>openssl.log 2>&1
}

offer_encryption() { # for a upsd that was made with OpenSSL, and for one with NSS, as Debian's: each passes over the other's words
    certificate server
    certificate another
    cat server.pem server.key >nut/server.pem
    printf 'a password\n' >nss.password
    mkdir nut/nss
    certutil -N -d sql:nut/nss -f nss.password
    openssl pkcs12 -export -name ups -in server.pem -inkey server.key -passout file:nss.password -out server.p12
    pk12util -i server.p12 -d sql:nut/nss -k nss.password -w nss.password
    printf 'CERTFILE %s\nCERTPATH %s\nCERTIDENT "ups" "a password"\n' "$NUT/server.pem" "$NUT/nss" >>nut/upsd.conf
    chmod -R go= nut
}

must 'a server that offers encryption' offer_encryption
ended "$UPSD_PID"
start_upsd

is_a_client() {
    upsc -c "$UPS" 2>/dev/null | tee clients.txt | grep -q 127.0.0.1
}

is_no_client() {
    ! is_a_client
}

logs_in() {
    wait_for 20 upsd_says OL
    printf 'user jane\npassword a word\nca server.pem\n' >auth.good
    printf 'user jane\npassword another\n' >auth.bad
    chmod 600 auth.*
    rm -f power.model
    up power.img --ups "$UPS" --ups-auth auth.bad
    begin_writers power "$UP_URI"
    wait_for 30 power_is power online checkpoint
    json power .power.detail | grep 'not logged in: .* refuses user jane'
    is_no_client
    outage power OB 60
    line_is_back
    end_writers
    down
    holds_all power power.img
    up power.img --ups "$UPS" --ups-auth auth.good
    begin_writers power "$UP_URI"
    wait_for 30 power_is power online checkpoint
    wait_for 20 status_is power .power.detail null
    is_a_client
    grep -F 'User jane@127.0.0.1 logged into UPS [ups] (SSL)' upsd.log
    # The shutdown: nothing is unsaved, so nobody need wait for us.
    outage power 'FSD OB LB' 60
    wait_for 30 is_no_client
    line_is_back
    wait_for 30 is_a_client
    end_writers
    down
    holds_all power power.img
}

check 'a wrong password is said, outages are heard of all the same; a right one logs in, encrypted, and out at the end' logs_in
tell

is_not_proven() {
    json power .power.detail | grep -qE 'not heard: .*(PKIX|certif|signature)'
}

another_server() {
    printf 'user jane\npassword a word\nca another.pem\n' >auth.another
    chmod 600 auth.*
    up power.img --ups "$UPS" --ups-auth auth.another
    wait_for 30 is_not_proven
    json power .power.detail
    status_is power .mode writeback
    is_no_client
    down
}

check 'a server that does not prove its name is not heard, and told no password' another_server

refuses_ups() {
    refuses 2 "bad --ups 'ups': not NAME@HOST\[:PORT\]" ramback up none.img --size 1M --ups ups --ram-dir "$RAM"
    refuses 2 'port 70000 is not 1 to 65535' ramback up none.img --size 1M --ups ups@host:70000 --ram-dir "$RAM"
    refuses 2 'none is named; add --ups' ramback up none.img --size 1M --ups-auth auth.good --ram-dir "$RAM"
    refuses 1 'cannot read --ups-auth .*nowhere' ramback up none.img --size 1M --ups "$UPS" --ups-auth nowhere --ram-dir "$RAM"
    chmod 644 auth.bad
    refuses 2 'may be read by everybody' ramback up none.img --size 1M --ups "$UPS" --ups-auth auth.bad --ram-dir "$RAM"
    printf 'ca nowhere.pem\n' >auth.ca
    refuses 1 'cannot use ca .*nowhere\.pem of --ups-auth .*: no such file' \
        ramback up none.img --size 1M --ups "$UPS" --ups-auth auth.ca --ram-dir "$RAM"
    refuses 2 "bad power event 'off'; use one of on-line, on-battery, low" ramback power off
    test ! -e none.img
}

check 'what is no UPS, no file of credentials, no event is refused' refuses_ups

# --- scripts ---

scripts() {
    up one.img --size 8M --mode checkpoint
    up two.img --size 8M --mode unsafe
    ramback power on-battery
    wait_for 30 power_is one on-battery writethrough
    wait_for 30 power_is two on-battery writethrough
    ramback power low one
    status_is one .power.state low-battery
    status_is two .power.state on-battery
    ramback power on-line
    wait_for 30 power_is one online checkpoint
    wait_for 30 power_is two online unsafe
    status_is one .power.source hooks
    down one
    down two
    ramback power on-battery # nobody is there to hear it: no fault of the script's
}

check 'scripts: all devices hear of it, or one' scripts

still_knows() {
    wait_for 30 power_is one on-battery unsafe
    status_is one .modeByHand true
}

outlives() { # nobody says it again
    up one.img --mode checkpoint
    ramback power on-battery one
    ramback mode one unsafe
    kill -KILL "$UP_PID"
    wait_for 30 gone "$UP_PID"
    up one.img --mode checkpoint
    still_knows
    ramback upgrade one
    still_knows
    ramback mode one auto
    power_is one on-battery writethrough
    down one
    up one.img --mode checkpoint
    power_is one none checkpoint
    status_is one .modeByHand false
    down one
}

check 'what a script and somebody by hand have said outlives a kill and an upgrade, not a stop' outlives

ended "$DRIVER_PID"
ended "$UPSD_PID"
