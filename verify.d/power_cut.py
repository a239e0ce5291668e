#!/usr/bin/python3
"""Cuts the power of a recorded pair of disks at many moments, recovers what is left, and judges it.

usage: power_cut.py --recording DIR --dir DIR --images N --seed S --ramback PROGRAM --java PROGRAM --classes DIR
                    (--writers LOG | --fsck COMMAND)
                    [--before LOG --at ENTRY] [--wrong] [--interval-millis N] [--real N] [--from ENTRY]

--classes is where CommandLoop.java was compiled to. The recording is a power_disk's, with the exports `image` and `journal`. At each of many positions of its log several
legal remains of what was not flushed are made, as plain files in --dir; `recover` is run on them, N of them (--real) by the program
itself and the others by the same code in one JVM, and the image is held against the stamped writers' log and what the mode
promised. Where the mode was `unsafe`, recover must refuse with exit code 4. With --fsck, COMMAND IMAGE POSITION must end with
0 instead.

The daemon's state file, as it was at that moment, is put beside each image. --from leaves out the moments before an entry.
--before is the log of writers who had worked before a power cut at entry --at of another recording, from which this one
went on: until its own writers begin, what was promised to those must be there. --wrong turns it round: at least one image
must be wrong.
"""

import argparse
import glob
import os
import pickle
import random
import re
import shlex
import shutil
import subprocess
import sys

import power_disk
import stamps

REMAINS_A_POSITION = 6
REFUSED = 4


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def of_a_file(state, status):
    """A clean state of a block device, which has no times, as one of the file that holds what the device held."""
    if b"\nclean: yes\n" not in state:
        return state
    for key, nanos in ((b"modified", status.st_mtime_ns), (b"changed", status.st_ctime_ns)):
        state = re.sub(rb"\n%s: 0\n" % key, b"\n%s: %d\n" % (key, nanos), state)
    body = state[: state.rindex(b"crc32c: ")]
    return body + b"crc32c: %08x\n" % crc32c(body)


