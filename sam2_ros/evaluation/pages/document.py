"""A result page as a list of blocks, written as Markdown and as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.evaluation.pages.markdown import markdown_table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #20242a; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .8rem; text-align: right; }
th:first-child, td:first-child, td.text { text-align: left; }
tr.own td { background: #eaf4ea; font-weight: 600; }
figure { margin: 1rem 0; }
img { max-width: 100%; }
figcaption { color: #5a6068; }
code { background: #f3f1ea; padding: .1rem .3rem; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the page."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Text of one or several paragraphs, parted by empty lines."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: of the columns.
        rows: cells as they are shown.
        own: indices of the rows that stand out.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    own: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A picture in a file.

    Attributes:
        path: of the file, relative to the page.
        caption: below it.
    """

    path: str
    caption: str


Block = Heading | Paragraph | Bullets | Table | Picture


def to_markdown(blocks: Sequence[Block]) -> str:
    """The page in Markdown."""
    return '\n\n'.join(map(_markdown, blocks)) + '\n'


def to_html(blocks: Sequence[Block]) -> str:
    """The page in HTML."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), '')
    body = '\n'.join(map(_html, blocks))
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<style>{_STYLE}</style>\n{body}\n</html>\n'
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f'{"#" * block.level} {block.text}'
    if isinstance(block, Paragraph):
        return block.text
    if isinstance(block, Bullets):
        return '\n'.join(f'- {item}' for item in block.items)
    if isinstance(block, Table):
        rows = [
            [f'**{cell}**' if number in block.own and cell else cell for cell in row]
            for number, row in enumerate(block.rows)
        ]
        return markdown_table(block.header, rows)
    return f'![{block.caption}]({block.path})\n\n{block.caption}'


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f'<h{block.level}>{html.escape(block.text)}</h{block.level}>'
    if isinstance(block, Paragraph):
        return '\n'.join(f'<p>{_text(part)}</p>' for part in block.text.split('\n\n'))
    if isinstance(block, Bullets):
        return '<ul>' + ''.join(f'<li>{_text(item)}</li>' for item in block.items) + '</ul>'
    if isinstance(block, Table):
        head = ''.join(f'<th>{html.escape(cell)}</th>' for cell in block.header)
        rows = ''.join(
            f'<tr{" class=own" if number in block.own else ""}>'
            + ''.join(f'<td{"" if _is_number(cell) else " class=text"}>{html.escape(cell)}</td>' for cell in row)
            + '</tr>\n'
            for number, row in enumerate(block.rows)
        )
        return f'<table>\n<tr>{head}</tr>\n{rows}</table>'
    return (
        f'<figure><img loading="lazy" src="{html.escape(block.path)}" alt="{html.escape(block.caption)}">'
        f'<figcaption>{html.escape(block.caption)}</figcaption></figure>'
    )


def _text(text: str) -> str:
    """Text with `code` in it."""
    return re.sub(r'`([^`]*)`', r'<code>\1</code>', html.escape(text))


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip('-').replace('.', '', 1).isdecimal()
