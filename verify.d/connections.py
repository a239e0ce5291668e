#!/usr/bin/python3
"""Opens connections to a device, leaves each in another way, and says what the daemon still has of them afterwards.

usage: connections.py PID SEGMENT UNIX_SOCKET TCP_PORT EXPORT COUNT SEED

Each connection goes one of the ways below, drawn from the seed, over the Unix socket or TCP. The daemon's descriptors,
threads, memory and its segment's pages are read before (after a first round that warms it up) and after; descriptors,
threads and the segment's pages must be as before. The process's own memory is a matter of the JVM's heap, which grows up to its
limit (-Xmx128m) before garbage is looked for in all of it: it must stay below what heap and code can take at most.
"""

import os
import random
import re
import socket
import struct
import sys
import threading
import time

WORKERS = 8
WARM_UP = 400
PATIENCE_SECONDS = 180
MEMORY_KIB_MAX = 320 << 10  # 10,000 connections have 384 KiB of buffers each: 3.7 GiB
# Of the JVM: as many as it finds work for.
ELASTIC = ("C1 ", "C2 ", "ForkJoin", "VirtualThread")

IHAVEOPT = 0x49484156454F5054
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STARTTLS, OPT_INFO, OPT_GO, OPT_STRUCTURED = 1, 2, 3, 5, 6, 7, 8
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM = 0, 1, 2, 3, 4
MAGIC = 0x25609513


def option(code, data=b""):
    return struct.pack(">QII", IHAVEOPT, code, len(data)) + data


def info(export):
    return struct.pack(">I", len(export)) + export + struct.pack(">HH", 1, 3)


def request(command, cookie=1, offset=0, length=0):
    return struct.pack(">IHHQQI", MAGIC, 0, command, cookie, offset, length)


def receive(connection, length):
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def greet(connection):
    receive(connection, 18)
    connection.sendall(struct.pack(">I", 3))


def take(connection, export):
    greet(connection)
    connection.sendall(option(OPT_GO, info(export)))
    while True:
        _, _, kind, length = struct.unpack(">QIII", receive(connection, 20))
        receive(connection, length)
        if kind == 1:
            return
        if kind & 0x80000000:
            raise ConnectionError("refused")


def abort_hard(connection):
    """The other end gets a reset instead of an end (TCP), and what it has sent is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- the ways ---


def leave_at_once(connection, export):
    pass


def leave_in_greeting(connection, export):
    receive(connection, 5)
    connection.sendall(b"\0\0")


def say_nonsense(connection, export):
    connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)


def look_around(connection, export):
    greet(connection)
    for code, data in ((OPT_LIST, b""), (OPT_STRUCTURED, b""), (OPT_STARTTLS, b""), (OPT_INFO, info(export)), (77, b"x" * 300)):
        connection.sendall(option(code, data))
    receive(connection, 60)
    connection.sendall(option(OPT_ABORT))


def leave_in_option(connection, export):
    greet(connection)
    connection.sendall(option(OPT_GO, info(export))[:-3])


def read_and_disconnect(connection, export):
    take(connection, export)
    connection.sendall(request(CMD_READ, 7, 4096, 4096))
    receive(connection, 16 + 4096)
    connection.sendall(request(CMD_DISC))


def write_and_flush(connection, export):
    take(connection, export)
    connection.sendall(request(CMD_WRITE, 1, 8192, 4096) + b"w" * 4096 + request(CMD_FLUSH, 2) + request(CMD_TRIM, 3, 0, 4096))
    receive(connection, 48)


def leave_in_payload(connection, export):
    take(connection, export)
    connection.sendall(request(CMD_WRITE, 1, 0, 1 << 20) + b"w" * 70000)
    abort_hard(connection)


def leave_replies(connection, export):
    take(connection, export)
    connection.sendall(b"".join(request(CMD_READ, cookie, 0, 128 << 10) for cookie in range(16)))
    receive(connection, 100)
    abort_hard(connection)


def leave_flushing(connection, export):
    take(connection, export)
    connection.sendall(b"".join(request(CMD_WRITE, c, c << 12, 4096) + b"f" * 4096 + request(CMD_FLUSH, c) for c in range(8)))


def break_protocol(connection, export):
    take(connection, export)
    connection.sendall(request(CMD_READ, 1, 1 << 60, 4096) + b"\xff" * 64)


WAYS = (
    leave_at_once, leave_in_greeting, say_nonsense, look_around, leave_in_option, read_and_disconnect,
    write_and_flush, leave_in_payload, leave_replies, leave_flushing, break_protocol,
)


def visit(way, address, export):
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(address)
        way(connection, export)


def visit_all(count, addresses, export, seed):
    """Returns how many connections went each way to its end."""
    done = dict.fromkeys((way.__name__ for way in WAYS), 0)
    failures = []
    lock = threading.Lock()

    def work(number):
        draw = random.Random(seed * WORKERS + number)
        for _ in range(count // WORKERS):
            way = draw.choice(WAYS)
            try:
                visit(way, draw.choice(addresses), export)
                with lock:
                    done[way.__name__] += 1
            except OSError as error:
                with lock:
                    failures.append(f"{way.__name__}: {error!r}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done, failures


# --- the daemon ---


def threads(pid):
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                names.append(file.read().strip())
        except FileNotFoundError:
            pass
    return sorted(name for name in names if not name.startswith(ELASTIC))


def memory_kib(pid):
    sizes = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "RssShmem"):
                sizes[key] = int(value.split()[0])
    return sizes["VmRSS"] - sizes["RssShmem"]


def standing(pid, segment):
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(threads(pid)),
        "segment KiB": os.stat(segment).st_blocks // 2,
    }


def settled(pid, segment, wanted):
    """Waits until the daemon stands as wanted, or for as long as is sensible."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        now = standing(pid, segment)
        if now == wanted or time.monotonic() > until:
            return now
        time.sleep(0.05)


def quiet(pid):
    """Waits until no connection has a thread any more."""
    until = time.monotonic() + PATIENCE_SECONDS
    while any(re.fullmatch("(nbd|reply)-[0-9]+", name) for name in threads(pid)):
        if time.monotonic() > until:
            sys.exit(f"threads of connections are left: {threads(pid)}")
        time.sleep(0.05)


def main():
    pid, segment, unix, port, export, count, seed = sys.argv[1:]
    addresses, export = (unix, ("127.0.0.1", int(port))), export.encode()
    visit_all(WARM_UP, addresses, export, int(seed) + 1)
    quiet(pid)
    before, before_kib = standing(pid, segment), memory_kib(pid)
    started = time.monotonic()
    done, failures = visit_all(int(count), addresses, export, int(seed))
    seconds = time.monotonic() - started
    quiet(pid)
    after, after_kib = settled(pid, segment, before), memory_kib(pid)
    total = sum(done.values()) + len(failures)
    print(f"{total} connections in {seconds:.1f} s: " + ", ".join(f"{name} {number}" for name, number in done.items()))
    for what, value in before.items():
        print(f"{what}: {value} before, {after[what]} after")
    print(f"memory besides the device: {before_kib} KiB before, {after_kib} KiB after")
    wrong = failures[:5]
    if total < int(count) // WORKERS * WORKERS:
        wrong.append(f"only {total} connections")
    if after != before:
        wrong.append(f"not as before: {threads(pid)}")
    if after_kib > MEMORY_KIB_MAX:
        wrong.append(f"more than {MEMORY_KIB_MAX} KiB of memory")
    sys.exit("\n".join(wrong) or 0)


main()
