"""Parts `untar` and `untar-checkpoint`: what was announced in 2008. A source tree unpacked, and small files synced, on
a slow disk with and without ramback before it; in `unsafe`, as it was then, and in `checkpoint`."""

import os
import time

from .disk import MIB, hdd, slow_disk, source_tree
from .report import Goal, Part, median, number, wrapped
from .servers import forget, ramback, ramback_stop, wait_until_clean
from .workshop import run

DISK_BYTES = 1024 * MIB
# In `checkpoint` the disk is shared: an image, smaller so that it is loaded sooner, and a filesystem with the journal.
IMAGE_BYTES = 512 * MIB
JOURNAL_PART_BYTES = 320 * MIB
JOURNAL_BYTES = 256 * MIB
SYNCED_FILE_COUNT = 500
SYNCED_FILE_BYTES = 4096
GOAL = 25


def untar(directory, tar):
    began = time.perf_counter()
    run("tar", "--extract", "--file", tar, "--directory", directory)
    run("sync", "--file-system", directory)
    return time.perf_counter() - began


def create_and_sync(directory, _):
    content = os.urandom(SYNCED_FILE_BYTES)
    parent = os.path.join(directory, "synced")
    os.mkdir(parent)
    began = time.perf_counter()
    for index in range(SYNCED_FILE_COUNT):
        with open(os.path.join(parent, str(index)), "xb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
    return time.perf_counter() - began


TESTS = {"untar": untar, "sync": create_and_sync}


def on_filesystem(shop, device, tar, settle=lambda: None):
    """Runs both tests on a new ext4, each on a disk that has nothing else to do; returns seconds by test."""
    run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", device)
    directory, unmount = shop.mount(device)
    times = {}
    for name, test in TESTS.items():
        settle()
        times[name] = test(directory, tar)
    unmount()
    return times


def on_ramback(shop, disk, tar, *options):
    """The same over ramback; returns also how long the disk took afterwards to have everything."""
    server = ramback(shop, disk, *options, name="untar")
    device, detach = shop.attach(server.uri)
    times = on_filesystem(shop, device, tar, lambda: wait_until_clean(shop, "untar"))
    detach()
    times["behind"] = wait_until_clean(shop, "untar")
    ramback_stop(server)
    return times


def bench(shop, options, say):
    disk = hdd(shop, DISK_BYTES)
    tar, what = source_tree(shop)
    direct, cached = compare(shop, disk, tar, options.rounds, say, lambda: ("--mode", "unsafe", "--journal", "none"))
    part = Part(
        "The test of 2008",
        ["ext4, sync included", "the disk itself, s", "ramback over it, s", "×", "goal"],
        notes=[
            "A hard disk's stand-in of 8 ms a request and 500 Mbit/s (nbdkit, one request at a time), through nbdfuse",
            f"and a loop device, with and without ramback in `unsafe` before it, attached the same way; {what};",
            f"medians of {options.rounds} rounds. When the second test had ended, write-behind had everything on the",
            f"disk after {median([times['behind'] for times in cached]):.1f} s more.",
        ],
    )
    return tell(part, direct, cached, {"untar": None, "sync": GOAL})


def bench_checkpoint(shop, options, say):
    disk = slow_disk(shop, IMAGE_BYTES + JOURNAL_PART_BYTES, IMAGE_BYTES)
    image = disk.part(0, IMAGE_BYTES)
    journal = os.path.join(disk.filesystem(IMAGE_BYTES, JOURNAL_PART_BYTES), "journal")
    tar, what = source_tree(shop)

    def options_of_up():
        # The disk was written to without ramback: whatever is known of it from the last round is not true any more.
        forget(shop, journal)
        sizes = ("--journal-size", JOURNAL_BYTES, "--dirty-max", JOURNAL_BYTES)
        return "--mode", "checkpoint", "--journal", journal, *sizes

    rounds = options.few_rounds
    direct, cached = compare(shop, image, tar, rounds, say, options_of_up)
    part = Part(
        "The test of 2008 with a journal",
        ["ext4, sync included", "the disk itself, s", "`checkpoint` over it, s", "×", "goal"],
        notes=wrapped(f"""
            The same stand-in for a hard disk, with two partitions under one head: the image (a loop device), and an
            ext4 with the journal (a file of {JOURNAL_BYTES // MIB} MiB). `--mode checkpoint`, interval 1 s; {what};
            medians of {rounds} rounds. When the second test had ended, the image had everything after
            {median([times['behind'] for times in cached]):.1f} s more."""),
    )
    return tell(part, direct, cached, {"untar": GOAL, "sync": GOAL})


def compare(shop, disk, tar, rounds, say, options_of_up):
    direct, cached = [], []
    for turn in range(rounds):
        say(f"on the disk itself, round {turn + 1} of {rounds}")
        direct.append(on_filesystem(shop, disk, tar))
        say(f"on ramback over it, round {turn + 1} of {rounds}")
        cached.append(on_ramback(shop, disk, tar, *options_of_up()))
    return direct, cached


def tell(part, direct, cached, goals):
    part.raw = {"disk": direct, "ramback": cached}
    for name, label in (
        ("untar", "untar the tree, `sync`"),
        ("sync", f"{SYNCED_FILE_COUNT} × (create, write {SYNCED_FILE_BYTES >> 10} KiB, fsync)"),
    ):
        goal = goals[name]
        ratio = median([slow[name] / fast[name] for slow, fast in zip(direct, cached)])
        slow, fast = (median([times[name] for times in side]) for side in (direct, cached))
        met = Goal(ratio, at_least=goal) if goal else None
        part.row(label, number(slow), number(fast), f"**{ratio:.1f}**", goal=met)
    return part
