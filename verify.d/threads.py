#!/usr/bin/python3
"""Says which of a process's threads carry out I/O for others (PR_SET_IO_FLUSHER), by the flags in /proc/PID/task/*/stat.

usage: threads.py PID all|none

The flags are the kernel's own (include/linux/sched.h, the same from Linux 5.6 on): PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE.
The exit code is 0 when all of the threads, or none of them, have both.
"""

import os
import sys

IO_FLUSHER = 0x0008_0000 | 0x0010_0000


def flags(task):
    with open(f"{task}/stat", encoding="utf-8", errors="replace") as file:
        text = file.read()
    name = text[text.index("(") + 1 : text.rindex(")")]
    return name, int(text[text.rindex(")") + 2 :].split()[6])


def main():
    pid, wanted = sys.argv[1:]
    have, lack = [], []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            name, bits = flags(f"/proc/{pid}/task/{task}")
        except FileNotFoundError:
            continue  # it has ended
        (have if bits & IO_FLUSHER == IO_FLUSHER else lack).append(name)
    print(f"{len(have)} threads have it, {len(lack)} don't")
    wrong = lack if wanted == "all" else have
    sys.exit(f"but these should{'' if wanted == 'all' else ' not'}: {sorted(wrong)}" if wrong or not have + lack else 0)


main()
