"""Part `serve`: requests over a Unix socket, ramback in `unsafe` and in `checkpoint` against the servers that people use
today: by size, depth, connections and mix of reads and writes. And against a server in C that has nothing but the memory, which says how
much of the time is not the server's."""

import os
import re
from dataclasses import asdict

from .charts import BarChart
from .disk import write_noise
from .fio import KIB, MIB, Workload, measure
from .reference import MEMORY, bare_server, compile_bare
from .report import Goal, Part, latencies, median, number, table, verdict
from .servers import OURS, start_all
from .workshop import Skipped, pin

SIZE_BYTES = 512 * MIB
QUICK_SIZE_BYTES = 64 * MIB
WARM_UP_SECONDS = 2
CPU_GOAL = 0.4
SCALE_GOAL = 0.8
SIZES = (("4K", 4 * KIB), ("64K", 64 * KIB), ("1M", MIB))
PATTERNS = (("read", "randread"), ("write", "randwrite"), ("mix", "randrw"))
CONNECTIONS = 4


def workloads(connections):
    """Every size at both depths; the mix at the smallest, where the servers' own work counts for most."""
    several = f" × {connections}" if connections > 1 else ""
    return [
        Workload(f"{size} {word} QD{depth}{several}", pattern, block_bytes, depth, connections)
        for size, block_bytes in SIZES
        for depth in (1, 32)
        for word, pattern in PATTERNS
        if pattern != "randrw" or size == "4K"
    ]


def placements():
    """Where server and client run: on one CPU together, on one each, as the kernel likes."""
    cpus = sorted(os.sched_getaffinity(0))
    found = {"one CPU": ({cpus[0]}, {cpus[0]})}
    if len(cpus) > 1:
        found["two CPUs"] = ({cpus[0]}, {cpus[1]})
    found["free"] = (set(cpus), set(cpus))
    return found


def lines():
    """What is measured where: one connection on CPUs of its own, several wherever there is room."""
    pinned = [name for name in placements() if name != "free"]
    return [(name, workload) for name in pinned for workload in workloads(1)] + [
        ("free", workload) for workload in workloads(CONNECTIONS)
    ]


def label(placement, workload):
    return f"{placement}: {workload.name}"


def speed_goal(workload):
    """How many times as many requests as nbdkit's memory plug-in; None where nothing is claimed."""
    if workload.connections > 1:
        return None
    if workload.block_bytes == 4 * KIB:
        return 2 if workload.depth == 1 else 1.5
    return 1.5 if workload.block_bytes == 64 * KIB else 1.4


def measure_all(shop, options, say):
    """Returns a sample a round and server for each line asked for, and which peers are missing, and why."""
    wanted = [line for line in lines() if re.search(options.match, label(*line))]
    size_bytes = QUICK_SIZE_BYTES if options.quick else SIZE_BYTES
    content = os.path.join(shop.ram_dir, "content.img")
    write_noise(content, size_bytes)
    servers, missing = start_all(shop, content, size_bytes, options, say)
    os.unlink(content)
    try:
        servers.append(bare_server(shop, compile_bare(shop), MEMORY, size_bytes))
    except Skipped as reason:
        missing.append(f"{MEMORY} is left out: {reason}")
    everywhere = set(os.sched_getaffinity(0))
    for workload in {workload: None for _, workload in wanted}:
        say(f"warming up, {workload.name}")
        for server in servers:
            measure(server, workload, min(WARM_UP_SECONDS, options.seconds), everywhere, shop.disk_dir)
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
    return samples, missing


def ratio(rows, of, to, figure):
    """The median of the rounds' ratios: what disturbed a whole round cancels out."""
    return median([figure(a) / figure(b) for a, b in zip(rows[of], rows[to])])


def requests_per_second(sample):
    return sample.requests_per_second


def cpu_per_request(sample):
    # A clock tick is the least that is counted.
    return max(sample.server_cpu_micros_per_request, 1e-3)


def cpu_per_request_settled(sample):
    return max(sample.server_cpu_micros_per_request_settled, 1e-3)


def p999(sample):
    return sample.p999_micros


def typical(rows, name, figure):
    return median([figure(sample) for sample in rows[name]])


def mode_of(name):
    return name.partition(" ")[2]


class Judge:
    """Sets what was measured against the goals; a line's server that goals are set against may be missing."""

    def __init__(self, part, samples):
        self.part = part
        self.samples = samples

    def cell(self, value, name, **limits):
        """A figure, with what is said of its goal."""
        goal = Goal(value, name=name, **limits)
        self.part.goals.append(goal)
        return f"**{number(value)}**, {verdict(goal)}"

    def speed(self, line, ours, baseline):
        value = ratio(self.samples[line], ours, baseline, requests_per_second)
        goal = speed_goal(line[1])
        if goal is None:
            return f"**{number(value)}**"
        return self.cell(value, f"{label(*line)}, {ours}: requests, × {baseline}", at_least=goal)

    def cpu(self, line, ours, baseline):
        value = ratio(self.samples[line], ours, baseline, cpu_per_request)
        return self.cell(value, f"{label(*line)}, {ours}: CPU a request, × {baseline}", at_most=CPU_GOAL)

    def tail(self, line, ours, peers):
        """p99.9 against the peer that has the least."""
        rows = self.samples[line]
        best = min(peers, key=lambda name: typical(rows, name, p999))
        value = ratio(rows, ours, best, p999)
        return f"{self.cell(value, f'{label(*line)}, {ours}: p99.9, × {best}', at_most=1)} ({best})"

    def scale(self, placement, workload, ours):
        """Requests of several connections wherever there is room, against one connection's on one CPU, a CPU."""
        single = next(w for w in workloads(1) if w.name == workload.name.partition(" × ")[0])
        alone = self.samples.get(("one CPU", single))
        if not alone:
            return ""
        cpu_count = min(CONNECTIONS, len(os.sched_getaffinity(0)))
        here = typical(self.samples[placement, workload], ours, requests_per_second)
        value = here / typical(alone, ours, requests_per_second) / cpu_count
        return self.cell(value, f"{label(placement, workload)}, {ours}: requests a CPU, × one connection's", at_least=SCALE_GOAL)


