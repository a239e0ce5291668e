"""The servers that are compared: each one started, loaded with the same bytes and ready when its function returns."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import time
from dataclasses import dataclass

from .workshop import Failure, alive, run, stop, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RAMBACK = os.path.join(ROOT, "ramback")
READY_SECONDS = 60
ANSWER_SECONDS = 600
READY_LINE = re.compile(r"^ramback: (\S+) ready, .*, (nbd\S+)$", re.MULTILINE)


@dataclass
class Server:
    """A running NBD server and where to reach it."""

    name: str
    process: object
    uri: str
    size_bytes: int
    settle: object = lambda: None  # returns when the server works on nothing that it was given before
    ready_seconds: float = 0  # from its start until it could be used

    @property
    def pid(self):
        return self.process.pid


def connect(server):
    """A client of a server, by libnbd."""
    import nbd  # here, so that the parts that do without it run without it

    client = nbd.NBD()
    client.connect_uri(server.uri)
    return client


def unix_uri(export, path):
    return f"nbd+unix:///{export}?socket={path}"


def nbdkit_memory(shop, content, size_bytes):
    """nbdkit's memory plug-in, filled through NBD."""
    path = os.path.join(shop.ram_dir, "nbdkit.sock")
    process = shop.start("nbdkit", "--foreground", "--unix", path, "memory", size_bytes)
    server = Server("nbdkit memory", process, unix_uri("", path), size_bytes)
    wait_until("nbdkit", READY_SECONDS, lambda: alive(process, "nbdkit") and os.path.exists(path))
    run("nbdcopy", "--allocated", content, server.uri)
    return server


def qemu_nbd_unsafe(shop, content, size_bytes):
    """qemu-nbd without any flush, on a raw file on tmpfs."""
    path = os.path.join(shop.ram_dir, "qemu.sock")
    image = os.path.join(shop.ram_dir, "qemu.img")
    run("cp", "--sparse=never", content, image)
    process = shop.start(
        *("qemu-nbd", "--socket", path, "--persistent", "--shared=8", "--format=raw", "--cache=unsafe", image)
    )
    wait_until("qemu-nbd", READY_SECONDS, lambda: alive(process, "qemu-nbd") and os.path.exists(path))
    return Server("qemu-nbd unsafe", process, unix_uri("", path), size_bytes)


def ramback_unsafe(shop, content, size_bytes):
    """Ramback in `unsafe`, loaded from an image with the same bytes; everything the image may lag is allowed to."""
    image = os.path.join(shop.disk_dir, "serve.img")
    run("cp", "--sparse=never", content, image)
    server = ramback(shop, image, "--mode", "unsafe", "--dirty-max", 2 * size_bytes, name="serve")
    server.settle = lambda: wait_until_clean(shop, "serve")
    return server


def ramback(shop, image, *options, name, loaded=True):
    """`ramback up` on an image; waits for its ready line, and until everything is loaded unless told not to."""
    began = time.perf_counter()
    process = shop.start(
        *(RAMBACK, "up", image, "--name", name, "--ram-dir", os.path.join(shop.ram_dir, "ramback")),
        *("--adopt-image", *options),  # images are made anew between two turns
        environment=ramback_environment(shop),
    )
    # A run that is broken off does not wait until everything is in an image that is about to be removed.
    shop.callback(process.kill)
    ready = None

    def is_ready():
        nonlocal ready
        with open(process.log_path, encoding="utf-8") as log:
            ready = READY_LINE.search(log.read())
        return ready or (alive(process, "ramback up") and False)

    wait_until("ramback's ready line", READY_SECONDS, is_ready)
    server = Server("ramback unsafe", process, ready.group(2), 0, ready_seconds=time.perf_counter() - began)
    status = ramback_status(shop, name)
    server.size_bytes = status["sizeBytes"]
    if loaded:
        wait_until("loading", 600, lambda: is_loaded(ramback_status(shop, name)))
    return server


def ramback_environment(shop):
    """Ramback's directories are the workshop's own, so that devices of this machine's user are left alone."""
    return {
        "RAMBACK_RUN_DIR": os.path.join(shop.ram_dir, "run"),
        "RAMBACK_STATE_DIR": os.path.join(shop.ram_dir, "state"),
    }


def ramback_command(shop, *arguments):
    """Runs one of ramback's commands to its end."""
    return run(RAMBACK, *arguments, env={**os.environ, **ramback_environment(shop)})


def ramback_stop(server):
    """Stops a device cleanly: everything it holds is in its image afterwards."""
    stop(server.process)
    if server.process.returncode not in (0, 130, 143):
        raise Failure(f"ramback stopped with exit code {server.process.returncode}; see {server.process.log_path}")


def ramback_kill(shop, server):
    """Ends a device as a power failure would: the daemon at once, and its memory with it."""
    server.process.kill()
    server.process.wait()
    shutil.rmtree(os.path.join(shop.ram_dir, "ramback"))


def forget(shop, *files):
    """Makes the next start of a device its first one: nothing is known of an image that others have written to."""
    shutil.rmtree(os.path.join(shop.ram_dir, "state"), ignore_errors=True)
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def wait_until_clean(shop, name):
    """Waits until everything is in the image; returns the seconds that took."""
    began = time.perf_counter()
    # What is written while a flush runs is not that flush's.
    while ramback_status(shop, name)["dirtyChunks"]:
        control(shop, name, "POST", "/flush")
    return time.perf_counter() - began


def ramback_mode(shop, name, mode):
    """Switches a device's mode; returns when the new one is in force, and the seconds that took."""
    began = time.perf_counter()
    control(shop, name, "POST", "/mode", {"mode": mode})
    return time.perf_counter() - began


def is_loaded(status):
    return status["loadedChunks"] == status["chunks"]


class ControlConnection(http.client.HTTPConnection):
    """HTTP over a device's control socket; answers may take long."""

    def __init__(self, path):
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ramback_status(shop, name):
    """The device's status."""
    return json.loads(control(shop, name, "GET", "/status"))


def control(shop, name, method, path, content=None):
    """Asks a device over its control socket, as ramback's commands do; a command would cost a JVM's start each time."""
    body = None if content is None else json.dumps(content)
    with contextlib.closing(ControlConnection(os.path.join(shop.ram_dir, "run", name, "control.sock"))) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        said = answer.read().decode("utf-8")
    if answer.status >= 300:
        raise Failure(f"{name} answered {method} {path} with HTTP status {answer.status}: {said.strip()}")
    return said
