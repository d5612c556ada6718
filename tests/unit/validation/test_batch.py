"""Validation of a whole snapshot: all rules together, quarantine, contracts, overrides and the verdict."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.artifacts.data import Finding, Override, Severity, ValidationReport
from tasks.validation.batch import rule_names
from tests.unit.validation import toy
from tests.unit.validation.toy import check, events

pytestmark = pytest.mark.unit

BAD = 50


def finding(report: ValidationReport, rule: str) -> Finding:
    return next(f for f in report.findings if f.rule == rule)


def override(rule: str = "volume of toy", day: date | None = toy.day(BAD), by: str = "Ada Example") -> Override:  # noqa: B008
    return Override(rule=rule, day=day, by=by, reason="a strike", at=datetime(2013, 3, 1, tzinfo=UTC))


def test_a_sound_batch_passes_every_rule() -> None:
    report = check(events())
    assert report.verdict == Severity.PASS
    assert {f.severity for f in report.findings} == {Severity.PASS}
    assert report.snapshot_hash == "abc"
    assert report.rows_by_day == {str(toy.day(d)): toy.ROWS_A_DAY for d in range(toy.DAYS)}
    assert report.overrides == []


def test_every_rule_has_one_finding_and_is_known_by_its_name() -> None:
    told = [f.rule for f in check(events()).findings]
    assert sorted(told) == sorted(rule_names((toy.TOY, toy.PLACES)))
    assert {"gaps of readings", "freshness of readings"} <= set(rule_names((toy.READINGS,)))


@pytest.mark.parametrize(
    ("quarantined", "severity", "found"),
    [
        # share of all rows read, the stored ones and those set aside
        (25, Severity.PASS, "25 rows, 0.982%"),
        (26, Severity.WARN, "26 rows, 1.021%"),
        (279, Severity.WARN, "279 rows, 9.968%"),
        (280, Severity.STOP, "280 rows, 10.000%"),
    ],
)
def test_quarantine(quarantined: int, severity: Severity, found: str) -> None:
    report = check(events(), quarantined)
    assert (finding(report, "quarantine of toy").severity, finding(report, "quarantine of toy").found) == (severity, found)
    assert report.verdict == severity


@pytest.mark.parametrize(
    ("bad", "severity", "found"),
    [(9, None, ""), (10, Severity.WARN, "10 of 50 rows"), (40, Severity.STOP, "40 of 80 rows"), (200, Severity.STOP, "200 of 240 rows")],
)
def test_quarantine_of_one_day(bad: int, severity: Severity | None, found: str) -> None:
    report = check(events(), bad_by_day={toy.day(BAD): bad})
    told = [(f.severity, f.found) for f in report.findings if f.rule == "quarantine of toy" and f.day == toy.day(BAD)]
    assert told == ([(severity, found)] if severity else [])


def test_a_day_of_which_every_row_is_set_aside_stops() -> None:
    report = check(events().filter(pl.col("on") != toy.day(BAD)), bad_by_day={toy.day(BAD): 40})
    assert (toy.day(BAD), "40 of 40 rows") in {(f.day, f.found) for f in report.findings if f.severity == Severity.STOP}


@pytest.mark.parametrize("days", [0, 1, 10])
def test_few_days_are_too_few_to_compare(days: int) -> None:
    """Whether they are enough to train on is for the split to say."""
    rows = events(days=days) if days else events(days=1).clear()
    report = check(rows, as_of=datetime(2013, 1, max(1, days), 23, tzinfo=UTC))
    assert report.verdict == Severity.PASS


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (pl.lit(-1.0), "value: must be at least 0, broken by 40 rows"),
        (pl.lit(13.0), "(row): value must not be 13, broken by 40 rows"),  # rules over a row as well
    ],
)
def test_a_row_that_breaks_its_contract_stops(change: pl.Expr, found: str) -> None:
    report = check(events().with_columns(value=change))
    assert found in finding(report, "contract of toy").found  # of the newest day
    assert sum(f.rule == "contract of toy" for f in report.findings) == 21
    assert finding(report, "contract of places").severity == Severity.PASS
    assert report.verdict == Severity.STOP


def test_the_worst_finding_decides_and_all_are_told() -> None:
    report = check(events({5: 0, BAD: 1, BAD + 1: 30}), quarantined=30)
    told = [(f.rule, f.severity, f.day) for f in report.findings if f.severity != Severity.PASS]
    assert told == [
        ("quarantine of toy", Severity.WARN, None),
        ("missing days of toy", Severity.WARN, None),
        ("volume of toy", Severity.STOP, toy.day(BAD)),
        ("volume of toy", Severity.WARN, toy.day(BAD + 1)),
    ]
    assert report.verdict == Severity.STOP


@pytest.mark.parametrize("day", [toy.day(BAD), None])
def test_an_override_lets_pass_and_says_who(day: date | None) -> None:
    report = check(events({BAD: 1}), overrides=(override(day=day),))
    found = finding(report, "volume of toy")
    assert (found.severity, report.verdict) == (Severity.WARN, Severity.WARN)
    assert found.found.endswith("; overridden by Ada Example: a strike")
    assert report.overrides == [override(day=day)]


@pytest.mark.parametrize(
    "other",
    [
        override("nulls of toy"),
        override(day=toy.day(BAD + 1)),
        override("missing days of toy", None),
    ],  # another rule, day, rule of all days
)
def test_an_override_of_something_else_changes_nothing(other: Override) -> None:
    report = check(events({BAD: 1}), overrides=(other,))
    assert (report.verdict, report.overrides) == (Severity.STOP, [])


def test_an_override_of_what_does_not_stop_is_not_used() -> None:
    report = check(events({BAD: 30}), overrides=(override(),))
    assert "overridden" not in finding(report, "volume of toy").found
    assert report.overrides == []


def test_one_overridden_day_leaves_the_other_stopped() -> None:
    report = check(events({BAD: 1, BAD + 1: 1}), overrides=(override(),))
    assert {f.day: f.severity for f in report.findings if f.rule == "volume of toy"} == {
        toy.day(BAD + 1): Severity.STOP,
        toy.day(BAD): Severity.WARN,
    }
    assert report.verdict == Severity.STOP


def test_the_last_override_counts() -> None:
    report = check(events({BAD: 1}), overrides=(override(), override(by="Grace Example")))
    assert [o.by for o in report.overrides] == ["Grace Example"]


def test_a_report_survives_json() -> None:
    report = check(events({BAD: 1}), overrides=(override(),))
    assert ValidationReport.model_validate_json(report.model_dump_json()) == report
