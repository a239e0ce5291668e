"""Part `calls`: what the daemon asks of the system for its clients' requests, counted by strace, and what its threads allocate,
counted by the flight recorder."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

from .disk import write_noise
from .fio import KIB, MIB, job_of
from .report import Goal, Part, number, table, verdict, wrapped
from .servers import RAMBACK, ROOT, ramback_in, ramback_mode, ramback_status, ramback_stop
from .workshop import Failure, alive, run, wait_until

SIZE_BYTES = 64 * MIB
WARM_UP_SECONDS = 3
WARM_UP_REQUESTS = 40_000
QUICK_WARM_UP_REQUESTS = 10_000
WORKLOADS = (
    ("4K read QD1", "randread", 4 * KIB, 1),
    ("4K write QD1", "randwrite", 4 * KIB, 1),
    ("4K read QD32", "randread", 4 * KIB, 32),
    ("4K write QD32", "randwrite", 4 * KIB, 32),
)
RECEIVES = {"read", "readv", "recvfrom", "recvmsg"}
SENDS = {"write", "writev", "sendto", "sendmsg"}
# A call that belongs to another thread, now and then.
SEND_GOAL = 1.05
RECEIVE_GOAL = 1.05
# Half of the smallest object, as in ./verify: what the compiler has not come to yet makes one now and then.
ALLOCATION_GOAL = 8
ALLOCATED = re.compile(r"threads that serve allocated ([\d,]+) bytes, besides ([\d,]+) for locks; the others ([\d,]+)")


@dataclass(frozen=True)
class Calls:
    """What strace counted in a run."""

    requests: int
    receives: int  # that brought something
    empty_receives: int  # of a thread that polls, or that was interrupted
    sends: int
    others: int


def load(shop, server, pattern, block_bytes, depth, seconds):
    """Has fio make requests; returns how many."""
    output = os.path.join(shop.disk_dir, "calls.json")
    run(
        *("fio", "--name=calls", "--ioengine=nbd", f"--uri={server.uri}", "--thread", f"--rw={pattern}", f"--bs={block_bytes}"),
        *(f"--iodepth={depth}", f"--size={server.size_bytes}", "--time_based", f"--runtime={seconds}", "--norandommap"),
        *("--output-format=json", f"--output={output}"),
    )
    job = job_of(output)
    return job["read"]["total_ios"] + job["write"]["total_ios"]


def counted(shop, server, workload, seconds):
    _, pattern, block_bytes, depth = workload
    report = os.path.join(shop.disk_dir, "strace.txt")
    strace = shop.start("strace", "-f", "-c", "-U", "calls,errors,name", "-o", report, "-p", server.pid)
    wait_until("strace", 30, lambda: alive(strace, "strace") and is_traced(server.pid))
    try:
        requests = load(shop, server, pattern, block_bytes, depth, seconds)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
    return told(report, requests)


def is_traced(pid):
    """Whether every thread of a process is being traced; one that ends just now counts as one."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
            if "TracerPid:\t0\n" in file.read():
                return False
    return True


def told(report, requests):
    """Reads a report of strace."""
    receives = empty = sends = others = 0
    with open(report, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) < 2 or not words[0].isdigit() or words[-1] == "total":
                continue
            calls, errors, name = int(words[0]), int(words[1]) if len(words) > 2 else 0, words[-1]
            if name in RECEIVES:
                receives += calls - errors
                empty += errors
            elif name in SENDS:
                sends += calls
            else:
                others += calls
    if receives == 0:
        raise Failure(f"strace counted no call that receives; see {report}")
    return Calls(requests, receives, empty, sends, others)


