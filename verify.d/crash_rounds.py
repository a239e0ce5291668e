#!/usr/bin/python3
"""Kills a daemon with SIGKILL and takes its memory away, again and again, while stamped writers work on its device, and
holds what comes back against their log.

usage: crash_rounds.py --ramback PROGRAM --work DIR --ram DIR --mode MODE --rounds N --seed S [--minutes M] ...

A round: writers for a random while; sometimes a copy of image, journal and state file at an instant at which the daemon
is frozen (SIGSTOP); SIGKILL; the files in --ram are removed; `check` says what there is and changes nothing; then
`recover` (sometimes killed as well, and called again) or the next `up` brings the device back, and the oracle judges it
by the promise of MODE. The next round goes on from there. In `unsafe`, `check` must say that the image may be torn and
`recover` and `up` must exit with 4; --accept-torn then goes on. In `mixed` the mode is switched all the time, and
a frozen copy of an instant in `unsafe` may be torn as well.

Ends with 1 and one line of what was wrong; the files as they were before recovery stay in DIR/wrong.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import stamps

WAIT_SECONDS = 60
REFUSED = 4
MODES = ("writethrough", "writeback", "checkpoint", "unsafe")


class Failed(Exception):
    """A command did what it must not."""


class Device:
    """One image with its daemon, killed and started again."""

    def __init__(self, options):
        self.options = options
        self.name = "crash-" + options.mode
        self.image = os.path.join(options.work, self.name + ".img")
        self.log = open(os.path.join(options.work, self.name + ".log"), "ab", buffering=0)
        self.mode = "writeback" if options.mode == "mixed" else options.mode
        self.daemon = None
        self.uri = None
        os.makedirs(options.ram, exist_ok=True)

    def files(self):
        """Image, journal, state file and checksums, as far as they exist."""
        suffixes = ("", ".journal", ".ramback", ".ramback.crc")
        return [self.image + suffix for suffix in suffixes if os.path.exists(self.image + suffix)]

    def up_command(self, *more):
        options = self.options
        command = [options.ramback, "up", self.image, "--mode", self.mode, "--ram-dir", options.ram]
        command += ["--interval", f"{options.interval_millis}ms", "--chunk", str(options.chunk)]
        if options.dirty_max:
            command += ["--dirty-max", options.dirty_max]
        if not os.path.exists(self.image):
            command += ["--size", str(options.size)]
        return command + options.up + list(more)

    def up(self, *more):
        command = self.up_command(*more)
        self.daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        line = b""
        while not line.startswith(b"ramback: ") or b" ready, " not in line:
            line = self.daemon.stdout.readline()
            if not line:
                code = self.daemon.wait(WAIT_SECONDS)
                raise Failed(f"up ended with {code} before it was ready: {self.last_words()}")
        self.uri = line.decode().split()[-1]

    def last_words(self):
        with open(self.log.name, errors="replace") as file:
            return " | ".join(file.read().splitlines()[-3:])

    def run(self, *arguments, kill_after=None):
        """Exit code and output of a command, None for the code when it was killed."""
        process = subprocess.Popen(
            [self.options.ramback, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            output, _ = process.communicate(timeout=kill_after or WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            if kill_after is None:
                raise Failed(f"{' '.join(arguments)}: no end after {WAIT_SECONDS} s") from None
            return None, output.decode(errors="replace")
        self.log.write(output)
        return process.returncode, output.decode(errors="replace")

    def must(self, code, *arguments):
        got, output = self.run(*arguments)
        if got != code:
            raise Failed(f"{' '.join(arguments)}: exit code {got}, not {code}: {output.strip()}")
        return output

    def kill(self):
        """Its memory is gone too. Returns between which moments it died."""
        begin = time.monotonic()
        self.daemon.kill()
        self.daemon.wait(WAIT_SECONDS)
        end = time.monotonic()
        self.daemon.stdout.close()
        for directory, _, names in os.walk(self.options.ram):
            for name in names:
                os.unlink(os.path.join(directory, name))
        return begin, end

    def end(self):
        """As a user would, so that nothing is left behind."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait(WAIT_SECONDS)


def copy(files, directory):
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for file in files:
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", file, directory], check=True)


