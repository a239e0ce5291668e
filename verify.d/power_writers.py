"""Writes to a device without end, and keeps what was acknowledged in a file that is to be what the device holds.

power_writers.py URI MODEL STOP BEGUN       until the file STOP is there, or the device is gone. MODEL is made from the device if it
                                            does not exist; BEGUN when the first write has been acknowledged
power_writers.py --compare MODEL DEVICE     whether DEVICE, a file or a URI, holds what MODEL says

What was not acknowledged when the device went is in MODEL.last, and each of its sectors may be there or not; after the comparison
MODEL has what is.
"""

import os
import random
import sys
import time

import nbd

SECTOR = 512
PAUSE_SECONDS = 0.002  # so that a machine of two processors has time for what is tried


def connect(uri):
    device = nbd.NBD()
    device.connect_uri(uri)
    return device


def contents(device):
    size = device.get_size()
    return b"".join(bytes(device.pread(min(1 << 20, size - at), at)) for at in range(0, size, 1 << 20))


def write(uri, model, stop, begun):
    device = connect(uri)
    if not os.path.exists(model):
        with open(model, "wb") as file:
            file.write(contents(device))
    size = device.get_size()
    count = 0
    with open(model, "r+b") as file:
        while not os.path.exists(stop):
            offset = random.randrange(0, size - 20000)
            data = os.urandom(random.choice((512, 4096, 4096, 20000)))
            try:
                device.pwrite(data, offset)
            except nbd.Error as error:
                with open(model + ".last", "wb") as last:
                    last.write(offset.to_bytes(8, "big") + data)
                print(f"wrote {count} times, then: {error}")
                return
            file.seek(offset)
            file.write(data)
            count += 1
            if count == 1:
                open(begun, "wb").close()
            time.sleep(PAUSE_SECONDS)
    device.shutdown()
    print(f"wrote {count} times")


def settle_last(model, wanted, seen):
    with open(model + ".last", "rb") as file:
        offset, data = int.from_bytes(file.read(8), "big"), file.read()
    at = offset
    while at < offset + len(data):
        end = min(offset + len(data), (at // SECTOR + 1) * SECTOR)
        if seen[at:end] == data[at - offset:end - offset]:
            wanted[at:end] = seen[at:end]
        at = end
    with open(model, "wb") as file:
        file.write(wanted)
    os.unlink(model + ".last")


def compare(model, place):
    with open(model, "rb") as file:
        wanted = bytearray(file.read())
    if place.startswith("nbd"):
        seen = contents(connect(place))
    else:
        with open(place, "rb") as file:
            seen = file.read()
    if os.path.exists(model + ".last"):
        settle_last(model, wanted, seen)
    if seen != wanted:
        wrong = [at for at in range(0, len(wanted), SECTOR) if seen[at:at + SECTOR] != wanted[at:at + SECTOR]]
        sys.exit(f"{place} is not as {model}: {len(wrong)} sectors, the first at byte {wrong[0] if wrong else len(seen)}")


if sys.argv[1] == "--compare":
    compare(*sys.argv[2:])
else:
    write(*sys.argv[1:])
