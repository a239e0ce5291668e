"""Part `hostile`: what 500 clients that misbehave cost a good one beside them."""

import os
import sys
from dataclasses import asdict

from .disk import write_noise
from .fio import MIB, Workload, measure
from .report import Goal, Part, latencies, median, number
from .servers import ROOT, ramback, ramback_stop
from .workshop import alive, stop, wait_until

SIZE_BYTES = 256 * MIB
CLIENTS = 500
GOAL = 3
THERE_SECONDS = 60
WORKLOADS = (Workload("4K read QD1", "randread", 4096, 1), Workload("4K write QD1", "randwrite", 4096, 1))


def crowd(shop, server):
    """Starts the crowd and returns it when all of it has been served or refused once."""
    socket = server.uri.partition("socket=")[2]
    process = shop.start(
        # Of the processors' time between the crowd and the good client the system decides, not the server.
        *("nice", "-n", "10", sys.executable, os.path.join(ROOT, "verify.d", "hostile_clients.py")),
        *(socket, "hostile", SIZE_BYTES, "--clients", CLIENTS),
    )

    def is_there():
        with open(process.log_path, encoding="utf-8") as log:
            return "all there" in log.read() or (alive(process, "the crowd") and False)

    wait_until("the crowd", THERE_SECONDS, is_there)
    return process


def bench(shop, options, say):
    image = os.path.join(shop.disk_dir, "hostile.img")
    write_noise(image, SIZE_BYTES)
    # Room for all of them: the good client comes anew for each measurement, and is not to be refused.
    server = ramback(shop, image, "--max-clients", 2 * CLIENTS, name="hostile")
    everywhere = set(os.sched_getaffinity(0))
    samples = {workload.name: ([], []) for workload in WORKLOADS}
    for workload in WORKLOADS:
        measure(server, workload, options.seconds, everywhere, shop.disk_dir)
    for turn in range(options.rounds):
        say(f"alone and beside {CLIENTS} hostile clients, round {turn + 1} of {options.rounds}")
        for workload in WORKLOADS:
            samples[workload.name][0].append(measure(server, workload, options.seconds, everywhere, shop.disk_dir))
        process = crowd(shop, server)
        for workload in WORKLOADS:
            samples[workload.name][1].append(measure(server, workload, options.seconds, everywhere, shop.disk_dir))
        alive(process, "the crowd")
        stop(process)
    ramback_stop(server)
    part = Part(
        "Hostile clients",
        ["a good client", "alone, p50 / p99 / p99.9 µs", "beside them", "p99, ×", "goal"],
        notes=[
            f"fio on a connection of its own, in `writeback`, {SIZE_BYTES // MIB} MiB, first alone and then beside",
            f"{CLIENTS} clients of the kinds in verify.d/hostile_clients.py, which together have one processor at most,",
            "with a nice value of 10;",
            f"medians of {options.rounds} rounds of {options.seconds} s, ratios taken round by round.",
        ],
        raw={
            name: {"alone": [asdict(sample) for sample in alone], "beside": [asdict(sample) for sample in beside]}
            for name, (alone, beside) in samples.items()
        },
    )
    for name, (alone, beside) in samples.items():
        ratio = median([b.p99_micros / a.p99_micros for a, b in zip(alone, beside)])
        part.row(name, latencies(alone), latencies(beside), f"**{number(ratio)}**", goal=Goal(ratio, at_most=GOAL))
    return part
