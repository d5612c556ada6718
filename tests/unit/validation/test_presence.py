"""Which days and readings are there: missing, late, doubled, silent, or one station short."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from tasks.validation.outcome import TOO_FEW, Outcome
from tasks.validation.presence import instant_column, presence
from tests.unit.validation import toy

pytestmark = pytest.mark.unit

BAD = 50


def judged(rows: pl.DataFrame, as_of: datetime = toy.AS_OF, table: object = toy.TOY) -> dict[str, Outcome]:
    chosen = toy.READINGS if table is toy.READINGS else toy.TOY
    outcomes = presence(toy.profiled(rows, chosen), chosen, toy.FIRST, as_of, toy.RULES)
    return {outcome.rule.removesuffix(f" of {chosen.name}"): outcome for outcome in outcomes}


def told(outcome: Outcome) -> list[tuple[str, object]]:
    return [(str(e.severity), e.day) for e in outcome.events]


def test_what_is_all_there_passes() -> None:
    outcomes = judged(toy.events())
    assert set(outcomes) == {"missing days", "newest day", "duplicates", "repeated days"}
    series = judged(toy.readings(), table=toy.READINGS)
    assert set(series) - set(outcomes) == {"gaps", "freshness"}
    assert [told(o) for o in (*outcomes.values(), *series.values())] == [[]] * 10


def test_readings_have_an_instant_in_their_key() -> None:
    assert (instant_column(toy.READINGS), instant_column(toy.TOY)) == ("at", None)


@pytest.mark.parametrize(
    ("gone", "severity", "found"),
    [
        ([], None, "0 missing"),
        ([5], "WARN", "1 missing, such as 2013-01-06"),
        ([0], "WARN", "1 missing, such as 2013-01-01"),  # the snapshot begins on this day
        ([5, 9, 10], "STOP", "3 missing, such as 2013-01-06"),
        ([toy.DAYS - 1], None, "0 missing"),  # late, not missing
    ],
)
def test_missing_days(gone: list[int], severity: str | None, found: str) -> None:
    outcome = judged(toy.events(dict.fromkeys(gone, 0)))["missing days"]
    assert told(outcome) == ([(severity, None)] if severity else [])
    assert outcome.findings()[0].found == found


@pytest.mark.parametrize(
    ("later", "severity", "found"),
    [
        (timedelta(hours=24), None, "the newest is 2013-03-04"),  # tomorrow at eleven: the night's flights may be yet to come
        (timedelta(hours=26), "WARN", "the newest is 2013-03-04, 1 day late"),
        (timedelta(days=3), "WARN", "the newest is 2013-03-04, 2 days late"),
        (timedelta(days=4), "STOP", "the newest is 2013-03-04, 3 days late"),
    ],
)
def test_late_days(later: timedelta, severity: str | None, found: str) -> None:
    outcome = judged(toy.events(), toy.AS_OF + later)["newest day"]
    assert told(outcome) == ([(severity, None)] if severity else [])
    assert outcome.findings()[0].found == found


def test_a_table_without_any_day_is_late() -> None:
    outcomes = judged(toy.events().clear())
    assert told(outcomes["newest day"]) == [("STOP", None)]
    assert "the newest is none" in outcomes["newest day"].findings()[0].found


@pytest.mark.parametrize(("repeated", "severity"), [(0, None), (1, "WARN"), (4, "WARN"), (5, "STOP")])
def test_keys_that_repeat(repeated: int, severity: str | None) -> None:
    rows = toy.events()
    outcome = judged(pl.concat([rows, rows.filter(pl.col("on") == toy.day(BAD)).head(repeated)]))["duplicates"]
    assert told(outcome) == ([(severity, toy.day(BAD))] if severity else [])


def test_a_day_delivered_under_two_dates() -> None:
    rows = toy.events()
    again = rows.filter(pl.col("on") == toy.day(BAD - 1)).with_columns(pl.lit(toy.day(BAD)).alias("on"))
    outcome = judged(pl.concat([rows.filter(pl.col("on") != toy.day(BAD)), again]))["repeated days"]
    assert told(outcome) == [("STOP", toy.day(BAD))]
    assert outcome.events[0].found == f"the same as {toy.day(BAD - 1)}"


def test_days_with_nothing_to_tell_them_apart_do_not_repeat() -> None:
    rows = toy.events().with_columns(value=pl.lit(1.0), late=pl.lit(1.0), early=pl.lit(1.0))
    assert told(judged(rows)["repeated days"]) == []


@pytest.mark.parametrize(("hours", "severity"), [(2, None), (3, "WARN"), (12, "WARN")])
def test_gaps(hours: int, severity: str | None) -> None:
    start = toy.AS_OF.replace(hour=0) - timedelta(days=10)
    rows = toy.readings().filter(~pl.col("at").is_between(start, start + timedelta(hours=hours), closed="left"))
    outcome = judged(rows, table=toy.READINGS)["gaps"]
    assert told(outcome) == ([(severity, start.date())] if severity else [])


@pytest.mark.parametrize(
    ("later", "severity"),
    [
        (timedelta(0), None),
        (timedelta(hours=4), None),
        (timedelta(hours=5), "WARN"),
        (timedelta(hours=70), "WARN"),
        (timedelta(hours=71), "STOP"),
    ],
)
def test_stale_readings(later: timedelta, severity: str | None) -> None:
    """The last reading is of 22 h, an hour before the clock."""
    outcome = judged(toy.readings(), toy.AS_OF + later, toy.READINGS)["freshness"]
    assert told(outcome) == ([(severity, toy.day(toy.DAYS - 1))] if severity else [])


def test_a_station_is_silent() -> None:
    rows = toy.readings().filter((pl.col("station") == "x") | (pl.col("at") < toy.AS_OF.replace(hour=0)))
    outcome = judged(rows, table=toy.READINGS)["freshness"]
    assert told(outcome) == [("WARN", toy.day(toy.DAYS - 1))]
    assert outcome.events[0].found == f"23 readings of 46 since {toy.day(toy.DAYS - 2)}"


def test_the_first_week_of_readings_has_nothing_to_compare() -> None:
    early = datetime(2013, 1, 4, 23, tzinfo=toy.AS_OF.tzinfo)
    outcomes = judged(toy.readings(4), early, toy.READINGS)
    assert (outcomes["freshness"].sound, outcomes["gaps"].sound) == (TOO_FEW, TOO_FEW)
