#!/usr/bin/python3
"""Serves as the client of a device in steady state: the same requests over and over, on two connections.

usage: steady_load.py URI WARM_UP_REQUESTS SECONDS

Makes requests until so many have been served, then goes on for so many seconds; prints when that began and ended
(seconds since 1970) and how many requests were served in between.
"""

import random
import sys
import time

import nbd

BATCH = 64
SPAN = 48 << 20
PATTERN = b"\xa5" * (64 << 10)


def serve(handle, count):
    """So many requests at once: reads and writes of 4 and 64 KiB, zeroes, discards, flushes, and writes with FUA."""
    waiting = []
    for _ in range(count):
        offset = random.randrange(SPAN >> 16) << 16
        kind = random.randrange(16)
        if kind < 6:
            waiting.append(handle.aio_pread(nbd.Buffer(4096), offset + 4096))
        elif kind < 7:
            waiting.append(handle.aio_pread(nbd.Buffer(16 << 10), offset))
        elif kind < 12:
            waiting.append(handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(PATTERN[:4096])), offset + 8192))
        elif kind < 13:
            waiting.append(handle.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(PATTERN)), offset))
        elif kind < 14:
            waiting.append(handle.aio_zero(8192, offset))
        elif kind < 15:
            waiting.append(handle.aio_trim(8192, offset))
        else:
            waiting.append(handle.aio_flush())
    for cookie in waiting:
        while not handle.aio_command_completed(cookie):
            handle.poll(-1)
    return count


def main():
    uri, warm_up, seconds = sys.argv[1:]
    handles = [nbd.NBD(), nbd.NBD()]
    for handle in handles:
        handle.connect_uri(uri)
    served = 0
    while served < int(warm_up):
        served += sum(serve(handle, BATCH) for handle in handles)
    begin, served = time.time(), 0
    while time.time() < begin + float(seconds):
        served += sum(serve(handle, BATCH) for handle in handles)
    print(f"{begin:.3f} {time.time():.3f} {served}")
    for handle in handles:
        handle.shutdown()


main()
