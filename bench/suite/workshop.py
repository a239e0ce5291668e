"""What a run starts, mounts and attaches, undone in the opposite order however it ends; and what it reads of /proc."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

STOP_SECONDS = 60
CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """Something that ends the part, or the run; one line for the operator."""


class Skipped(Failure):
    """What a part needs is not on this machine, and the others can do without it."""


def run(*command, **options):
    """Runs a command to its end and returns what it printed; a failure carries what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failure(f"{command[0]} failed with exit code {done.returncode}: {said[-1] if said else 'said nothing'}")
    return done.stdout


def wait_until(what, seconds, condition):
    """Waits until a condition holds; polls, because what it is used for has no event to wait on."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{what} not within {seconds} s")
        time.sleep(0.02)


class Workshop(contextlib.ExitStack):
    """Directories on disk and on tmpfs, and everything made for a part; close() leaves nothing behind."""

    def __init__(self, disk_parent, ram_parent):
        super().__init__()
        self.log_count = 0
        self.disk_dir = self._directory(disk_parent)
        self.ram_dir = self._directory(ram_parent)

    def _directory(self, parent):
        path = tempfile.mkdtemp(prefix="rbench.", dir=parent)
        self.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def start(self, *command, environment=None):
        """Starts a process that runs until the workshop closes; its output goes to a log of its own."""
        self.log_count += 1
        log_path = os.path.join(self.disk_dir, f"{self.log_count}-{os.path.basename(str(command[0]))}.log")
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # Ctrl-C is for the run, which then stops them in order.
                start_new_session=True,
            )
        process.log_path = log_path
        self.callback(stop, process)
        return process

    def attach(self, uri):
        """Makes a block device of an NBD export, through nbdfuse and a loop device; returns its path and a detacher."""
        file, detach = self.present(uri)
        return self.loop(file), detach

    def present(self, uri):
        """Makes a file of an NBD export, through nbdfuse; returns its path, and what undoes it and its loop devices."""
        directory = tempfile.mkdtemp(prefix="fuse.", dir=self.disk_dir)
        file = os.path.join(directory, "nbd")
        pid_file = os.path.join(self.disk_dir, os.path.basename(directory) + ".pid")
        nbdfuse = self.start("nbdfuse", "--pidfile", pid_file, file, uri)
        # Entered after the process was: so it is left before the process is stopped. And what undoes a step is there
        # before the step: a signal may come in the middle of it.
        stack = self.enter_context(contextlib.ExitStack())
        stack.callback(unmount_fuse, file, nbdfuse)
        wait_until(f"nbdfuse {uri}", 30, lambda: alive(nbdfuse, "nbdfuse") and os.path.exists(pid_file))
        stack.callback(detach_loops, file)
        return file, stack.close

    def loop(self, file, offset_bytes=0, size_bytes=None):
        """Makes a block device of a file that was presented, or of a part of it; returns its path."""
        limit = ["--sizelimit", size_bytes] if size_bytes else []
        return run("losetup", "--find", "--show", "--direct-io=on", "--offset", offset_bytes, *limit, file).strip()

    def loop_of_file(self, file):
        """The same of an ordinary file, until the workshop closes."""
        self.callback(detach_loops, file)
        return self.loop(file)

    def mount(self, device):
        """Mounts a device; returns the directory and an unmounter."""
        directory = tempfile.mkdtemp(prefix="mount.", dir=self.disk_dir)
        stack = self.enter_context(contextlib.ExitStack())
        stack.callback(unmount, directory)
        run("mount", device, directory)
        return directory, stack.close


def alive(process, what):
    """Returns True while a process runs; one that has ended is a failure with its last words."""
    if process.poll() is None:
        return True
    with open(process.log_path, encoding="utf-8", errors="replace") as log:
        said = log.read().strip().splitlines()
    raise Failure(f"{what} ended with exit code {process.returncode}: {said[-1] if said else 'said nothing'}")


def stop(process):
    """Ends a process as a user would, and by force if that takes more than a minute."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unmount_fuse(file, nbdfuse):
    subprocess.run(["fusermount3", "-u", file], capture_output=True, check=False)
    stop(nbdfuse)


def unmount(directory):
    """Unmounts; a mount that an interrupted command still uses goes as soon as that has ended."""
    if os.path.ismount(directory):
        try:
            run("umount", directory)
        except Failure:
            run("umount", "--lazy", directory)


def loops_of(file):
    listed = run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines()
    return [line.split(None, 1)[0] for line in listed if line.split(None, 1)[1:] == [file]]


def detach_loops(file):
    for device in loops_of(file):
        run("losetup", "--detach", device)
    # The kernel detaches when the last reader of the device, udev for example, has closed it.
    wait_until(f"detaching loop devices from {file}", 30, lambda: not loops_of(file))


def written_bytes(pid):
    """What a process has had written to disks, also past the page cache."""
    with open(f"/proc/{pid}/io", encoding="ascii") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("write_bytes:"))


def cpu_seconds(pid, with_children=False):
    """The CPU time of a process with all its threads, those that have ended too; and with its children that have."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if with_children else 13])) / CLOCK_TICKS_PER_SECOND


def pin(pid, cpus):
    """Lets all threads of a process, and those they start from now on, run on these CPUs only."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), cpus)


def resident_bytes(pid, apart_from):
    """What a process has in memory, without its mappings of files under a directory."""
    total = 0
    counts = True
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counts = apart_from not in line
            elif counts and line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total
