"""What the parts found, as Markdown and as JSON."""

import statistics
import textwrap
from dataclasses import dataclass, field


def median(values):
    return statistics.median(values)


@dataclass
class Goal:
    """A figure and what it should be; `at_least` or `at_most` a limit."""

    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    name: str = ""  # what is told of a goal that is missed, beyond its part's name

    @property
    def met(self):
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def missed_by(self):
        """How far the figure is from what it should be, as a share of that; 0 when it is met."""
        if self.met:
            return 0
        limit = self.at_least if self.at_least is not None else self.at_most
        return abs(self.value - limit) / limit


@dataclass
class Part:
    """One part's table, what to know to read it, and everything measured for it."""

    title: str
    columns: list
    notes: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    goals: list = field(default_factory=list)
    raw: dict = field(default_factory=dict)
    after: list = field(default_factory=list)
    charts: list = field(default_factory=list)

    def row(self, *cells, goal=None):
        """Adds a line; its last column says whether the goal is met."""
        self.rows.append([str(cell) for cell in cells] + ([self.judge(goal)] if goal else []))

    def judge(self, goal):
        """Counts a goal; returns what a cell says about it."""
        self.goals.append(goal)
        return verdict(goal)

    def markdown(self):
        lines = [f"### {self.title}", ""]
        lines += [*self.notes, ""] if self.notes else []
        lines += table(self.columns, self.rows)
        lines += ["", *self.after] if self.after else []
        return "\n".join(lines) + "\n"


def table(columns, rows):
    """A table as lines; the first column is text, the others are figures."""
    width = len(columns)
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join(["---"] + ["---:"] * (width - 1)) + "|",
        *("| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows),
    ]


def wrapped(text):
    """A paragraph as lines."""
    return textwrap.wrap(" ".join(text.split()), 118, break_long_words=False, break_on_hyphens=False)


def latencies(samples):
    """The medians of p50, p99 and p99.9 as one cell."""
    return " / ".join(
        number(median([figure(sample) for sample in samples]))
        for figure in (lambda s: s.p50_micros, lambda s: s.p99_micros, lambda s: s.p999_micros)
    )


def verdict(goal):
    limit = f"≥ {number(goal.at_least)}" if goal.at_least is not None else f"≤ {number(goal.at_most)}"
    missed = f"MISSED by {number(goal.missed_by * 100)} %"
    return f"{limit}{goal.unit and ' ' + goal.unit} {'met' if goal.met else missed}"


def number(value):
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
