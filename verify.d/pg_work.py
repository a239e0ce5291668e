#!/usr/bin/python3
"""Transactions on PostgreSQL whose disk is about to go away, and what must be there when it is back.

usage: pg_work.py work --psql "PSQL OPTION..." --log FILE [--seconds S] [--begun FILE]
       pg_work.py check --psql "PSQL OPTION..." --log FILE [--killed SECONDS --interval-millis N]

`work` commits one transaction after the other through psql until the server is gone, and logs when each was answered; some
transactions after it has begun it makes the file --begun.
`check` asks for what was promised of them (with --interval-millis: what was answered longer ago than that), that each
is whole, and that the books of pgbench, which ran beside it, balance.
"""

import argparse
import os
import pickle
import shlex
import subprocess
import sys
import time

import stamps

BEGUN_COUNT = 20
PGBENCH_BOOKS = """SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts),
 (SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers), (SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches),
 (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"""


def psql(options, sql):
    done = subprocess.run(
        shlex.split(options.psql) + ["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"pg_work: {sql}: {done.stdout.strip()}")
    return done.stdout.strip()


def work(options):
    psql(options, "CREATE TABLE ledger (number int PRIMARY KEY, payload text); CREATE TABLE total (entries int)")
    psql(options, "INSERT INTO total VALUES (0)")
    session = subprocess.Popen(
        shlex.split(options.psql) + ["-qAtX", "-v", "ON_ERROR_STOP=1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    answered = []
    end = time.monotonic() + options.seconds
    number = 0
    try:
        while time.monotonic() < end:
            number += 1
            session.stdin.write(
                f"BEGIN; INSERT INTO ledger VALUES ({number}, repeat('{number} ', {number % 200}));"
                f" UPDATE total SET entries = entries + 1; COMMIT;\n\\echo done {number}\n"
            )
            session.stdin.flush()
            if session.stdout.readline() != f"done {number}\n":
                break
            answered.append(time.monotonic())
            if number == BEGUN_COUNT:
                open(options.begun, "wb").close()
        session.stdin.close()
    except BrokenPipeError:
        pass
    session.wait(30)
    with open(options.log, "wb") as file:
        pickle.dump(answered, file)
    print(f"{len(answered)} transactions committed")


def check(options):
    with open(options.log, "rb") as file:
        answered = pickle.load(file)
    limit = float("inf")
    if options.interval_millis and answered:
        # The newest began after the one before was answered.
        limit = stamps.promised_until(answered[-2:][0], options.interval_millis / 1000, options.killed)
    due = sum(1 for moment in answered if moment <= limit)
    count, last, total = (
        int(word)
        for word in psql(
            options, "SELECT count(*), coalesce(max(number), 0), (SELECT entries FROM total) FROM ledger"
        ).split("|")
    )
    if not count == last == total:
        sys.exit(f"pg_work: {count} entries, the last {last}, the total says {total}")
    if count < due:
        sys.exit(f"pg_work: {count} transactions, {due} were promised")
    books = psql(options, PGBENCH_BOOKS).split("|")
    if len(set(books)) != 1:
        sys.exit(f"pg_work: the books of pgbench say {books}")
    print(f"{count} transactions of {len(answered)} answered are there, {due} were promised; the books of pgbench balance")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["work", "check"])
    parser.add_argument("--psql", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--begun", default=os.devnull)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--killed", type=float, default=0.0)
    parser.add_argument("--interval-millis", type=int, default=0)
    options = parser.parse_args()
    (work if options.what == "work" else check)(options)


main()
