"""One run of fio against an NBD server."""

import json
import os
from dataclasses import dataclass

from .workshop import Failure, cpu_seconds, run

KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True)
class Workload:
    """What fio does: requests of one size at random places, so many at a time on one connection."""

    name: str
    pattern: str
    block_bytes: int
    depth: int


WORKLOADS = tuple(
    Workload(f"{size} {word} QD{depth}", pattern, block_bytes, depth)
    for size, block_bytes, depth in (("4K", 4 * KIB, 1), ("4K", 4 * KIB, 32), ("64K", 64 * KIB, 4), ("1M", MIB, 4))
    for word, pattern in (("read", "randread"), ("write", "randwrite"))
)


@dataclass(frozen=True)
class Sample:
    """What one run measured; times in microseconds, CPU of the server alone."""

    requests_per_second: float
    bytes_per_second: float
    p50_micros: float
    p99_micros: float
    p999_micros: float
    server_cpu_micros_per_request: float
    server_cpu_micros_per_request_settled: float


def measure(server, workload, seconds, cpus, output_dir):
    """Runs fio for so many seconds, on these CPUs, against a server that is already where it should be, and waits until
    the server has settled: or the next one's turn would pay for what this one still writes behind."""
    output = os.path.join(output_dir, "fio.json")
    cpu_before = cpu_seconds(server.pid)
    run(
        *("taskset", "--cpu-list", ",".join(str(cpu) for cpu in sorted(cpus))),
        *("fio", "--name=bench", "--ioengine=nbd", f"--uri={server.uri}", "--thread"),
        *(f"--rw={workload.pattern}", f"--bs={workload.block_bytes}", f"--iodepth={workload.depth}"),
        *(f"--size={server.size_bytes}", "--time_based", f"--runtime={seconds}"),
        # What fio itself spends on drawing and remembering places would be the same for all, and hide differences.
        *("--norandommap", "--randrepeat=0", "--percentile_list=50:99:99.9"),
        *("--output-format=json", f"--output={output}"),
    )
    cpu_used = cpu_seconds(server.pid) - cpu_before
    server.settle()
    cpu_used_settled = cpu_seconds(server.pid) - cpu_before
    job = job_of(output)
    side = job["read" if workload.pattern == "randread" else "write"]
    percentile = side["clat_ns"]["percentile"]
    return Sample(
        requests_per_second=side["iops"],
        bytes_per_second=side["bw_bytes"],
        p50_micros=percentile["50.000000"] / 1e3,
        p99_micros=percentile["99.000000"] / 1e3,
        p999_micros=percentile["99.900000"] / 1e3,
        server_cpu_micros_per_request=cpu_used * 1e6 / max(1, side["total_ios"]),
        server_cpu_micros_per_request_settled=cpu_used_settled * 1e6 / max(1, side["total_ios"]),
    )


@dataclass(frozen=True)
class Writes:
    """What clients measured that only write; times in microseconds."""

    per_second: float
    bytes_per_second: float
    p50_micros: float
    p9999_micros: float
    total_bytes: int
    seconds: float  # with their flushes


def over_nbd(uri):
    """The options of fio that make its clients NBD connections."""
    return ["--ioengine=nbd", f"--uri={uri}", "--thread"]


def on_device(path):
    """The options of fio for a block device or a file, past the page cache."""
    return ["--ioengine=libaio", "--direct=1", f"--filename={path}"]


def write(
    shop,
    where,
    region_bytes,
    *,
    pattern="randwrite",
    block_bytes=4 * KIB,
    depth=1,
    clients=1,
    seconds=0,
    total_bytes=0,
    sync_every=0,
):
    """Has clients write for so long, or so much each. With a time, places are drawn anew each time; without one, no
    place of the region is written twice until all are. `sync_every`: after how many of its writes a client flushes."""
    output = os.path.join(shop.disk_dir, "writes.json")
    if seconds:
        extent = ["--time_based", f"--runtime={seconds}", "--norandommap"]
    else:
        extent = [f"--io_size={total_bytes}"]
    run(
        *("fio", "--name=writes", *where, f"--rw={pattern}", f"--bs={block_bytes}", f"--iodepth={depth}"),
        *(f"--numjobs={clients}", "--group_reporting", f"--size={region_bytes}", *extent, f"--fsync={sync_every}"),
        *("--randrepeat=0", "--percentile_list=50:99.99", "--output-format=json", f"--output={output}"),
    )
    job = job_of(output)
    side = job["write"]
    percentile = side["clat_ns"]["percentile"]
    return Writes(
        per_second=side["iops"],
        bytes_per_second=side["bw_bytes"],
        p50_micros=percentile["50.000000"] / 1e3,
        p9999_micros=percentile["99.990000"] / 1e3,
        total_bytes=side["io_bytes"],
        seconds=job["job_runtime"] / 1e3 / clients,
    )


def job_of(output):
    """The only job of a report, or the only group of jobs."""
    with open(output, encoding="utf-8") as file:
        said = file.read()
    # The engine says that it has connected before the report begins.
    job = json.loads(said[said.index("{") :])["jobs"][0]
    if job["error"]:
        raise Failure(f"fio: error {job['error']}; see {output}")
    return job
