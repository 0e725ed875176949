"""Figures by server and column, their medians and ratios, and a plain text table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.servers import Server

#: Above this a server that stops and one that waits would share a column as 0.00.
TINY_RATIO = 0.01


@dataclass(frozen=True)
class Column:
    """One figure of each server.

    Attributes:
        name: Its key in code and JSON.
        title: Its heading, with the unit.
        digits: Digits after the point.
        ratios: Whether ratios to the references stand beside it.
        worst: Whether the largest sample counts and not their median.
    """

    name: str
    title: str
    digits: int = 2
    ratios: bool = True
    worst: bool = False


@dataclass
class Table:
    """The figures of one measurement.

    Attributes:
        name: Its key in code and JSON.
        title: Its heading.
        columns: Its figures, in order.
        references: Rows that ratios are taken to, with the heading of that ratio.
        notes: Remarks printed below it.
        remarks: A remark for a row, or for one cell of it where the figure is missing.
    """

    name: str
    title: str
    columns: Sequence[Column]
    references: Sequence[tuple[str, str]] = ()
    notes: list[str] = field(default_factory=list)
    remarks: dict[tuple[str, str], str] = field(default_factory=dict)
    _samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def line_up(self, servers: Iterable[Server]) -> None:
        """Give each server its row, in this order, whether it will be measured or not."""
        for server in servers:
            self._samples.setdefault(server.name, {})

    def add(self, row: str, column: str, value: float) -> None:
        """Add what one round measured."""
        self._samples.setdefault(row, {}).setdefault(column, []).append(value)

    def remark(self, row: str, text: str, column: str = "") -> None:
        """Put a word at the end of a row, or in place of a figure that there is not."""
        self._samples.setdefault(row, {})
        self.remarks[row, column] = text

    def rows(self) -> list[str]:
        """Give the names of the rows."""
        return list(self._samples)

    def figure(self, row: str, column: str) -> float | None:
        """Give what counts of the rounds, the median as a rule; None when it was not measured."""
        samples = self._samples.get(row, {}).get(column)
        if not samples:
            return None
        return max(samples) if self._is_worst(column) else median(samples)

    def _is_worst(self, column: str) -> bool:
        return any(c.worst for c in self.columns if c.name == column)

    def ratio(self, row: str, column: str, reference: str) -> float | None:
        """Give a row's figure divided by that of another row."""
        own, other = self.figure(row, column), self.figure(reference, column)
        return own / other if own is not None and other else None

    def as_json(self) -> dict[str, dict[str, dict[str, object]]]:
        """Give what counts and all samples, by row and column."""
        return {
            row: {
                column: {"figure": self.figure(row, column), "samples": samples} for column, samples in columns.items()
            }
            for row, columns in self._samples.items()
        }

    def render(self) -> str:
        """Give the table as text."""
        lines = [[""], *([row] for row in self._samples)]
        for column in self.columns:
            self._append(lines, column.title, [self._cell(row, column) for row in self._samples])
            for reference, title in self.references if column.ratios else ():
                if self.figure(reference, column.name) is not None:
                    ratios = [self.ratio(row, column.name, reference) for row in self._samples]
                    self._append(lines, title, [format_ratio(ratio) for ratio in ratios])
        for line, row in zip(lines[1:], self._samples, strict=True):
            line.append(self.remarks.get((row, ""), ""))
        return "\n".join([f"== {self.title}", *align(lines), *self._below()])

    @staticmethod
    def _append(lines: list[list[str]], title: str, cells: Sequence[str]) -> None:
        for line, cell in zip(lines, [title, *cells], strict=True):
            line.append(cell)

    def _cell(self, row: str, column: Column) -> str:
        value = self.figure(row, column.name)
        if value is None:
            return self.remarks.get((row, column.name), "-")
        return f"{value:,.{column.digits}f}"

    def _below(self) -> list[str]:
        rows = [(row, title) for row, title in self.references if self._samples.get(row)]
        legend = ", ".join(f"{title}: divided by that of {row}" for row, title in rows)
        noise = self._noise()
        return [f"   {note}" for note in filter(None, [legend, *self.notes, noise])]

    def _noise(self) -> str:
        spreads = [
            (spread(samples), row, column)
            for row, columns in self._samples.items()
            for column, samples in columns.items()
            if len(samples) > 2 and not self._is_worst(column)
        ]
        if not spreads:
            return ""
        worst, row, column = max(spreads)
        usual = median(value for value, _, _ in spreads)
        return (
            f"noise: the middle half of the rounds lies within {usual:.0%} as a rule, "
            f"at worst {worst:.0%} ({row}, {column})"
        )


def spread(samples: Sequence[float]) -> float:
    """Give the width of the middle half of the samples, relative to their median."""
    ordered = sorted(samples)
    quarter = len(ordered) // 4
    middle = median(ordered)
    return (ordered[-1 - quarter] - ordered[quarter]) / middle if middle else 0.0


def format_ratio(ratio: float | None) -> str:
    """Write a ratio; a tiny one as a fraction, which says more than 0.00."""
    if ratio is None:
        return "-"
    if 0 < ratio < TINY_RATIO:
        return f"1/{1 / ratio:,.0f}"
    return f"{ratio:.2f}"


def align(lines: Sequence[Sequence[str]]) -> list[str]:
    """Set cells in columns: the first and the last to the left, figures to the right."""
    width = max(len(line) for line in lines)
    padded = [[*line, *[""] * (width - len(line))] for line in lines]
    widths = [max(len(line[index]) for line in padded) for index in range(width)]
    return [
        "  ".join(
            cell.ljust(size) if index in (0, width - 1) else cell.rjust(size)
            for index, (cell, size) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in padded
    ]
