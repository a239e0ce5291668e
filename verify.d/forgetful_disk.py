#!/usr/bin/python3
"""A disk whose write cache is its own memory: an NBD server that, when it is killed, has lost all that was not flushed.

usage: forgetful_disk.py --socket SOCKET FILE

FILE is the export "disk", on a Unix socket, and gets only what a FLUSH covers. Several connections share the cache.
"""

import argparse
import contextlib
import os
import socket
import threading

from power_disk import FLUSH_BEGIN, FORCED, Connection, Disk


class Cache:
    """What has been written and not flushed; in place of the log of power_disk."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = os.open(path, os.O_RDWR)
        self.ranges = []

    def write(self, disk, offset, data):
        with self.lock:
            disk.content[offset : offset + len(data)] = data
            self.ranges.append((offset, len(data)))

    def zero(self, disk, offset, length):
        self.write(disk, offset, bytes(length))

    def note(self, kind, disk, refers=None):
        if kind not in (FLUSH_BEGIN, FORCED):
            return
        with self.lock:
            for offset, length in self.ranges:
                os.pwrite(self.file, memoryview(disk.content)[offset : offset + length], offset)
            self.ranges.clear()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("file")
    options = parser.parse_args()
    with open(options.file, "rb") as file:
        disk = Disk(0, "disk", bytearray(file.read()))
    cache = Cache(options.file)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(options.socket)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.socket)
    listener.listen(64)
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=Connection(peer, {"disk": disk}, cache).run, daemon=True).start()


if __name__ == "__main__":
    main()
