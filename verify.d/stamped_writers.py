#!/usr/bin/python3
"""Stamped writers on the device at URI for some seconds, or until it is gone; their log goes to a file.

usage: stamped_writers.py --uri URI --seconds S --seed N --log FILE --mode MODE [--switch COMMAND] [--position FILE]
                          [--writers N] [--flushes PART] [--chunk BYTES]

--position is the file of a power_disk that says how long its log is: each operation then knows between which entries of
it it began and was answered. The device's content at the start is part of the log, and so are
the modes: MODE, and with --switch those that COMMAND MODE is called with all the time. --chunk is the device's.
"""

import argparse
import mmap
import pickle
import random
import shlex
import subprocess
import time

import stamps

MODES = ("writethrough", "writeback", "checkpoint", "unsafe")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--run", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--position")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--chunk", type=int, default=stamps.CHUNK)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--switch")
    parser.add_argument("--flushes", type=float, default=0.1)
    options = parser.parse_args()
    position = lambda: 0
    if options.position:
        with open(options.position, "r+b") as file:
            counter = mmap.mmap(file.fileno(), 8)
        position = lambda: int.from_bytes(counter[:8], "little")
    base = stamps.read_device(options.uri)
    writers = stamps.Writers(
        options.uri, options.run, base, options.seed, options.writers, options.flushes, position, options.chunk
    )
    writers.start()
    end = time.monotonic() + options.seconds
    modes = stamps.Modes(options.mode)
    chance = random.Random(f"{options.seed} modes")
    while time.monotonic() < end and any(thread.is_alive() for thread in writers.threads):
        time.sleep(0.05)
        if options.switch:
            mode = chance.choice([mode for mode in MODES if mode != modes.switches[-1].mode])
            modes.begin(mode, position())
            subprocess.run(
                shlex.split(options.switch) + [mode], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
            )
            modes.end(position())
    writers.stop()
    with open(options.log, "wb") as file:
        pickle.dump((writers.log(), modes), file)
    print(f"{writers.answered()} operations answered, {len(modes.switches) - 1} switches of the mode")
    for failure in writers.failures():
        print(f"a writer ended early: {failure}")


main()
