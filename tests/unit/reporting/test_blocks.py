"""Blocks of a document in both of their forms."""

from __future__ import annotations

import pytest

from tasks.reporting.blocks import Block, Bullets, Grid, Title, plain, to_html, to_markdown
from tests.unit.reporting.documents import HOSTILE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("block", "markdown", "html"),
    [
        ("Two words.", "Two words.", "Two words."),
        (Title("parcels"), "### parcels", "<h3>parcels</h3>"),
        (Bullets(["one", "two"]), "- one\n- two", "<li>one</li>"),
        (Grid(("a", "b"), [("1", "2")]), "| a | b |\n| --- | --- |\n| 1 | 2 |", "<td>1</td>"),
    ],
    ids=["paragraph", "title", "list", "table"],
)
def test_both_forms(block: Block, markdown: str, html: str) -> None:
    assert to_markdown(block) == markdown
    assert html in to_html(block)


@pytest.mark.parametrize("block", [HOSTILE, Title(HOSTILE), Bullets([HOSTILE]), Grid(("a",), [(HOSTILE,)])], ids=lambda b: type(b).__name__)
def test_hostile_text_stays_text(block: Block) -> None:
    for written in (to_markdown(block), to_html(block)):
        assert "<script" not in written
        assert "<img" not in written


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a|b", r"a\|b"),  # else it would end a cell
        ("a\n\nb", "a b"),  # or a row
        ("_a_ *b*", r"\_a\_ \*b\*"),
        ("a\\b", r"a\\b"),
        ("<b>", "&lt;b>"),
    ],
)
def test_markdown_has_no_meaning_in_plain_text(words: str, expected: str) -> None:
    assert plain(words) == expected
