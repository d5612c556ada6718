"""What the audit trail's Deck says, and what a person is asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.artifacts.audit import Act, AuditEntry, AuditReport
from tasks.artifacts.evaluation import Verdict
from tasks.reporting import audit
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit


def entry(number: int, reason: str = "good") -> AuditEntry:
    return AuditEntry(
        number=number,
        at=datetime(2013, 10, number, 8, tzinfo=UTC),
        act=Act.PROMOTION,
        by="Ada Example",
        subject=f"flights version {number}",
        reason=reason,
        evidence="{}",
        previous=factory.digest(number),
        hash=factory.digest(number + 1),
    )


def report(*newest: AuditEntry, broken_at: int | None = None) -> AuditReport:
    problem = "" if broken_at is None else "was changed after it was written"
    return AuditReport(rows=len(newest), is_whole=broken_at is None, broken_at=broken_at, problem=problem, newest=list(newest))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (report(), ["✓ PASS", "The audit trail of 0 rows is whole", "There are none yet."]),
        (report(entry(1)), ["✓ PASS", "of 1 row is whole", "flights version 1", factory.digest(2)]),
        (report(entry(1), entry(2), broken_at=2), ["✗ STOP", "does not hold: row 2 was changed after it was written."]),
    ],
)
def test_the_section_says_the_verdict_first(record: AuditReport, words: list[str]) -> None:
    said = require_sound(audit.audit(record)).text
    places = [said.index(word) for word in words]
    assert places == sorted(places)


def test_the_newest_row_stands_first_and_no_text_is_markup() -> None:
    said = require_sound(audit.audit(report(entry(1), entry(2, HOSTILE)))).text
    assert said.index("flights version 2") < said.index("flights version 1")
    assert "<script>" in said  # as text


def test_a_terminal_shows_verdict_reasons_requirements_and_where_to_read() -> None:
    decision = factory.decision(Verdict.REVIEW)
    shown = audit.question(decision, 3, "file:///dossier")
    assert shown.index("version 3: REVIEW") < shown.index(decision.reasons[0]) < shown.index("FAILS") < shown.index("holds")
    assert all(c.name in shown for c in decision.criteria)
    assert "dossier  file:///dossier" in shown


def test_what_is_approved_is_one_line_that_says_what_an_empty_answer_does() -> None:
    line = audit.asked("flights", 3, factory.decision(Verdict.REVIEW), "abcdef0123456789", "Ada Example")
    assert line == "flights version 3, REVIEW, dossier abcdef012345, in the name of Ada Example (Enter means yes, n refuses)"
