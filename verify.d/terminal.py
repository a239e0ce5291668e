#!/usr/bin/python3
"""Runs a command in a terminal of its own and types into it.

usage: terminal.py SECONDS [PATTERN KEYS]... -- COMMAND...

For each pair waits until what was printed since the last one matches PATTERN (a regular expression), then types KEYS (with
escapes as in Python: \\x03 is Ctrl-C). Prints everything that the command printed; the exit code is the command's, 124 when
it did not end, or a pattern did not come, in time.
"""

import os
import pty
import re
import select
import signal
import sys
import time


def main():
    until = time.monotonic() + float(sys.argv[1])
    split = sys.argv.index("--")
    steps = sys.argv[2:split]
    pairs = [(re.compile(pattern.encode()), keys.encode().decode("unicode_escape").encode("latin-1"))
             for pattern, keys in zip(steps[::2], steps[1::2])]
    command = sys.argv[split + 1 :]
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(command[0], command)
    seen = bytearray()
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the command has closed its end
            piece = b""
        if not piece:
            _, status = os.waitpid(child, 0)
            if pairs:
                sys.exit(f"terminal: ended before it printed {pairs[0][0].pattern!r}")
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        seen += piece
        if pairs and (found := pairs[0][0].search(seen)):
            del seen[: found.end()]
            os.write(terminal, pairs.pop(0)[1])
    os.kill(child, signal.SIGTERM)
    print(f"terminal: not in time{': ' + repr(pairs[0][0].pattern) if pairs else ''}", file=sys.stderr)
    sys.exit(124)


main()
