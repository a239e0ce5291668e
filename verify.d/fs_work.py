#!/usr/bin/python3
"""Files and a SQLite database on a filesystem whose disk is about to go away, and what must be there when it is back.

usage: fs_work.py work DIR --log FILE [--seconds S] [--seed N] [--position FILE]    until the time is over or a call fails
       fs_work.py check DIR --log FILE [--until POSITION | --killed SECONDS] [--interval-millis N]

`work` creates, replaces and removes files, each with fsync of file and directory, and commits transactions with
synchronous=FULL; what was answered, and when, goes to --log. `check` holds DIR against it: every file that fsync answered
for has its content, every transaction that was committed is there, all of them whole, and the database is sound. With
--killed (seconds of the monotonic clock) and --interval-millis only what was answered longer ago than that must be there;
with --until, what was answered before that entry of a power_disk's log.
"""

import argparse
import mmap
import os
import pickle
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

import stamps

NAMES = 60


class Wrong(Exception):
    """The filesystem is not what was promised."""


def content(name, version):
    chance = random.Random(f"{name} {version}")
    return f"{name} {version}\n".encode() + chance.randbytes(int(2 ** chance.uniform(0, 16)))


def forget(file):
    """What is read of a file from now on comes from its disk and not from the page cache, so that what the disk lost shows."""
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sync_directory(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Log:
    """What was asked for and answered, in order: (what, name, version, seconds, position), what being `begun`, `removed`
    (begun too) or `synced`; and (number, seconds, position) of each transaction that was committed."""

    def __init__(self):
        self.files = []
        self.transactions = []


class Work:
    def __init__(self, directory, seed, position, seconds):
        self.directory, self.seed, self.position = directory, seed, position
        self.end = time.monotonic() + seconds
        self.log = Log()
        self.failures = []

    def now(self):
        return time.monotonic(), self.position()

    def files(self):
        chance = random.Random(f"{self.seed} files")
        where = os.path.join(self.directory, "files")
        os.makedirs(where, exist_ok=True)
        sync_directory(self.directory)
        version = 0
        while time.monotonic() < self.end:
            version += 1
            name = f"f{chance.randrange(NAMES):03d}"
            path = os.path.join(where, name)
            if chance.random() < 0.1:
                self.log.files.append(("removed", name, None, *self.now()))
                if os.path.exists(path):
                    os.unlink(path)
                continue
            self.log.files.append(("begun", name, version, *self.now()))
            temporary = path + ".new"
            with open(temporary, "wb", buffering=0) as file:
                file.write(content(name, version))
                os.fsync(file.fileno())
            os.rename(temporary, path)
            sync_directory(where)
            self.log.files.append(("synced", name, version, *self.now()))

    def database(self):
        chance = random.Random(f"{self.seed} database")
        database = sqlite3.connect(os.path.join(self.directory, "data.sqlite"), isolation_level=None)
        # Not DELETE: there, FULL does not sync the directory after the unlink that is the commit, so that the last
        # transaction may be rolled back (sqlite.org, PRAGMA synchronous, EXTRA).
        mode = chance.choice(["WAL", "TRUNCATE", "PERSIST"])
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, payload BLOB)")
        database.execute("CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY, entries INTEGER, bytes INTEGER)")
        database.execute("CREATE INDEX IF NOT EXISTS by_payload ON entry (payload)")
        database.execute("INSERT OR IGNORE INTO total VALUES (1, 0, 0)")
        number = 0
        while time.monotonic() < self.end:
            number += 1
            payload = chance.randbytes(chance.randrange(3000))
            database.execute("BEGIN")
            database.execute("INSERT INTO entry VALUES (?, ?)", (number, payload))
            database.execute("UPDATE total SET entries = entries + 1, bytes = bytes + ?", (len(payload),))
            database.execute("COMMIT")
            self.log.transactions.append((number, *self.now()))

    def run(self):
        def guarded(part):
            try:
                part()
            except (OSError, sqlite3.Error) as error:  # the disk is gone
                self.failures.append(f"{part.__name__}: {error}")

        threads = [threading.Thread(target=guarded, args=(part,)) for part in (self.files, self.database)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Check:
    def __init__(self, directory, log, is_promised):
        self.directory, self.log, self.is_promised = directory, log, is_promised

    def files(self):
        """Each name has the newest version that was promised, or what was begun after it."""
        where = os.path.join(self.directory, "files")
        allowed = {f"f{number:03d}": {None} for number in range(NAMES)}
        for what, name, version, seconds, position in self.log.files:
            if what != "synced":
                allowed[name].add(version)
            elif self.is_promised(seconds, position):
                allowed[name] = {version}
        for name, versions in allowed.items():
            path = os.path.join(where, name)
            got = None
            if os.path.exists(path):
                with open(path, "rb") as file:
                    forget(file)
                    got = file.read()
            if got not in [version if version is None else content(name, version) for version in versions]:
                there = "nothing" if got is None else f"{len(got)} bytes, {got[:24]!r}"
                raise Wrong(f"file {name}: {there}, where version {' or '.join(map(str, versions))} must be")
        return sum(1 for versions in allowed.values() if None not in versions)

    def database(self):
        due = max((number for number, *when in self.log.transactions if self.is_promised(*when)), default=0)
        path = os.path.join(self.directory, "data.sqlite")
        if not os.path.exists(path):
            if due:
                raise Wrong(f"no database, where {due} transactions were promised")
            return 0
        with tempfile.TemporaryDirectory() as copy:
            for suffix in ("", "-journal", "-wal", "-shm"):
                if os.path.exists(path + suffix):
                    with open(path + suffix, "rb") as file:
                        forget(file)
                    shutil.copy(path + suffix, copy)
            database = sqlite3.connect(os.path.join(copy, "data.sqlite"))
            try:
                sound = database.execute("PRAGMA integrity_check").fetchall()
                if sound != [("ok",)]:
                    raise Wrong(f"database: {sound}")
                tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not {"entry", "total"} <= tables:
                    if due:
                        raise Wrong(f"database: tables {tables}, where {due} transactions were promised")
                    return 0
                count, last, length = database.execute(
                    "SELECT count(*), coalesce(max(number), 0), coalesce(sum(length(payload)), 0) FROM entry"
                ).fetchone()
                total = database.execute("SELECT entries, bytes FROM total").fetchone() or (0, 0)
            finally:
                database.close()
        if count != last or total != (count, length):
            raise Wrong(f"database: {count} entries of {length} bytes, the last {last}, the total says {total}")
        if count < due:
            raise Wrong(f"database: {count} transactions, {due} were promised")
        return count


def work(options):
    position = lambda: 0
    if options.position:
        with open(options.position, "r+b") as file:
            counter = mmap.mmap(file.fileno(), 8)
        position = lambda: int.from_bytes(counter[:8], "little")
    job = Work(options.directory, options.seed, position, options.seconds)
    job.run()
    with open(options.log, "wb") as file:
        pickle.dump(job.log, file)
    synced = sum(1 for entry in job.log.files if entry[0] == "synced")
    print(f"{synced} files synced, {len(job.log.transactions)} transactions committed; {'; '.join(job.failures)}")


def newest_began(log):
    """When the newest of what was answered began: a transaction after the one before was answered."""
    moments = [log.transactions[-2][-2]] if len(log.transactions) > 1 else []
    for before, entry in zip(log.files, log.files[1:]):
        if entry[0] == "synced":
            moments.append(before[-2])
    return max(moments, default=0.0)


def check(options):
    with open(options.log, "rb") as file:
        log = pickle.load(file)
    if options.until is not None:
        promised = lambda seconds, position: position <= options.until
    elif options.interval_millis:
        limit = stamps.promised_until(newest_began(log), options.interval_millis / 1000, options.killed)
        promised = lambda seconds, position: seconds <= limit
    else:
        promised = lambda seconds, position: True
    judge = Check(options.directory, log, promised)
    files, transactions = judge.files(), judge.database()
    print(f"{files} files as promised, {transactions} of {len(log.transactions)} transactions, all sound")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["work", "check"])
    parser.add_argument("directory")
    parser.add_argument("--log", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--position")
    parser.add_argument("--until", type=int)
    parser.add_argument("--killed", type=float, default=0.0)
    parser.add_argument("--interval-millis", type=int, default=0)
    options = parser.parse_args()
    (work if options.what == "work" else check)(options)


try:
    main()
except Wrong as wrong:
    sys.exit(f"fs_work: {wrong}")
