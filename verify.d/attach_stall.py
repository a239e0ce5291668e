#!/usr/bin/python3
"""How long a client waits while the daemon is killed and another goes on from its memory.

usage: attach_stall.py --ramback PROGRAM --image FILE --ram DIR --size SIZE --rounds N [--upgrade]

Fills the device wholly, then has a client write and read back 4 KiB after 4 KiB, which connects again whenever it is cut
off; kills the daemon with SIGKILL and starts `up` again the moment it is gone (or, with --upgrade, has it taken over by
`ramback upgrade`); the stall is the longest time between two answers. Every answer is held against what was written. Prints
one line with the median.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time

import nbd

BLOCK = 4096
WAIT_SECONDS = 120


class Client(threading.Thread):
    """One that connects again."""

    def __init__(self, uri, size):
        super().__init__(daemon=True)
        self.uri, self.blocks = uri, min(size // BLOCK, 4096)
        self.stall = 0.0
        self.count = 0
        self.wrong = None
        self.ended = threading.Event()

    def connected(self):
        while True:
            handle = nbd.NBD()
            try:
                handle.connect_uri(self.uri)
                return handle
            except nbd.Error:
                time.sleep(0.001)

    def run(self):
        handle = self.connected()
        last = time.monotonic()
        while not self.ended.is_set():
            at = self.count * 7919 % self.blocks * BLOCK
            value = bytes([self.count & 255]) * BLOCK
            while True:
                try:
                    handle.pwrite(value, at)
                    got = handle.pread(BLOCK, at)
                    break
                except nbd.Error:
                    handle = self.connected()
            if got != value:
                self.wrong = f"block {at // BLOCK} is not what was written"
                return
            now = time.monotonic()
            self.stall = max(self.stall, now - last)
            last = now
            self.count += 1


class Daemon:
    def __init__(self, options):
        self.options = options
        self.process = None

    def up(self, *more):
        options = self.options
        command = [options.ramback, "up", options.image, "--ram-dir", options.ram, *options.up, *more]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        if " ready, " not in line:
            sys.exit(f"attach_stall: up ended with {self.process.wait(WAIT_SECONDS)}")
        return line.split()[-1], line.split()[1]

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT_SECONDS)


def fill(uri):
    handle = nbd.NBD()
    handle.connect_uri(uri)
    size = handle.get_size()
    for at in range(0, size, 32 << 20):
        length = min(32 << 20, size - at)
        handle.pwrite(bytes([1 + (at >> 25) % 255]) * length, at)
    handle.shutdown()
    return size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ramback", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--ram", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--upgrade", action="store_true")
    parser.add_argument("--up", nargs="*", default=[])
    options = parser.parse_args()
    daemon = Daemon(options)
    uri, name = daemon.up("--size", options.size)
    try:
        size = fill(uri)
        subprocess.run([options.ramback, "flush", name], check=True, stdin=subprocess.DEVNULL)
        stalls = []
        for _ in range(options.rounds):
            client = Client(uri, size)
            client.start()
            time.sleep(1)
            if options.upgrade:
                subprocess.run([options.ramback, "upgrade", name], check=True, stdin=subprocess.DEVNULL)
            else:
                daemon.kill()
                daemon.up()
            before = client.count
            deadline = time.monotonic() + WAIT_SECONDS
            while client.count < before + 100 and not client.wrong and time.monotonic() < deadline:
                time.sleep(0.01)
            client.ended.set()
            client.join(WAIT_SECONDS)
            if client.wrong or client.count < before + 100:
                sys.exit(f"attach_stall: {client.wrong or 'the client was not served again'}")
            stalls.append(client.stall)
        subprocess.run([options.ramback, "down", name], check=True, stdin=subprocess.DEVNULL)
        daemon.process.wait(WAIT_SECONDS)
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    what = "upgrade" if options.upgrade else "kill -9 and up"
    each = ", ".join(f"{stall:.2f}" for stall in stalls)
    print(f"{what}, {options.size} loaded: stall of a client {statistics.median(stalls):.2f} s (median of {each})")


main()
