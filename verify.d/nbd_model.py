#!/usr/bin/python3
"""Holds a device against a byte array: every kind of NBD request, of any length at any offset, over several connections.

usage: nbd_model.py --seed S --operations N [--until FILE] [--connections C] [--chunk BYTES] [--initial FILE]
                    --final FILE URI...

Rounds of two phases. First one request at a time, each on a connection drawn by lot, so that a connection must see what
another wrote. Then all connections at once, each in a part of the device of its own; the parts end in the middle of
chunks. When N operations are done, or FILE exists, the whole device is read and compared, and the byte array is written
to --final: what the image must hold after a clean stop. Connections are spread over the URIs, which are all of one
device. TRIM zeroes the chunks that lie wholly in its range and leaves the others as they are; WRITE_ZEROES zeroes every
byte.
"""

import argparse
import os
import random
import sys
import threading

import nbd

ENOTSUP = 95
LENGTH_MAX = 32 << 20
ROUND_OPERATIONS = 1000


class Mismatch(Exception):
    pass


def first_difference(expected, got):
    if len(expected) != len(got):
        return min(len(expected), len(got))
    low, high = 0, len(expected)
    while high - low > 1:
        middle = (low + high) // 2
        if expected[low:middle] == got[low:middle]:
            low = middle
        else:
            high = middle
    return low


class Part:
    """A range of the device that one thread works on, with what it must hold."""

    def __init__(self, model, begin, end, chance, chunk):
        self.model, self.begin, self.end, self.chance, self.chunk = model, begin, end, chance, chunk
        self.counts = {}

    def any_range(self, longest=LENGTH_MAX):
        size = self.end - self.begin
        if self.chance.random() < 0.02:
            length = self.chance.randint(1, min(size, longest))
        else:  # as many of 1 to 10 bytes as of 100 K to 1 M
            length = min(size, int(10 ** self.chance.uniform(0, 6)))
        offset = self.begin + self.chance.randrange(size - length + 1)
        where = self.chance.random()
        if where < 0.2:
            offset = self.begin
        elif where < 0.4:
            offset = self.end - length
        elif where < 0.6:
            offset = max(self.begin, offset & ~4095)
        return offset, min(length, self.end - offset)

    def check(self, got, offset, what):
        expected = self.model[offset : offset + len(got)]
        if got != expected:
            at = first_difference(expected, got)
            raise Mismatch(
                f"{what}, read of {len(got)} at {offset}: byte {offset + at} is {got[at]:#04x}, not {expected[at]:#04x}"
            )

    def step(self, connection):
        chance = self.chance
        kind = chance.choices(
            ["read", "write", "trim", "zero", "flush", "cache"], [30, 40, 8, 14, 3, 3]
        )[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        fua = nbd.CMD_FLAG_FUA if chance.random() < 0.1 else 0
        offset, length = self.any_range()
        end = offset + length
        if kind == "read":
            self.check(connection.pread(length, offset), offset, kind)
        elif kind == "write":
            data = chance.randbytes(length)
            connection.pwrite(data, offset, fua)
            self.model[offset:end] = data
        elif kind == "trim":
            connection.trim(length, offset, fua)
            first = -(-offset // self.chunk) * self.chunk
            last = end if end == len(self.model) else end // self.chunk * self.chunk
            if last > first:
                self.model[first:last] = bytes(last - first)
        elif kind == "zero":
            for flag in (nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO):
                if chance.random() < 0.3:
                    fua |= flag
            try:
                connection.zero(length, offset, fua)
                self.model[offset:end] = bytes(length)
            except nbd.Error as error:
                if not (fua & nbd.CMD_FLAG_FAST_ZERO and error.errnum == ENOTSUP):
                    raise
        elif kind == "flush":
            connection.flush()
        else:
            connection.cache(length, offset)
        if kind in ("write", "trim", "zero") and chance.random() < 0.3:
            around = max(self.begin, offset - chance.randrange(9000))
            until = min(self.end, end + chance.randrange(9000))
            until = min(until, around + LENGTH_MAX)
            self.check(connection.pread(until - around, around), around, f"after {kind} of {length} at {offset}")


def connect(uri):
    connection = nbd.NBD()
    connection.connect_uri(uri)
    return connection


def read_all(connection, size):
    return b"".join(
        connection.pread(min(LENGTH_MAX, size - offset), offset) for offset in range(0, size, LENGTH_MAX)
    )


def at_once(connections, parts, operations):
    """Each part's operations on a thread and a connection of its own; returns when all have ended."""
    failures = []

    def work(part, connection):
        try:
            for _ in range(operations // len(parts)):
                part.step(connection)
        except Exception as error:  # told by the main thread, after all have ended
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(part, connection))
        for part, connection in zip(parts, connections)
        if part.end > part.begin
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--operations", type=int, required=True)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--chunk", type=int, default=4096)
    parser.add_argument("--until")
    parser.add_argument("--initial")
    parser.add_argument("--final", required=True)
    parser.add_argument("uris", nargs="+")
    options = parser.parse_args()

    connections = [connect(options.uris[i % len(options.uris)]) for i in range(options.connections)]
    size = connections[0].get_size()
    if options.initial:
        with open(options.initial, "rb") as file:
            model = bytearray(file.read())
        if len(model) != size:
            raise Mismatch(f"the device has {size} bytes, the initial image {len(model)}")
    else:
        model = bytearray(size)
    chance = random.Random(options.seed)
    alone = Part(model, 0, size, chance, options.chunk)
    bounds = [size * i // len(connections) for i in range(len(connections) + 1)]
    parts = [
        Part(model, begin, end, random.Random(f"{options.seed} part {begin}"), options.chunk)
        for begin, end in zip(bounds, bounds[1:])
    ]
    done = 0
    while done < options.operations and not (options.until and os.path.exists(options.until)):
        operations = min(ROUND_OPERATIONS, options.operations - done)
        for _ in range(operations // 2):
            alone.step(chance.choice(connections))
        at_once(connections, parts, operations - operations // 2)
        done += operations
    connections[0].flush()
    alone.check(read_all(connections[-1], size), 0, "at the end")
    with open(options.final, "wb") as file:
        file.write(model)
    for part in parts:
        for kind, count in part.counts.items():
            alone.counts[kind] = alone.counts.get(kind, 0) + count
    print(", ".join(f"{count} {kind}" for kind, count in sorted(alone.counts.items())))
    for connection in connections:
        connection.shutdown()


try:
    main()
except (Mismatch, nbd.Error) as error:
    sys.exit(f"nbd_model: {error}")
