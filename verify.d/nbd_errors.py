#!/usr/bin/python3
"""What the server answers to wrong requests, and what a client that misbehaves does to the others.

usage: nbd_errors.py SOCKET EXPORT SIZE [CHECK...]

Each function named check_* is one check; the expected errors are those of the NBD specification (proto.md, "Error
values", "Option reply types"). Requests go through libnbd with its own checks off where it can send them, and through a
plain socket where it can't. Prints a line for each check; the exit code is 0 when all passed.
"""

import contextlib
import errno
import os
import socket
import struct
import sys
import time

import nbd

SOCKET, EXPORT, SIZE = sys.argv[1], sys.argv[2], int(sys.argv[3])

NBDMAGIC, IHAVEOPT, REPLY = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST, SIMPLE_REPLY = 0x25609513, 0x67446698
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO = 1, 2, 3, 6, 7
OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT = 8, 9, 10
REP_ACK, REP_SERVER, REP_INFO = 1, 2, 3
ERR_UNSUP, ERR_INVALID, ERR_UNKNOWN, ERR_TOO_BIG = (2**31 + n for n in (1, 3, 6, 9))
INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE = 0, 1, 2, 3
READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
FLAG_FUA, FLAG_NO_HOLE, FLAG_DF, FLAG_REQ_ONE, FLAG_FAST_ZERO = 1, 2, 4, 8, 16
PATIENCE_SECONDS = 60
# Of a write that breaks off, what came may be stored, at any time after: where nobody else reads back what he wrote.
HALF_WRITTEN = SIZE - (1 << 20)


class Wrong(Exception):
    pass


def expect(got, wanted, what):
    if got not in (wanted if isinstance(wanted, tuple) else (wanted,)):
        raise Wrong(f"{what}: got {got}, expected {wanted}")


class Raw:
    """A client that says exactly what it is told to."""

    def __init__(self, client_flags=3):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(SOCKET)
        self.client_flags = client_flags
        magic, option_magic, self.flags = struct.unpack(">QQH", self.receive(18))
        if (magic, option_magic) != (NBDMAGIC, IHAVEOPT):
            raise Wrong(f"greeting {magic:#x} {option_magic:#x}")
        self.send(struct.pack(">I", client_flags))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionError(f"closed after {len(data)} of {length} bytes")
            data += piece
        return bytes(data)

    def is_closed(self):
        """Waits until the server hangs up; what it still has to say is thrown away."""
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def option(self, option, data=b"", length=None, magic=IHAVEOPT):
        self.send(struct.pack(">QII", magic, option, len(data) if length is None else length) + data)

    def option_reply(self, option):
        magic, answered, kind, length = struct.unpack(">QIII", self.receive(20))
        expect(magic, REPLY, "option reply magic")
        expect(answered, option, "answered option")
        return kind, self.receive(length)

    def ask(self, option, data=b""):
        """All replies to an option, up to the one that ends it."""
        self.option(option, data)
        replies = []
        while not replies or replies[-1][0] in (REP_SERVER, REP_INFO):
            replies.append(self.option_reply(option))
        return replies

    def go(self, name=None, infos=()):
        return self.ask(OPT_GO, go_data(EXPORT if name is None else name, infos))

    def request(self, command, offset=0, length=0, flags=0, cookie=1, payload=b"", magic=REQUEST):
        self.send(struct.pack(">IHHQQI", magic, flags, command, cookie, offset, length) + payload)

    def reply(self, cookie=1):
        magic, error, answered = struct.unpack(">IIQ", self.receive(16))
        expect(magic, SIMPLE_REPLY, "reply magic")
        expect(answered, cookie, "cookie")
        return error

    def error_of(self, *args, **kwargs):
        self.request(*args, **kwargs)
        return self.reply(kwargs.get("cookie", 1))

    def works(self):
        """The connection can still be used."""
        self.request(READ, 0, 1, cookie=77)
        expect(self.reply(77), 0, "a good request afterwards")
        self.receive(1)


def go_data(name, infos=()):
    name = name.encode()
    return struct.pack(">I", len(name)) + name + struct.pack(f">H{len(infos)}H", len(infos), *infos)


@contextlib.contextmanager
def transmission():
    with Raw() as raw:
        expect(raw.go()[-1][0], REP_ACK, "GO")
        yield raw


@contextlib.contextmanager
def libnbd():
    connection = nbd.NBD()
    connection.set_strict_mode(0)
    connection.set_export_name(EXPORT)
    connection.connect_unix(SOCKET)
    yield connection
    connection.shutdown()


