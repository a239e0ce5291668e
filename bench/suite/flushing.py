"""Parts `fsync` and `amplification`: what a FLUSH costs with a journal, in time and in bytes."""

import os

from .disk import MIB, slow_disk, write_noise
from .fio import over_nbd, write
from .report import Goal, Part, median, number, wrapped
from .servers import forget, ramback, ramback_kill, ramback_mode, ramback_stop, wait_until_clean
from .workshop import written_bytes

IMAGE_BYTES = 256 * MIB
JOURNAL_BYTES = 512 * MIB
JOURNAL_PART_BYTES = 576 * MIB
CLIENTS = 64
# On ramback for longer than its lag of 5 s, so that carrying to the image, on the same disk, is part of it.
RAMBACK_SECONDS = 8
DISK_SECONDS = 4
SPEED_GOAL = 10

DEVICE_BYTES = 512 * MIB
AMPLIFICATION_GOAL = 2.1
HOT_BYTES = 4 * MIB


def bench(shop, options, say):
    disk = slow_disk(shop, IMAGE_BYTES + JOURNAL_PART_BYTES, IMAGE_BYTES)
    image = disk.part(0, IMAGE_BYTES)
    journal = os.path.join(disk.filesystem(IMAGE_BYTES, JOURNAL_PART_BYTES), "journal")
    rounds = options.few_rounds
    direct, cached = [], []
    for turn in range(rounds):
        say(f"{CLIENTS} clients on the disk itself, round {turn + 1} of {rounds}")
        direct.append(flushed_writes(shop, disk.uri, DISK_SECONDS))
        say(f"{CLIENTS} clients on ramback, round {turn + 1} of {rounds}")
        server = ramback(
            shop, image, "--mode", "writeback", "--journal", journal, "--journal-size", JOURNAL_BYTES, name="fsync"
        )
        cached.append(flushed_writes(shop, server.uri, RAMBACK_SECONDS))
        # What is in the journal need not go to the image, 4 KiB at a time, before the next round may begin.
        ramback_kill(shop, server)
        forget(shop, journal)
    part = Part(
        "Writes that are flushed",
        [
            *(f"{CLIENTS} clients, each write followed by FLUSH", "the disk itself /s", "`writeback` /s", "×", "goal"),
            *("write and FLUSH, ms", "ramback's"),
        ],
        notes=wrapped(f"""
            The same stand-in for a hard disk, with two partitions under one head: the image (a loop device), and an
            ext4 with the journal (a file of {JOURNAL_BYTES // MIB} MiB). {CLIENTS} NBD connections of fio, 4 KiB at
            random places of {IMAGE_BYTES // MIB} MiB, a FLUSH after each write: on the disk's own NBD export for
            {DISK_SECONDS} s, then on ramback's for {RAMBACK_SECONDS} s, from clean; medians of {rounds} rounds. It
            is as fast only while the journal has room: what is changed reaches the image behind it, at the disk's
            own pace."""),
        raw={"disk": [vars(sample) for sample in direct], "ramback": [vars(sample) for sample in cached]},
    )
    slow, fast = (median([sample.per_second for sample in side]) for side in (direct, cached))
    ratio = median([ours.per_second / own.per_second for ours, own in zip(cached, direct)])
    part.row(
        "4 KiB at random places",
        *(number(slow), number(fast), f"**{ratio:.1f}**", part.judge(Goal(ratio, at_least=SPEED_GOAL))),
        *(number(CLIENTS / each * 1e3) for each in (slow, fast)),
    )
    return part


def flushed_writes(shop, uri, seconds):
    return write(shop, over_nbd(uri), IMAGE_BYTES, clients=CLIENTS, seconds=seconds, sync_every=1)


def bench_amplification(shop, options, say):
    """Bytes do not depend on the disk: on the machine's own."""
    file = os.path.join(shop.disk_dir, "amplification.img")
    write_noise(file, DEVICE_BYTES)
    # A loop device of its own tells the image's bytes from the journal's.
    image = shop.loop_of_file(file)
    journal = os.path.join(shop.disk_dir, "amplification.journal")
    server = ramback(
        shop,
        *(image, "--journal", journal, "--journal-size", DEVICE_BYTES, "--dirty-max", DEVICE_BYTES),
        name="amplification",
    )
    part = Part(
        "Bytes written for a byte changed",
        ["4 KiB writes", "changed, MiB", "journal, MiB", "image, MiB", "written / changed", "goal"],
        notes=wrapped(f"""
            A {DEVICE_BYTES // MIB} MiB device on the machine's own disk. Written is what the daemon had written
            (`/proc/PID/io`) when the image had everything; the image's part of it is what its block device was
            given."""),
    )
    for label, mode, goal, region_bytes, work in workloads(options):
        say(label)
        ramback_mode(shop, "amplification", mode)
        wait_until_clean(shop, "amplification")
        before = counters(server, image)
        changed = write(shop, over_nbd(server.uri), region_bytes, **work).total_bytes
        wait_until_clean(shop, "amplification")
        total, in_image = (late - early for early, late in zip(before, counters(server, image)))
        part.raw[label] = {"changedBytes": changed, "writtenBytes": total, "imageBytes": in_image}
        verdict = part.judge(Goal(total / changed, at_most=goal)) if goal else ""
        sizes = (number(size / MIB) for size in (changed, total - in_image, in_image))
        part.row(f"`{mode}`, {label}", *sizes, f"**{number(total / changed)}**", verdict)
    ramback_stop(server)
    return part


def workloads(options):
    """What is written: a label, the mode, the goal, the region, and how."""
    random_small = {"depth": 32, "total_bytes": 32 * MIB, "sync_every": MIB // 4096}
    random_large = {"depth": 32, "total_bytes": 128 * MIB, "sync_every": 16 * MIB // 4096}
    in_order = {"depth": 32, "total_bytes": 128 * MIB, "sync_every": MIB // 4096, "pattern": "write"}
    flushed = {"clients": CLIENTS, "seconds": options.seconds, "sync_every": 1}
    unbounded = {"depth": 32, "seconds": options.seconds}
    hot = f"{HOT_BYTES // MIB} MiB are hot"
    return (
        ("at random places, FLUSH every 1 MiB", "writeback", AMPLIFICATION_GOAL, DEVICE_BYTES, random_small),
        ("at random places, FLUSH every 16 MiB", "writeback", AMPLIFICATION_GOAL, DEVICE_BYTES, random_large),
        ("one after the other, FLUSH every 1 MiB", "writeback", AMPLIFICATION_GOAL, DEVICE_BYTES, in_order),
        (f"{CLIENTS} clients, FLUSH after each, {hot}", "writeback", None, HOT_BYTES, flushed),
        (f"as fast as it goes, {hot}", "checkpoint", None, HOT_BYTES, unbounded),
    )


def counters(server, device):
    """What a daemon has had written by now: all bytes, and those of its image."""
    with open(f"/sys/block/{os.path.basename(device)}/stat", encoding="ascii") as stat:
        return written_bytes(server.pid), int(stat.read().split()[6]) * 512
