# what: 500 hostile clients beside a good one: it is served as ever, they are refused or thrown out, and nothing of them is left
# budget: 90
# clients: yes

# verify.d/hostile_clients.py is the crowd. How fast the good client is served beside it is bench/run's part `hostile`.

up crowd.img --size 64M --max-clients 64
CROWD_PID=$UP_PID CROWD_SOCKET=$UP_SOCKET CROWD_URI=$UP_URI

good_client() { # REQUESTS: writes and reads back, in the lower half, until it has had so many answers; and says what is there then
    /usr/bin/python3 - "$CROWD_URI" "$1" good.last <<'P'
import os, random, sys, nbd
connection = nbd.NBD()
connection.connect_uri(sys.argv[1])
print("connected", flush=True)
while not os.path.exists("crowd.there"):
    connection.pread(1, 0)
size = connection.get_size() // 2
model = bytearray(connection.pread(size, 0))
for _ in range(int(sys.argv[2]) // 2):
    length = random.randrange(1, 20000)
    offset = random.randrange(size - length)
    data = os.urandom(length)
    connection.pwrite(data, offset)
    model[offset : offset + length] = data
    begin, end = max(0, offset - 100), min(size, offset + length + 100)
    if connection.pread(end - begin, begin) != model[begin:end]:
        sys.exit(f"{length} bytes at {offset} do not read as they were written")
with open(sys.argv[3], "wb") as file:
    file.write(model)
P
}

of_clients() { # threads
    grep -lE '^(nbd|reply)-[0-9]' "/proc/$CROWD_PID"/task/*/comm 2>/dev/null | wc -l
}

descriptors() {
    find "/proc/$CROWD_PID/fd" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

own_memory_kib() {
    sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$CROWD_PID/status"
}

with_code() { # FILE COMMAND...: in the background; its exit code in FILE
    "${@:2}" || {
        printf '%d\n' $? >"$1"
        return
    }
    printf '0\n' >"$1"
}

ended_well() { # NAME PID SECONDS: of what with_code has started
    wait_for "$3" gone "$2"
    cat "$1.log"
    test "$(cat "$1.code")" = 0
}

as_before_the_crowd() { # DESCRIPTORS: the JDK makes pollers for virtual threads, each with a descriptor, when first needed
    (($(of_clients) == 0 && $(descriptors) <= $1 + 8)) && [[ $(json crowd .clients) == 0 ]]
}

says() { # FILE TEXT
    grep -q -- "$2" "$1"
}

memory_holds() { # KIB MAX
    printf 'memory of its own grew by %d KiB\n' "$1"
    (($1 <= $2))
}

wait_for 15 as_before_the_crowd 1000
descriptors_before=$(descriptors)
memory_before=$(own_memory_kib)
background good with_code good.code good_client 3000
GOOD_PID=$BG_PID
must 'a good client is connected' wait_for 30 says good.log connected
background crowd with_code crowd.code /usr/bin/python3 "$ROOT/verify.d/hostile_clients.py" "$CROWD_SOCKET" crowd $((64 << 20)) --clients 500 --until crowd.stop
HOSTILE_PID=$BG_PID
check '500 hostile clients come: silent, slow, deaf, flooding, boastful, leaving, greedy, wrong' wait_for 60 says crowd.log 'all there'
touch crowd.there
check 'the good client gets 3,000 right answers beside them' ended_well good "$GOOD_PID" 120
check 'somebody who asks what there is gets an answer' wait_for 60 nbdinfo --size "$CROWD_URI"
# The heap's 128 MiB, which come and go with thousands of connections, 64 connections' buffers and stacks of 1 MiB, and what the
# compiler needs while all of it is new: of none of them a crowd that stays longer gets more.
memory_grew=$(($(own_memory_kib) - memory_before))
check 'memory is bounded' memory_holds "$memory_grew" $((256 << 10))
note "memory of its own grew by $((memory_grew >> 10)) MiB"
touch crowd.stop
check 'the crowd was served, refused and thrown out as it should' ended_well crowd "$HOSTILE_PID" 30
sed -n 's/^[a-z]*: came/        | &/p' crowd.log
check 'those for whom there was no session were told so' grep -qE 'refused [1-9]' crowd.log
check 'threads, descriptors and clients are what they were before' wait_for 60 as_before_the_crowd "$descriptors_before"
check 'the daemon has nothing to complain of' complains_not "$UP_LOG"
must 'down' down crowd
check 'the image holds what the good client wrote' cmp -n $((32 << 20)) good.last crowd.img
rm crowd.img* good.last