def errno_of(call, *args):
    try:
        call(*args)
        return 0
    except nbd.Error as error:
        return error.errnum


# --- requests ---------------------------------------------------------------------------------------------------------


def check_libnbd_out_of_range():
    with libnbd() as connection:
        for offset, length in ((SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1), (2**63, 4096), (2**64 - 4096, 8192)):
            if length > 32 << 20:
                continue
            data, where = bytes(length), f"at {offset}, length {length}"
            expect(errno_of(connection.pread, length, offset), errno.EINVAL, f"read {where}")
            expect(errno_of(connection.pwrite, data, offset), errno.ENOSPC, f"write {where}")
            expect(errno_of(connection.zero, length, offset), errno.ENOSPC, f"zero {where}")
            expect(errno_of(connection.trim, length, offset), errno.EINVAL, f"trim {where}")
            expect(errno_of(connection.cache, length, offset), errno.EINVAL, f"cache {where}")
        expect(connection.pread(1, SIZE - 1) is not None, True, "the last byte")


def check_libnbd_wrong_flags():
    with libnbd() as connection:
        for flag in (1 << 5, 1 << 9, 1 << 15):
            expect(errno_of(connection.pread, 512, 0, flag), errno.EINVAL, f"read with flag {flag:#x}")
            expect(errno_of(connection.pwrite, bytes(512), 0, flag), errno.EINVAL, f"write with flag {flag:#x}")
            expect(errno_of(connection.flush, flag), errno.EINVAL, f"flush with flag {flag:#x}")
            expect(errno_of(connection.trim, 512, 0, flag), errno.EINVAL, f"trim with flag {flag:#x}")
            expect(errno_of(connection.zero, 512, 0, flag), errno.EINVAL, f"zero with flag {flag:#x}")
        expect(connection.pread(4, 0) is not None, True, "a good read afterwards")


def check_wrong_requests():
    with transmission() as raw:
        expect(raw.error_of(99), errno.EINVAL, "unknown command")
        expect(raw.error_of(READ, 0, 512, flags=FLAG_NO_HOLE), errno.EINVAL, "read with NO_HOLE")
        expect(raw.error_of(READ, 0, 512, flags=FLAG_DF), errno.EINVAL, "read with DF, not negotiated")
        expect(raw.error_of(BLOCK_STATUS, 0, 512), errno.EINVAL, "BLOCK_STATUS, not negotiated")
        expect(
            raw.error_of(WRITE, 0, 512, flags=FLAG_FAST_ZERO, payload=bytes(512)), errno.EINVAL, "write with FAST_ZERO"
        )
        expect(raw.error_of(WRITE, SIZE, 4096, payload=bytes(4096)), errno.ENOSPC, "write behind the end")
        expect(raw.error_of(TRIM, 2**64 - 1, 2), errno.EINVAL, "trim over the end of 64 bits")
        expect(raw.error_of(WRITE_ZEROES, 2**64 - 1, 2**32 - 1), errno.ENOSPC, "zeroes over the end of 64 bits")
        expect(raw.error_of(FLUSH, flags=FLAG_FUA), 0, "flush with FUA")
        raw.works()


def check_read_and_everything_with_fua():
    with transmission() as raw:
        raw.request(READ, 0, 3, flags=FLAG_FUA, cookie=5)
        expect(raw.reply(5), 0, "read with FUA")
        data = raw.receive(3)
        expect(raw.error_of(WRITE, 0, 3, flags=FLAG_FUA, payload=data), 0, "write with FUA")
        expect(raw.error_of(TRIM, SIZE - 1, 1, flags=FLAG_FUA), 0, "trim with FUA")
        expect(raw.error_of(WRITE_ZEROES, SIZE - 1, 1, flags=FLAG_FUA | FLAG_NO_HOLE), 0, "zeroes with FUA, NO_HOLE")
        expect(raw.error_of(CACHE, 0, 1, flags=FLAG_FUA), 0, "cache with FUA")


def check_zero_length_does_not_disconnect():
    with transmission() as raw:
        for command in (READ, WRITE, TRIM, WRITE_ZEROES, CACHE):
            raw.error_of(command, 0, 0)
        raw.works()


