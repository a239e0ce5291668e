#!/usr/bin/python3
"""Looks whether a run of bench/run said what its parts ought to say; how much that is does not matter.

usage: bench_figures.py FIGURES.json FIGURES.md PART
"""

import json
import sys

OURS = {"ramback unsafe", "ramback checkpoint"}


def positive(value):
    return isinstance(value, (int, float)) and 0 < value < 1e12


def serve(lines):
    for line, servers in lines.items():
        assert OURS <= set(servers) and "nbdkit memory" in servers, (line, list(servers))
        for name, samples in servers.items():
            for one in samples:
                assert positive(one["requests_per_second"]) and positive(one["bytes_per_second"]), (line, name, one)
                assert 0 < one["p50_micros"] <= one["p99_micros"] <= one["p999_micros"], (line, name, one)
                cpu, settled = one["server_cpu_micros_per_request"], one["server_cpu_micros_per_request_settled"]
                assert 0 <= cpu <= settled, (line, name, one)


def bare(lines):
    for line, servers in lines.items():
        assert set(servers) == OURS | {"bare socket", "bare memory"}, (line, list(servers))
        for name, samples in servers.items():
            for one in samples:
                assert positive(one["requests_per_second"]), (line, name, one)
                assert 0 < one["p50_micros"] <= one["p99_micros"] <= one["p999_micros"], (line, name, one)


def block(servers):
    assert set(servers) == OURS | {"nbdkit memory"}, list(servers)
    for name, turns in servers.items():
        for turn in turns:
            assert set(turn) == {"fio 4K read QD32", "SQLite, 500 transactions"}, (name, turn)
            assert all(positive(figure) for figure in turn.values()), (name, turn)


def attach(ways):
    assert set(ways) == {"ramback attach, FUSE", "nbdfuse over our NBD", "tmpfs file"}, list(ways)
    for name, turns in ways.items():
        for turn in turns:
            assert set(turn) == {"fio 4K read QD1"} and all(positive(figure) for figure in turn.values()), (name, turn)


def calls(lines):
    counted = lines.pop("4K read QD32")
    # More than one request at a time was there, so there are fewer calls than requests.
    assert 0 < counted["receives"] < counted["requests"] and 0 < counted["sends"] < counted["requests"], counted
    assert set(lines) == {"allocations, unsafe"}, list(lines)
    for mode, found in lines.items():
        assert found["requests"] > 0 and min(found.values()) >= 0, (mode, found)


def tables(path):
    """Every row of a table has as many cells as its head."""
    width = None
    count = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("|"):
                width = None
                continue
            cells = line.rstrip().count("|")
            assert width in (None, cells), line
            width = cells
            count += 1
    assert count > 2, f"no table in {path}"


def main():
    figures, page, part = sys.argv[1:]
    with open(figures, encoding="utf-8") as file:
        said = json.load(file)
    assert positive(said["machine"]["memoryMib"]) and said["machine"]["revision"], said["machine"]
    assert said[part], f"nothing was measured: {said}"
    {"serve": serve, "bare": bare, "block": block, "attach": attach, "calls": calls}[part](said[part])
    tables(page)


if __name__ == "__main__":
    main()