def bench(shop, options, say):
    samples, missing = measure_all(shop, options, say)
    names = list(next(iter(samples.values()), {}))
    peers = [name for name in names if name not in (*OURS, MEMORY)]
    part = Part(
        "Serving from RAM",
        [
            "placement, requests",
            *(f"{name} /s" for name in names),
            *(f"{mode_of(name)} × {peers[0]}" for name in OURS if peers),
            *(f"{MEMORY} × {peers[0]}" for _ in ceiling(names, peers)),
        ],
        notes=notes(options, missing),
    )
    judge = Judge(part, samples)
    for line, rows in samples.items():
        part.rows.append([
            label(*line),
            *(number(typical(rows, name, requests_per_second)) for name in names),
            *(judge.speed(line, name, peers[0]) for name in OURS if peers),
            *(number(ratio(rows, MEMORY, peers[0], requests_per_second)) for _ in ceiling(names, peers)),
        ])
    part.after += cpu_table(judge, names, peers)
    part.after += tail_table(judge, names, peers)
    part.after += scale_table(judge)
    part.charts = charts(samples, names)
    part.raw = {
        label(*line): {name: [asdict(sample) for sample in rows[name]] for name in rows} for line, rows in samples.items()
    }
    return part


def ceiling(names, peers):
    """The server with nothing but memory, where it and something to set it against were measured."""
    return [MEMORY] if MEMORY in names and peers else []


def notes(options, missing):
    size_bytes = QUICK_SIZE_BYTES if options.quick else SIZE_BYTES
    return [
        f"fio's nbd engine over a Unix socket; a {size_bytes // MIB} MiB device with the same bytes in each server, ramback with",
        f"its image on the machine's own disk; medians of {options.rounds} alternating rounds of {options.seconds} s, ratios taken round by",
        f"round. × {CONNECTIONS}: as many connections, at that depth each. A mix is seven reads to three writes. {MEMORY}: a server in C",
        "that has as much memory and nothing around it (`bench/suite/bare.c`): what is left to gain is between it and the others.",
        *missing,
    ]


def cpu_table(judge, names, peers):
    columns = ["CPU of the server, µs a request", *names, *(f"{mode_of(name)} × {peers[0]}" for name in OURS if peers)]
    columns += [f"{MEMORY} × {peers[0]}" for _ in ceiling(names, peers)]
    columns += [f"{mode_of(name)} × with writing behind" for name in OURS if peers]
    rows = [
        [
            label(*line),
            *(number(typical(rows, name, lambda s: s.server_cpu_micros_per_request)) for name in names),
            *(judge.cpu(line, name, peers[0]) for name in OURS if peers),
            *(number(ratio(rows, MEMORY, peers[0], cpu_per_request)) for _ in ceiling(names, peers)),
            *(
                number(ratio(rows, name, peers[0], cpu_per_request_settled)) if line[1].writes else ""
                for name in OURS
                if peers
            ),
        ]
        for line, rows in judge.samples.items()
    ]
    return [*table(columns, rows), ""]


def tail_table(judge, names, peers):
    columns = ["p50 / p99 / p99.9, µs", *names, *(f"{mode_of(name)}: p99.9 × the best peer's" for name in OURS if peers)]
    rows = [
        [
            label(*line),
            *(latencies(rows[name]) for name in names),
            *(judge.tail(line, name, peers) for name in OURS if peers),
        ]
        for line, rows in judge.samples.items()
    ]
    return [*table(columns, rows), ""]


def scale_table(judge):
    columns = [f"requests a CPU with {CONNECTIONS} connections, × those of one on one CPU", *OURS]
    rows = [
        [label(placement, workload), *(judge.scale(placement, workload, name) for name in OURS)]
        for placement, workload in judge.samples
        if workload.connections > 1
    ]
    return table(columns, rows) if any(any(row[1:]) for row in rows) else []


def charts(samples, names):
    """A chart a figure, placement and size."""
    found = []
    for placement in placements():
        chosen = {w.name: rows for (where, w), rows in samples.items() if where == placement}
        if not chosen:
            continue
        for key, title, unit, figure in (
            ("requests", "Requests", "thousands a second", lambda s: s.requests_per_second / 1e3),
            ("cpu", "CPU of the server", "µs a request", lambda s: s.server_cpu_micros_per_request),
            ("p50", "p50", "µs", lambda s: s.p50_micros),
            ("p99", "p99", "µs", lambda s: s.p99_micros),
            ("p999", "p99.9", "µs", p999),
        ):
            for size, _ in SIZES:
                groups = {name: rows for name, rows in chosen.items() if name.startswith(size + " ")}
                if groups:
                    found.append(BarChart(
                        f"serve-{key}-{size}-{placement}".lower().replace(" ", "-"),
                        f"{title}, {size}, {placement}: {unit}",
                        list(groups),
                        {name: [typical(rows, name, figure) for rows in groups.values()] for name in names},
                    ))
    return found