def check_payload_of_32_mib_and_more():
    length = 32 << 20
    with libnbd() as connection:
        if SIZE >= length:
            data = connection.pread(length, 0)
            connection.pwrite(data, 0)
    with transmission() as raw:
        expect(raw.error_of(READ, 0, length + 1), (errno.EINVAL, errno.EOVERFLOW), "read of 32 MiB and a byte")
        raw.works()
    with transmission() as raw:
        # Either it reads the payload and says so, or it hangs up: both are allowed, silence is not.
        with contextlib.suppress(ConnectionError):
            expect(
                raw.error_of(WRITE, 0, length + 1, payload=bytes(length + 1)),
                (errno.EINVAL, errno.EOVERFLOW),
                "write of 32 MiB and a byte",
            )
    with transmission() as raw:
        expect(raw.error_of(TRIM, 0, min(SIZE, 2**32 - 1)), 0, "trim of more than a payload's limit")
        raw.works()


def check_replies_carry_their_cookies():
    with transmission() as raw:
        count = 500
        raw.send(
            b"".join(
                struct.pack(">IHHQQI", REQUEST, 0, READ if i % 3 else FLUSH, 1000 + i, 0, 8 if i % 3 else 0)
                for i in range(count)
            )
        )
        open_cookies = {1000 + i for i in range(count)}
        while open_cookies:
            magic, error, cookie = struct.unpack(">IIQ", raw.receive(16))
            expect((magic, error), ((SIMPLE_REPLY, 0),), "pipelined reply")
            open_cookies.remove(cookie)
            if (cookie - 1000) % 3:
                raw.receive(8)
        raw.works()


# --- handshake --------------------------------------------------------------------------------------------------------


def check_export_list_and_info():
    with Raw() as raw:
        replies = raw.ask(OPT_LIST)
        expect(replies[-1][0], REP_ACK, "end of LIST")
        names = [data[4 : 4 + struct.unpack(">I", data[:4])[0]].decode() for kind, data in replies[:-1]]
        expect(names, ([EXPORT, EXPORT + "-ro"],), "exports")
        replies = raw.ask(OPT_INFO, go_data(EXPORT, (INFO_BLOCK_SIZE, INFO_NAME)))
        infos = {struct.unpack(">H", data[:2])[0]: data[2:] for kind, data in replies if kind == REP_INFO}
        expect(struct.unpack(">Q", infos[INFO_EXPORT][:8])[0], SIZE, "size")
        expect(struct.unpack(">III", infos[INFO_BLOCK_SIZE]), ((1, 4096, 32 << 20),), "block sizes")
        expect(raw.go()[-1][0], REP_ACK, "GO after LIST and INFO")
        raw.works()


def check_wrong_options():
    with Raw() as raw:
        expect(raw.ask(0x7FFFFFFF, b"whatever")[-1][0], ERR_UNSUP, "unknown option")
        expect(raw.ask(OPT_LIST, b"data")[-1][0], ERR_INVALID, "LIST with data")
        expect(raw.go("no-such-export")[-1][0], ERR_UNKNOWN, "GO to an unknown export")
        expect(raw.ask(OPT_GO, b"")[-1][0], ERR_INVALID, "GO without data")
        expect(raw.ask(OPT_GO, struct.pack(">I", 50) + b"short\0\0")[-1][0], ERR_INVALID, "GO with too long a name")
        expect(raw.ask(OPT_GO, go_data(EXPORT) + b"x")[-1][0], ERR_INVALID, "GO with a byte too many")
        expect(raw.ask(OPT_INFO, go_data(EXPORT)[:-1])[-1][0], ERR_INVALID, "INFO with a byte too few")
        expect(raw.ask(OPT_STRUCTURED_REPLY, b"data")[-1][0], (ERR_INVALID, ERR_UNSUP), "STRUCTURED_REPLY with data")
        expect(raw.go()[-1][0], REP_ACK, "GO after all that")
        raw.works()


def check_too_long_an_option():
    with Raw() as raw:
        with contextlib.suppress(ConnectionError):
            kind = raw.ask(OPT_GO, go_data("x" * 100_000))[-1][0]
            expect(kind, (ERR_TOO_BIG, ERR_INVALID, ERR_UNKNOWN), "a name of 100,000 bytes")
    with Raw() as raw:  # announces 4 GiB: it must not be waited for, nor stored
        raw.option(OPT_LIST, length=0xFFFFFFFF)
        with contextlib.suppress(ConnectionError):
            kind, _ = raw.option_reply(OPT_LIST)
            expect(kind, (ERR_TOO_BIG, ERR_INVALID), "data of 4 GiB")


def check_abort_is_acknowledged_and_closed():
    with Raw() as raw:
        expect(raw.ask(OPT_ABORT, b"bye")[-1][0], REP_ACK, "ABORT")
        expect(raw.is_closed(), True, "closed after ABORT")


