"""The ML Test Score as a page, on the terminal and as documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from tasks.artifacts.readiness import (
    Cadence,
    Combine,
    Found,
    Item,
    ItemScore,
    MLTestScore,
    Need,
    Proof,
    Section,
    SectionScore,
)
from tasks.reporting import readiness
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def item(section: Section = Section.DATA, number: int = 1, words: str = "") -> Item:
    needs = [
        Need(what=f"the tests passed: `tests/test_x.py`{words}", where="report", cadence=Cadence.TESTS, earn="make test"),
        Need(what="it was done", where="lake `proofs`", cadence=Cadence.HAND, earn="make serve; predictions; make collect"),
    ]
    return Item(
        section=section, number=number, title=f"Title {number}{words}", needs=needs, combine=Combine.PRACTISED, half="one", full="both"
    )


def scored(words: str = "") -> MLTestScore:
    """Return a score: the first test of each section has half a point, the others none."""
    items = [
        ItemScore(
            item=item(section, number, words),
            points=0.5 if number == 1 else 0,
            found=[Found(what=f"seen{words}", where=f"there{words}", at=AT, points=0.5)] if number == 1 else [],
            missing=[f"nothing there{words}"],
            earn=["make test", f"make x{words}"],
        )
        for section in Section
        for number in range(1, 8)
    ]
    sections = [SectionScore(section=section, points=0.5) for section in Section]
    return MLTestScore(at=AT, code_commit="c" * 40, items=items, sections=sections, final=0.5, reading=f"reading{words}")


def printed(record: MLTestScore, width: int = 80) -> str:
    console = Console(width=width, no_color=True, record=True, file=StringIO())
    console.print(readiness.closing(record))
    return console.export_text()


def test_a_page_shows_all_tests_with_evidence_and_what_is_missing() -> None:
    found = require_sound(readiness.document(scored()))
    assert len(found.of("h3")) == 28
    assert "½ · 1. Title 1 ½: seen (there, 2026-11-30 12:00 UTC) Missing: nothing there Run: make test" in found.text
    assert "ML Test Score 0.5 of 7, the least of data 0.5, model 0.5, infrastructure 0.5 and monitoring 0.5: reading." in found.text
    assert "Breck" in found.text


def test_earlier_scores_are_listed_the_newest_first() -> None:
    history = [Proof(kind="k", subject="c", holds=True, told=f"score {n}", at=AT, run="r", record="{}") for n in range(30)]
    text = require_sound(readiness.document(scored(), history)).text
    assert text.index("score 29") < text.index("score 10")
    assert "score 9 " not in text


def test_hostile_text_is_shown_and_does_nothing() -> None:
    found = require_sound(readiness.document(scored(HOSTILE)))
    assert "alert('x')" in found.text


def test_markup_in_evidence_is_printed_as_it_is() -> None:
    text = printed(scored(" [bold]x[/bold] [/]"))
    assert "[bold]x[/bold] [/]" in text


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_says_the_score_last_and_each_command_once(width: int) -> None:
    lines = printed(scored(), width).splitlines()
    assert sum("make test" in line for line in lines) == 1
    assert sum("Title" in line for line in lines) == 28
    assert "ML Test Score 0.5 of 7" in " ".join(lines[-4:])
    assert all(len(line) <= width for line in lines)


def test_the_rubric_is_a_table_a_section_with_commands_as_such() -> None:
    items = [item(section, number) for section in Section for number in range(1, 8)]
    text = readiness.rubric(items)
    assert text.count("\n## ") + text.startswith("## ") == 4
    assert text.count("| Title ") == 28
    assert "the tests passed: `tests/test_x.py` (report; with each change): `make test`<br>" in text
    assert "it was done (lake `proofs`; by hand): `make serve`; predictions; `make collect`<br>Half a point for either alone" in text
    assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("|"))
