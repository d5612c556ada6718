from __future__ import annotations

import pytest

from tasks.reporting import page
from tasks.reporting.page import Entry
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "made",
    [
        page.escape(HOSTILE),
        page.badge(HOSTILE),
        page.lead("PASS", HOSTILE),
        page.heading(HOSTILE),
        page.paragraph(HOSTILE),
        page.bullets([HOSTILE]),
        page.facts([(HOSTILE, HOSTILE)]),
        page.figure("<img>", HOSTILE),
        page.table([HOSTILE, HOSTILE], [[HOSTILE, HOSTILE]]),
        page.page(HOSTILE, "", [Entry("a.html", HOSTILE, "")]),
        page.index(HOSTILE, [Entry("a.html", HOSTILE, HOSTILE)]),
    ],
)
def test_hostile_text_stays_text(made: str) -> None:
    assert "<script" not in made
    assert "<img src" not in made
    assert "alert(" in made  # shown, not dropped
    assert HOSTILE in " ".join(Tags(made.replace("<img>", "")).words)


def test_a_file_name_cannot_leave_its_attribute() -> None:
    (link,) = Tags(page.index("t", [Entry('a" onclick="x', "a", "")])).of("a")
    assert link == {"href": "a%22%20onclick%3D%22x"}


def test_page_is_whole_and_forbids_the_network() -> None:
    document = page.page("Title", page.fragment(page.lead("PASS", "It holds.")), [Entry("index.html", "Summary", "")])
    found = require_sound(document)
    assert document.startswith("<!doctype html>")
    policy = next(meta["content"] for meta in found.of("meta") if "http-equiv" in meta)
    assert str(policy).startswith("default-src 'none'")
    assert any(meta.get("name") == "viewport" for meta in found.of("meta"))
    assert document.count("<style>") == 1  # the fragment's own copy is not kept
    assert document.index("✓ PASS") > document.index("<h1>")


def test_fragment_carries_its_style() -> None:
    assert page.fragment("<p>x</p>").count("<style>") == 1


@pytest.mark.parametrize(
    ("verdict", "tone", "shown"),
    [
        ("PROMOTE", "good", "✓ PROMOTE"),
        ("WARN", "care", "! WARN"),
        ("HOLD", "bad", "✗ HOLD"),
        ("CHALLENGE", "info", "→ CHALLENGE"),
        ("ODD", "plain", "ODD"),  # not known: grey, without a sign
    ],
)
def test_badge_does_not_rest_on_colour(verdict: str, tone: str, shown: str) -> None:
    assert page.badge(verdict) == f'<span class="badge {tone}">{shown}</span>'


def test_table_aligns_numbers_and_marks_verdicts() -> None:
    made = page.table(
        ["Verdict", "Name", "Rows", "Log-loss", "Day", "Gain"],
        [
            [page.mark("PASS"), "a", "1,234", "0.5123 [0.4711, 0.5576]", "2013-01-01", None],
            [page.mark("STOP"), "b", "7", "0.5", "2013-01-02", "+0.01 [-0.02, +0.04]"],
        ],
    )
    assert '<div class="table r3 r4 r6"' in made  # a date is no number; a missing value does not matter
    assert '<td class="good">✓ PASS</td>' in made
    assert '<td class="bad">✗ STOP</td>' in made
    assert f"<td>{page.NOTHING}</td>" in made


def test_table_keeps_two_columns_of_one_title_and_shows_long_cells() -> None:
    words = "x" * 200  # pandas would cut it to 50
    made = page.table(["a", "a"], [[words, "second"]])
    assert words in made
    assert "second" in made


def test_table_says_what_it_leaves_out() -> None:
    made = page.table(["n"], [[i] for i in range(203)])
    assert made.count("<tr>") == 200
    assert "3 more rows not shown." in made
    assert "x" * 401 not in page.table(["n"], [["x" * 5000]])


def test_table_without_rows() -> None:
    assert Tags(page.table(["a", "b"], [])).text.startswith("a b")


def test_figure_without_an_image_is_nothing() -> None:
    assert page.figure("", "caption") == ""
