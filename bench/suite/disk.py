"""A stand-in for a hard disk, and the files that are put on it."""

import json
import mmap
import os
import random
import time
import zipfile
from dataclasses import dataclass

from .fio import on_device, write
from .servers import unix_uri
from .workshop import alive, run, wait_until

MIB = 1 << 20
SEEK = "8ms"
RATE = "500M"  # bits a second
ALIGNMENT = 4096
# What the rate filter lets pass beyond the rate after a pause: two seconds' worth.
BURST_SECONDS = 2
# What a loop device makes of longer requests: 128 pieces of scattered memory. Buffers that happen to lie in one piece
# would make larger ones, and so the disk faster, than anybody can count on.
REQUEST_BYTES = 512 << 10
REQUESTS_IN_FLIGHT = 8


def write_noise(path, size_bytes):
    """Writes a file without holes, of bytes that no two chunks share."""
    block = bytearray(os.urandom(MIB))
    with open(path, "wb") as file:
        for index in range(size_bytes // MIB):
            for at in range(0, MIB, ALIGNMENT):
                block[at : at + 8] = (index * MIB + at).to_bytes(8, "little")
            file.write(block)


@dataclass
class SlowDisk:
    """A hard disk's stand-in: one head, 8 ms to get anywhere, a bounded rate."""

    shop: object
    uri: str  # of its NBD export
    file: str  # which is the disk, too

    def part(self, offset_bytes, size_bytes):
        """A partition as a block device; returns its path."""
        return self.shop.loop(self.file, offset_bytes, size_bytes)

    def filesystem(self, offset_bytes, size_bytes):
        """A new ext4 on a partition; returns the directory it is mounted on."""
        device = self.part(offset_bytes, size_bytes)
        # Small and with nothing left to do later, so that it does not take the disk's time when that is measured.
        options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
        run("mkfs.ext4", "-q", "-F", "-N", "64", "-m", "0", "-J", "size=4", "-E", options, device)
        return self.shop.mount(device)[0]


def hdd(shop, size_bytes):
    """A slow disk as a block device; returns its path."""
    return shop.loop(slow_disk(shop, size_bytes, size_bytes).file)


def slow_disk(shop, size_bytes, noise_bytes):
    """A slow disk, full of noise up to a point and empty behind it."""
    image = os.path.join(shop.ram_dir, "hdd.img")
    write_noise(image, noise_bytes)
    os.truncate(image, size_bytes)
    path = os.path.join(shop.ram_dir, "hdd.sock")
    process = shop.start(
        *("nbdkit", "--foreground", "--unix", path, "--filter=noparallel", "--filter=delay", "--filter=rate"),
        *("file", image, "serialize=all-requests", f"rdelay={SEEK}", f"wdelay={SEEK}", f"rate={RATE}"),
    )
    wait_until("the slow disk", 30, lambda: alive(process, "nbdkit") and os.path.exists(path))
    uri = unix_uri("", path)
    return SlowDisk(shop, uri, shop.present(uri)[0])


def rest():
    """Lets the disk's burst fill up again, so that every sequential run begins alike."""
    time.sleep(2 * BURST_SECONDS)


def random_read_seconds(device, count):
    """How long the disk itself takes for 4 KiB at random places, past the page cache; one time a read."""
    descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        chunk_count = os.lseek(descriptor, 0, os.SEEK_END) // ALIGNMENT
        buffer = mmap.mmap(-1, ALIGNMENT)
        times = []
        for _ in range(count):
            at = random.randrange(chunk_count) * ALIGNMENT
            began = time.perf_counter()
            os.preadv(descriptor, [buffer], at)
            times.append(time.perf_counter() - began)
        return times
    finally:
        os.close(descriptor)


def sequential_bytes_per_second(shop, device, block_bytes, depth):
    """The rate at which the disk itself is read from end to end, past the page cache, after a rest."""
    rest()
    output = os.path.join(shop.disk_dir, "sequential.json")
    run(
        *("fio", "--name=sequential", f"--filename={device}", "--readonly", "--rw=read", "--direct=1"),
        *("--ioengine=libaio", f"--bs={block_bytes}", f"--iodepth={depth}"),
        *("--output-format=json", f"--output={output}"),
    )
    with open(output, encoding="utf-8") as file:
        return json.load(file)["jobs"][0]["read"]["bw_bytes"]


def random_writes_per_second(shop, device, region_bytes, seconds):
    """How many writes of 4 KiB at random places the disk itself takes."""
    return write(shop, on_device(device), region_bytes, depth=32, seconds=seconds).per_second


def sequential_writes(shop, device, total_bytes):
    """The rate in bytes a second at which the disk itself is written in order, past the page cache, after a rest."""
    rest()
    shape = {"pattern": "write", "block_bytes": REQUEST_BYTES, "depth": REQUESTS_IN_FLIGHT, "total_bytes": total_bytes}
    sync_at_end = total_bytes // REQUEST_BYTES
    return total_bytes / write(shop, on_device(device), total_bytes, **shape, sync_every=sync_at_end).seconds


def source_tree(shop):
    """A tar of the JDK's java.base sources, or of a made-up tree of the same shape; returns its path and what it is."""
    tree = os.path.join(shop.disk_dir, "tree")
    archive = next(filter(os.path.exists, source_archives()), None)
    if archive:
        with zipfile.ZipFile(archive) as sources:
            sources.extractall(tree, [name for name in sources.namelist() if name.startswith("java.base/")])
    else:
        make_tree(tree)
    tar = os.path.join(shop.disk_dir, "tree.tar")
    run("tar", "--create", "--file", tar, "--directory", tree, ".")
    file_count = sum(len(files) for _, _, files in os.walk(tree))
    origin = "java.base of the JDK's src.zip" if archive else "a generated tree"
    run("rm", "--recursive", tree)
    return tar, f"{origin}, {file_count:,} files, {os.path.getsize(tar) / MIB:.0f} MiB"


def source_archives():
    homes = [os.environ["JAVA_HOME"]] if "JAVA_HOME" in os.environ else []
    if os.path.isdir("/usr/lib/jvm"):
        homes += sorted((os.path.join("/usr/lib/jvm", name) for name in os.listdir("/usr/lib/jvm")), reverse=True)
    return [os.path.join(home, "lib", "src.zip") for home in homes]


def make_tree(directory):
    """3,400 files in 170 directories, of sizes like those of sources: many small, a few of hundreds of KiB."""
    chance = random.Random(2008)
    for index in range(3400):
        parent = os.path.join(directory, f"package{index // 20:03}")
        os.makedirs(parent, exist_ok=True)
        length = min(int(chance.lognormvariate(9.0, 1.2)), 512 << 10)
        with open(os.path.join(parent, f"Source{index}.java"), "wb") as file:
            file.write(os.urandom(length // 2).hex().encode("ascii"))
