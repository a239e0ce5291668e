"""Part `serve`: 4 KiB to 1 MiB requests over a Unix socket, against nbdkit's memory plug-in and qemu-nbd."""

import os
import re
from dataclasses import asdict

from .disk import write_noise
from .fio import MIB, WORKLOADS, measure
from .report import Goal, Part, latencies, median, number
from .servers import nbdkit_memory, qemu_nbd_unsafe, ramback_unsafe
from .workshop import pin

SIZE_BYTES = 512 * MIB
WARM_UP_SECONDS = 2
CPU_GOAL = 0.45


def placements():
    """Where server and client run: as the kernel likes, on one CPU together, on one each."""
    cpus = sorted(os.sched_getaffinity(0))
    found = {"free": (set(cpus), set(cpus)), "one CPU": ({cpus[0]}, {cpus[0]})}
    if len(cpus) > 1:
        found["two CPUs"] = ({cpus[0]}, {cpus[1]})
    return found


def speed_goal(workload, placement):
    if workload.block_bytes == 4096 and workload.depth == 1:
        return {"one CPU": 1.6, "two CPUs": 1.3}.get(placement)
    return 1.3


def measure_all(shop, options, say):
    """Returns the servers' names, and a sample a round and server for each placement and workload asked for."""
    content = os.path.join(shop.ram_dir, "content.img")
    write_noise(content, SIZE_BYTES)
    servers = [start(shop, content, SIZE_BYTES) for start in (nbdkit_memory, qemu_nbd_unsafe, ramback_unsafe)]
    os.unlink(content)
    everywhere = set(os.sched_getaffinity(0))
    wanted = [
        (placement, workload)
        for placement in placements()
        for workload in WORKLOADS
        if re.search(options.match, label(placement, workload))
    ]
    for workload in {workload: None for _, workload in wanted}:
        say(f"warming up, {workload.name}")
        for server in servers:
            measure(server, workload, WARM_UP_SECONDS, everywhere, shop.disk_dir)
    samples = {}
    for placement, workload in wanted:
        server_cpus, client_cpus = placements()[placement]
        for server in servers:
            pin(server.pid, server_cpus)
        rows = samples[placement, workload] = {server.name: [] for server in servers}
        for turn in range(options.rounds):
            say(f"{label(placement, workload)}, round {turn + 1} of {options.rounds}")
            for server in servers:
                rows[server.name].append(measure(server, workload, options.seconds, client_cpus, shop.disk_dir))
    return [server.name for server in servers], samples


def label(placement, workload):
    return f"{placement}: {workload.name}"


def ratio(samples, of, to, figure):
    """The median of the rounds' ratios: what disturbed a whole round cancels out."""
    return median([figure(a) / figure(b) for a, b in zip(samples[of], samples[to])])


def requests_per_second(sample):
    return sample.requests_per_second


def cpu_per_request(sample):
    # A clock tick is the least that is counted.
    return max(sample.server_cpu_micros_per_request, 1e-3)


def cpu_per_request_settled(sample):
    return max(sample.server_cpu_micros_per_request_settled, 1e-3)


def bench(shop, options, say):
    (nbdkit, qemu, ramback), samples = measure_all(shop, options, say)
    part = Part(
        "Serving from RAM",
        [
            *("placement, requests", "nbdkit /s", "qemu-nbd /s", "ramback /s", "× qemu-nbd", "× nbdkit", "goal"),
            *("CPU µs a request", "× nbdkit's", "goal", "with writing behind", "p50 / p99 / p99.9 µs", "nbdkit's"),
        ],
        notes=[
            f"fio's nbd engine on one Unix-socket connection; a {SIZE_BYTES // MIB} MiB device, loaded, ramback in",
            f"`unsafe` with its image on the machine's own disk; medians of {options.rounds} alternating rounds of",
            f"{options.seconds} s, ratios taken round by round. Writing behind: the server's CPU a request, again as a",
            "multiple of nbdkit's, when everything written has reached the image too.",
        ],
    )
    for (placement, workload), rows in samples.items():
        speed = ratio(rows, ramback, nbdkit, requests_per_second)
        cpu = ratio(rows, ramback, nbdkit, cpu_per_request)
        goal = speed_goal(workload, placement)
        goals = [Goal(speed, at_least=goal)] if goal else []
        goals.append(Goal(cpu, at_most=CPU_GOAL))
        part.goals += goals
        part.rows.append([
            label(placement, workload),
            *(number(median([s.requests_per_second for s in rows[name]])) for name in (nbdkit, qemu, ramback)),
            f"{ratio(rows, ramback, qemu, requests_per_second):.2f}",
            f"**{speed:.2f}**",
            f"{goal} {'met' if goals[0].met else 'MISSED'}" if goal else "",
            number(median([s.server_cpu_micros_per_request for s in rows[ramback]])),
            f"**{cpu:.2f}**",
            f"{CPU_GOAL} {'met' if goals[-1].met else 'MISSED'}",
            f"{ratio(rows, ramback, nbdkit, cpu_per_request_settled):.2f}" if "write" in workload.pattern else "",
            latencies(rows[ramback]),
            latencies(rows[nbdkit]),
        ])
    part.raw = {
        label(placement, workload): {name: [asdict(sample) for sample in rows[name]] for name in rows}
        for (placement, workload), rows in samples.items()
    }
    return part
