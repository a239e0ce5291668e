"""What a socket can do at the best: an NBD server in C that has no device (`bare.c`). Whatever it reaches with a client, no server of a
device can exceed, since the rest of the time is the client's and the kernel's."""

import os
import shutil

from .servers import READY_SECONDS, ROOT, Server, unix_uri
from .workshop import Skipped, alive, run, wait_until

BARE = "bare socket"
SOURCE = os.path.join(ROOT, "bench", "suite", "bare.c")


def compile_bare(shop):
    """Compiles the C program; returns its path."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        raise Skipped("needs a C compiler: apt-get install gcc libc6-dev")
    program = os.path.join(shop.disk_dir, "bare")
    run(compiler, "-O2", "-pthread", "-o", program, SOURCE)
    return program


def bare_server(shop, program, size_bytes):
    path = os.path.join(shop.ram_dir, "bare.sock")
    process = shop.start(program, "serve", path, size_bytes)
    wait_until("bare serve", READY_SECONDS, lambda: alive(process, "bare serve") and os.path.exists(path))
    return Server(BARE, process, unix_uri("", path), size_bytes)
