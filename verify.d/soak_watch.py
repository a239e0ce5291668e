#!/usr/bin/python3
"""A mixed load on one long-lived device, and what that device's daemon keeps: for hours both must stay as they were.

usage: soak_watch.py URI PID RAM_FILES --until FILE [--seed S] [--window SECONDS] [--rest MICROSECONDS]

Writes and reads of 4 KiB at random places, every read held against what was written, a FLUSH now and then, a new
connection now and then, at a steady pace. A line for each window: requests, p50, p99, p99.9 in microseconds, the
daemon's own memory (without the device), its descriptors and threads, and what files take up whose paths begin with
RAM_FILES. When FILE exists the first quarter of the windows is compared with the last one, the very first left out,
since a compiler and caches warm up in it. The exit code is 1 when a read was wrong or when memory, descriptors, threads
or files have grown; latencies, which other processes of the machine disturb, are only told.
"""

import argparse
import os
import random
import statistics
import sys
import time

import nbd

BLOCK = 4096
READ_MAX = 32 << 20
FLUSH_EVERY = 500
RECONNECT_EVERY = 5000
MEMORY_SLACK_KIB = 16 << 10
COUNT_SLACK = 3


def connect(uri):
    connection = nbd.NBD()
    connection.connect_uri(uri)
    return connection


def own_memory_kib(pid):
    values = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            key, _, value = line.partition(":")
            values[key] = value.split()
    return int(values["RssAnon"][0]), int(values["Threads"][0])


def bytes_of(files):
    """What files whose paths begin so take up."""
    directory, prefix = os.path.split(files)
    return sum(entry.stat().st_blocks * 512 for entry in os.scandir(directory) if entry.name.startswith(prefix))


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]


class Window:
    """What was measured in one span of time."""

    def __init__(self, micros, pid, ram_files):
        micros.sort()
        self.count = len(micros)
        self.p50, self.p99, self.p999 = (percentile(micros, part) for part in (0.5, 0.99, 0.999))
        self.memory_kib, self.threads = own_memory_kib(pid)
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.ram_mib = bytes_of(ram_files) >> 20

    def __str__(self):
        return (
            f"{self.count} requests, {self.p50:.0f} / {self.p99:.0f} / {self.p999:.0f} us, {self.memory_kib} KiB, "
            f"{self.descriptors} descriptors, {self.threads} threads, {self.ram_mib} MiB of RAM"
        )


def median_of(windows, name):
    return statistics.median(getattr(window, name) for window in windows)


def judge(windows):
    """Says how the last quarter compares with the first; returns whether nothing has grown."""
    windows = windows[1:] or windows
    quarter = max(1, len(windows) // 4)
    first, last = windows[:quarter], windows[-quarter:]
    told = {
        name: (median_of(first, name), median_of(last, name))
        for name in ("p50", "p99", "p999", "memory_kib", "descriptors", "threads", "ram_mib")
    }
    print(
        f"flat: {sum(window.count for window in windows)} requests; "
        f"p50 {told['p50'][0]:.0f} -> {told['p50'][1]:.0f} us, p99 {told['p99'][0]:.0f} -> {told['p99'][1]:.0f} us, "
        f"p99.9 {told['p999'][0]:.0f} -> {told['p999'][1]:.0f} us; "
        f"own memory {told['memory_kib'][0] / 1024:.1f} -> {told['memory_kib'][1] / 1024:.1f} MiB, "
        f"descriptors {told['descriptors'][0]:.0f} -> {told['descriptors'][1]:.0f}, "
        f"threads {told['threads'][0]:.0f} -> {told['threads'][1]:.0f}, "
        f"RAM {told['ram_mib'][0]:.0f} -> {told['ram_mib'][1]:.0f} MiB"
    )
    limits = {
        "memory_kib": MEMORY_SLACK_KIB + told["memory_kib"][0] * 0.1,
        "descriptors": COUNT_SLACK,
        "threads": COUNT_SLACK,
        "ram_mib": 1,
    }
    grown = [name for name, slack in limits.items() if told[name][1] - told[name][0] > slack]
    if grown:
        print(f"grown: {', '.join(grown)}")
    return not grown


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("pid", type=int)
    parser.add_argument("ram_files")
    parser.add_argument("--until", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--window", type=float, default=10)
    parser.add_argument("--rest", type=float, default=500)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    connection = connect(options.uri)
    blocks = connection.get_size() // BLOCK
    model = bytearray()
    while len(model) < blocks * BLOCK:
        model += connection.pread(min(READ_MAX, blocks * BLOCK - len(model)), len(model))
    windows, micros, done = [], [], 0
    until = time.monotonic() + options.window
    while not os.path.exists(options.until):
        offset = chance.randrange(blocks) * BLOCK
        if chance.random() < 0.3:
            data = chance.randbytes(BLOCK)
            began = time.perf_counter()
            connection.pwrite(data, offset)
            micros.append((time.perf_counter() - began) * 1e6)
            model[offset : offset + BLOCK] = data
        else:
            began = time.perf_counter()
            data = connection.pread(BLOCK, offset)
            micros.append((time.perf_counter() - began) * 1e6)
            if data != model[offset : offset + BLOCK]:
                sys.exit(f"the block at {offset} does not read as it was written")
        done += 1
        if done % FLUSH_EVERY == 0:
            connection.flush()
        if done % RECONNECT_EVERY == 0:
            connection.shutdown()
            connection = connect(options.uri)
        if time.monotonic() > until:
            windows.append(Window(micros, options.pid, options.ram_files))
            print(windows[-1], flush=True)
            micros = []
            until = time.monotonic() + options.window
        time.sleep(options.rest / 1e6)
    connection.shutdown()
    if not windows:
        sys.exit("no window was measured")
    sys.exit(0 if judge(windows) else 1)


main()
