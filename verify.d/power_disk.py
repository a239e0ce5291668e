#!/usr/bin/python3
"""Two or more disks with a volatile write cache, whose power can be cut at any moment: an NBD server that logs all.

usage: power_disk.py --socket SOCKET --log DIR [--state DIR] NAME=SIZE|NAME=FILE...

Each NAME is an export on the Unix socket, all zeroes and SIZE bytes, or with the content of FILE. Every write, TRIM and
WRITE_ZEROES and every FLUSH of all exports goes into one log, in the order in which they came. What a disk would hold
had the power been cut after any entry of the log, with any part of what was not flushed, Recording says afterwards. Beside
the disks there is one small file, in the directory --state, that lies on a disk of its own and is replaced as a whole:
what it held at each entry is part of the log.

  DIR/index, DIR/data    the log: fixed records, and the bytes that were written
  DIR/NAME.initial       what the export held at the start, if anything
  DIR/states             (entry from which on, content) of the file in --state, pickled
  DIR/position           8 bytes, little-endian: how many entries the log has. A client that maps the file can tell
                         which of its answers came before which entry
  DIR/ready              exists once clients can connect

Ended by SIGTERM. One process, a thread a connection; protocol: fixed newstyle, simple replies.
"""

import argparse
import contextlib
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time

RECORD = struct.Struct("<BBxxIQQQd")  # kind, export, length, offset, where in data, entry referred to, seconds
WRITE, ZERO, DONE, FLUSH_BEGIN, FLUSH_END, FORCED = range(1, 7)
STATE_SUFFIX = ".ramback"
SECTOR = 512
REQUEST_MAX = 32 << 20

# NBD: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
NBDMAGIC, IHAVEOPT, OPTION_REPLY = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, SIMPLE_REPLY_MAGIC = 0x25609513, 0x67446698
FLAG_FIXED_NEWSTYLE, FLAG_NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO = 1, 2, 3, 6, 7
REP_ACK, REP_SERVER, REP_INFO, REP_ERR_UNSUP, REP_ERR_UNKNOWN = 1, 2, 3, 0x80000001, 0x80000006
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_WRITE_ZEROES = 0, 1, 2, 3, 4, 6
CMD_FLAG_FUA = 1
# has flags, FLUSH, FUA, TRIM, WRITE_ZEROES, MULTI_CONN
TRANSMISSION_FLAGS = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8
EIO, EINVAL, ENOSPC = 5, 22, 28


class Disk:
    """What one export holds now, as its clients see it."""

    def __init__(self, number, name, content):
        self.number, self.name, self.content = number, name, content


class Log:
    """All entries, appended under one lock."""

    def __init__(self, directory, state_directory=None):
        self.lock = threading.Lock()
        self.directory, self.state_directory = directory, state_directory
        self.states = [(0, self.state())]
        self.index = open(os.path.join(directory, "index"), "wb", buffering=1 << 20)
        self.data = open(os.path.join(directory, "data"), "wb", buffering=0)
        self.data_length = 0
        self.count = 0
        path = os.path.join(directory, "position")
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.position = mmap.mmap(file.fileno(), 8)

    def append(self, kind, disk, offset=0, length=0, refers=0):
        """With the lock held. Returns the entry's number."""
        number = self.count
        if self.state_directory:
            state = self.state()
            if state != self.states[-1][1]:
                self.states.append((number, state))
        where = self.data_length
        self.index.write(RECORD.pack(kind, disk.number, length, offset, where, refers, time.monotonic()))
        self.count += 1
        self.position[:8] = self.count.to_bytes(8, "little")
        return number

    def state(self):
        """What the file in the state directory holds, None where there is none."""
        while self.state_directory:
            names = [name for name in os.listdir(self.state_directory) if name.endswith(STATE_SUFFIX)]
            try:
                with open(os.path.join(self.state_directory, names[0]), "rb") as file:
                    return file.read()
            except IndexError:
                break
            except FileNotFoundError:
                pass  # has just got another name
        return None

    def write(self, disk, offset, data):
        with self.lock:
            disk.content[offset : offset + len(data)] = data
            number = self.append(WRITE, disk, offset, len(data))
            self.data.write(data)
            self.data_length += len(data)
            return number

    def zero(self, disk, offset, length):
        with self.lock:
            disk.content[offset : offset + length] = bytes(length)
            return self.append(ZERO, disk, offset, length)

    def note(self, kind, disk, refers=0):
        with self.lock:
            return self.append(kind, disk, refers=refers)

    def close(self):
        with self.lock:
            self.index.flush()
            if self.state() != self.states[-1][1]:
                self.states.append((self.count, self.state()))
            with open(os.path.join(self.directory, "states"), "wb") as file:
                pickle.dump(self.states, file)


class Gone(Exception):
    """The client went away."""