def same(files, directory):
    return all(
        subprocess.run(["cmp", "-s", file, os.path.join(directory, os.path.basename(file))]).returncode == 0
        for file in files
    ) and len(files) == len(os.listdir(directory))


def content(path):
    with open(path, "rb") as file:
        return file.read()


class Switching(threading.Thread):
    """Switches the mode of a live device, again and again, until it is gone."""

    def __init__(self, device, modes, chance):
        super().__init__()
        self.device, self.modes, self.chance = device, modes, chance
        self.stopped = threading.Event()
        self.refused = None

    def run(self):
        while not self.stopped.wait(self.chance.uniform(0.0, 0.2)):
            mode = self.chance.choice([mode for mode in MODES if mode != self.modes.switches[-1].mode])
            self.modes.begin(mode)
            code, said = self.device.run("mode", self.device.name, mode)
            if code != 0:
                if not self.stopped.is_set():
                    self.refused = f"mode {mode}: exit code {code}: {said.strip()}"
                return
            self.modes.end()


class Rounds:
    def __init__(self, options):
        self.options = options
        self.device = Device(options)
        self.before = os.path.join(options.work, self.device.name + ".before")
        self.frozen = os.path.join(options.work, self.device.name + ".frozen")
        self.operations = self.frozen_copies = self.killed_recoveries = self.switches = self.torn_images = 0
        self.lag = 0.0

    def due(self, log, modes, moment, was_answered):
        return stamps.promise(log, modes, was_answered, self.options.interval_millis / 1000, moment)

    def freeze(self):
        """A copy of everything at one instant. The daemon goes on afterwards."""
        device = self.device
        device.daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, device.daemon.pid, os.WSTOPPED | os.WNOWAIT)
        moment = time.monotonic()
        copy(device.files(), self.frozen)
        device.daemon.send_signal(signal.SIGCONT)
        return moment

    def judge_frozen(self, log, modes, moment):
        """What was copied is recovered elsewhere."""
        image = os.path.join(self.frozen, os.path.basename(self.device.image))
        # The state file names the memory of the daemon that goes on: to the copy it is lost.
        command = ["recover", image, "--journal", image + ".journal", "--discard-ram"]
        possible = modes.during(moment, moment)
        code, said = self.device.run(*command)
        if "unsafe" in possible and code == REFUSED and "torn" in said:
            self.device.must(0, *command, "--accept-torn", "--yes")
            self.whole_sectors(log, content(image))
        elif code != 0 or possible == {"unsafe"}:
            raise Failed(f"a frozen copy, {' or '.join(possible)}: recover: exit code {code}: {said.strip()}")
        else:
            due = self.due(log, modes, moment, lambda seconds, position: seconds <= moment)
            stamps.Oracle(log).judge(content(image), due)
        self.frozen_copies += 1

    def judge(self, oracle, image, due):
        self.lag = max(self.lag, oracle.judge(image, due))

    def round(self, number):
        options, device = self.options, self.device
        chance = random.Random(f"{options.seed} {options.mode} round {number}")
        writers = stamps.Writers(
            device.uri, number, self.base, f"{options.seed} {options.mode}", options.writers, device_chunk=options.chunk
        )
        modes = stamps.Modes(device.mode)
        switching = Switching(device, modes, chance) if options.mode == "mixed" else None
        frozen_at = None
        writers.start()
        if switching:
            switching.start()
        time.sleep(chance.uniform(0.05, options.seconds))
        if device.mode != "unsafe" and chance.random() < options.freeze:
            frozen_at = self.freeze()
            time.sleep(chance.uniform(0.0, options.seconds / 2))
        if switching:
            switching.stopped.set()
        begin, end = device.kill()
        if switching:
            switching.join(WAIT_SECONDS)
            self.switches += len(modes.switches) - 1
            if switching.refused:
                raise Failed(switching.refused)
        writers.stop()
        log = writers.log()
        self.operations += writers.answered()
        copy(device.files(), self.before)
        if options.mode == "mixed":
            device.mode = chance.choice(MODES)
        possible = modes.during(begin, end)
        torn = possible == {"unsafe"} or "unsafe" in possible and "torn" in device.run("check", device.image)[1]
        if torn:
            self.torn(log)
        else:
            # Nobody commits while the daemon is frozen.
            now = begin if frozen_at is None else frozen_at
            self.bring_back(chance, stamps.Oracle(log), self.due(log, modes, now, lambda seconds, position: True))
        if frozen_at is not None:
            self.judge_frozen(log, modes, frozen_at)

    def bring_back(self, chance, oracle, due):
        device = self.device
        if chance.random() < 0.4:
            device.must(0, "check", device.image)
            if not same(device.files(), self.before):
                raise Failed("check changed something")
        recovered = None
        if chance.random() < 0.5:
            if chance.random() < 0.4:
                code, _ = device.run("recover", device.image, kill_after=chance.uniform(0.1, 0.6))
                self.killed_recoveries += code is None
            device.must(0, "recover", device.image)
            recovered = content(device.image)
            self.judge(oracle, recovered, due)
            if chance.random() < 0.3:  # a plain raw image now, which another recovery leaves alone
                device.must(0, "recover", device.image)
                if content(device.image) != recovered:
                    raise Failed("a second recover changed the image")
        device.up()
        self.base = stamps.read_device(device.uri)
        if recovered is None:
            self.judge(oracle, self.base, due)
        elif self.base != recovered:
            raise Failed("the device is not what recover left in the image")

    def torn(self, log):
        device = self.device
        _, said = device.run("check", device.image)
        if "torn" not in said:
            raise Failed(f"check does not say that the image may be torn: {said.strip()}")
        for command in (["recover", device.image], device.up_command()[1:]):
            said = device.must(REFUSED, *command)
            if "torn" not in said:
                raise Failed(f"{command[0]} does not say that the image may be torn: {said.strip()}")
        if not same(device.files(), self.before):
            raise Failed("a refused recover or up changed something")
        device.up("--accept-torn")
        self.torn_images += 1
        self.base = stamps.read_device(device.uri)
        self.whole_sectors(log, self.base)

    def whole_sectors(self, log, image):
        """Nothing is promised but that each sector is one that was written, or the one before."""
        for at in range(0, len(image), stamps.SECTOR):
            got = image[at : at + stamps.SECTOR]
            if got not in (log.base[at : at + stamps.SECTOR], stamps.ZEROES) and got[:8] != stamps.MAGIC:
                raise stamps.Wrong(f"sector {at // stamps.SECTOR} holds what nobody wrote")

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
            device.daemon.wait(WAIT_SECONDS)
            if content(device.image) != self.base:
                raise Failed("the image of a clean stop is not what the device held")
        except (Failed, stamps.Wrong) as wrong:
            kept = os.path.join(options.work, "wrong")
            if os.path.exists(self.before):
                shutil.rmtree(kept, ignore_errors=True)
                shutil.move(self.before, kept)
            sys.exit(f"crash_rounds: {options.mode}, seed {options.seed}, round {number}: {wrong}")
        finally:
            device.end()
        shutil.rmtree(self.before, ignore_errors=True)
        shutil.rmtree(self.frozen, ignore_errors=True)
        for file in device.files():
            os.unlink(file)
        more = f", {self.frozen_copies} frozen copies, {self.killed_recoveries} killed recoveries"
        if options.mode in ("unsafe", "mixed"):
            more = f", {self.torn_images} images refused as torn"
        if options.mode == "mixed":
            more += f", {self.switches} switches of the mode"
        if options.mode == "checkpoint":
            more += f", at most {self.lag * 1000:.0f} ms lost of an interval of {options.interval_millis} ms"
        print(f"{options.mode}, chunks of {options.chunk}: {number} kills, {self.operations} operations answered{more}")


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
    parser.add_argument("--seconds", type=float, default=0.8, help="the longest that writers work in a round")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--interval-millis", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=stamps.CHUNK)
    parser.add_argument("--dirty-max")
    parser.add_argument("--freeze", type=float, default=0.25, help="how often a round has a frozen copy, 0 to 1")
    parser.add_argument("--up", nargs="*", default=[], help="more options for up")
    Rounds(parser.parse_args()).run()


if __name__ == "__main__":
    main()
