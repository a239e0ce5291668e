"""One run of fio against an NBD server."""

import json
import os
from dataclasses import dataclass

from .workshop import Failure, run

KIB = 1 << 10
MIB = 1 << 20
MIX_READ_PERCENT = 70


@dataclass(frozen=True)
class Workload:
    """What fio does: requests of one size at random places, so many at a time on each of so many connections. Of a mix
    seven in ten are reads."""

    name: str
    pattern: str
    block_bytes: int
    depth: int
    connections: int = 1

    @property
    def writes(self):
        return self.pattern != "randread"


@dataclass(frozen=True)
class Sample:
    """What one run measured; times in microseconds, of a mix those of the slower kind; CPU of the server alone."""

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
    cpu_before = server.cpu_seconds()
    run(
        *("taskset", "--cpu-list", ",".join(str(cpu) for cpu in sorted(cpus))),
        *("fio", "--name=bench", "--ioengine=nbd", f"--uri={server.uri}", "--thread"),
        *(f"--rw={workload.pattern}", f"--bs={workload.block_bytes}", f"--iodepth={workload.depth}"),
        *(f"--rwmixread={MIX_READ_PERCENT}", f"--numjobs={workload.connections}", "--group_reporting"),
        *(f"--size={server.size_bytes}", "--time_based", f"--runtime={seconds}"),
        # What fio itself spends on drawing and remembering places would be the same for all, and hide differences.
        *("--norandommap", "--randrepeat=0", "--percentile_list=50:99:99.9"),
        *("--output-format=json", f"--output={output}"),
    )
    cpu_used = server.cpu_seconds() - cpu_before
    server.settle()
    cpu_used_settled = server.cpu_seconds() - cpu_before
    job = job_of(output)
    sides = [job[kind] for kind in ("read", "write") if job[kind]["total_ios"]]
    request_count = max(1, sum(side["total_ios"] for side in sides))
    percentiles = [side["clat_ns"]["percentile"] for side in sides]
    return Sample(
        requests_per_second=sum(side["iops"] for side in sides),
        bytes_per_second=sum(side["bw_bytes"] for side in sides),
        p50_micros=max(found["50.000000"] for found in percentiles) / 1e3,
        p99_micros=max(found["99.000000"] for found in percentiles) / 1e3,
        p999_micros=max(found["99.900000"] for found in percentiles) / 1e3,
        server_cpu_micros_per_request=cpu_used * 1e6 / request_count,
        server_cpu_micros_per_request_settled=cpu_used_settled * 1e6 / request_count,
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
