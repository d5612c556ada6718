"""Validation of a whole batch: each rule passes, warns and stops where its thresholds say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, Finding, QuarantineCount, Severity, TableVersion, ValidationReport
from tasks.artifacts.settings import BatchRules
from tasks.contracts import RowRule, Table
from tasks.validation.batch import validate

pytestmark = pytest.mark.unit

FIRST = date(2013, 1, 1)
DAYS, ROWS_A_DAY = 28, 20
RULES = BatchRules(
    fewest_rows=500,
    fewest_days=20,
    missing_days_warn=1,
    missing_days_stop=3,
    thin_day_share_warn=0.5,
    thin_day_share_stop=0.1,
    quarantined_share_warn=0.01,
    quarantined_share_stop=0.1,
)


class Toy(pa.DataFrameModel):
    on: pl.Date
    value: int = pa.Field(ge=0)


class Places(pa.DataFrameModel):
    place: str


TOY = Table("toy", Toy, ("value",), (RowRule("value must not be 13", "", pl.col("value") != 13),))
PLACES = Table("places", Places, ("place",), is_daily=False)


def frame(rows_by_day: dict[int, int] | None = None, days: int = DAYS) -> pl.DataFrame:
    """Return a row for each of twenty a day, with other numbers of rows on the days given."""
    counts = [(rows_by_day or {}).get(d, ROWS_A_DAY) for d in range(days)]
    on = [FIRST + timedelta(days=d) for d, n in enumerate(counts) for _ in range(n)]
    return pl.DataFrame({"on": on, "value": [1] * len(on)}, schema={"on": pl.Date, "value": pl.Int64})


def check(rows: pl.DataFrame, quarantined: int = 0, rules: BatchRules = RULES) -> ValidationReport:
    def version(name: str, height: int) -> TableVersion:
        return TableVersion(name=name, uri=name, version=0, rows=height, content_hash="")

    snapshot = DataSnapshot(
        source="toy",
        as_of=datetime(2013, 2, 1, tzinfo=UTC),
        first_day=FIRST,
        last_day=FIRST + timedelta(days=DAYS - 1),
        tables=[version("toy", rows.height), version("places", 1)],
        quarantined=[QuarantineCount(table="toy", rows=quarantined, reasons={"value: bad": quarantined})] if quarantined else [],
        rows_read=rows.height,
        content_hash="abc",
    )
    frames = {"toy": rows.lazy(), "places": pl.LazyFrame({"place": ["x"]})}
    return validate(snapshot, frames, (TOY, PLACES), {"toy": pl.col("on")}, rules)


def finding(report: ValidationReport, rule: str) -> Finding:
    return next(f for f in report.findings if f.rule == rule)


def test_a_sound_batch_passes_every_rule() -> None:
    report = check(frame())
    assert report.verdict == Severity.PASS
    assert {f.severity for f in report.findings} == {Severity.PASS}
    assert report.snapshot_hash == "abc"
    assert report.rows_by_day == {str(FIRST + timedelta(days=d)): ROWS_A_DAY for d in range(DAYS)}
    assert len(report.findings) == 2 + 2 + 1 + 1 + 2  # rows, days; contracts; missing and thin days; quarantine of both tables


@pytest.mark.parametrize(
    ("rows", "quarantined", "rule", "severity", "found"),
    [
        # missing days: counted between the first and the last
        ({5: 0}, 0, "missing days of toy", Severity.WARN, "1 missing, such as 2013-01-06"),
        ({5: 0, 9: 0}, 0, "missing days of toy", Severity.WARN, "2 missing, such as 2013-01-06"),
        ({5: 0, 9: 0, 10: 0}, 0, "missing days of toy", Severity.STOP, "3 missing, such as 2013-01-06"),
        ({0: 0, 27: 0}, 0, "missing days of toy", Severity.PASS, "0 missing"),  # the window is shorter, nothing is missing
        # thin days: at the threshold it counts
        ({5: 11}, 0, "thin days of toy", Severity.PASS, "least 55% on 2013-01-06"),
        ({5: 10}, 0, "thin days of toy", Severity.WARN, "least 50% on 2013-01-06"),
        ({5: 3}, 0, "thin days of toy", Severity.WARN, "least 15% on 2013-01-06"),
        ({5: 2}, 0, "thin days of toy", Severity.STOP, "least 10% on 2013-01-06"),
        ({0: 1, 27: 1}, 0, "thin days of toy", Severity.PASS, "least 100%"),  # the clock may cut the first and the last day
        ({5: 200}, 0, "thin days of toy", Severity.PASS, "least 100%"),  # full is not thin
        # quarantine: share of all rows read, the stored ones and those set aside
        ({}, 5, "quarantine of toy", Severity.PASS, "5 rows, 0.885%"),
        ({}, 6, "quarantine of toy", Severity.WARN, "6 rows, 1.060%"),
        ({}, 62, "quarantine of toy", Severity.WARN, "62 rows, 9.968%"),
        ({}, 63, "quarantine of toy", Severity.STOP, "63 rows, 10.112%"),
    ],
)
def test_rules_about_days(rows: dict[int, int], quarantined: int, rule: str, severity: Severity, found: str) -> None:
    report = check(frame(rows), quarantined)
    assert finding(report, rule).severity == severity
    assert finding(report, rule).found.startswith(found)
    # All else is sound, so the verdict is that of this rule (a day without rows is missing, not thin).
    assert report.verdict == severity


def test_weekdays_are_compared_with_their_own_kind() -> None:
    """Every Saturday has a tenth of the rows; that is how Saturdays are."""
    saturdays = {d: 2 for d in range(DAYS) if (FIRST + timedelta(days=d)).weekday() == 5}
    assert finding(check(frame(saturdays)), "thin days of toy").severity == Severity.PASS


@pytest.mark.parametrize(
    ("days", "rule", "severity"),
    [
        (25, "rows", Severity.PASS),  # 500 rows exactly
        (24, "rows", Severity.STOP),
        (20, "days", Severity.PASS),
        (19, "days", Severity.STOP),
        (2, "days", Severity.STOP),
        (1, "days", Severity.STOP),
        (0, "rows", Severity.STOP),  # no rows at all
    ],
)
def test_too_little_stops(days: int, rule: str, severity: Severity) -> None:
    report = check(frame(days=days))
    assert finding(report, rule).severity == severity
    assert report.verdict == (Severity.STOP if days < 25 else Severity.PASS)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (pl.lit(-1), "value: must be at least 0, broken by 560 rows"),
        (pl.lit(13), "(row): value must not be 13, broken by 560 rows"),  # rules over a row as well
    ],
)
def test_a_row_that_breaks_its_contract_stops(change: pl.Expr, found: str) -> None:
    report = check(frame().with_columns(value=change.cast(pl.Int64)))
    assert found in finding(report, "contract of toy").found
    assert finding(report, "contract of places").severity == Severity.PASS
    assert report.verdict == Severity.STOP


def test_the_worst_finding_decides_and_all_are_told() -> None:
    report = check(frame({5: 0, 8: 1}), quarantined=6)
    told: dict[str, Any] = {f.rule: f.severity for f in report.findings if f.severity != Severity.PASS}
    assert told == {"missing days of toy": Severity.WARN, "thin days of toy": Severity.STOP, "quarantine of toy": Severity.WARN}
    assert report.verdict == Severity.STOP
