"""What a rule found, as findings: one that passes, or each day's, the worst first and no more than a reader reads."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.artifacts.data import Finding, Severity
from tasks.validation.outcome import Event, Outcome, by_day, graded, shortened

pytestmark = pytest.mark.unit

FIRST = date(2013, 1, 1)


def findings(severities: list[Severity]) -> list[Finding]:
    events = [Event(FIRST + timedelta(days=i), severity, "bad") for i, severity in enumerate(severities)]
    return Outcome("volume", "much", "all good", events).findings()


def test_without_events_it_passes() -> None:
    assert findings([]) == [Finding(rule="volume", severity=Severity.PASS, expected="much", found="all good")]


def test_the_worst_come_first_and_then_the_newest() -> None:
    kept = shortened(findings([Severity.WARN, Severity.STOP, Severity.WARN]))
    assert [(f.severity, f.day) for f in kept] == [
        (Severity.STOP, date(2013, 1, 2)),
        (Severity.WARN, date(2013, 1, 3)),
        (Severity.WARN, date(2013, 1, 1)),
    ]


def test_many_are_counted() -> None:
    kept = shortened(findings([Severity.STOP] * 25 + [Severity.WARN] * 10))
    assert len(kept) == 21
    assert (kept[-1].severity, kept[-1].day, kept[-1].found) == (Severity.STOP, None, "15 more, 2013-01-01 to 2013-02-04")


@pytest.mark.parametrize(("value", "severity"), [(0.9, "PASS"), (1, "WARN"), (1.9, "WARN"), (2, "STOP"), (float("nan"), "PASS")])
def test_grades(value: float, severity: str) -> None:
    assert graded(value, 1, 2) == severity


def test_columns_of_a_day_are_one_event() -> None:
    frame = pl.DataFrame({"day": [FIRST, FIRST], "is_stop": [False, True], "found": ["a", "b"]})
    assert by_day(frame, "day") == [Event(FIRST, Severity.STOP, "b; a")]
