"""Parts `idle` and `start`: what the daemon costs when nobody uses it, and until it can be used."""

import os
import time

from .disk import MIB, write_noise
from .report import Goal, Part, median, number
from .servers import (
    connect,
    is_loaded,
    ramback,
    ramback_command,
    ramback_status,
    ramback_stop,
    wait_until_clean,
)
from .workshop import cpu_seconds, resident_bytes, wait_until

IDLE_SECONDS = 30
IDLE_SIZE = "16G"
IDLE_JOURNAL_BYTES = 64 * MIB
IDLE_STRIDE_BYTES = 64 * MIB
IDLE_WRITE_BYTES = 64 << 10
IDLE_GOAL_PERCENT = 0.5
START_BYTES = 1024 * MIB
READY_GOAL_SECONDS = 1.0
COMMAND_GOAL_SECONDS = 0.5
RESIDENT_GOAL_MIB = 160


def bench_idle(shop, options, say):
    image = os.path.join(shop.disk_dir, "idle.img")
    sizes = ("--size", IDLE_SIZE, "--journal-size", IDLE_JOURNAL_BYTES)
    server = ramback(shop, image, *sizes, "--ram", "sparse", "--mode", "unsafe", name="idle")
    # Something was written, and is clean again: the state in which a device spends its nights.
    client = connect(server)
    for at in range(0, server.size_bytes, IDLE_STRIDE_BYTES):
        client.pwrite(os.urandom(IDLE_WRITE_BYTES), at)
    client.shutdown()
    wait_until_clean(shop, "idle")
    time.sleep(2)
    say(f"doing nothing for {IDLE_SECONDS} s")
    before = cpu_seconds(server.pid)
    time.sleep(IDLE_SECONDS)
    percent = (cpu_seconds(server.pid) - before) / IDLE_SECONDS * 100
    ramback_stop(server)
    part = Part(
        "Idle",
        ["device", "CPU, % of a core", "goal"],
        notes=[f"Loaded and clean, no client, over {IDLE_SECONDS} s; `--ram sparse`."],
        raw={"percent": percent},
    )
    part.row(f"{IDLE_SIZE[:-1]} GiB", f"**{percent:.2f}**", goal=Goal(percent, at_most=IDLE_GOAL_PERCENT))
    return part


def bench_start(shop, options, say):
    image = os.path.join(shop.disk_dir, "start.img")
    write_noise(image, START_BYTES)
    # Builds it if need be, and makes the journal, which a start finds from then on.
    ramback_stop(ramback(shop, image, "--mode", "unsafe", name="start"))
    ready, answered, resident = [], [], []
    for turn in range(options.rounds):
        say(f"starting, round {turn + 1} of {options.rounds}")
        server = ramback(shop, image, "--mode", "unsafe", name="start", loaded=False)
        ready.append(server.ready_seconds)
        wait_until("loading", 60, lambda: is_loaded(ramback_status(shop, "start")))
        began = time.perf_counter()
        ramback_command(shop, "ls")
        answered.append(time.perf_counter() - began)
        resident.append(resident_bytes(server.pid, apart_from=shop.ram_dir + "/") / MIB)
        ramback_stop(server)
    part = Part(
        "Start",
        ["", "ramback", "goal"],
        notes=[f"A {START_BYTES // MIB} MiB image, after the build and a first start; medians of {options.rounds} rounds."],
        raw={"readySeconds": ready, "lsSeconds": answered, "residentMib": resident},
    )
    for label, values, limit in (
        ("`up` until its ready line, s", ready, READY_GOAL_SECONDS),
        ("`ls`, s", answered, COMMAND_GOAL_SECONDS),
        ("resident, loaded, without the device's segment, MiB", resident, RESIDENT_GOAL_MIB),
    ):
        part.row(label, f"**{number(median(values))}**", goal=Goal(median(values), at_most=limit))
    return part
