"""Part `populate`: how fast a device is loaded from its disk while somebody reads what is not loaded yet."""

import random
import time

from .disk import MIB, hdd, random_read_seconds, rest, sequential_bytes_per_second
from .report import Goal, Part, median, number
from .servers import connect, ramback, ramback_status, ramback_stop
from .workshop import Failure

DISK_BYTES = 1024 * MIB
CHUNK_BYTES = 4096
READS_PER_SECOND = 3
DISK_READ_COUNT = 50
# Blocks, and how many in flight: whichever suits the disk best is its own rate.
WAYS = ((MIB, 1), (4 * MIB, 1), (MIB, 4))
RATE_GOAL = 0.95
WAIT_GOAL = 2
# The place of the background load is known from a count; reads keep this far ahead of it.
AHEAD_BYTES = 64 * MIB


def load(shop, disk):
    """Loads the whole device while reading chunks ahead of the load; returns bytes a second and the waits."""
    rest()
    server = ramback(shop, disk, "--mode", "unsafe", "--journal", "none", name="populate", loaded=False)
    client = connect(server)
    first = status = ramback_status(shop, "populate")
    began = now = time.perf_counter()
    waits = []
    next_read = began
    while status["loadedChunks"] < status["chunks"]:
        ahead = (status["loadedChunks"] * CHUNK_BYTES + AHEAD_BYTES) // CHUNK_BYTES
        if now >= next_read and ahead < status["chunks"]:
            chunk = random.randrange(ahead, status["chunks"])
            asked = time.perf_counter()
            client.pread(CHUNK_BYTES, chunk * CHUNK_BYTES)
            waits.append(time.perf_counter() - asked)
            next_read += 1 / READS_PER_SECOND
        time.sleep(0.02)
        status = ramback_status(shop, "populate")
        now = time.perf_counter()
    rate = (status["chunks"] - first["loadedChunks"]) * CHUNK_BYTES / (now - began)
    client.shutdown()
    ramback_stop(server)
    if not waits:
        raise Failure("the device was loaded before anything could be read ahead of it")
    return rate, waits


def bench(shop, options, say):
    disk = hdd(shop, DISK_BYTES)
    say("reading the disk itself")
    own_wait = median(random_read_seconds(disk, DISK_READ_COUNT))
    by_way = {way: sequential_bytes_per_second(shop, disk, *way) for way in WAYS}
    best = max(by_way, key=by_way.get)
    own, loaded, waits = [], [], []
    for turn in range(options.rounds):
        say(f"the disk itself and loading from it, round {turn + 1} of {options.rounds}")
        own.append(sequential_bytes_per_second(shop, disk, *best))
        rate, some = load(shop, disk)
        loaded.append(rate)
        waits.append(some)
    ways = ", ".join(f"{depth} × {block // MIB} MiB" for block, depth in WAYS)
    part = Part(
        "Population",
        ["loading while somebody reads what is not loaded", "the disk itself", "ramback", "ratio", "goal"],
        notes=[
            f"A {DISK_BYTES // MIB} MiB device on the same stand-in. The disk itself is read past the page cache with",
            f"{best[1]} × {best[0] // MIB} MiB in flight, the best of {ways}; an application reads {READS_PER_SECOND}",
            f"chunks a second at random places that are not loaded; medians of {options.rounds} rounds.",
        ],
        raw={
            "disk": own,
            "diskByWay": {str(way): rate for way, rate in by_way.items()},
            "diskWait": own_wait,
            "ramback": loaded,
            "waits": waits,
        },
    )
    rate_ratio = median([a / b for a, b in zip(loaded, own)])
    part.row(
        "sequential rate, MB/s",
        *(number(median(rates) / 1e6) for rates in (own, loaded)),
        f"**{rate_ratio:.3f}**",
        goal=Goal(rate_ratio, at_least=RATE_GOAL),
    )
    wait = median([wait for some in waits for wait in some])
    part.row(
        "median wait for 4 KiB, ms",
        *(number(seconds * 1e3) for seconds in (own_wait, wait)),
        f"**{wait / own_wait:.2f}**",
        goal=Goal(wait / own_wait, at_most=WAIT_GOAL),
    )
    return part
