"""What is left for a server to gain: an NBD server in C (`bare.c`) that has no device, or as much memory as one and nothing around it. The
rest of the time is the client's, the kernel's, and that of the memory."""

import os
import shutil

from .servers import READY_SECONDS, ROOT, Server, unix_uri
from .workshop import Skipped, alive, run, wait_until

SOCKET = "bare socket"
MEMORY = "bare memory"
SOURCE = os.path.join(ROOT, "bench", "suite", "bare.c")


def compile_bare(shop):
    """Compiles the C program; returns its path."""
    compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if not compiler:
        raise Skipped("needs a C compiler: apt-get install gcc libc6-dev")
    program = os.path.join(shop.disk_dir, "bare")
    run(compiler, "-O2", "-pthread", "-o", program, SOURCE)
    return program


def bare_server(shop, program, name, size_bytes):
    path = os.path.join(shop.ram_dir, name.replace(" ", "-") + ".sock")
    process = shop.start(program, "serve", path, size_bytes, "memory" if name == MEMORY else "nothing")
    wait_until(name, READY_SECONDS, lambda: alive(process, name) and os.path.exists(path))
    return Server(name, process, unix_uri("", path), size_bytes)
