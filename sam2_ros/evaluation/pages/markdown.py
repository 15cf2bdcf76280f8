"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at the end."""
    return '\n'.join(map(markdown_row, (header, ['---'] * len(header), *rows)))


def markdown_row(cells: Sequence[str]) -> str:
    """One row of a table in Markdown, without a line break, for tables that are printed row by row."""
    return f'| {" | ".join(cells)} |'