class Connection:
    def __init__(self, peer, disks, log):
        self.peer, self.disks, self.log = peer, disks, log

    def receive(self, length):
        data = bytearray(length)
        view = memoryview(data)
        while view:
            got = self.peer.recv_into(view)
            if got == 0:
                raise Gone
            view = view[got:]
        return data

    def send(self, *parts):
        self.peer.sendall(b"".join(parts))

    def run(self):
        try:
            disk = self.handshake()
            while disk:
                self.request(disk)
        except (Gone, ConnectionError):
            pass
        finally:
            self.peer.close()

    def handshake(self):
        self.send(struct.pack(">QQH", NBDMAGIC, IHAVEOPT, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES))
        no_zeroes = struct.unpack(">I", self.receive(4))[0] & FLAG_NO_ZEROES
        while True:
            magic, option, length = struct.unpack(">QII", self.receive(16))
            if magic != IHAVEOPT or length > REQUEST_MAX:
                raise Gone
            data = bytes(self.receive(length))
            if option == OPT_EXPORT_NAME:
                disk = self.disks.get(data.decode())
                if disk is None:
                    raise Gone
                self.send(
                    struct.pack(">QH", len(disk.content), TRANSMISSION_FLAGS), b"" if no_zeroes else bytes(124)
                )
                return disk
            if option in (OPT_INFO, OPT_GO):
                disk = self.disks.get(data[4 : 4 + struct.unpack(">I", data[:4])[0]].decode())
                if disk is None:
                    self.reply(option, REP_ERR_UNKNOWN)
                    continue
                self.reply(
                    option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, len(disk.content), TRANSMISSION_FLAGS)
                )
                self.reply(option, REP_INFO, struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, REQUEST_MAX))
                self.reply(option, REP_ACK)
                if option == OPT_GO:
                    return disk
            elif option == OPT_LIST:
                for name in self.disks:
                    self.reply(option, REP_SERVER, struct.pack(">I", len(name)) + name.encode())
                self.reply(option, REP_ACK)
            elif option == OPT_ABORT:
                self.reply(option, REP_ACK)
                return None
            else:
                self.reply(option, REP_ERR_UNSUP)

    def reply(self, option, kind, data=b""):
        self.send(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data)), data)

    def request(self, disk):
        magic, flags, command, cookie, offset, length = struct.unpack(">IHHQQI", self.receive(28))
        if magic != REQUEST_MAGIC:
            raise Gone
        if command == CMD_DISC:
            raise Gone
        data = self.receive(length) if command == CMD_WRITE and length <= REQUEST_MAX else None
        if command == CMD_FLUSH:
            begun = self.log.note(FLUSH_BEGIN, disk)
            self.log.note(FLUSH_END, disk, begun)
            self.answer(cookie)
            return
        if command not in (CMD_READ, CMD_WRITE, CMD_TRIM, CMD_WRITE_ZEROES):
            self.answer(cookie, EINVAL)
            return
        if offset + length > len(disk.content) or (command <= CMD_WRITE and length > REQUEST_MAX):
            self.answer(cookie, EINVAL if command == CMD_READ else ENOSPC)
            return
        if command == CMD_READ:
            self.answer(cookie, 0, bytes(memoryview(disk.content)[offset : offset + length]))
            return
        if command == CMD_WRITE:
            number = self.log.write(disk, offset, data)
        else:
            number = self.log.zero(disk, offset, length)
        if flags & CMD_FLAG_FUA:
            self.log.note(FORCED, disk, number)
        self.log.note(DONE, disk, number)  # before the answer: a FLUSH that is sent after it must cover this
        self.answer(cookie)

    def answer(self, cookie, error=0, data=b""):
        self.send(struct.pack(">IIQ", SIMPLE_REPLY_MAGIC, error, cookie), data)


