"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, without a line break at the end."""
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in (header, ['---'] * len(header), *rows))
