"""Stamped writers on an NBD device, their log, and the oracle that holds a recovered image against it.

Every sector that a writer writes says who wrote it and with which of its operations, and carries a checksum. A writer
has sectors of its own, some of them in chunks that it shares with the others, and does one operation after the other:
after its first k operations these sectors hold one certain content. So for an image the oracle asks: is there a number
of operations of each writer that explains every sector, the last one perhaps in part, chunk by chunk? And is there one
moment at which all these numbers were true, such that what was acknowledged before an operation of the image began is
in the image too? And is that moment late enough for what was promised?
"""

import random
import struct
import threading
import time
import zlib

import nbd

SECTOR = 512
CHUNK = 4096
SECTORS_A_CHUNK = CHUNK // SECTOR
STAMP = struct.Struct("<8sQIIQ")  # magic, run, writer, operation, sector
MAGIC = b"ramstamp"
CRC = struct.Struct("<I")
ZEROES = bytes(SECTOR)
FILLER = bytes(range(256)) * 2
FOREVER = float("inf")
LENGTH_MAX = 32 << 20
STALL_SECONDS = 5.0  # as long as the machine may keep a commit that nobody waits for


class Wrong(Exception):
    """The image is not what the writers' log allows."""


def stamped(run, writer, operation, first_sector, count):
    """Sectors as one operation writes them, and as no other does."""
    pieces = []
    for sector in range(first_sector, first_sector + count):
        head = STAMP.pack(MAGIC, run, writer, operation, sector)
        body = head + FILLER[sector & 255 : (sector & 255) + 200] + head
        body += bytes([operation & 255]) * (SECTOR - CRC.size - len(body))
        pieces.append(body + CRC.pack(zlib.crc32(body)))
    return b"".join(pieces)


class Operation:
    """What a writer asked for, when it began, and when it was answered: seconds of the monotonic clock of this machine,
    and positions in the log of a power_disk, 0 where there is none. `answered` is None for what never was."""

    __slots__ = ("kind", "offset", "length", "fua", "began", "answered", "began_at", "answered_at")

    def __init__(self, kind, offset=0, length=0, fua=False):
        self.kind, self.offset, self.length, self.fua = kind, offset, length, fua
        self.began = self.answered = None
        self.began_at = self.answered_at = 0


