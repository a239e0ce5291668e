#!/usr/bin/python3
"""Times starts: `up` to its ready line, then a command; and what the daemon takes of memory besides the device.

usage: startup.py RAMBACK IMAGE RAM_DIR RUNS

Prints the medians beside their goals: 1 s, 0.5 s, 160 MiB. The exit code is 1 when the memory is over its limit; times are
only printed, because a busy machine must not fail a test (bench/run measures them).
"""

import json
import signal
import statistics
import subprocess
import sys
import time

READY_SECONDS, COMMAND_SECONDS, MEMORY_MIB = 1.0, 0.5, 160
PATIENCE_SECONDS = 180


def timed(command):
    started = time.monotonic()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.monotonic() - started, out


def memory_mib(pid):
    """Resident memory without what is shared, which is the device's segment; the rest of its pages are the JVM's."""
    sizes = {}
    for line in open(f"/proc/{pid}/status", encoding="ascii"):
        key, _, value = line.partition(":")
        if key.startswith(("Rss", "VmRSS")):
            sizes[key] = int(value.split()[0]) / 1024
    return sizes["VmRSS"] - sizes["RssShmem"]


def one_run(ramback, image, ram_dir):
    started = time.monotonic()
    daemon = subprocess.Popen(
        [ramback, "up", image, "--ram-dir", ram_dir], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        line = daemon.stdout.readline()
        ready = time.monotonic() - started
        if " ready, " not in line:
            sys.exit(f"startup: up said {line!r}")
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            command, out = timed([ramback, "status", "--json"])
            if json.loads(out)["state"] == "ready":
                break
            if time.monotonic() > until:
                sys.exit(f"startup: not loaded in {PATIENCE_SECONDS} s")
        command, _ = timed([ramback, "status"])
        return ready, command, memory_mib(daemon.pid)
    finally:
        daemon.send_signal(signal.SIGTERM)
        if daemon.wait(PATIENCE_SECONDS) != 0:
            sys.exit(f"startup: up ended with {daemon.returncode}")


def main():
    ramback, image, ram_dir, runs = sys.argv[1:]
    figures = [one_run(ramback, image, ram_dir) for _ in range(int(runs))]
    failed = False
    for values, limit, unit, what in zip(
        zip(*figures),
        (READY_SECONDS, COMMAND_SECONDS, MEMORY_MIB),
        ("s", "s", "MiB"),
        ("up to the ready line", "ramback status", "memory besides the device"),
    ):
        median = statistics.median(values)
        failed |= unit == "MiB" and median > limit
        shown = ", ".join(f"{value:.3g}" for value in values)
        print(f"{what}: median {median:.3g} {unit} of at most {limit:g} {unit} ({shown})")
    sys.exit(1 if failed else 0)


main()
