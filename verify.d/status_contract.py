#!/usr/bin/python3
"""Holds `ramback status --json`, on standard input, against its contract: every field, its type and what must agree.

usage: ramback status NAME --json | status_contract.py [FIELD=VALUE...]

FIELD as in lossIfPowerFailedNow.bytes; VALUE is JSON, or plain text where it is none. There may be several lines.
"""

import datetime
import json
import sys

COUNT, NUMBER, TEXT, FLAG = "a count", "a number", "a text", "true or false"
MODES = {"writethrough", "writeback", "checkpoint", "unsafe"}
STATES = {"loading", "ready", "flushing", "degraded", "stopping"}
POWERS = {"online", "on-battery", "low-battery", "unknown", "none"}
CONTRACT = {
    "name": TEXT,
    "uri": TEXT,
    "mode": MODES,
    "configuredMode": MODES,
    "state": STATES,
    "greenLight": FLAG,
    "sizeBytes": COUNT,
    "chunkBytes": COUNT,
    "chunks": COUNT,
    "loadedChunks": COUNT,
    "savedChunks": COUNT,
    "dirtyChunks": COUNT,
    "dirtyBytes": COUNT,
    "inflight": COUNT,
    "intervalSeconds": NUMBER,
    "lossIfPowerFailedNow": {"bytes": COUNT, "seconds": NUMBER},
    "lastCommit": {"epoch": COUNT, "time": TEXT},
    "journal": {"path": TEXT, "sizeBytes": COUNT, "usedBytes": COUNT},
    "backing": {"uri": TEXT, "errors": COUNT, "writeBytesPerSecond": NUMBER, "failing": TEXT},
    "power": {"state": POWERS, "batteryRuntimeSeconds": NUMBER, "drainSeconds": NUMBER},
    "clients": COUNT,
    "clientsVia": {"nbd": COUNT, "ublk": COUNT, "fuse": COUNT},
    "trace": FLAG,
    "attached": {"via": {"ublk", "nbd", "fuse"}, "device": TEXT, "left": FLAG},
    "process": {"ioFlusher": FLAG, "memoryLocked": {"all", "states", "none"}},
}
# What there is nothing to say of: no journal, no battery, nothing committed yet.
MAY_BE_NULL = {
    "journal", "attached", "backing.failing", "power.batteryRuntimeSeconds", "power.drainSeconds", "lastCommit.epoch", "lastCommit.time"
}


def fits(value, kind):
    if isinstance(kind, set):
        return value in kind
    if kind == FLAG:
        return isinstance(value, bool)
    if kind == TEXT:
        return isinstance(value, str) and value != ""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        return False
    return kind == NUMBER or isinstance(value, int)


def check_shape(status, contract, prefix, wrong):
    for key, kind in contract.items():
        where = prefix + key
        if key not in status:
            wrong.append(f"{where} is missing")
        elif status[key] is None and where in MAY_BE_NULL:
            pass
        elif isinstance(kind, dict):
            if isinstance(status[key], dict):
                check_shape(status[key], kind, where + ".", wrong)
            else:
                wrong.append(f"{where} is {status[key]!r}, not an object")
        elif not fits(status[key], kind):
            wrong.append(f"{where} is {status[key]!r}, not {kind}")


def check_sense(status, wrong):
    claims = {
        "chunks = size / chunk, rounded up": status["chunks"] == -(-status["sizeBytes"] // status["chunkBytes"]),
        "loadedChunks <= chunks": status["loadedChunks"] <= status["chunks"],
        "dirtyChunks <= chunks": status["dirtyChunks"] <= status["chunks"],
        "dirtyBytes <= sizeBytes": status["dirtyBytes"] <= status["sizeBytes"],
        "dirtyBytes and dirtyChunks agree": (status["dirtyBytes"] == 0) == (status["dirtyChunks"] == 0),
        "green only when fully loaded": not status["greenLight"] or status["loadedChunks"] == status["chunks"],
        "green only when ready": not status["greenLight"] or status["state"] == "ready",
        "green only in the configured mode": not status["greenLight"] or status["mode"] == status["configuredMode"],
        "degraded only with a cause": status["state"] != "degraded" or status["backing"]["failing"] is not None,
        "ready only when nothing fails": status["state"] != "ready" or status["backing"]["failing"] is None,
        "ready only when fully loaded": status["state"] != "ready" or status["loadedChunks"] == status["chunks"],
        "no more is lost than there is": status["lossIfPowerFailedNow"]["bytes"] <= status["sizeBytes"],
        "what is lost has an age": status["lossIfPowerFailedNow"]["bytes"] > 0 or status["lossIfPowerFailedNow"]["seconds"] == 0,
        "checkpoint only with a journal": status["mode"] != "checkpoint" or status["journal"] is not None,
        "green in checkpoint only within the interval": not status["greenLight"] or status["mode"] != "checkpoint"
        or status["lossIfPowerFailedNow"]["seconds"] <= status["intervalSeconds"],
        "the journal holds no more than fits": status["journal"] is None
        or status["journal"]["usedBytes"] <= status["journal"]["sizeBytes"],
        "each client comes by one way": status["clients"] == sum(status["clientsVia"].values()),
        "who is attached by what the daemon serves is a client": status["attached"] is None
        or status["attached"]["left"]
        or status["clientsVia"][status["attached"]["via"]] > 0,
        "the URI names the export": status["uri"].startswith(f"nbd+unix:///{status['name']}?socket=/"),
    }
    wrong += [f"not so: {claim}" for claim, holds in claims.items() if not holds]
    if status["lastCommit"]["time"] is not None:
        datetime.datetime.fromisoformat(status["lastCommit"]["time"][:19])
        if not status["lastCommit"]["time"].endswith("Z"):
            wrong.append(f"lastCommit.time {status['lastCommit']['time']} is not in UTC")


def expectation(text):
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def main():
    wrong = []
    lines = sys.stdin.read().splitlines()
    if not lines:
        wrong.append("nothing was said")
    for line in lines:
        status = json.loads(line)
        check_shape(status, CONTRACT, "", wrong)
        if not wrong:
            check_sense(status, wrong)
        for key, value in map(expectation, sys.argv[1:]):
            got = status
            for part in key.split("."):
                got = got.get(part) if isinstance(got, dict) else None
            if got != value:
                wrong.append(f"{key} is {got!r}, not {value!r}")
        if wrong:
            sys.exit("\n".join([*wrong, line]))


main()
