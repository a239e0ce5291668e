#!/usr/bin/python3
"""Runs a command in a terminal that nobody reads until it takes no more, then ends the command with SIGTERM.

The terminal's settings must then be what they were before.

usage: stuck_terminal.py SECONDS COMMAND...

Exits with 0 when the command ended, whatever its exit code; with 124 when it did not, or never filled the terminal, in time.
"""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time


# Linux keeps 4,095 bytes for the reader, and more on the way to it.
FULL_BYTES = 4000
WRITE = {"x86_64": "1", "aarch64": "64"}[os.uname().machine]


def writing(pid):
    """The threads that are in a write(2) now."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/syscall", encoding="ascii") as call:
                if call.read().split()[0] == WRITE:
                    found.add(task)
        except OSError:  # it has ended
            pass
    return found


def unread(terminal):
    return struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, b"\0" * 4))[0]


def main():
    until = time.monotonic() + float(sys.argv[1])
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    before = termios.tcgetattr(terminal)
    turns, stands, stuck = 0, 0, set()
    while stands < 20:  # each new size is drawn as a whole; at last one thread is in its write for two seconds
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            sys.exit(124)
        size = struct.pack("HHHH", 24 + turns % 2, 80 + turns % 3, 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
        time.sleep(0.1)
        turns += 1
        now = writing(child)
        stuck = stuck & now or now
        filled = unread(terminal)
        stands = stands + 1 if stuck and filled >= FULL_BYTES else 0
    if termios.tcgetattr(terminal) == before:
        sys.exit("the command never took the terminal")
    os.kill(child, signal.SIGTERM)
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            sys.exit(124)
        time.sleep(0.05)
    if termios.tcgetattr(terminal) != before:
        sys.exit(f"the terminal was {before} and is left as {termios.tcgetattr(terminal)}")
    print(f"{filled} bytes were left unread, and it has ended")


main()
