"""A service manager's ear: receives what a process tells by sd_notify(3), and writes it down.

    notify_socket.py NAME LOG          NAME is a path, or @ and a name in the abstract namespace
    notify_socket.py --order LOG PREFIX...   fails unless assignments that begin like these were told, in this order

The log has a line an assignment: the number of the datagram, the pid of who sent it (by the kernel's word), the assignment.
"""

import os
import re
import socket
import struct
import sys


def listen(name, log):
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ear.bind("\0" + name[1:] if name.startswith("@") else name)
    with open(log, "a", buffering=1, encoding="utf-8") as out:
        out.write("0 0 LISTENING=1\n")
        number = 0
        while True:
            data, ancillary, _, _ = ear.recvmsg(8192, socket.CMSG_SPACE(12))
            pid = next(struct.unpack("3i", value)[0] for _, kind, value in ancillary if kind == socket.SCM_CREDENTIALS)
            number += 1
            for line in data.decode("utf-8").split("\n"):
                if not re.fullmatch(r"[A-Z_]+=.+", line):
                    out.write(f"{number} {pid} MALFORMED={line!r}\n")
                out.write(f"{number} {pid} {line}\n")


def order(log, prefixes):
    with open(log, encoding="utf-8") as told:
        assignments = [line.rstrip("\n").split(" ", 2)[2] for line in told]
    at = 0
    for prefix in prefixes:
        while at < len(assignments) and not assignments[at].startswith(prefix):
            at += 1
        if at == len(assignments):
            print("\n".join(assignments))
            sys.exit(f"not told, or not in its place: {prefix}")
        at += 1


if sys.argv[1] == "--order":
    order(sys.argv[2], sys.argv[3:])
else:
    listen(sys.argv[1], sys.argv[2])
