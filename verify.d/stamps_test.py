#!/usr/bin/python3
"""Holds the oracle of stamps.py against images that it must take and images that it must refuse, without any device.

usage: stamps_test.py SEED ROUNDS
"""

import random
import sys

import stamps

SIZE = 1 << 20


class Simulated:
    """Writers whose operations overlap in time, on a device that is a byte array. Each operation takes effect at one
    moment between its beginning and its answer; the content at every such moment is kept."""

    def __init__(self, seed, operations, writers=3):
        chance = random.Random(seed)
        self.base = bytearray(SIZE)
        self.base[SIZE // 2 : SIZE // 2 + 9000] = chance.randbytes(9000)
        layout = stamps.Layout(SIZE, writers)
        actors = [
            stamps.Writer(1, i, layout, random.Random(f"{seed} {i}"), lambda: None, lambda: 0, 0.15)
            for i in range(writers)
        ]
        self.logs = [[] for _ in actors]
        clock = 0.0
        free_at = [0.0] * writers
        self.effects = []
        for _ in range(operations):
            who = min(range(writers), key=lambda i: free_at[i])
            operation = actors[who].drawn()
            clock = free_at[who] + chance.random()
            operation.began = clock
            effect = clock + chance.random()
            operation.answered = effect + chance.random()
            free_at[who] = operation.answered
            self.logs[who].append(operation)
            self.effects.append((effect, who, len(self.logs[who]), operation))
        self.effects.sort(key=lambda effect: effect[0])
        self.log = stamps.Log(1, bytes(self.base), layout, self.logs)
        self.written = {
            i: stamps.stamped(1, who, number, op.offset // stamps.SECTOR, op.length // stamps.SECTOR)
            for i, (_, who, number, op) in enumerate(self.effects)
            if op.kind == "write"
        }

    def image(self, count, skipped=()):
        """The device after the first COUNT effects but those SKIPPED."""
        image = bytearray(self.base)
        for i, (_, _, _, operation) in enumerate(self.effects[:count]):
            if i in skipped or operation.kind == "flush":
                continue
            begin, end = operation.offset, operation.offset + operation.length
            if operation.kind == "write":
                image[begin:end] = self.written[i]
            else:
                begin, end = stamps.zeroed_by(operation, self.log.layout)
                image[begin:end] = bytes(end - begin)
        return bytes(image)

    def is_discarded_later(self, victim):
        return any(
            operation.kind not in ("write", "flush")
            and operation.answered > victim.began
            and operation.offset < victim.offset + victim.length
            and operation.offset + operation.length > victim.offset
            for _, _, _, operation in self.effects
        )

    def answered_before(self, moment):
        return lambda seconds, position: seconds <= moment


def must_refuse(oracle, image, due, why):
    try:
        oracle.judge(image, due)
    except stamps.Wrong:
        return
    raise AssertionError(f"took an image with {why}")


def one(seed):
    simulated = Simulated(seed, 400)
    oracle = stamps.Oracle(simulated.log)
    chance = random.Random(f"{seed} images")
    nothing = stamps.Promise(None, [0] * 3, "nothing")
    effects = simulated.effects
    for count in [0, len(effects)] + [chance.randrange(len(effects)) for _ in range(20)]:
        moment = effects[count - 1][0] if count else 0.0
        image = simulated.image(count)
        oracle.judge(image, nothing)
        for mode in ("writethrough", "writeback", "checkpoint"):
            due = stamps.promise(simulated.log, stamps.Modes(mode), simulated.answered_before(moment), interval=0.5)
            oracle.judge(image, due)
    refused = late = 0
    for _ in range(20):
        count = chance.randrange(200, len(effects))
        image = simulated.image(count)
        moment = effects[count - 1][0]
        # A torn sector.
        written = [i for i in range(0, SIZE, 512) if image[i : i + 8] == stamps.MAGIC]
        at = chance.choice(written)
        torn = image[: at + 256] + bytes(256) + image[at + 512 :]
        must_refuse(oracle, torn, nothing, "a torn sector")
        # A sector elsewhere.
        other = chance.choice(written)
        if other != at:
            must_refuse(
                oracle, image[:at] + image[other : other + 512] + image[at + 512 :], nothing, "a misplaced sector"
            )
        # An operation is missing, while what began after its answer is there. Most of the device was zeroes: a place that
        # the victim has not reached looks as if it had been, and then been discarded by what its writer does next, of
        # which nothing else need be there.
        visible = [
            i
            for i in range(count)
            if effects[i][3].kind == "write"
            and not simulated.is_discarded_later(effects[i][3])
            and any(
                later[3].began > effects[i][3].answered and later[3].kind == "write"
                for later in effects[i + 1 : count]
            )
        ]
        victim = chance.choice(visible)
        without = simulated.image(count, {victim})
        if without != image:
            if any(
                effects[i][3].kind == "write"
                and effects[i][3].began > effects[victim][3].answered
                and simulated.image(count, {victim, i}) != without
                for i in range(count - 1, victim, -1)
            ):
                must_refuse(oracle, without, nothing, "a hole in its past")
                refused += 1
        # All of it, but older than promised.
        writes = [i for i in range(count) if effects[i][3].kind == "write" and effects[i][3].answered < moment]
        last = max(writes, default=None)
        is_visible = last is not None and not simulated.is_discarded_later(effects[last][3])
        if is_visible and simulated.image(last) != simulated.image(last + 1):
            stale = simulated.image(last)
            due = stamps.promise(simulated.log, stamps.Modes("writethrough"), simulated.answered_before(moment))
            must_refuse(oracle, stale, due, "less than writethrough promises")
            flushed = stamps.promise(simulated.log, stamps.Modes("writeback"), lambda seconds, position: True)
            if flushed.since is not None and flushed.since > effects[last][3].answered:
                must_refuse(oracle, stale, flushed, "less than what was flushed")
        # Older than the interval before the newest answered operation began.
        due = stamps.promise(simulated.log, stamps.Modes("checkpoint"), simulated.answered_before(moment), interval=0.5)
        newest = max(op.began for _, _, _, op in effects if op.answered <= moment and op.kind != "trim")
        old = max((i for i in writes if effects[i][3].answered < newest - 0.5), default=None)
        is_visible = old is not None and not simulated.is_discarded_later(effects[old][3])
        if is_visible and simulated.image(old) != simulated.image(old + 1):
            must_refuse(oracle, simulated.image(old), due, "less than checkpoint promises")
            late += 1
    assert refused > 0, "no image with a hole in its past was made"
    assert late > 0, "no image that is older than the interval was made"


def main():
    seed, rounds = int(sys.argv[1]), int(sys.argv[2])
    for i in range(rounds):
        one(f"{seed} {i}")
    print(f"{rounds} runs of 400 operations, {rounds * 22} good images taken, more than {rounds * 40} wrong ones refused")


if __name__ == "__main__":
    main()
