#!/usr/bin/python3
"""A client that goes on working while the disk behind a device does not.

usage: fault_clients.py change URI MODEL SEED [OPERATIONS]   writes, zeroes and reads at random; MODEL, a file, follows
       fault_clients.py same URI MODEL                       the device reads as MODEL does
       fault_clients.py unreadable URI OFFSET LENGTH         a read must fail with EIO

Every read must be answered as MODEL says.
"""

import random
import sys
import time

import nbd


def change(handle, model, seed, operations):
    rng = random.Random(seed)
    size = handle.get_size()
    longest = 0.0
    with open(model, "r+b") as file:
        for _ in range(operations):
            length = rng.randrange(1, 64 << 10)
            offset = rng.randrange(0, size - length)
            began = time.monotonic()
            kind = rng.random()
            if kind < 0.5:
                data = rng.randbytes(length)
                handle.pwrite(data, offset)
                file.seek(offset)
                file.write(data)
            elif kind < 0.6:
                handle.zero(length, offset)
                file.seek(offset)
                file.write(bytes(length))
            else:
                file.seek(offset)
                assert handle.pread(length, offset) == file.read(length), f"{length} bytes at {offset} are wrong"
            longest = max(longest, time.monotonic() - began)
    print(f"{operations} requests, the longest took {longest * 1000:.1f} ms")


def same(handle, model):
    size = handle.get_size()
    with open(model, "rb") as file:
        for offset in range(0, size, 1 << 20):
            length = min(1 << 20, size - offset)
            assert handle.pread(length, offset) == file.read(length), f"the MiB at {offset} is wrong"


def unreadable(handle, offset, length):
    try:
        handle.pread(length, offset)
    except nbd.Error as error:
        assert error.errno == "EIO", error
    else:
        raise AssertionError(f"{length} bytes at {offset} were read")


def main():
    work, uri, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    handle = nbd.NBD()
    handle.connect_uri(uri)
    if work == "change":
        change(handle, rest[0], int(rest[1]), int(rest[2]) if len(rest) > 2 else 400)
    elif work == "same":
        same(handle, rest[0])
    elif work == "unreadable":
        unreadable(handle, int(rest[0]), int(rest[1]))
    else:
        sys.exit(__doc__)
    handle.shutdown()


main()
