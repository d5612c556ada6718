"""The rules about batches on the real year: no day stops, what warns is an event that people remember, damage stops."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, Severity, TableVersion, ValidationReport
from tasks.usecase import policy, source
from tasks.usecase.contract import FLIGHTS, TABLES, WEATHER
from tasks.validation.batch import validate
from tasks.validation.change import changes
from tasks.validation.outcome import Outcome
from tasks.validation.profile import DAY, profile
from tests.feeds import accepted

pytestmark = pytest.mark.data

YEAR_END = datetime(2014, 1, 1, tzinfo=UTC)
EVENTS = {
    ("volume of flights", date(2013, 7, 4)),  # Independence Day
    ("volume of flights", date(2013, 11, 28)),  # Thanksgiving
    ("volume of flights", date(2013, 11, 29)),  # the Friday after it
    ("volume of flights", date(2013, 12, 25)),  # Christmas
    ("nulls of flights", date(2013, 2, 8)),  # the blizzard of February cancels half of two days
    ("nulls of flights", date(2013, 2, 9)),
    ("scale of flights", date(2013, 3, 8)),  # a snow storm: the median departure is an hour late
    ("scale of flights", date(2013, 11, 28)),  # Thanksgiving's flights leave in the morning
    ("categories of flights", date(2013, 1, 30)),  # SkyWest's first flight
    ("categories of flights", date(2013, 2, 2)),  # Frontier does not fly, for the first time
    ("categories of flights", date(2013, 8, 31)),  # nor here
    ("categories of flights", date(2013, 9, 12)),  # nor Hawaiian
    ("categories of flights", date(2013, 11, 28)),  # nor Mesa, on Thanksgiving
    ("categories of flights", date(2013, 3, 1)),  # new routes, of the season or the year: Charlottesville, ...
    ("categories of flights", date(2013, 3, 2)),  # Bangor
    ("categories of flights", date(2013, 4, 22)),  # Albuquerque
    ("categories of flights", date(2013, 5, 16)),  # Nantucket and Martha's Vineyard
    ("categories of flights", date(2013, 6, 14)),  # Traverse City
    ("categories of flights", date(2013, 7, 6)),  # Anchorage
    ("categories of flights", date(2013, 7, 27)),  # LaGuardia: one flight from Newark
    ("categories of flights", date(2013, 8, 30)),  # South Bend: football
    ("categories of flights", date(2013, 9, 7)),  # Wilmington
    ("categories of flights", date(2013, 11, 24)),  # Lexington
    ("gaps of weather", date(2013, 10, 25)),  # six hours without readings, to 26 October 06 UTC; four of them are of this day
    ("gaps of weather", date(2013, 11, 2)),  # and six to 3 November
    ("nulls of weather", date(2013, 5, 8)),  # pressure is missing for most of a wet day
}
"""Every rule and day that warns."""
AT_THE_END = {("newest day of weather", None), ("freshness of weather", date(2013, 12, 30))}
"""The weather ends on 30 December, a day before the flights."""


@pytest.fixture(scope="module")
def rows(parsed: dict[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    """What keeps the contract."""
    return accepted(parsed)


def judged(rows: dict[str, pl.LazyFrame], as_of: datetime) -> ValidationReport:
    frames = {name: frame.collect().lazy() for name, frame in source.known_by(rows, as_of).items()}
    days = {table.name: source.day_of(table) for table in TABLES if table.is_daily}
    span = frames["flights"].select(days["flights"].min().alias("a"), days["flights"].max().alias("b")).collect().row(0)
    snapshot = DataSnapshot.model_construct(
        source="real",
        as_of=as_of,
        first_day=span[0],
        last_day=span[1],
        tables=[TableVersion(name=t.name, uri="", version=0, rows=1, content_hash="") for t in TABLES],
        quarantined=[],
        rows_read=0,
        content_hash="",
    )
    dated = {name: frames[name].with_columns(day.alias(DAY)) for name, day in days.items()}
    profiles = {table.name: profile(dated.get(table.name, frames[table.name]).collect(), table) for table in TABLES}
    nothing = pl.DataFrame(schema={"table": pl.String, DAY: pl.Date, "rows_read": pl.Int64, "rows": pl.Int64, "quarantined": pl.Int64})
    return validate(snapshot, profiles, nothing, TABLES, policy.BATCH)


def test_what_warns_in_the_year_is_known(rows: dict[str, pl.LazyFrame]) -> None:
    report = judged(rows, YEAR_END)
    told = {(f.rule, f.day): f.severity for f in report.findings if f.severity != Severity.PASS}
    assert told == dict.fromkeys(EVENTS | AT_THE_END, Severity.WARN)


@pytest.mark.parametrize(
    ("as_of", "only_here"),
    [
        (datetime(2013, 1, 2, tzinfo=UTC), set()),  # a day
        (datetime(2013, 1, 20, 12, tzinfo=UTC), set()),  # too few weeks to compare
        (datetime(2013, 2, 9, 18, tzinfo=UTC), set()),  # in the blizzard
        (datetime(2013, 3, 10, 9, tzinfo=UTC), set()),  # the clocks change
        (datetime(2013, 6, 1, tzinfo=UTC), set()),
        (datetime(2013, 10, 1, tzinfo=UTC), set()),
        (datetime(2013, 10, 26, 10, tzinfo=UTC), {("freshness of weather", date(2013, 10, 26))}),  # after the gap
        (datetime(2013, 11, 3, 10, tzinfo=UTC), {("freshness of weather", date(2013, 11, 3)), ("gaps of weather", date(2013, 11, 2))}),
        (datetime(2013, 12, 31, 7, tzinfo=UTC), {("freshness of weather", date(2013, 12, 30))}),
        (datetime(2014, 1, 1, 23, 59, tzinfo=UTC), AT_THE_END),  # as late as ingest allows
    ],
)
def test_no_instant_stops_and_each_tells_what_had_happened(
    rows: dict[str, pl.LazyFrame], as_of: datetime, only_here: set[tuple[str, date | None]]
) -> None:
    report = judged(rows, as_of)
    assert [f for f in report.findings if f.severity == Severity.STOP] == []
    told = {(f.rule, f.day) for f in report.findings if f.severity == Severity.WARN}
    newest = report.rows_by_day and date.fromisoformat(max(report.rows_by_day))
    past = {(rule, day) for rule, day in EVENTS if newest and day < newest}
    assert told == past | only_here


DAMAGED = [date(2013, 3, 13), date(2013, 9, 4)]


def _minutes(name: str) -> pl.Expr:
    return pl.col(name) // 100 * 60 + pl.col(name) % 100


@pytest.mark.parametrize(
    ("table", "changed", "rule", "severity"),
    [
        ("flights", {"distance": pl.col("distance") * 1.609}, "scale", "STOP"),  # kilometres
        ("flights", {"sched_arr_time": _minutes("sched_arr_time")}, "scale", "STOP"),  # minutes of the day for HHMM
        ("flights", {"sched_arr_time": (pl.col("sched_arr_time") + 500) % 2400}, "scale", "STOP"),  # UTC for local
        ("flights", {"hour": (pl.col("hour") + 5) % 24}, "scale", "STOP"),  # likewise
        ("flights", {"arr_delay": pl.col("arr_delay") * 60}, "scale", "STOP"),  # seconds
        ("flights", {"arr_delay": pl.col("arr_delay").shuffle(seed=1)}, "labels", "STOP"),
        ("flights", {"arr_delay": pl.lit(None)}, "nulls", "STOP"),
        ("flights", {"dest": "K" + pl.col("dest")}, "categories", "STOP"),  # four letters for three
        ("flights", {"carrier": pl.lit("AA")}, "constants", "STOP"),
        ("weather", {"humid": pl.col("humid") / 100}, "scale", "STOP"),  # a share for percent
        ("weather", {"temp": pl.lit(41.0)}, "constants", "STOP"),  # a sensor that is stuck
        ("weather", {"temp": pl.lit(None)}, "nulls", "STOP"),
    ],
)
def test_a_damaged_day_of_the_year_stops(
    rows: dict[str, pl.LazyFrame], table: str, changed: dict[str, pl.Expr], rule: str, severity: str
) -> None:
    found = _changes(rows, table, changed, DAMAGED)
    events = next(outcome.events for outcome in found if outcome.rule == f"{rule} of {table}")
    assert [str(e.severity) for e in events if e.day in DAMAGED] == [severity] * len(DAMAGED)


def test_celsius_for_a_week_stops(rows: dict[str, pl.LazyFrame]) -> None:
    """On one day it may be a front; that a week is so cold tells it."""
    week = [date(2013, 9, day) for day in range(2, 10)]
    found = _changes(rows, "weather", {"temp": (pl.col("temp") - 32) / 1.8}, week)
    scale = next(outcome for outcome in found if outcome.rule == "scale of weather")
    assert Severity.STOP in {e.severity for e in scale.events if e.day in week}


def _changes(rows: dict[str, pl.LazyFrame], name: str, changed: dict[str, pl.Expr], on: Sequence[date]) -> list[Outcome]:
    table = FLIGHTS if name == "flights" else WEATHER
    frame = rows[name].with_columns(source.day_of(table).alias(DAY)).collect()
    is_it = pl.col(DAY).is_in(list(on))
    bad = frame.filter(is_it).with_columns(e.cast(frame.schema[c]).alias(c) for c, e in changed.items())
    return changes(profile(pl.concat([frame.filter(~is_it), bad]), table), table, policy.BATCH)
