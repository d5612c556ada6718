"""Blocks of a document that is read as Markdown (in the docs) and as HTML (in a Deck): paragraphs, lists, tables, titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.reporting import page


@dataclass(frozen=True)
class Grid:
    """A table: a header a column, and rows of as many cells."""

    headers: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Bullets:
    """A list without order."""

    items: list[str]


@dataclass(frozen=True)
class Title:
    """A title of the third level, above what is said of it."""

    words: str


Block = str | Grid | Bullets | Title
"""A text by itself is a paragraph."""


def plain(words: str) -> str:
    """Return a text that neither ends a cell nor opens a tag in Markdown."""
    return " ".join(words.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def to_markdown(block: Block) -> str:
    """Return a block as Markdown, without a line break at its end."""
    match block:
        case Title(words):
            return f"### {plain(words)}"
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Grid(headers, rows):
            lines = [headers, ("---",) * len(headers), *(tuple(map(plain, row)) for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case words:
            return plain(words)


def to_html(block: Block) -> str:
    """Return a block as HTML; see `page` for the style that it takes."""
    match block:
        case Title(words):
            return f"<h3>{page.escape(words)}</h3>"
        case Bullets(items):
            return page.bullets(items)
        case Grid(headers, rows):
            return page.table(headers, rows)
        case said:
            return page.words(said)
