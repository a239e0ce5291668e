"""Part `bare`: how near a server comes to what a socket can do. One client in C, which does nothing with what it gets, against a
server in C that has no device, one that has its memory and nothing else, and the others."""

import os
import re
from dataclasses import asdict, dataclass

from .charts import BarChart
from .disk import write_noise
from .fio import KIB, MIB
from .reference import MEMORY, SOCKET, bare_server, compile_bare
from .report import Goal, Part, median, number, verdict, wrapped
from .servers import OURS, start_all
from .serving import placements
from .workshop import pin, run

SIZE_BYTES = 64 * MIB
SIZES = (("4K", 4 * KIB, 0.9), ("64K", 64 * KIB, None), ("1M", MIB, 0.8))


@dataclass(frozen=True)
class Ping:
    """One request after the other, over one connection; times in microseconds."""

    requests_per_second: float
    p50_micros: float
    p99_micros: float
    p999_micros: float


def ping(program, server, word, block_bytes, seconds, cpus):
    said = run(
        *("taskset", "--cpu-list", ",".join(str(cpu) for cpu in sorted(cpus))),
        *(program, "ping", server.socket, server.export, word, block_bytes, seconds),
    )
    server.settle()
    count, took, p50, p99, p999 = map(float, said.split())
    return Ping(count / took, p50 / 1e3, p99 / 1e3, p999 / 1e3)


def bench(shop, options, say):
    program = compile_bare(shop)
    content = os.path.join(shop.ram_dir, "content.img")
    write_noise(content, SIZE_BYTES)
    servers, missing = start_all(shop, content, SIZE_BYTES, options, say)
    servers[:0] = [bare_server(shop, program, name, SIZE_BYTES) for name in (SOCKET, MEMORY)]
    samples = measure_all(program, servers, options, say)
    part = Part(
        "Against a bare socket",
        ["placement, one request at a time", *(f"{server.name} /s" for server in servers), *(f"{name}, × {SOCKET}" for name in OURS)],
        notes=wrapped(f"""
            A client in C that does nothing with what it gets (`bench/suite/bare.c`), one request after the other, against a server in C that
            has no device, against one that has as much memory and nothing around it, and against the others; the same bytes pass the socket each time. Medians of {options.rounds} alternating rounds of
            {options.seconds} s, ratios taken round by round.""")
        + missing,
        raw={line: {name: [asdict(one) for one in rows[name]] for name in rows} for line, rows in samples.items()},
    )
    for line, rows in samples.items():
        limit = next(limit for size, _, limit in SIZES if f" {size} " in line)
        cells = [number(median([one.requests_per_second for one in rows[server.name]])) for server in servers]
        part.rows.append([line, *cells, *(near(part, rows, name, limit, line) for name in OURS)])
    part.charts = [chart(samples, placement) for placement in placements() if any(line.startswith(placement) for line in samples)]
    return part


def measure_all(program, servers, options, say):
    samples = {}
    for placement, (server_cpus, client_cpus) in placements().items():
        for size, block_bytes, _ in SIZES:
            for word in ("read", "write"):
                line = f"{placement}: {size} {word}"
                if placement == "free" or not re.search(options.match, line):
                    continue
                rows = samples[line] = {server.name: [] for server in servers}
                for server in servers:
                    pin(server.pid, server_cpus)
                    ping(program, server, word, block_bytes, options.seconds, client_cpus)
                for turn in range(options.rounds):
                    say(f"{line}, round {turn + 1} of {options.rounds}")
                    for server in servers:
                        rows[server.name].append(ping(program, server, word, block_bytes, options.seconds, client_cpus))
    return samples


def near(part, rows, name, limit, line):
    value = median([a.requests_per_second / b.requests_per_second for a, b in zip(rows[name], rows[SOCKET])])
    if limit is None:
        return f"**{number(value)}**"
    goal = Goal(value, at_least=limit, name=f"{line}, {name}: × {SOCKET}")
    part.goals.append(goal)
    return f"**{number(value)}**, {verdict(goal)}"


def chart(samples, placement):
    found = {line: rows for line, rows in samples.items() if line.startswith(placement)}
    names = list(next(iter(found.values())))
    return BarChart(
        f"bare-{placement}".lower().replace(" ", "-"),
        f"One request at a time, {placement}: MiB a second",
        [line.partition(": ")[2] for line in found],
        {
            name: [
                median([one.requests_per_second for one in rows[name]]) * block_of(line) / MIB for line, rows in found.items()
            ]
            for name in names
        },
    )


def block_of(line):
    return next(block_bytes for size, block_bytes, _ in SIZES if f" {size} " in line)