class Recording:
    """A log, read back: what each disk could hold when the power goes at a position of it.

    Positions only grow: move(position) goes forward. Then `durable` says what a disk holds for certain, and `pending`
    what it may hold besides: entries that it was told of and has not been made to keep, in their order.
    """

    def __init__(self, directory):
        with open(os.path.join(directory, "index"), "rb") as file:
            self.entries = list(RECORD.iter_unpack(file.read()))
        with open(os.path.join(directory, "data"), "rb") as file:
            length = os.fstat(file.fileno()).st_size
            self.data = mmap.mmap(file.fileno(), length, prot=mmap.PROT_READ) if length else b""
        self.times = [entry[6] for entry in self.entries]
        with open(os.path.join(directory, "exports")) as file:
            self.names = [line.split()[0] for line in file]
        with open(os.path.join(directory, "states"), "rb") as file:
            self.states = pickle.load(file)
        self.durable = []
        for name in self.names:
            with open(os.path.join(directory, name + ".initial"), "rb") as file:
                self.durable.append(bytearray(file.read()))
        self.pending = [{} for _ in self.names]  # entry -> None; a dict keeps their order
        self.done = set()
        self.flushing = {}  # entry of FLUSH_BEGIN -> the entries that it covers
        self.position = 0

    def __len__(self):
        return len(self.entries)

    def flush_ends(self, name):
        number = self.names.index(name)
        return [i for i, entry in enumerate(self.entries) if entry[0] == FLUSH_END and entry[1] == number]

    def states_at(self, position):
        """What the state file can have held when the log had so many entries: it may have been replaced after the last of
        them, before the next one came."""
        before = [state for entry, state in self.states if entry < position] or [self.states[0][1]]
        at = [state for entry, state in self.states if entry == position]
        return before[-1:] + at

    def move(self, position):
        assert position >= self.position, "a recording is read forward"
        for i in range(self.position, position):
            kind, disk, length, offset, where, refers, _ = self.entries[i]
            if kind in (WRITE, ZERO):
                self.pending[disk][i] = None
            elif kind == DONE:
                self.done.add(refers)
            elif kind == FLUSH_BEGIN:
                # Only what was answered before: what is on its way together with a flush need not be covered by it.
                self.flushing[i] = [entry for entry in self.pending[disk] if entry in self.done]
            elif kind == FLUSH_END:
                for entry in self.flushing.pop(refers):
                    self._keep(disk, entry)
            elif kind == FORCED:
                self._keep(disk, refers)
        self.position = position

    def _keep(self, disk, entry):
        if entry in self.pending[disk]:
            del self.pending[disk][entry]
            self.done.discard(entry)
            for offset, data in self._pieces(entry):
                self.durable[disk][offset : offset + len(data)] = data

    def _pieces(self, entry, sectors=None):
        """(offset, bytes) of what an entry changes, or of some of its sectors."""
        kind, _, length, offset, where, _, _ = self.entries[entry]
        data = memoryview(self.data)[where : where + length] if kind == WRITE else memoryview(bytes(length))
        if sectors is None:
            yield offset, data
            return
        for sector in sectors:
            piece = data[sector * SECTOR : (sector + 1) * SECTOR]
            yield offset + sector * SECTOR, piece

    def length_of(self, entry):
        return self.entries[entry][2]

    @contextlib.contextmanager
    def cut(self, chosen):
        """What the disks hold, by name, when of `pending` only what CHOSEN has is kept: entry -> None for all of it, or a
        collection of its sectors of 512 bytes. Until the block ends; then everything is as it was."""
        undo = []
        for disk, pending in enumerate(self.pending):
            content = self.durable[disk]
            for entry in pending:
                if entry in chosen:
                    for offset, data in self._pieces(entry, chosen[entry]):
                        undo.append((content, offset, bytes(content[offset : offset + len(data)])))
                        content[offset : offset + len(data)] = data
        try:
            yield dict(zip(self.names, self.durable))
        finally:
            for content, offset, data in reversed(undo):
                content[offset : offset + len(data)] = data

    def unsynced(self):
        return [entry for pending in self.pending for entry in pending]


def subsets(entries, length_of, chance, most):
    """Up to MOST legal remains of ENTRIES after a power cut, as (name, what Recording.cut takes): none, all, one missing,
    one alone, any subset, torn at sectors of 512 bytes."""
    if not entries:
        yield "nothing unsynced", {}
        return

    def torn(entry, keep):
        sectors = range(-(-length_of(entry) // SECTOR))
        return [sector for sector in sectors if chance.random() < keep]

    every = dict.fromkeys(entries)
    kinds = ["none", "all", "one missing", "one alone", "random", "random torn", "one torn", "half missing"]
    first = kinds[:2]
    rest = kinds[2:]
    chance.shuffle(rest)
    for kind in (first + rest)[:most]:
        one = chance.choice(entries)
        if kind == "none":
            chosen = {}
        elif kind == "all":
            chosen = every
        elif kind == "one missing":
            chosen = {entry: None for entry in entries if entry != one}
        elif kind == "one alone":
            chosen = {one: None}
        elif kind == "random":
            chosen = {entry: None for entry in entries if chance.random() < 0.5}
        elif kind == "random torn":
            chosen = {entry: torn(entry, chance.random()) for entry in entries if chance.random() < 0.7}
        elif kind == "one torn":
            chosen = {**every, one: torn(one, 0.5)}
        else:
            middle = entries[len(entries) // 2]
            keep_late = chance.random() < 0.5
            chosen = {entry: None for entry in entries if (entry > middle) == keep_late}
        yield kind, chosen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--state")
    parser.add_argument("exports", nargs="+")
    options = parser.parse_args()
    os.makedirs(options.log, exist_ok=True)
    disks = {}
    for number, export in enumerate(options.exports):
        name, _, what = export.partition("=")
        content = bytearray(int(what)) if what.isdigit() else bytearray(open(what, "rb").read())
        with open(os.path.join(options.log, name + ".initial"), "wb") as file:
            file.truncate(len(content))
            if not what.isdigit():
                file.write(content)
        disks[name] = Disk(number, name, content)
    with open(os.path.join(options.log, "exports"), "w") as file:
        for disk in disks.values():
            file.write(f"{disk.name} {len(disk.content)}\n")
    log = Log(options.log, options.state)

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.socket)
    listener.listen(64)

    def accept():
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=Connection(peer, disks, log).run, daemon=True).start()

    def ended(*_):
        raise SystemExit

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    threading.Thread(target=accept, daemon=True).start()
    open(os.path.join(options.log, "ready"), "w").close()
    try:
        while True:
            signal.pause()
    finally:
        log.close()
        os.unlink(options.socket)


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    main()
