"""Rows under headings, that ``print`` shows as text and a notebook as a table.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """What a table shows, as text: the first ``words`` columns hold words, the others numbers."""

    headings: list[str]
    rows: list[list[str]]
    words: int

    def text(self) -> str:
        """Columns of words flush left, of numbers flush right."""
        lines = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < self.words else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        """The same as a Markdown table, what stands in the first column in code marks."""
        rule = ["---" if column < self.words else "--:" for column in range(len(self.headings))]
        rows = [[f"`{row[0]}`" if row[0] else "", *row[1:]] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in (self.headings, rule, *rows))
