#!/usr/bin/python3
"""Runs a command in a terminal and types Ctrl-C twice as soon as it shows its first picture: the terminal must be as it was.

usage: hasty_terminal.py SECONDS PATTERN COMMAND...

Once for each of some times between the two, PATTERN being what is shown first. Fails when settings or screen are not given back.
"""

import os
import pty
import select
import signal
import sys
import termios
import time

PAUSES_MILLIS = (0, 0, 1, 3, 10, 20, 30, 60)
FIRST_SCREEN = b"\x1b[?1049l"


def read(terminal):
    """What has come within a tenth of a second; nothing once the command has closed its end."""
    if not select.select([terminal], [], [], 0.1)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def hurry(until, pattern, command, pause_millis):
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(command[0], command)
    before = termios.tcgetattr(terminal)
    seen, status = b"", None
    while pattern not in seen and time.monotonic() < until:
        seen += read(terminal)
    assert termios.tcgetattr(terminal) != before, "the command never took the terminal"
    os.write(terminal, b"\x03")
    time.sleep(pause_millis / 1000)
    os.write(terminal, b"\x03")
    while status is None and time.monotonic() < until:
        seen += read(terminal)
        pid, code = os.waitpid(child, os.WNOHANG)
        status = code if pid else None
    if status is None:
        os.kill(child, signal.SIGKILL)
        sys.exit(f"{pause_millis} ms: it has not ended")
    while more := read(terminal):
        seen += more
    after = termios.tcgetattr(terminal)
    print(f"{pause_millis} ms: ended with {os.waitstatus_to_exitcode(status)}")
    assert FIRST_SCREEN in seen, "the first screen is not back"
    assert after == before, f"the terminal was {before} and is left as {after}"
    os.close(terminal)


for millis in PAUSES_MILLIS:
    hurry(time.monotonic() + float(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:], millis)