class Layout:
    """Which sector is whose. Three quarters of the device are cut into a part for each writer; in each 4 KiB of the last
    quarter every writer has sectors. The device's own chunks may be larger."""

    def __init__(self, size_bytes, writers, device_chunk=CHUNK):
        self.size_bytes, self.writers, self.device_chunk = size_bytes, writers, device_chunk
        self.chunks = size_bytes // CHUNK
        self.shared_first = self.chunks * 3 // 4
        self.bounds = [self.shared_first * i // writers for i in range(writers + 1)]
        self.in_chunk = [
            (SECTORS_A_CHUNK * i // writers, SECTORS_A_CHUNK * (i + 1) // writers) for i in range(writers)
        ]


class Writer:
    """One logical writer, over connections that it uses in turn."""

    def __init__(self, run, number, layout, chance, connect, position, flushes, connections=2):
        self.run, self.number, self.layout, self.chance = run, number, layout, chance
        self.connections = [connect() for _ in range(connections)]
        self.position, self.flushes = position, flushes
        self.operations = []
        self.failure = None

    def drawn(self):
        chance, layout = self.chance, self.layout
        kind = chance.random()
        if kind < self.flushes:
            return Operation("flush")
        fua = chance.random() < 0.1
        if chance.random() < 0.35:
            first, last = layout.in_chunk[self.number]
            chunk = chance.randrange(layout.shared_first, layout.chunks)
            if chance.random() < 0.5:
                chunk = layout.shared_first + chance.randrange(4)
            begin = chance.randrange(first, last)
            count = chance.randint(1, last - begin)
            what = "zero" if chance.random() < 0.1 else "write"
            return Operation(what, chunk * CHUNK + begin * SECTOR, count * SECTOR, fua)
        begin, end = layout.bounds[self.number] * CHUNK, layout.bounds[self.number + 1] * CHUNK
        sectors = (end - begin) // SECTOR
        count = min(sectors, int(2 ** chance.uniform(0, 9)))  # up to 256 KiB, as often 1 as 256 sectors
        if chance.random() < 0.4:
            at = chance.randrange(min(128, sectors - count + 1))  # hot
        else:
            at = chance.randrange(sectors - count + 1)
        if chance.random() < 0.5:
            at -= at % SECTORS_A_CHUNK
        what = chance.choices(["write", "zero", "trim"], [86, 7, 7])[0]
        return Operation(what, begin + at * SECTOR, count * SECTOR, fua)

    def step(self):
        operation = self.drawn()
        number = len(self.operations) + 1
        connection = self.chance.choice(self.connections)
        flags = nbd.CMD_FLAG_FUA if operation.fua else 0
        data = None
        if operation.kind == "write":
            data = stamped(
                self.run, self.number, number, operation.offset // SECTOR, operation.length // SECTOR
            )
        self.operations.append(operation)
        operation.began_at = self.position()
        operation.began = time.monotonic()
        if operation.kind == "flush":
            connection.flush()
        elif operation.kind == "write":
            connection.pwrite(data, operation.offset, flags)
        elif operation.kind == "zero":
            connection.zero(operation.length, operation.offset, flags)
        else:
            connection.trim(operation.length, operation.offset, flags)
        operation.answered = time.monotonic()
        operation.answered_at = self.position()

    def work(self, stop):
        try:
            while not stop.is_set():
                self.step()
        except nbd.Error as error:
            self.failure = error

    def close(self):
        for connection in self.connections:
            try:
                connection.shutdown()
            except nbd.Error:
                pass


class Writers:
    """All writers of one run, each on a thread of its own, and their log."""

    def __init__(self, uri, run, base, seed, count=4, flushes=0.1, position=lambda: 0, device_chunk=CHUNK):
        def connect():
            connection = nbd.NBD()
            connection.connect_uri(uri)
            return connection

        self.run, self.base = run, base
        self.layout = Layout(len(base), count, device_chunk)
        self.stopped = threading.Event()
        self.writers = [
            Writer(run, i, self.layout, random.Random(f"{seed} run {run} writer {i}"), connect, position, flushes)
            for i in range(count)
        ]
        self.threads = [threading.Thread(target=writer.work, args=(self.stopped,)) for writer in self.writers]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Returns when each has ended, after its last operation or because the server is gone."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)
            if thread.is_alive():
                raise Wrong("a writer is still waiting for an answer 60 s after the end")
        for writer in self.writers:
            writer.close()

    def log(self):
        return Log(self.run, self.base, self.layout, [list(writer.operations) for writer in self.writers])

    def failures(self):
        return [writer.failure for writer in self.writers if writer.failure]

    def answered(self):
        return sum(1 for writer in self.writers for operation in writer.operations if operation.answered)


class Log:
    """What a run did, and what the device held before it."""

    def __init__(self, run, base, layout, operations):
        self.run, self.base, self.layout, self.operations = run, base, layout, operations


def zeroed_by(operation, layout):
    """The range that reads as zero afterwards: a TRIM leaves chunks alone that it covers only in part."""
    begin, end = operation.offset, operation.offset + operation.length
    if operation.kind == "trim":
        chunk = layout.device_chunk
        begin = -(-begin // chunk) * chunk
        end = end if end == layout.size_bytes else end // chunk * chunk
    return begin, max(begin, end)


def changes_something(operation, layout):
    """Whether there is anything to be made durable: a TRIM of no whole chunk is answered at once."""
    begin, end = zeroed_by(operation, layout)
    return begin < end


class Promise:
    """What an image must have: everything answered before `since` (None: nothing), and the first `least` operations of
    each writer. `what` is for messages."""

    def __init__(self, since, least, what):
        self.since, self.least, self.what = since, least, what


class Switch:
    """A change of mode: when it was asked for and when it was reported done, as in Operation; `returned` is None for what
    never was."""

    __slots__ = ("mode", "began", "returned", "began_at", "returned_at")

    def __init__(self, mode, began=float("-inf"), began_at=0):
        self.mode, self.began, self.began_at = mode, began, began_at
        self.returned = self.returned_at = None


class Modes:
    """The modes that a device was in, one after the other."""

    def __init__(self, first):
        start = Switch(first)
        start.returned, start.returned_at = float("-inf"), 0
        self.switches = [start]

    def begin(self, mode, position=0):
        self.switches.append(Switch(mode, time.monotonic(), position))

    def end(self, position=0):
        self.switches[-1].returned, self.switches[-1].returned_at = time.monotonic(), position

    def _possible(self, begin, end, began, returned):
        result = set()
        for i, switch in enumerate(self.switches):
            after = self.switches[i + 1] if i + 1 < len(self.switches) else None
            until = FOREVER if after is None or returned(after) is None else returned(after)
            if began(switch) <= end and until >= begin:
                result.add(switch.mode)
        return result

    def during(self, begin, end):
        """Every mode that can have been in force between two moments."""
        return self._possible(begin, end, lambda s: s.began, lambda s: s.returned)

    def at_entry(self, position):
        """Every mode that can have been in force when a power_disk's log had so many entries."""
        return self._possible(position, position, lambda s: s.began_at, lambda s: s.returned_at)


def promise(log, modes, was_answered, interval=0.0, now=None):
    """What the MODES of the time promise of the operations of LOG and of their own switches, as far as they were answered
    before the end: was_answered(seconds, position) says so.

    checkpoint lets nothing in that changes or flushes something while what was answered INTERVAL seconds before is not
    committed. So it promises what was answered so long before the newest answered operation began. Not before the answer:
    between its being let in and its answer the daemon, or the machine, may stand still for as long as it likes. Whoever asks
    for nothing is not kept waiting; so it promises as well what was answered before NOW by the interval and STALL_SECONDS.
    """
    least = []
    moments = []
    newest = None
    for operations in log.operations:
        done = 0
        for number, operation in enumerate(operations, 1):
            if operation.answered is None or not was_answered(operation.answered, operation.answered_at):
                break
            if operation.kind == "flush" or changes_something(operation, log.layout):
                newest = operation if newest is None else max(newest, operation, key=lambda other: other.began)
            possible = modes.during(operation.began, operation.answered)
            if possible <= {"writethrough"}:
                done = number
            elif possible <= {"writethrough", "writeback"}:
                if operation.kind == "flush":
                    moments.append(operation.began)
                elif operation.fua and changes_something(operation, log.layout):
                    done = number
        least.append(done)
    for before, switch in zip(modes.switches, modes.switches[1:]):
        # Leaving a mode that acknowledges from RAM is done when all that was acknowledged is committed.
        leaves = before.mode == "unsafe" or before.mode == "checkpoint" and switch.mode != "unsafe"
        if leaves and switch.returned is not None and was_answered(switch.returned, switch.returned_at):
            moments.append(switch.began)
    if newest is not None:
        if modes.during(newest.began - interval, newest.answered) <= {"checkpoint"}:
            moments.append(newest.began - interval)
        if now is not None and modes.during(now - interval - STALL_SECONDS, now) <= {"checkpoint"}:
            moments.append(now - interval - STALL_SECONDS)
    return Promise(max(moments, default=None), least, " or ".join(sorted({s.mode for s in modes.switches})))


def promised_until(newest_began, interval, now):
    """In checkpoint, whatever was answered before then, to those who know only when their newest answered operation began: as
    `promise`."""
    return max(newest_began - interval, now - interval - STALL_SECONDS)


class Oracle:
    """Judges images of one run."""

    def __init__(self, log):
        self.log = log
        self.layout = log.layout
        self.writers = len(log.operations)
        self.touched = {}  # chunk -> [sector in chunk] -> (writer, [(operation, stamped?)...])
        self.explained = {}  # (chunk, content) -> [(writer, mask)...]
        self.judged = 0
        for writer, operations in enumerate(log.operations):
            for number, operation in enumerate(operations, 1):
                if operation.kind != "flush":
                    self._touch(writer, number, operation)

    def _touch(self, writer, number, operation):
        begin, end = operation.offset, operation.offset + operation.length
        if operation.kind != "write":
            begin, end = zeroed_by(operation, self.layout)
        is_write = operation.kind == "write"
        for sector in range(begin // SECTOR, end // SECTOR):
            chunk, at = divmod(sector, SECTORS_A_CHUNK)
            sectors = self.touched.get(chunk)
            if sectors is None:
                sectors = self.touched[chunk] = [None] * SECTORS_A_CHUNK
            if sectors[at] is None:
                sectors[at] = (writer, [])
            sectors[at][1].append((number, is_write))

    def judge(self, image, due):
        """Raises Wrong unless IMAGE (bytes) is a state of the device that keeps the promise DUE. Returns the seconds
        between the moment it shows and the last answer."""
        self.judged += 1
        if len(image) != len(self.log.base):
            raise Wrong(f"the image has {len(image)} bytes, the device {len(self.log.base)}")
        masks = [[] for _ in range(self.writers)]
        view = memoryview(image)
        base = memoryview(self.log.base)
        untouched = 0
        for chunk in sorted(self.touched):
            self._unchanged(view, base, untouched, chunk)
            untouched = chunk + 1
            content = bytes(view[chunk * CHUNK : (chunk + 1) * CHUNK])
            key = (chunk, content)
            explained = self.explained.get(key)
            if explained is None:
                explained = self.explained[key] = self._explain(chunk, content)
            for writer, mask in explained:
                masks[writer].append((mask, chunk))
        self._unchanged(view, base, untouched, self.layout.chunks)
        return self._moment(masks, due)

    def _unchanged(self, view, base, first, end):
        begin, end = first * CHUNK, end * CHUNK
        if end > begin and view[begin:end] != base[begin:end]:
            for at in range(begin, end, SECTOR):
                if view[at : at + SECTOR] != base[at : at + SECTOR]:
                    got = self._read(view[at : at + SECTOR])
                    raise Wrong(f"sector {at // SECTOR} changed, which nobody wrote to: {got}")

    def _explain(self, chunk, content):
        masks = {}
        for at, touched in enumerate(self.touched[chunk]):
            sector = chunk * SECTORS_A_CHUNK + at
            got = content[at * SECTOR : (at + 1) * SECTOR]
            before = self.log.base[sector * SECTOR : (sector + 1) * SECTOR]
            if touched is None:
                if got != before:
                    raise Wrong(f"sector {sector} changed, which nobody wrote to: {self._read(got)}")
                continue
            writer, numbers = touched
            mask = self._sector_mask(sector, got, before, writer, numbers)
            masks[writer] = masks.get(writer, -1) & mask
        for writer, mask in masks.items():
            if mask == 0:
                raise Wrong(f"chunk {chunk} mixes states of writer {writer} that it never held at one time: "
                            + self._chunk_says(content))
        return list(masks.items())

    def _sector_mask(self, sector, got, before, writer, numbers):
        """Bit k is set when the sector looks so after the writer's first k operations."""
        end = len(self.log.operations[writer]) + 1
        first = numbers[0][0]
        mask = (1 << first) - 1 if got == before else 0
        if got == ZEROES:
            for i, (number, is_write) in enumerate(numbers):
                if not is_write:
                    mask |= self._range(number, numbers[i + 1][0] if i + 1 < len(numbers) else end)
        elif got[:8] == MAGIC:
            magic, run, who, number, where = STAMP.unpack_from(got)
            if run == self.log.run:
                if zlib.crc32(got[: -CRC.size]) != CRC.unpack_from(got, SECTOR - CRC.size)[0]:
                    raise Wrong(f"sector {sector} is torn: {self._read(got)}")
                if where != sector or who != writer:
                    raise Wrong(f"sector {sector} holds what belongs elsewhere: {self._read(got)}")
                for i, (candidate, is_write) in enumerate(numbers):
                    if candidate == number and is_write:
                        mask |= self._range(number, numbers[i + 1][0] if i + 1 < len(numbers) else end)
        if mask == 0:
            raise Wrong(f"sector {sector} holds what was never written there in this run: {self._read(got)}")
        return mask

    @staticmethod
    def _range(begin, end):
        return (1 << end) - (1 << begin)

    @staticmethod
    def _read(sector):
        sector = bytes(sector)
        if sector == ZEROES:
            return "zeroes"
        if sector[:8] == MAGIC:
            _, run, writer, number, where = STAMP.unpack_from(sector)
            return f"run {run}, writer {writer}, operation {number}, sector {where}"
        return sector[:16].hex() + "..."

    def _chunk_says(self, content):
        return "; ".join(self._read(content[i : i + SECTOR]) for i in range(0, CHUNK, SECTOR))

    def _moment(self, masks, due):
        possible = [(float("-inf") if due.since is None else due.since, FOREVER)]
        told = []
        for writer, chunk_masks in enumerate(masks):
            operations = self.log.operations[writer]
            whole = partly = (1 << (len(operations) + 1)) - 1
            for mask, chunk in chunk_masks:
                now_whole, now_partly = whole & mask, partly & (mask | mask >> 1)
                if now_whole == 0 and now_partly == 0:
                    raise Wrong(
                        f"writer {writer}: no number of its {len(operations)} operations explains its sectors; "
                        f"with chunk {chunk} after {self._bits(mask)}, with those before it after "
                        f"{self._bits(whole | partly)}"
                    )
                whole, partly = now_whole, now_partly
            spans = self._spans(operations, whole, partly, due.least[writer])
            if not spans:
                raise Wrong(
                    f"{due.what}: writer {writer} has {self._bits(whole | partly)} of its operations in the image, "
                    f"{due.least[writer]} were promised"
                )
            told.append((writer, spans))
            possible = self._both(possible, spans)
            if not possible:
                raise Wrong(
                    f"{due.what}: no one moment "
                    + ("" if due.since is None else f"at or after {due.since:.6f}, as promised, ")
                    + "explains what is there of each: "
                    + "; ".join(f"writer {w}: {self._told(s)}" for w, s in told)
                )
        newest = max((op.answered for ops in self.log.operations for op in ops if op.answered), default=0)
        return max(0.0, newest - possible[-1][1])

    @staticmethod
    def _spans(operations, whole, partly, least):
        """When each number of operations that explains a writer's sectors was true, as (from, to) in ascending order."""

        def begin(number):
            return float("-inf") if number == 0 else operations[number - 1].began

        def end(number):
            if number >= len(operations):
                return FOREVER
            answered = operations[number].answered
            return FOREVER if answered is None else answered

        spans = []
        for number in Oracle._set_bits(whole | partly, least):
            if whole >> number & 1:
                spans.append((begin(number), end(number)))
            elif number < len(operations):
                spans.append((begin(number + 1), end(number)))
        merged = []
        for span in spans:
            if merged and span[0] <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], span[1]))
            else:
                merged.append(span)
        return merged

    @staticmethod
    def _set_bits(mask, least):
        mask >>= least
        number = least
        while mask:
            skip = (mask & -mask).bit_length() - 1
            number += skip
            yield number
            mask >>= skip + 1
            number += 1

    @staticmethod
    def _both(left, right):
        result = []
        for a in left:
            for b in right:
                begin, end = max(a[0], b[0]), min(a[1], b[1])
                if begin <= end:
                    result.append((begin, end))
        return sorted(result)

    @staticmethod
    def _bits(mask):
        numbers = list(Oracle._set_bits(mask, 0))
        if not numbers:
            return "none"
        return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"

    @staticmethod
    def _told(spans):
        return ", ".join(f"{begin:.6f} to {end:.6f}" for begin, end in spans)


def read_device(uri):
    connection = nbd.NBD()
    connection.connect_uri(uri)
    size = connection.get_size()
    content = b"".join(connection.pread(min(LENGTH_MAX, size - at), at) for at in range(0, size, LENGTH_MAX))
    connection.shutdown()
    return content
