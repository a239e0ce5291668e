#!/usr/bin/python3
"""Kills a daemon with SIGKILL, again and again, leaves its memory, and starts it again: nothing that was answered may be
lost, in any mode, whatever the daemon was at.

usage: kill_rounds.py --ramback PROGRAM --work DIR --ram DIR --mode MODE --rounds N --seed S [--minutes M] ...

A round: stamped writers for a random while, beside them what the daemon is to be killed in (loading, a flush, a snapshot,
a change of mode, a clean stop, the attach of the round before); SIGKILL; `up`, which is killed in its turn now and then,
at any moment of its start, until one of them is left alone; the device is read, and the oracle judges it: everything that
was answered is there. At the end a clean stop, whose image is what the device held.
"""

import argparse
import os
import random
import subprocess
import sys
import time

import crash_rounds
import stamps

MODES = crash_rounds.MODES
SITUATIONS = ("writing", "loading", "flushing", "snapshot", "stopping", "recovery", "switching")
UP_ATTEMPTS_MAX = 6


class Device(crash_rounds.Device):
    """Its memory stays when it is killed."""

    def kill_alone(self):
        self.daemon.kill()
        self.daemon.wait(crash_rounds.WAIT_SECONDS)
        self.daemon.stdout.close()

    def up_and_kill(self, seconds):
        """Starts it and kills it so much later, wherever it is by then. Returns whether it had been ready."""
        daemon = subprocess.Popen(
            self.up_command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log
        )
        time.sleep(seconds)
        early = daemon.poll()
        daemon.kill()
        said, _ = daemon.communicate()
        if early is not None:
            raise crash_rounds.Failed(f"up ended with {early}: {self.last_words()}")
        return b" ready, " in said


class Rounds:
    def __init__(self, options):
        self.options = options
        self.device = Device(options)
        self.operations = self.kills = self.killed_starts = 0
        self.slowest = 0.0
        self.seen = {}

    def beside(self, situation, chance):
        """A command that runs while the daemon is killed, or nothing."""
        name = self.device.name
        if situation == "flushing":
            return ["flush", name]
        if situation == "snapshot":
            return ["snapshot", name, os.path.join(self.options.work, f"{name}.snapshot")]
        if situation == "stopping":
            return ["down", name]
        if situation == "switching":
            return ["mode", name, chance.choice(MODES)]
        return None

    def round(self, number):
        options, device = self.options, self.device
        chance = random.Random(f"{options.seed} {options.mode} kill round {number}")
        situation = SITUATIONS[number % len(SITUATIONS)] if chance.random() < 0.8 else chance.choice(SITUATIONS)
        self.seen[situation] = self.seen.get(situation, 0) + 1
        if situation == "loading":
            # A clean stop gives the memory back: what follows reads the image while it is written to.
            device.must(0, "down", device.name)
            device.daemon.wait(crash_rounds.WAIT_SECONDS)
            device.up()
        if situation == "recovery":
            self.lose_power(chance)
        writers = stamps.Writers(
            device.uri, number, self.base, f"{options.seed} {options.mode}", options.writers, device_chunk=options.chunk
        )
        writers.start()
        time.sleep(chance.uniform(0.0, 0.1) if situation == "loading" else chance.uniform(0.02, options.seconds))
        command = self.beside(situation, chance)
        other = None
        if command:
            other = subprocess.Popen(
                [options.ramback, *command], stdin=subprocess.DEVNULL, stdout=device.log, stderr=device.log
            )
            time.sleep(chance.uniform(0.0, 0.6))
        device.kill_alone()
        self.kills += 1
        writers.stop()
        if other:
            other.wait(crash_rounds.WAIT_SECONDS)
        log = writers.log()
        self.operations += writers.answered()
        if options.mode == "mixed":
            device.mode = chance.choice(MODES)
        for _ in range(UP_ATTEMPTS_MAX):
            if chance.random() >= options.kill_starts:
                break
            device.up_and_kill(chance.uniform(0.05, 1.2))
            self.killed_starts += 1
        began = time.monotonic()
        device.up()
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.base = stamps.read_device(device.uri)
        stamps.Oracle(log).judge(self.base, stamps.Promise(None, answered(log), f"{options.mode}, killed while {situation}"))
        partial = os.path.join(options.work, f"{device.name}.snapshot")
        for file in (partial, partial + ".partial"):
            if os.path.exists(file):
                os.unlink(file)

    def lose_power(self, chance):
        """The memory goes as well; the recovery that follows is killed, and begun again by the next start."""
        device = self.device
        device.must(0, "mode", device.name, "writethrough")
        device.kill()
        device.mode = "writethrough" if self.options.mode == "unsafe" else device.mode
        for _ in range(chance.randint(0, 2)):
            device.up_and_kill(chance.uniform(0.1, 0.9))
            self.killed_starts += 1
        device.up()
        if stamps.read_device(device.uri) != self.base:
            raise crash_rounds.Failed("a recovery that was killed did not bring back what the device held")
        if self.options.mode == "unsafe":
            device.mode = "unsafe"
            device.must(0, "mode", device.name, "unsafe")

    def run(self):
        options, device = self.options, self.device
        until = time.monotonic() + options.minutes * 60
        number = 0
        try:
            device.up()
            self.base = stamps.read_device(device.uri)
            while number < options.rounds or time.monotonic() < until:
                number += 1
                self.round(number)
            device.must(0, "down", device.name)
            device.daemon.wait(crash_rounds.WAIT_SECONDS)
            if crash_rounds.content(device.image) != self.base:
                raise crash_rounds.Failed("the image of a clean stop is not what the device held")
        except (crash_rounds.Failed, stamps.Wrong) as wrong:
            sys.exit(f"kill_rounds: {options.mode}, seed {options.seed}, round {number}: {wrong}")
        finally:
            device.end()
        for file in device.files():
            os.unlink(file)
        situations = ", ".join(f"{count} {name}" for name, count in sorted(self.seen.items()))
        print(
            f"{options.mode}, chunks of {options.chunk}: {self.kills} kills ({situations}) and {self.killed_starts} of"
            f" starts, {self.operations} operations answered, none lost; slowest start {self.slowest:.1f} s"
        )


def answered(log):
    """How many operations of each writer were answered: all of them are promised when only the process dies."""
    least = []
    for operations in log.operations:
        done = 0
        for number, operation in enumerate(operations, 1):
            if operation.answered is None:
                break
            done = number
        least.append(done)
    return least


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ramback", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--ram", required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--size", type=int, default=24 << 20)
    parser.add_argument("--seconds", type=float, default=0.6, help="the longest that writers work in a round")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--interval-millis", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=stamps.CHUNK)
    parser.add_argument("--dirty-max")
    parser.add_argument("--kill-starts", type=float, default=0.3, help="how often a start is killed too, 0 to 1")
    parser.add_argument("--up", nargs="*", default=[], help="more options for up")
    Rounds(parser.parse_args()).run()


if __name__ == "__main__":
    main()
