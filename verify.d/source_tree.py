#!/usr/bin/python3
"""Writes a tar archive of a few thousand files: the sources of java.base, or what a seed gives where they are missing.

usage: source_tree.py ARCHIVE SEED [SRC_ZIP]

To both are added what sources don't have: empty files, links of both kinds, long names, odd permissions, a file with a
hole, and one of several MiB.
"""

import io
import os
import random
import sys
import tarfile
import zipfile

GENERATED_FILES = 3400
TIME = 1_700_000_000


def sources(path):
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith("java.base/") and not entry.is_dir():
                yield entry.filename, archive.read(entry)


def generated(chance):
    for i in range(GENERATED_FILES):
        length = int(10 ** chance.uniform(0, 4.9))
        word = b"%d of %d\n" % (i, length)
        yield f"generated/{i % 7}/{i % 61}/file-{i}.txt", chance.randbytes(length // 2) + word * (length // 2 // len(word))


def main():
    archive, seed = sys.argv[1], sys.argv[2]
    chance = random.Random(seed)
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:

        def add(name, data=b"", kind=tarfile.REGTYPE, link="", mode=0o644):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.size = kind, link, mode, len(data)
            info.mtime = TIME + chance.randrange(10**6)
            tar.addfile(info, io.BytesIO(data) if data else None)

        directories = set()
        is_there = len(sys.argv) > 3 and os.path.exists(sys.argv[3])
        for name, data in sources(sys.argv[3]) if is_there else generated(chance):
            above = os.path.dirname(name)
            missing = []
            while above and above not in directories:
                missing.append(above)
                directories.add(above)
                above = os.path.dirname(above)
            for directory in reversed(missing):
                add(directory, kind=tarfile.DIRTYPE, mode=0o755)
            add(name, data)
        add("odd", kind=tarfile.DIRTYPE, mode=0o711)
        for i in range(50):
            add(f"odd/empty-{i}", mode=0o400)
        add("odd/" + "x" * 250, b"a long name", mode=0o000)
        add("odd/symbolic", kind=tarfile.SYMTYPE, link="nowhere/at/all")
        add("odd/big", chance.randbytes(5_000_011))
        add("odd/hard", kind=tarfile.LNKTYPE, link="odd/big")
        add("odd/holes", chance.randbytes(4096) + bytes(1 << 20) + chance.randbytes(1))


main()
