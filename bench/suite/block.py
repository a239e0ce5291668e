"""Part `block`: what applications get of each server as a block device: through nbdfuse and a loop device with direct I/O, all in
the same way. fio on the device; on an ext4 of it a source tree unpacked, synced files, SQLite, and the files of a git clone."""

import contextlib
import json
import os
import re
import sqlite3
import time
from dataclasses import dataclass

from .charts import BarChart
from .disk import source_tree, write_noise
from .filesystem import create_and_sync, untar
from .fio import KIB, MIB, job_of
from .report import Part, median, number, wrapped
from .servers import OURS, start_all
from .workshop import run

SIZE_BYTES = 512 * MIB
QUICK_SIZE_BYTES = 192 * MIB
WARM_UP_SECONDS = 3
TRANSACTION_COUNT = 500
OBJECT_COUNT = 2000
OBJECT_DIRECTORIES = 256


@dataclass(frozen=True)
class OnDevice:
    """A run of fio on the device itself; more requests a second are better."""

    name: str
    pattern: str
    block_bytes: int
    depth: int


@dataclass(frozen=True)
class OnFiles:
    """Something done on a new filesystem; less time is better."""

    name: str
    work: object  # of a directory and the tar of a source tree; returns the seconds that took


def transactions(directory, _):
    """SQLite as it comes: a journal, and a sync of it and of the file for each transaction."""
    with contextlib.closing(sqlite3.connect(os.path.join(directory, "test.db"), isolation_level=None)) as database:
        database.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, branch INTEGER, balance INTEGER, filler TEXT)")
        database.execute("CREATE INDEX of_branch ON account (branch)")
        began = time.perf_counter()
        for index in range(TRANSACTION_COUNT):
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO account VALUES (?, ?, ?, ?)", (index, index % 10, 0, "x" * 80))
            database.execute("UPDATE account SET balance = balance + 1 WHERE branch = ?", (index * 7 % 10,))
            database.execute("COMMIT")
        return time.perf_counter() - began


def clone(directory, _):
    """What a git clone does to a filesystem: objects written under a passing name, renamed and made read-only, in 256 directories;
    a work tree written from them, and looked at file by file."""
    objects, tree = os.path.join(directory, "objects"), os.path.join(directory, "work")
    content = os.urandom(4 * KIB)
    began = time.perf_counter()
    for index in range(OBJECT_DIRECTORIES):
        os.makedirs(os.path.join(objects, f"{index:02x}"))
        os.makedirs(os.path.join(tree, f"{index % 16:x}", f"{index // 16:x}"))
    paths = []
    for index in range(OBJECT_COUNT):
        place = os.path.join(objects, f"{index % OBJECT_DIRECTORIES:02x}")
        passing, final = os.path.join(place, f"tmp_obj_{index}"), os.path.join(place, f"{index:038x}")
        with open(passing, "xb") as file:
            file.write(content[: 100 + index * 37 % (len(content) - 100)])
        os.chmod(passing, 0o444)
        os.rename(passing, final)
        paths.append(final)
    for index, path in enumerate(paths):
        with open(path, "rb") as file, open(os.path.join(tree, f"{index % 16:x}", f"{index // 16 % 16:x}", str(index)), "xb") as made:
            made.write(file.read())
    for parent, _, files in os.walk(tree):
        for name in files:
            os.lstat(os.path.join(parent, name))
    run("sync", "--file-system", directory)
    return time.perf_counter() - began


TESTS = (
    OnDevice("fio 4K read QD32", "randread", 4 * KIB, 32),
    OnDevice("fio 4K write QD32", "randwrite", 4 * KIB, 32),
    OnDevice("fio 1M read QD4", "read", MIB, 4),
    OnDevice("fio 1M write QD4", "write", MIB, 4),
    OnFiles("untar, sync", untar),
    OnFiles("500 × create, write 4 KiB, fsync", create_and_sync),
    OnFiles(f"SQLite, {TRANSACTION_COUNT} transactions", transactions),
    OnFiles(f"git clone, {OBJECT_COUNT} objects", clone),
)


