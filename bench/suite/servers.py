"""The servers that are compared: each one started, loaded with the same bytes and ready when its function returns.

What a machine lacks is left out, with the reason: see `start_all`.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

from .workshop import Failure, alive, cpu_seconds, run, stop, wait_until

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

    @property
    def socket(self):
        return self.uri.partition("?socket=")[2]

    @property
    def export(self):
        return self.uri.partition("?")[0].removeprefix("nbd+unix:///")

    def cpu_seconds(self):
        """The CPU time of the server, with that of its processes that have ended."""
        return cpu_seconds(self.pid)


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


def nbdkit_file(shop, content, size_bytes):
    """nbdkit's file plug-in, on a raw file on tmpfs."""
    path = os.path.join(shop.ram_dir, "nbdkit-file.sock")
    image = os.path.join(shop.ram_dir, "nbdkit.img")
    run("cp", "--sparse=never", content, image)
    process = shop.start("nbdkit", "--foreground", "--unix", path, "file", image)
    wait_until("nbdkit file", READY_SECONDS, lambda: alive(process, "nbdkit") and os.path.exists(path))
    return Server("nbdkit file", process, unix_uri("", path), size_bytes)


@dataclass
class Daemon:
    """A process that left the one that was started; it has a child for each connection."""

    pid: int


class ForkingServer(Server):
    """A server whose processes end with their connections; their CPU time is told once they have ended."""

    def cpu_seconds(self):
        wait_until(f"{self.name}'s connections", READY_SECONDS, lambda: not self.children())
        return cpu_seconds(self.pid, with_children=True)

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return children.read().split()


def nbd_server(shop, content, size_bytes):
    """The NBD project's own server, on a raw file on tmpfs. In the foreground it serves one client and ends, so it is let go."""
    path, image, pid_file, configuration = (
        os.path.join(shop.ram_dir, "nbd-server." + kind) for kind in ("sock", "img", "pid", "conf")
    )
    run("cp", "--sparse=never", content, image)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with open(configuration, "w", encoding="utf-8") as file:
        # It listens on TCP as well, whether one wants that or not: without a port it takes its standard input for the client.
        file.write(f"[generic]\nunixsock = {path}\nlistenaddr = 127.0.0.1\nport = {port}\n[disk]\nexportname = {image}\n")
    shop.callback(stop_daemon, pid_file)
    run("nbd-server", "-C", configuration, "-p", pid_file, stdin=subprocess.DEVNULL)
    wait_until("nbd-server", READY_SECONDS, lambda: os.path.exists(path) and pid_in(pid_file))
    return ForkingServer("nbd-server", Daemon(pid_in(pid_file)), unix_uri("disk", path), size_bytes)


def pid_in(pid_file):
    """The process number in a file, or None while it is not there."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(pid_file, encoding="ascii") as file:
        return int(file.read())
    return None


def stop_daemon(pid_file):
    pid = pid_in(pid_file)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until("the end of nbd-server", READY_SECONDS, lambda: not is_running(pid))


def is_running(pid):
    """Whether a process that is no child of ours is there and more than a name in the process table."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


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


def ramback_in(mode, *, arguments=(), flags=""):
    """Ramback in a mode, loaded from an image with the same bytes on the machine's disk; the function that starts it."""

    def start(shop, content, size_bytes):
        image = os.path.join(shop.disk_dir, f"{mode}.img")
        run("cp", "--sparse=never", content, image)
        # In `checkpoint` a second's writes must fit: what is measured is the memory, not the disk's rate.
        room = () if mode == "unsafe" else ("--journal-size", 2 * size_bytes, "--dirty-max", 2 * size_bytes)
        server = ramback(shop, image, "--mode", mode, *room, *arguments, name=mode, flags=flags)
        server.name = f"ramback {mode}"
        server.settle = lambda: wait_until_clean(shop, mode)
        return server

    return start


OURS = ("ramback unsafe", "ramback checkpoint")

# What each needs, and how it is started; the first is what goals are set against.
PEERS = {
    "nbdkit memory": ("nbdkit", nbdkit_memory),
    "nbdkit file": ("nbdkit", nbdkit_file),
    "qemu-nbd unsafe": ("qemu-nbd", qemu_nbd_unsafe),
    "nbd-server": ("nbd-server", nbd_server),
}


def wanted_peers(options):
    """Peers by name, of those that the run was told to compare with."""
    return {name: PEERS[name] for name in PEERS if name in options.peers}


def start_peers(shop, content, size_bytes, options, say):
    """Starts the peers that this machine has; returns them, and why the others are missing, in words."""
    servers, missing = [], []
    for name, (tool, start) in wanted_peers(options).items():
        try:
            if not shutil.which(tool):
                raise Failure(f"{tool} is not installed")
            servers.append(start(shop, content, size_bytes))
        except Failure as failure:
            missing.append(f"{name} is left out: {failure}")
            say(missing[-1])
    return servers, missing


def start_all(shop, content, size_bytes, options, say):
    """Starts ramback in both modes that goals are set for, and the peers; returns as `start_peers`."""
    ours = [ramback_in(name.partition(" ")[2])(shop, content, size_bytes) for name in OURS]
    peers, missing = start_peers(shop, content, size_bytes, options, say)
    return ours + peers, missing


def ramback(shop, image, *options, name, loaded=True, flags=""):
    """`ramback up` on an image; waits for its ready line, and until everything is loaded unless told not to."""
    began = time.perf_counter()
    process = shop.start(
        *(RAMBACK, "up", image, "--name", name, "--ram-dir", os.path.join(shop.ram_dir, "ramback")),
        *("--adopt-image", *options),  # images are made anew between two turns
        environment={**ramback_environment(shop), **({"RAMBACK_JAVA_OPTS": flags} if flags else {})},
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
    server = Server("ramback", process, ready.group(2), 0, ready_seconds=time.perf_counter() - began)
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


def ramback_attach(shop, name, via):
    """Makes a block device of a device, as a user does; returns its path and what takes it apart again."""
    stack = shop.enter_context(contextlib.ExitStack())
    stack.callback(ramback_command, shop, "detach", name)
    return ramback_command(shop, "attach", name, "--via", via).strip(), stack.close


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
