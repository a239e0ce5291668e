"""Charts as SVG, by the standard library alone: small, and readable on a light page as on a dark one."""

import math
import os
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
LABEL_WIDTH = 150
VALUE_WIDTH = 70
BAR_HEIGHT = 13
BAR_GAP = 2
GROUP_GAP = 14
TITLE_HEIGHT = 30
LEGEND_LINE_HEIGHT = 18
LEGEND_ENTRY_WIDTH = 150
# Told apart by those who see no red or green as well, and dark enough for white, light enough for black.
COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#999999", "#8c5a2b")
# A page that shows an SVG as a picture passes on nothing but whether it is dark.
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}.axis{stroke:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#6e7681}}"
)


@dataclass
class BarChart:
    """Bars beside one another, in groups: a value a series in each group."""

    name: str  # of the file
    title: str
    groups: list
    series: dict  # values by the series' name, one a group; None where there is none

    def svg(self):
        """The chart as a document of its own."""
        largest = max((value for values in self.series.values() for value in values if value is not None), default=0)
        scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / (largest or 1)
        top = TITLE_HEIGHT + LEGEND_LINE_HEIGHT * math.ceil(len(self.series) / self._legend_columns()) + GROUP_GAP
        body = [text(0, 18, self.title, kind="title"), *self._legend()]
        group_height = len(self.series) * (BAR_HEIGHT + BAR_GAP)
        for index, group in enumerate(self.groups):
            y = top + index * (group_height + GROUP_GAP)
            body.append(text(LABEL_WIDTH - 8, y + group_height / 2 + 4, group, anchor="end"))
            for row, (name, values) in enumerate(self.series.items()):
                body += bar(y + row * (BAR_HEIGHT + BAR_GAP), values[index], scale, COLOURS[row % len(COLOURS)], f"{group}, {name}")
        height = top + len(self.groups) * (group_height + GROUP_GAP)
        body.append(f'<path class="axis" d="M{LABEL_WIDTH - 0.5} {top - 4}V{height - GROUP_GAP + 4}"/>')
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{quoted(self.title)}"><style>{STYLE}</style>' + "".join(body) + "</svg>\n"
        )

    def _legend_columns(self):
        return WIDTH // LEGEND_ENTRY_WIDTH

    def _legend(self):
        for index, name in enumerate(self.series):
            x = index % self._legend_columns() * LEGEND_ENTRY_WIDTH
            y = TITLE_HEIGHT + index // self._legend_columns() * LEGEND_LINE_HEIGHT
            yield f'<rect x="{x}" y="{y}" width="11" height="11" fill="{COLOURS[index % len(COLOURS)]}"/>'
            yield text(x + 16, y + 10, name)


def bar(y, value, scale, colour, title):
    """A value's bar, with the value behind it."""
    if value is None:
        return
    width = max(1, value * scale)
    yield (
        f'<rect x="{LABEL_WIDTH}" y="{y:g}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}">'
        f"<title>{escape(title)}</title></rect>"
    )
    yield text(LABEL_WIDTH + width + 4, y + BAR_HEIGHT - 2, f"{value:,.0f}" if value >= 100 else f"{value:.3g}")


def text(x, y, said, kind=None, anchor=None):
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.5g}" y="{y:.5g}"{attributes}>{escape(said)}</text>'


def quoted(said):
    return escape(said, {'"': "&quot;"})


def write_charts(directory, charts):
    """Writes each chart to a file of its name; returns the files."""
    os.makedirs(directory, exist_ok=True)
    files = []
    for chart in charts:
        files.append(os.path.join(directory, chart.name + ".svg"))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(chart.svg())
    return files
