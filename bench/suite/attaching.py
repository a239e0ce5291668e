"""Part `attach`: a device as a block device by `ramback attach`, against the same device through nbdfuse and our NBD server, and
against a loop device on a file of tmpfs, which keeps nothing."""

import json
import os
import re

from .block import OnDevice, OnFiles, measure
from .charts import BarChart
from .disk import source_tree, write_noise
from .filesystem import create_and_sync, untar
from .fio import KIB, MIB
from .report import Goal, Part, median, number, wrapped
from .servers import ramback_attach, ramback_in
from .workshop import detach_loops, run

SIZE_BYTES = 512 * MIB
QUICK_SIZE_BYTES = 192 * MIB
WARM_UP_SECONDS = 3

OURS, OVER_NBD, TMPFS = "ramback attach, FUSE", "nbdfuse over our NBD", "tmpfs file"
NBDFUSE_GOAL, TMPFS_GOAL = 1.3, 0.4

TESTS = (
    OnDevice("fio 4K read QD1", "randread", 4 * KIB, 1),
    OnDevice("fio 4K write QD1", "randwrite", 4 * KIB, 1),
    OnDevice("fio 4K read QD16", "randread", 4 * KIB, 16),
    OnDevice("fio 4K write QD16", "randwrite", 4 * KIB, 16),
    OnDevice("fio 1M read QD4", "read", MIB, 4),
    OnDevice("fio 1M write QD4", "write", MIB, 4),
    OnFiles("untar, sync", untar),
    OnFiles("500 × create, write 4 KiB, fsync", create_and_sync),
)


def bench(shop, options, say):
    tests = [test for test in TESTS if re.search(options.match, test.name)]
    tar, what = source_tree(shop) if any(test.name.startswith("untar") for test in tests) else (None, "")
    content = os.path.join(shop.ram_dir, "content.img")
    write_noise(content, QUICK_SIZE_BYTES if options.quick else SIZE_BYTES)
    server = ramback_in("unsafe")(shop, content, os.path.getsize(content))

    def of_file():
        shop.callback(detach_loops, content)
        return run("losetup", "--find", "--show", content).strip(), lambda: detach_loops(content)

    ways = {
        OURS: lambda: ramback_attach(shop, "unsafe", "fuse"),
        OVER_NBD: lambda: shop.attach(server.uri),
        TMPFS: of_file,
    }

    def turn_of(name, which, seconds):
        device, detach = ways[name]()
        found = measure(shop, device, which, tar, seconds, server.settle)
        detach()
        return found

    for name in ways if not options.quick else ():
        say(f"warming up, {name}")
        turn_of(name, TESTS[2:4], min(WARM_UP_SECONDS, options.seconds))
    turns = {name: [] for name in ways}
    for turn in range(options.rounds):
        for name in ways:
            say(f"{name}, round {turn + 1} of {options.rounds}")
            turns[name].append(turn_of(name, tests, options.seconds))
    part = Part(
        "`ramback attach` against other block devices",
        ["", *ways, "× nbdfuse", "goal", "× tmpfs", "goal"],
        notes=wrapped(f"""
            One device of {os.path.getsize(content) // MIB} MiB in `unsafe`, by `ramback attach --via fuse` and by nbdfuse over its NBD server,
            each under a loop device with direct I/O; and a loop device on a file of tmpfs. On it ext4 but for fio. Requests a second of fio
            ({options.seconds} s), seconds of everything else; {what + '; ' if what else ''}medians of {options.rounds} rounds, in turns, and of
            the rounds' ratios. More than 1 × is faster."""),
        raw=json.loads(json.dumps(turns)),
    )
    for test in tests:
        values = {name: [found[test.name] for found in turns[name]] for name in turns}
        part.row(
            test.name + (", /s" if isinstance(test, OnDevice) else ", s"),
            *(number(median(values[name])) for name in turns),
            *against(part, test, values, OVER_NBD, NBDFUSE_GOAL if is_small(test) else None),
            *against(part, test, values, TMPFS, TMPFS_GOAL if isinstance(test, OnDevice) and test.depth > 1 else None),
        )
    part.charts = charts(tests, turns)
    return part


def is_small(test):
    return isinstance(test, OnDevice) and test.block_bytes < MIB


def against(part, test, values, peer, goal):
    """The cells that say how many times as fast ours is, by the rounds' ratios, and whether that is enough."""
    pairs = zip(values[OURS], values[peer])
    ratio = median([mine / theirs if isinstance(test, OnDevice) else theirs / mine for mine, theirs in pairs])
    return f"**{number(ratio)}**", part.judge(Goal(ratio, at_least=goal, name=f"{test.name}, × {peer}")) if goal else ""


def charts(tests, turns):
    groups = [test.name for test in tests if isinstance(test, OnDevice)]
    series = {name: [median([one[group] for one in rounds]) for group in groups] for name, rounds in turns.items()}
    labels = [group.removeprefix("fio ") for group in groups]
    return [BarChart("attach-requests", "As a block device: requests a second", labels, series)] if groups else []
