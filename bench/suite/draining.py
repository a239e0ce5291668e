"""Part `drain`: how fast what only RAM has reaches the disk when it has to."""

import os

from .disk import MIB, REQUEST_BYTES, REQUESTS_IN_FLIGHT, random_writes_per_second, rest, sequential_writes, slow_disk
from .fio import over_nbd, write
from .report import Goal, Part, median, number, wrapped
from .servers import forget, ramback, ramback_kill, ramback_mode, ramback_status

IMAGE_BYTES = 1024 * MIB
DIRTY_BYTES = 512 * MIB
# From 30 % of the limit on changes are committed without being asked for: this is what lets 512 MiB be dirty at once.
DIRTY_MAX_BYTES = 4 * DIRTY_BYTES
# From 60 % of the journal on writers are delayed.
JOURNAL_BYTES = 960 * MIB
FILESYSTEM_BYTES = IMAGE_BYTES + JOURNAL_BYTES + 128 * MIB
RATE_GOAL = 0.85
IN_PLACE_GOAL = 50


def bench(shop, options, say):
    disk = slow_disk(shop, DIRTY_BYTES + FILESYSTEM_BYTES, DIRTY_BYTES)
    scratch = disk.part(0, DIRTY_BYTES)
    # A new image is all holes: nothing to load.
    image = os.path.join(disk.filesystem(DIRTY_BYTES, FILESYSTEM_BYTES), "image")
    say(f"in place, for {options.sample_seconds} s")
    in_place = random_writes_per_second(shop, scratch, DIRTY_BYTES, options.sample_seconds) * 4096
    own, drained, dirty = [], [], []
    for turn in range(options.few_rounds):
        say(f"the disk itself and a drain, round {turn + 1} of {options.few_rounds}")
        own.append(sequential_writes(shop, scratch, DIRTY_BYTES))
        server = ramback(
            shop,
            *(image, "--size", IMAGE_BYTES, "--journal-size", JOURNAL_BYTES),
            *("--mode", "checkpoint", "--interval", "60s", "--dirty-max", DIRTY_MAX_BYTES),
            name="drain",
        )
        rest()
        write(shop, over_nbd(server.uri), IMAGE_BYTES, depth=32, total_bytes=DIRTY_BYTES)
        dirty.append(ramback_status(shop, "drain")["lossIfPowerFailedNow"]["bytes"])
        drained.append(dirty[-1] / ramback_mode(shop, "drain", "writethrough"))
        # What is in the journal need not go to the image, 4 KiB at a time, before the next round may begin.
        ramback_kill(shop, server)
        forget(shop, image, image + ".journal", image + ".ramback")
    part = Part(
        "Drain",
        ["", "MB/s", "the drain is … as fast", "goal"],
        notes=wrapped(f"""
            The same stand-in for a hard disk, with two partitions under one head: an ext4 with image and journal,
            and one to measure the disk itself. `--interval 60s`, `--dirty-max {DIRTY_MAX_BYTES >> 30}G`:
            {median(dirty) / MIB:.0f} MiB of 4 KiB chunks at random places of {IMAGE_BYTES // MIB} MiB are dirty, in
            RAM alone, when the device is switched to `writethrough`, and in the journal when that is in force. The
            disk itself writes {DIRTY_BYTES // MIB} MiB in order, {REQUESTS_IN_FLIGHT} × {REQUEST_BYTES >> 10} KiB
            in flight, and syncs; both after a rest of the disk, medians of {options.few_rounds} rounds. In place: 4
            KiB at random places of the disk itself, for {options.sample_seconds} s."""),
        raw={"own": own, "drained": drained, "dirtyBytes": dirty, "inPlace": in_place},
    )
    rate = median(drained)
    part.row("RAM to the journal", number(rate / 1e6))
    ratio = median([a / b for a, b in zip(drained, own)])
    own_rate = number(median(own) / 1e6)
    part.row("the disk itself, in order", own_rate, f"**{ratio:.3f}**", goal=Goal(ratio, at_least=RATE_GOAL))
    ratio = rate / in_place
    part.row("in place", number(in_place / 1e6), f"**{ratio:.0f}**", goal=Goal(ratio, at_least=IN_PLACE_GOAL))
    return part
