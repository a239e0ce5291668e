# what: a device of 1 TiB: what it takes of memory, touches and computes when little of it is used; zeroes that are written become holes
# budget: 60
# clients: yes

readonly PYTHON=/usr/bin/python3
readonly TIB=$((1 << 40))

# --- a tebibyte, of which little is used ---

allocated() { # FILE: bytes that it takes of its filesystem
    echo $(($(stat -c '%b * %B' "$1")))
}

resident_kib() { # FIELD of /proc/PID/status
    sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$UP_PID/status"
}

is_loaded() {
    test "$(json "$UP_NAME" .loadedChunks)" = "$(json "$UP_NAME" .chunks)"
}

state_is_small() { # at most 0.02 % of the device
    local bytes
    bytes=$(allocated "$(ls "$RAM"/large-*.ram)")
    printf '%d bytes, %d a million of the device\n' "$bytes" $((bytes * 1000000 / TIB))
    ((bytes * 5000 <= TIB))
}

process_is_small() { # besides its states and the device
    local kib
    kib=$(($(resident_kib RssAnon) + $(resident_kib RssFile)))
    printf '%d KiB of its own\n' "$kib"
    ((kib < 200 << 10))
}

ticks() { # of processor time that the daemon has taken
    sed 's/.*) //' "/proc/$UP_PID/stat" | awk '{ print $12 + $13 }'
}

is_idle() { # over five seconds less than 5 % of a processor, of which most is the clock that looks once a second
    local before after
    before=$(ticks)
    sleep 5
    after=$(ticks)
    printf '%d ticks in 5 s\n' $((after - before))
    ((after - before <= 5 * $(getconf CLK_TCK) / 20))
}

map_is_whole() { # all of it in RAM, as zeroes, with nothing dirty: two bytes a cell
    curl -s --unix-socket "$RAMBACK_RUN_DIR/$UP_NAME/control.sock" 'http://localhost/map?cells=1024' >map
    printf '%d bytes\n' "$(stat -c %s map)"
    (($(stat -c %s map) > 1000))
}

write_everywhere() { # a thousand chunks in 100 places, a MiB of the device between none of them
    $PYTHON -I -c '
import nbd, sys
client = nbd.NBD()
client.connect_uri(sys.argv[1])
step = (1 << 40) // 100 >> 21 << 21
for turn in (b"a", b"b"):
    for place in range(100):
        for chunk in range(10):
            client.pwrite(turn * 4096, place * step + chunk * (192 << 10))
    client.flush()
for place in range(100):
    assert client.pread(4096, place * step + 9 * (192 << 10)) == b"b" * 4096
    assert client.pread(4096, place * step + 1 * (192 << 10) + 4096) == bytes(4096)
client.shutdown()' "$UP_URI"
}

image_has_only_that() { # a thousand chunks, with what the filesystem takes besides
    local bytes
    bytes=$(allocated "$WORK/large.img")
    printf '%d bytes in the image\n' "$bytes"
    ((bytes >= 4096000 && bytes < 64 << 20))
}

takes_over() { # what a killed daemon of a tebibyte left
    $PYTHON -I -c '
import nbd, sys
client = nbd.NBD()
client.connect_uri(sys.argv[1])
client.pwrite(b"c" * 4096, 1 << 39)
client.shutdown()' "$UP_URI"
    kill -KILL "$UP_PID"
    wait_for 10 gone "$UP_PID"
}

has_what_was_left() {
    $PYTHON -I -c '
import nbd, sys
client = nbd.NBD()
client.connect_uri(sys.argv[1])
assert client.pread(4096, 1 << 39) == b"c" * 4096
client.shutdown()' "$UP_URI"
}

truncate -s 1T large.img
up "$WORK/large.img" --ram sparse --journal-size 64M --name large
must 'a hole of a tebibyte is loaded' wait_for 30 is_loaded
check 'its chunk states take 0.02 % of it at most' state_is_small
check 'the process takes no more than that of a small device' process_is_small
check 'it computes nothing while nobody uses it' is_idle
check 'its chunk map can be had' map_is_whole
check 'a thousand chunks all over it are written twice, flushed and read' write_everywhere
check 'it is stopped' down large
check 'the image takes what was written' image_has_only_that
up "$WORK/large.img" --ram sparse --name large
check 'it is killed' takes_over
up "$WORK/large.img" --ram sparse --name large
check 'and gone on with' has_what_was_left
check 'it is stopped again' down large

# --- zeroes that are written ---

write_zeroes() { # 32 MiB of data; over the second half of them zeroes; and a byte in one of those chunks' places
    $PYTHON -I -c '
import nbd, sys
client = nbd.NBD()
client.connect_uri(sys.argv[1])
for at in range(0, 32 << 20, 1 << 20):
    client.pwrite(b"d" * (1 << 20), at)
client.flush()
for at in range(16 << 20, 32 << 20, 1 << 20):
    client.pwrite(bytes(1 << 20), at)
client.pwrite(bytes(4095) + b"e", 24 << 20)
client.flush()
assert client.pread(1 << 20, 16 << 20) == bytes(1 << 20)
assert client.pread(4096, 24 << 20) == bytes(4095) + b"e"
assert client.pread(1 << 20, 15 << 20) == b"d" * (1 << 20)
client.shutdown()' "$UP_URI"
    ramback flush "$UP_NAME"
}

takes() { # FILE MIB: not much more
    local kib
    kib=$(du -k "$1" | cut -f 1)
    printf '%s takes %d KiB\n' "$1" "$kib"
    ((kib >= $2 << 10 && kib < ($2 + 4) << 10))
}

memory_is_given_back() {
    takes "$(ls "$RAM"/zeroes-*.ram)" 16
}

are_equal() {
    cmp zeroes.img shot.img
    cmp -n $((16 << 20)) <(head -c 16M /dev/zero | tr '\0' d) zeroes.img
}

up "$WORK/zeroes.img" --size 64M --ram sparse --detect-zeroes --name zeroes
check 'zeroes are written over data' write_zeroes
check 'they are holes in the image' takes zeroes.img 16
check 'and take no memory' wait_for 10 memory_is_given_back
check 'a snapshot is written' ramback snapshot zeroes "$WORK/shot.img"
check 'in which they are holes as well' takes shot.img 16
check 'it is stopped' down zeroes
check 'image and snapshot have the same, and what was written' are_equal
up "$WORK/plain.img" --size 64M --ram sparse --name plain
check 'without --detect-zeroes zeroes are written' write_zeroes
check 'and are data in the image' takes plain.img 32
check 'it is stopped' down plain
rm -f ./*.img map
