#!/usr/bin/python3
"""Looks whether the charts of bench/run are what a page can show.

usage: bench_charts.py DIRECTORY

Each is a small SVG document with a bar for each of ramback's figures, inside its frame, and colours for a dark page.
"""

import os
import sys
import xml.etree.ElementTree as tree

SVG = "{http://www.w3.org/2000/svg}"
BYTES_MAX = 16 << 10


def look(path):
    with open(path, encoding="utf-8") as file:
        content = file.read()
    assert len(content) <= BYTES_MAX, f"{len(content)} bytes"
    root = tree.fromstring(content)
    assert root.tag == SVG + "svg", root.tag
    width, height = map(float, root.get("viewBox").split()[2:])
    assert root.get("aria-label"), "nothing for those who can't see it"
    assert "prefers-color-scheme:dark" in root.find(SVG + "style").text, "dark on dark"
    bars = [node for node in root.iter(SVG + "rect") if node.find(SVG + "title") is not None]
    assert any("ramback" in bar.find(SVG + "title").text for bar in bars), "no bar of ours"
    for bar in bars:
        x, y, bar_width, bar_height = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
        assert 0 <= x and bar_width > 0 and x + bar_width <= width and y + bar_height <= height, bar.attrib
    return len(bars)


def main():
    directory = sys.argv[1]
    names = sorted(name for name in os.listdir(directory) if name.endswith(".svg"))
    assert names, f"no chart in {directory}"
    for name in names:
        try:
            print(f"{name}: {look(os.path.join(directory, name))} bars")
        except (AssertionError, tree.ParseError) as problem:
            sys.exit(f"{name}: {problem}")


if __name__ == "__main__":
    main()