def check_export_name():
    for flags, padding in ((3, 0), (1, 124)):
        with Raw(flags) as raw:
            raw.option(OPT_EXPORT_NAME, EXPORT.encode())
            size, _ = struct.unpack(">QH", raw.receive(10))
            expect(size, SIZE, "size by EXPORT_NAME")
            expect(raw.receive(padding), bytes(padding), "zeroes after EXPORT_NAME")
            raw.works()
    with Raw() as raw:
        raw.option(OPT_EXPORT_NAME, b"no-such-export")
        expect(raw.is_closed(), True, "closed after an EXPORT_NAME that does not exist")


def check_broken_streams_are_closed():
    with Raw(client_flags=3 | 1 << 9) as raw:
        with contextlib.suppress(ConnectionError):  # may be closed before
            raw.option(OPT_LIST)
        expect(raw.is_closed(), True, "closed after unknown client flags")
    with Raw() as raw:
        raw.option(OPT_LIST, magic=0x123456789)
        expect(raw.is_closed(), True, "closed after a wrong option magic")
    with transmission() as raw:
        raw.request(READ, 0, 1, magic=0x12345678)
        expect(raw.is_closed(), True, "closed after a wrong request magic")


def check_disc_answers_what_is_outstanding():
    with transmission() as raw:
        for cookie in range(50):
            raw.request(READ, 0, 4096, cookie=cookie)
        raw.request(DISC)
        answered = set()
        for _ in range(50):
            magic, error, cookie = struct.unpack(">IIQ", raw.receive(16))
            expect((magic, error), ((SIMPLE_REPLY, 0),), "reply before DISC")
            raw.receive(4096)
            answered.add(cookie)
        expect(answered, (set(range(50)),), "answered")
        expect(raw.is_closed(), True, "closed after DISC")


# --- clients that misbehave -------------------------------------------------------------------------------------------


def others_work(what):
    """A well-behaved client gets a few hundred answers while the others do what they do."""
    started = time.monotonic()
    with libnbd() as connection:
        for i in range(300):
            data = os.urandom(100)
            offset = (i * 7919) % (SIZE - 100)
            connection.pwrite(data, offset)
            expect(connection.pread(100, offset), data, f"read back, {what}")
    if time.monotonic() - started > PATIENCE_SECONDS:
        raise Wrong(f"600 requests took {time.monotonic() - started:.1f} s, {what}")


def memory_kib():
    """What the server has in memory of its own, the device and files left out."""
    for line in open(f"/proc/{server_pid()}/status", encoding="ascii"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise Wrong("no RssAnon")


def server_pid():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(SOCKET)
        return struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def check_a_client_that_reads_nothing():
    before = memory_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            raw = stack.enter_context(transmission())
            raw.socket.setblocking(False)
            request = struct.pack(">IHHQQI", REQUEST, 0, READ, 1, 0, min(SIZE, 1 << 20))
            with contextlib.suppress(BlockingIOError):
                for _ in range(20_000):
                    raw.socket.sendall(request)
        others_work("8 clients do not read their replies")
        grown = memory_kib() - before
        print(f"  memory grew by {grown} KiB while 8 clients read nothing")
        if grown > 64 << 10:
            raise Wrong(f"memory grew by {grown} KiB")


def check_clients_that_say_half():
    with contextlib.ExitStack() as stack:
        silent = socket.socket(socket.AF_UNIX)
        stack.callback(silent.close)
        silent.connect(SOCKET)
        half_option = stack.enter_context(Raw())
        half_option.send(struct.pack(">QI", IHAVEOPT, OPT_GO))
        half_header = stack.enter_context(transmission())
        half_header.send(struct.pack(">IHH", REQUEST, 0, READ))
        half_payload = stack.enter_context(transmission())
        half_payload.request(WRITE, HALF_WRITTEN, 1 << 20, payload=bytes(1000))
        others_work("others said half a sentence")


def check_clients_that_vanish():
    for i in range(60):
        with transmission() as raw:
            if i % 3 == 0:
                for _ in range(20):
                    raw.request(READ, 0, min(SIZE, 1 << 20))
                raw.receive(100_000 if i % 2 else 16)
            elif i % 3 == 1:
                raw.request(WRITE, HALF_WRITTEN, 1 << 20, payload=bytes(5000))
            else:
                raw.request(FLUSH)
    others_work("60 clients vanished")


def main():
    chosen = sys.argv[4:] or [name for name in globals() if name.startswith("check_")]
    failed = 0
    for name in chosen:
        title = name.removeprefix("check_").replace("_", " ")
        try:
            globals()[name]()
            print(f"pass\t{title}")
        except Exception as error:  # counted, and the next check is made
            failed += 1
            print(f"fail\t{title}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


main()
