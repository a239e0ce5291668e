# what: the dashboard in a real browser: live data, map, controls with and without the token, other sites, keyboard, contrast, telephones
# budget: 150
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly SIZE=$((128 << 20))

# --- what is refused before anything is made ---

head -c $SIZE /dev/urandom >image.img
check 'beyond the loopback it wants --insecure' refuses 2 'bad --http .0\.0\.0\.0:0.: .* --insecure$' \
    ramback up "$WORK/none.img" --size 1M --http 0.0.0.0:0
check '--insecure alone is bad usage' refuses 2 'insecure is for --http' ramback up "$WORK/none.img" --size 1M --insecure
check 'a bad address is bad usage' refuses 2 'bad --http .here.: write HOST:PORT' ramback up "$WORK/none.img" --size 1M --http here
check 'nothing was made' test ! -e "$WORK/none.img"

# --- a device on a slow disk, so that there is something to see: it takes a minute to load, if it were not hurried ---

# Slower, and four reads of 4 MiB would take so long that the disk is said not to answer.
slow_disk "$WORK/image.img" 20ms 20M
PORT=$(free_port)
readonly PORT
TOKEN_FILE=$RAMBACK_RUN_DIR/disk/http-token
readonly TOKEN_FILE

serve() {
    up "$DISK_URI" --name disk --journal "$WORK/journal" --journal-size 64M --http "localhost:$PORT"
}

token_is_secret() {
    test "$(stat -c %a "$TOKEN_FILE")" = 600
    test "$(wc -c <"$TOKEN_FILE")" = 33
    without grep -F "$(cat "$TOKEN_FILE")" "$UP_LOG"
    ramback status disk --json >status.json
    without grep -F "$(cat "$TOKEN_FILE")" status.json
    tr '\0' '\n' <"/proc/$(daemon_of disk)/cmdline" >cmdline.txt
    without grep -F "$(cat "$TOKEN_FILE")" cmdline.txt
}

said_where() {
    grep -qxF "ramback: dashboard http://localhost:$PORT/ (to change anything: $TOKEN_FILE)" "$UP_LOG"
    test "$(json disk .httpUri)" = "http://localhost:$PORT/"
    ramback status disk | grep -qE "^ *dashboard +http://localhost:$PORT/$"
}

told() { # LINE of the tour: its verdict
    printf '%s\n' "$2"
    [[ $1 == ok ]]
}

tour_has() { # WORD
    grep -q "^$1" tour.log || gone "$TOUR"
}

loaded() {
    test "$(json disk .loadedChunks)" = "$(json disk .chunks)"
}

background tour $PYTHON "$ROOT/verify.d/dashboard.py" "http://localhost:$PORT/" "$TOKEN_FILE" \
    "$RAMBACK_RUN_DIR/disk/control.sock" "nbd+unix:///disk?socket=$RAMBACK_RUN_DIR/disk/nbd.sock" "$WORK"
TOUR=$BG_PID
wait_for 60 tour_has browser || true
serve
check 'up and status say where it is' said_where
check 'the token is in a file of the owner alone, and nowhere else' token_is_secret
wait_for 120 tour_has load || true
pace_disk 1G
wait_for 60 loaded || true
pace_disk 32M
wait_for 240 tour_has stop || true
down
check 'the token goes with the daemon' test ! -e "$TOKEN_FILE"
wait_for 60 tour_has start || true
pace_disk 1G
serve
wait_for 60 tour_has done || true
while IFS=$'\t' read -r verdict name why; do
    case $verdict in
        ok | 'not ok') check "$name" told "$verdict" "$why" ;;
        '#') note "$name" ;;
    esac
done <tour.log
check 'the tour came to its end' grep -q '^done' tour.log
down

# --- and without a browser ---

over_the_socket() { # METHOD PATH [CURL_OPTION...]
    curl --silent --show-error --fail --unix-socket "$RAMBACK_RUN_DIR/plain/control.sock" --request "$1" "${@:3}" "http://localhost$2"
}

insecure_is_said() {
    grep -qE '^ramback: warning: --insecure: the dashboard on 0\.0\.0\.0:0 is not encrypted' "$UP_LOG"
}

up "$WORK/plain.img" --size 16M --journal-size 2M --http 0.0.0.0:0 --insecure
check 'with --insecure up says aloud what that means' insecure_is_said
check 'the page comes over the control socket' grep -q '<title>Ramback</title>' <(over_the_socket GET /)
check 'so does the map' grep -qE '^\{"chunks":4096,"chunksPerCell":2,"cells":2048,"all":"[A-Za-z0-9+/=]+"\}$' \
    <(over_the_socket GET '/map?cells=2048')
check 'and it can be told to flush, without a token' over_the_socket POST /flush
down
end_disk