def allocations(shop, content, modes, options, say):
    """What a daemon allocates for a mix of all requests, by mode: bytes of the threads that serve, of their locks, and of the
    others, in so many requests."""
    java = run(RAMBACK, env={**os.environ, "RAMBACK_PRINT_JDK": "1"}).strip()
    # The start-up cache does not fit a JVM without the threads' own buffers; without them every allocation is an event.
    server = ramback_in("checkpoint", flags="-XX:AOTMode=off -XX:-UseTLAB")(shop, content, SIZE_BYTES)
    found = {}
    for mode in modes:
        say(f"allocations in {mode}")
        ramback_mode(shop, "checkpoint", mode)
        recording = os.path.join(shop.disk_dir, f"{mode}.jfr")
        # Not from the start on: that is most of what a daemon ever allocates.
        run(f"{java}/bin/jcmd", server.pid, "JFR.start", "name=calls", f"settings={ROOT}/verify.d/allocation.jfc")
        commits = committed(shop)
        steady = run(sys.executable, f"{ROOT}/verify.d/steady_load.py", server.uri, warm_up_requests(options), options.seconds)
        begin, end, requests = steady.split()
        commits = committed(shop) - commits
        run(f"{java}/bin/jcmd", server.pid, "JFR.stop", "name=calls", f"filename={recording}")
        # It fails when that is more than ./verify allows; here it is a figure.
        done = subprocess.run(
            [f"{java}/bin/java", f"{ROOT}/verify.d/Allocations.java", recording, begin, end, requests, str(commits), mode],
            capture_output=True,
            text=True,
            check=False,
        )
        said = ALLOCATED.search(done.stdout)
        if not said:
            raise Failure(f"the recording could not be read: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
        found[mode] = (int(requests), *(int(bytes_said.replace(",", "")) for bytes_said in said.groups()))
    ramback_stop(server)
    return found


def warm_up_requests(options):
    """So many must be served before nothing is compiled any more; a quick look takes what comes."""
    return QUICK_WARM_UP_REQUESTS if options.quick else WARM_UP_REQUESTS


def committed(shop):
    return ramback_status(shop, "checkpoint")["lastCommit"]["epoch"]


def bench(shop, options, say):
    content = os.path.join(shop.ram_dir, "content.img")
    write_noise(content, SIZE_BYTES)
    server = ramback_in("unsafe")(shop, content, SIZE_BYTES)
    part = Part(
        "Calls and allocations",
        ["requests", "counted", "receives a request", "sends a receive", "requests a send", "receives of nothing, a request", "other calls a request"],
        notes=wrapped("""
            strace counts the system calls of all threads of the daemon while fio makes requests on one connection; it slows them down,
            so that batches are not those of an untraced run. What comes with one receive is answered with one send. A thread that polls
            receives nothing now and then, and other calls are the waiting of a thread that does not, its sleep and write-behind."""),
    )
    for workload in WORKLOADS:
        name, pattern, block_bytes, depth = workload
        if not re.search(options.match, name):
            continue
        say(f"calls, {name}")
        load(shop, server, pattern, block_bytes, depth, min(WARM_UP_SECONDS, options.seconds))
        calls = counted(shop, server, workload, options.seconds)
        part.raw[name] = calls.__dict__
        receives = calls.receives / calls.requests
        # Of a deeper queue several requests come at once: never more receives than requests.
        part.rows.append([
            name,
            number(calls.requests),
            judged(part, Goal(receives, at_most=RECEIVE_GOAL, name=f"{name}: receives a request")),
            judged(part, Goal(calls.sends / calls.receives, at_most=SEND_GOAL, name=f"{name}: sends a receive")),
            number(calls.requests / max(1, calls.sends)),
            number(calls.empty_receives / calls.requests),
            number(calls.others / calls.requests),
        ])
    ramback_stop(server)
    modes = [mode for mode in ("checkpoint", "unsafe") if re.search(options.match, f"allocations in {mode}")]
    if not modes:
        return part
    rows = []
    for mode, (requests, serving, locks, others) in allocations(shop, content, modes, options, say).items():
        part.raw[f"allocations, {mode}"] = {"requests": requests, "serving": serving, "locks": locks, "others": others}
        goal = Goal(serving / requests, at_most=ALLOCATION_GOAL, unit="B", name=f"{mode}: bytes allocated a request")
        rows.append([mode, number(requests), judged(part, goal), number(locks / requests), number(others / requests)])
    part.after = [
        *wrapped(f"""
            Allocations, from a recording of every single one, while two clients read, write, zero, discard and flush in random order
            (`verify.d/steady_load.py`): bytes a request, after {warm_up_requests(options):,} that are not counted."""),
        "",
        *table(["mode", "requests", "by threads that serve", "for their locks", "by the others"], rows),
    ]
    return part


def judged(part, goal):
    part.goals.append(goal)
    return f"**{number(goal.value)}**, {verdict(goal)}"
