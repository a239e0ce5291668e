# what: the benchmark suite: each part that compares servers, in a run too short to say anything: its figures, tables, charts and what it leaves
# budget: 60
# clients: yes

# Nothing here cares how fast anything is: that is measured on a machine that does nothing else.

readonly PYTHON=/usr/bin/python3

suite() { # NAME OPTION...: a run of the suite, with what it writes in files of that name
    local name=$1
    shift
    mkdir -p "$WORK/disk" "$RAM/ram"
    if ! "$ROOT/bench/run" --quick --rounds 1 --seconds 1 --disk-dir "$WORK/disk" --ram-dir "$RAM/ram" --json "$name.json" \
        --charts charts "$@" >"$name.md" 2>"$name.err"; then
        cat "$name.err"
        return 1
    fi
    cat "$name.md"
    grep -qE '^[0-9]+ of [0-9]+ goals met$' "$name.md"
    test -z "$(ls -A "$WORK/disk" "$RAM/ram" | grep rbench)"
}

figures() { # NAME: the part's figures and tables are of the shape that they ought to have
    $PYTHON "$ROOT/verify.d/bench_figures.py" "$1.json" "$1.md" "$1"
}

serves() {
    suite serve --only serve --match '^one CPU: 4K mix QD1$'
    figures serve
}

pings() {
    suite bare --only bare --match '^one CPU: 4K write' --peers none
    figures bare
}

uses_as_a_device() {
    suite block --only block --match '^(fio 4K read|SQLite)' --peers 'nbdkit memory'
    figures block
}

attaches() {
    suite attach --only attach --match '^fio 4K read QD1$'
    figures attach
}

counts_calls() {
    suite calls --only calls --match '^(4K read QD32|allocations in unsafe)' --peers none
    figures calls
}

replaces_figures() { # what stands between a part's marks in a page, and nothing else
    printf 'before\n<!-- bench/run --only bare -->\nold\n<!-- end -->\nafter\n' >page.md
    $PYTHON - "$ROOT" page.md <<'PYTHON'
import importlib.machinery
import importlib.util
import sys

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("run", sys.argv[1] + "/bench/run")
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
loader.exec_module(run)
run.update(sys.argv[2], "bare", "new\n")
PYTHON
    printf 'before\n<!-- bench/run --only bare -->\nnew\n<!-- end -->\nafter\n' | cmp - page.md
}

tells_of_missing_peers() {
    $PYTHON - "$ROOT/bench" <<'PYTHON'
import sys
from types import SimpleNamespace

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from suite import servers

servers.shutil.which = lambda tool: None
said = []
found, missing = servers.start_peers(None, None, 0, SimpleNamespace(peers=list(servers.PEERS)), said.append)
assert not found and said == missing and len(missing) == len(servers.PEERS) == 4, missing
assert missing[0] == "nbdkit memory is left out: nbdkit is not installed", missing
PYTHON
}

refuses_peer() { # whoever compares with what is not there
    if "$ROOT/bench/run" --peers nbdfast >said.txt 2>&1; then return 1; fi
    grep -q 'no peer nbdfast; there are nbdkit memory, nbdkit file, qemu-nbd unsafe, nbd-server' said.txt
}

have() {
    command -v "$1" >/dev/null
}

check 'servers side by side, both modes: figures, tables, charts' serves
if have cc; then
    check 'against a bare socket' pings
else
    skip 'against a bare socket' 'there is no C compiler'
fi
if [[ $(id -u) == 0 && -e /dev/fuse ]] && have mkfs.ext4; then
    check 'as a block device, with a filesystem' uses_as_a_device
    check 'attached, against other block devices' attaches
else
    skip 'as a block device, with a filesystem' 'needs root, /dev/fuse and mkfs.ext4'
fi
if have strace; then
    check 'system calls and allocations are counted' counts_calls
else
    skip 'system calls and allocations are counted' 'there is no strace'
fi
check 'charts are small, well-formed, and made for dark pages too' $PYTHON "$ROOT/verify.d/bench_charts.py" charts
check 'new figures take the place of old ones, and of nothing else' replaces_figures
check 'a peer that is not installed is left out, and that is said' tells_of_missing_peers
check 'a peer that nobody knows is refused' refuses_peer