class CommandLoop:
    """The program's commands in one JVM."""

    def __init__(self, java, classes, ramback):
        lib = os.path.join(os.path.dirname(os.path.realpath(ramback)), "target", "dist", "lib", "*")
        self.process = subprocess.Popen(
            [
                java, "-XX:+UseSerialGC", "-Xmx256m", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED",
                "-Dramback.launcher=" + ramback, "-cp", classes + ":" + lib, "CommandLoop",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"power_cut: the JVM ended with {self.process.wait()} at {' '.join(words)}")
        code, _, said = answer.rstrip("\n").partition("\t")
        return int(code), said

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def real_program(ramback):
    def run(*words):
        done = subprocess.run(
            [ramback, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, " | ".join(done.stdout.splitlines())

    return run


class Work:
    """What writers did, their modes, and who judges it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.log, self.modes = pickle.load(file)
        self.oracle = stamps.Oracle(self.log)
        self.first = min(ops[0].began_at for ops in self.log.operations if ops)


class Judge:
    def __init__(self, options):
        self.options = options
        self.recording = power_disk.Recording(options.recording)
        self.chance = random.Random(f"{options.seed} power cut")
        self.image = os.path.join(options.dir, "cut.img")
        self.journal = os.path.join(options.dir, "cut.journal")
        self.lag = 0.0
        self.images = self.reals = self.flushed = self.refused = 0
        self.kinds = {}
        self.first, self.last = options.start, len(self.recording)
        self.work = Work(options.writers) if options.writers else None
        self.before = Work(options.before) if options.before else None
        if self.work and not self.before:
            self.first = max(self.first, self.work.first)

    def positions(self, count):
        """In ascending order: anywhere, and around the ends of flushes, where what is kept changes."""
        around = {
            name: [i for i in self.recording.flush_ends(name) if self.first <= i < self.last]
            for name in self.recording.names
        }
        result = {self.last}
        while len(result) < count:
            kind = self.chance.randrange(4)
            flushes = around["image" if kind == 0 else "journal"]
            if self.before and len(result) < count // 2:
                result.add(self.chance.randint(0, self.work.first - 1))
            elif kind >= 2 or not flushes:
                result.add(self.chance.randint(self.first, self.last))
            else:
                result.add(min(self.last, self.chance.choice(flushes) + self.chance.randrange(2)))
            if len(result) > self.last - self.first:
                break
        return sorted(result)

    def materialise(self, chosen):
        with self.recording.cut(chosen) as content:
            for path, name in ((self.image, "image"), (self.journal, "journal")):
                with open(path, "r+b" if os.path.exists(path) else "wb", buffering=0) as file:
                    view = memoryview(content[name])
                    while view:
                        view = view[file.write(view) :]
        for state in glob.glob(glob.escape(self.image) + ".*") + glob.glob(glob.escape(self.journal) + ".*"):
            os.unlink(state)
        state = self.chance.choice(self.recording.states_at(self.recording.position))
        if state is not None:
            with open(self.image + power_disk.STATE_SUFFIX, "wb") as file:
                file.write(of_a_file(state, os.stat(self.image)))

    def work_at(self, position):
        """Whose content the disks have at a position."""
        return self.before if self.before and position < self.work.first else self.work

    def verdict(self, code, said, position):
        """None when recover did what it must, else what was wrong."""
        work = self.work_at(position)
        possible = work.modes.at_entry(position) if work and work is self.work else set()
        if code == REFUSED and "unsafe" in possible and "torn" in said:
            self.refused += 1
            return None
        if code != 0:
            return f"recover exits with {code}: {said}"
        if possible == {"unsafe"}:
            return "recover takes an image for whole that was written in place in no order"
        return self.judge(position)

    def judge(self, position):
        """None when the image is right, else what is wrong with it."""
        if self.options.fsck:
            command = shlex.split(self.options.fsck) + [self.image, str(position)]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            return None if done.returncode == 0 else " | ".join(done.stdout.splitlines()[-12:])
        before = self.recording.times[position - 1] if position else 0.0
        work = self.work_at(position)
        if work is self.before:
            position, before = self.options.at, 0.0
        due = stamps.promise(
            work.log,
            work.modes,
            lambda seconds, answered_at: answered_at <= position,
            self.options.interval_millis / 1000,
            before,
        )
        if any(due.least) or due.since is not None:
            self.flushed += 1
        with open(self.image, "rb") as file:
            content = file.read()
        try:
            work.oracle.judge(content, due)
        except stamps.Wrong as wrong:
            return str(wrong)
        return None

    def run(self):
        options = self.options
        loop = CommandLoop(options.java, options.classes, options.ramback)
        real = real_program(options.ramback)
        wrong = []
        positions = self.positions(-(-options.images // REMAINS_A_POSITION))
        real_every = max(1, options.images // options.real) if options.real else options.images + 1
        for position in positions:
            self.recording.move(position)
            entries = self.recording.unsynced()
            for kind, chosen in power_disk.subsets(
                entries, self.recording.length_of, self.chance, REMAINS_A_POSITION
            ):
                self.materialise(chosen)
                self.images += 1
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                as_program = self.images % real_every == 0
                self.reals += as_program
                run = real if as_program else loop.run
                code, said = run("recover", self.image, "--journal", self.journal, "--discard-ram")
                found = self.verdict(code, said, position)
                if found:
                    wrong.append(f"entry {position} of {len(self.recording)}, {kind} of {len(entries)} kept: {found}")
                    if not options.wrong:
                        self.keep(chosen)
                        break
            if wrong:
                break
        loop.close()
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        print(
            f"{self.images} images at {len(positions)} moments of {len(self.recording)} entries: {kinds};"
            f" {self.reals} recovered by the program itself"
            + (f"; something was promised of {self.flushed}, {self.refused} refused as torn" if self.work else "")
        )
        for line in wrong[:3]:
            print(("found: " if options.wrong else "WRONG: ") + line)
        if bool(wrong) != options.wrong:
            what = "no image is wrong, where one must be" if options.wrong else f"seed {options.seed}: {wrong[0]}"
            sys.exit("power_cut: " + what)

    def keep(self, chosen):
        """The files as the power cut left them, for whoever looks into it."""
        self.materialise(chosen)
        kept = os.path.abspath("wrong")
        shutil.rmtree(kept, ignore_errors=True)
        os.makedirs(kept)
        for path in glob.glob(glob.escape(self.image) + "*") + [self.journal]:
            shutil.copy(path, kept)

    def clean(self):
        for path in glob.glob(glob.escape(self.image) + "*") + glob.glob(glob.escape(self.journal) + "*"):
            os.unlink(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--recording", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ramback", required=True)
    parser.add_argument("--java", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--writers")
    parser.add_argument("--interval-millis", type=int, default=1000)
    parser.add_argument("--fsck")
    parser.add_argument("--before")
    parser.add_argument("--at", type=int)
    parser.add_argument("--real", type=int, default=0)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--wrong", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    judge = Judge(options)
    try:
        judge.run()
    finally:
        judge.clean()


main()
