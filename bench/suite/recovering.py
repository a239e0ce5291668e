"""Part `recover`: how soon an image is whole again after a power failure."""

import os
import time

from .disk import MIB, slow_disk
from .fio import on_device, over_nbd, write
from .report import Goal, Part, median, number, wrapped
from .servers import RAMBACK, ramback, ramback_command, ramback_kill, ramback_mode, ramback_status, ramback_stop
from .workshop import run

RUNS_BYTES = 96 * MIB
IMAGE_BYTES = RUNS_BYTES
# From 60 % of it on writers are delayed; all of it is read by a check.
JOURNAL_BYTES = 192 * MIB
JOURNAL_PART_BYTES = 256 * MIB
SCATTERED_BYTES = 2 * MIB
RATE_GOAL = 0.8

# On the machine's own disk.
LARGE_IMAGE_BYTES = 1024 * MIB
LARGE_JOURNAL_BYTES = 1024 * MIB
LARGE_HELD_BYTES = 600 * MIB
DIRTY_MAX_BYTES = 4096 * MIB
READY_GOAL_SECONDS = 3


def leave_behind(shop, image, journal, journal_bytes, **work):
    """Commits some writes to a journal and fails the power before the image gets them."""
    server = ramback(
        shop,
        *(image, "--mode", "checkpoint", "--interval", "60s", "--dirty-max", DIRTY_MAX_BYTES),
        *("--journal", journal, "--journal-size", journal_bytes, "--ram", "sparse"),
        name="recover",
    )
    write(shop, over_nbd(server.uri), server.size_bytes, **work)
    ramback_mode(shop, "recover", "writethrough")
    held = ramback_status(shop, "recover")["journal"]["usedBytes"]
    return server, held


def seconds_of(shop, command, image, journal):
    """How long a command of ramback's takes, from its start to its end."""
    began = time.perf_counter()
    ramback_command(shop, command, image, "--journal", journal)
    return time.perf_counter() - began


def bench(shop, options, say):
    run(RAMBACK, "--version")  # builds it if need be
    part = Part(
        "Recovery",
        [
            *("after SIGKILL, RAM removed", "in the journal, MiB", "`check`, s", "`recover`, s"),
            *("applied, MB/s", "the disk itself, MB/s", "ratio", "goal"),
        ],
        notes=wrapped(f"""
            The same stand-in for a hard disk, with the image (a loop device) and an ext4 with the journal (a file
            of {JOURNAL_BYTES // MIB} MiB) under one head. `recover` checks the journal as `check` does, all of it,
            and applies it: that takes as long as it takes longer than `check`. *Runs of 1 MiB* are compared with
            copying as much from one place of the disk to another (dd, 4 MiB at a time), *4 KiB* with as many writes
            at random places of the disk itself. Medians of {options.few_rounds} rounds."""),
    )
    disk = slow_disk(shop, IMAGE_BYTES + JOURNAL_PART_BYTES + 2 * RUNS_BYTES, IMAGE_BYTES)
    image = disk.part(0, IMAGE_BYTES)
    pieces = [disk.part(IMAGE_BYTES + at, RUNS_BYTES) for at in (0, RUNS_BYTES)]
    journal = os.path.join(disk.filesystem(IMAGE_BYTES + 2 * RUNS_BYTES, JOURNAL_PART_BYTES), "journal")

    def copy(_):
        began = time.perf_counter()
        run("dd", f"if={pieces[0]}", f"of={pieces[1]}", "bs=4M", "iflag=direct", "oflag=direct", "conv=notrunc,fsync")
        return time.perf_counter() - began

    def scatter(total_bytes):
        return write(shop, on_device(pieces[0]), RUNS_BYTES, total_bytes=total_bytes).seconds

    for label, itself, work in (
        ("runs of 1 MiB", copy, {"block_bytes": MIB, "depth": 4, "total_bytes": RUNS_BYTES}),
        ("4 KiB at random places", scatter, {"depth": 32, "total_bytes": SCATTERED_BYTES}),
    ):
        rounds = []
        for turn in range(options.few_rounds):
            say(f"{label}, round {turn + 1} of {options.few_rounds}")
            server, held = leave_behind(shop, image, journal, JOURNAL_BYTES, **work)
            ramback_kill(shop, server)
            checked = seconds_of(shop, "check", image, journal)
            recovered = seconds_of(shop, "recover", image, journal)
            own = itself(work["total_bytes"])
            rounds.append({
                "heldMib": held / MIB,
                "check": checked,
                "recover": recovered,
                "applied": work["total_bytes"] / (recovered - checked) / 1e6,
                "own": work["total_bytes"] / own / 1e6,
            })
        part.raw[label] = rounds
        ratio = median([each["applied"] / each["own"] for each in rounds])
        columns = ("heldMib", "check", "recover", "applied", "own")
        medians = (number(median([each[column] for each in rounds])) for column in columns)
        part.row(label, *medians, f"**{ratio:.3f}**", goal=Goal(ratio, at_least=RATE_GOAL))
    part.after = large_journal(shop, part, say)
    return part


def large_journal(shop, part, say):
    """A journal of 1 GiB on the machine's own disk: how soon it is known to be good, and the device served again."""
    image, journal = (os.path.join(shop.disk_dir, name) for name in ("large.img", "large.journal"))
    with open(image, "wb") as file:
        file.truncate(LARGE_IMAGE_BYTES)
    seconds = {}
    for way in ("recover", "up"):
        say(f"a journal of {LARGE_JOURNAL_BYTES // MIB} MiB, {way}")
        server, held = leave_behind(shop, image, journal, LARGE_JOURNAL_BYTES, depth=32, total_bytes=LARGE_HELD_BYTES)
        ramback_kill(shop, server)
        seconds["check"] = seconds_of(shop, "check", image, journal)
        if way == "recover":
            seconds[way] = seconds_of(shop, way, image, journal)
        else:
            server = ramback(shop, image, "--journal", journal, "--ram", "sparse", name="recover", loaded=False)
            seconds[way] = server.ready_seconds
            ramback_stop(server)
    apply_seconds = seconds["recover"] - seconds["check"]
    part.raw["large"] = {"heldBytes": held, **seconds}
    checked = part.judge(Goal(seconds["check"], at_most=READY_GOAL_SECONDS, unit="s"))
    ready = part.judge(Goal(seconds["up"] - apply_seconds, at_most=READY_GOAL_SECONDS, unit="s"))
    return wrapped(f"""
        A journal of {LARGE_JOURNAL_BYTES // MIB:,} MiB on the machine's own disk, with {held / MIB:,.0f} MiB of 4
        KiB chunks at random places in it: `check` takes **{seconds['check']:.2f} s** (goal {checked}), `recover`
        {seconds['recover']:.2f} s, of which {apply_seconds:.2f} s to apply; `up` is ready after {seconds['up']:.2f}
        s, **{seconds['up'] - apply_seconds:.2f} s** without what it applies (goal {ready}).""")