def requests_per_second(shop, device, test, seconds):
    output = os.path.join(shop.disk_dir, "block.json")
    run(
        *("fio", "--name=block", "--ioengine=libaio", "--direct=1", f"--filename={device}", f"--rw={test.pattern}"),
        *(f"--bs={test.block_bytes}", f"--iodepth={test.depth}", "--time_based", f"--runtime={seconds}"),
        *("--norandommap", "--randrepeat=0", "--output-format=json", f"--output={output}"),
    )
    return job_of(output)["read" if "read" in test.pattern else "write"]["iops"]


def turn_of(shop, server, tests, tar, seconds):
    """One server's turn at everything; returns a figure a test."""
    device, detach = shop.attach(server.uri)
    found = measure(shop, device, tests, tar, seconds, server.settle)
    detach()
    return found


def measure(shop, device, tests, tar, seconds, settle):
    """Everything on one block device, each on a server that works on nothing else; returns a figure a test."""
    found = {}
    for test in tests:
        if isinstance(test, OnDevice):
            found[test.name] = requests_per_second(shop, device, test, seconds)
            settle()
    if any(isinstance(test, OnFiles) for test in tests):
        run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", device)
        directory, unmount = shop.mount(device)
        for test in tests:
            if isinstance(test, OnFiles):
                place = os.path.join(directory, str(len(found)))
                os.mkdir(place)
                settle()
                found[test.name] = test.work(place, tar)
        unmount()
    return found


def bench(shop, options, say):
    tests = [test for test in TESTS if re.search(options.match, test.name)]
    tar, what = source_tree(shop) if any(test.name.startswith("untar") for test in tests) else (None, "")
    content = os.path.join(shop.ram_dir, "content.img")
    size_bytes = QUICK_SIZE_BYTES if options.quick else SIZE_BYTES
    write_noise(content, size_bytes)
    servers, missing = start_all(shop, content, size_bytes, options, say)
    os.unlink(content)
    for server in servers if not options.quick else ():
        say(f"warming up, {server.name}")
        turn_of(shop, server, TESTS[:2], tar, min(WARM_UP_SECONDS, options.seconds))
    turns = {server.name: [] for server in servers}
    for turn in range(options.rounds):
        for server in servers:
            say(f"{server.name}, round {turn + 1} of {options.rounds}")
            turns[server.name].append(turn_of(shop, server, tests, tar, options.seconds))
    peers = [name for name in turns if name not in OURS]
    part = Part(
        "As a block device",
        ["", *turns, *(f"{name} × the best peer" for name in OURS if peers)],
        notes=wrapped(f"""
            Each server through nbdfuse and a loop device with direct I/O, which cost all of them the same; {size_bytes // MIB} MiB, on it ext4 but for
            fio. Requests a second of fio ({options.seconds} s), seconds of everything else; {what + '; ' if what else ''}medians of {options.rounds}
            rounds, servers in turn. More than 1 × is faster than the fastest peer, whichever that is in a line.""")
        + missing,
        raw=json.loads(json.dumps(turns)),
    )
    for test in tests:
        values = {name: [found[test.name] for found in turns[name]] for name in turns}
        part.row(
            test.name + (", /s" if isinstance(test, OnDevice) else ", s"),
            *(number(median(values[name])) for name in turns),
            *(f"**{number(against(test, values, name, peers))}**" for name in OURS if peers),
        )
    part.charts = charts(tests, turns)
    return part


def against(test, values, ours, peers):
    """How many times as fast as the peer that is fastest at this, by the rounds' ratios."""
    if isinstance(test, OnDevice):
        best = max(peers, key=lambda name: median(values[name]))
        return median([mine / theirs for mine, theirs in zip(values[ours], values[best])])
    best = min(peers, key=lambda name: median(values[name]))
    return median([theirs / mine for mine, theirs in zip(values[ours], values[best])])


def charts(tests, turns):
    found = []
    for name, title, kind in (
        ("block-requests", "As a block device: requests a second", OnDevice),
        ("block-seconds", "As a block device, ext4: seconds", OnFiles),
    ):
        groups = [test.name for test in tests if isinstance(test, kind)]
        if groups:
            series = {server: [median([one[group] for one in rounds]) for group in groups] for server, rounds in turns.items()}
            # The label's room is narrow.
            found.append(BarChart(name, title, [group.partition(",")[0].removeprefix("fio ")[:22] for group in groups], series))
    return found
