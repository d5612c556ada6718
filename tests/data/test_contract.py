"""The contract holds on the packaged flights, and the traps of these data are handled."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.contracts import REASONS, types, violations
from tasks.usecase import source
from tasks.usecase.contract import TABLES

pytestmark = pytest.mark.data

ROWS = {"flights": 336_776, "weather": 26_115, "planes": 3_322, "airports": 1_458}


@pytest.fixture(scope="module")
def flights(parsed: dict[str, pl.DataFrame]) -> pl.DataFrame:
    frames = {name: frame.drop(REASONS).lazy() for name, frame in parsed.items()}
    return source.with_instants(frames["flights"], frames["airports"]).collect()


def test_exactly_one_row_is_set_aside(parsed: dict[str, pl.DataFrame]) -> None:
    """The 1048 mph wind at Newark; a second one means that the contract, or the data, changed."""
    assert {name: frame.height for name, frame in parsed.items()} == ROWS
    bad = {name: frame.filter(pl.col(REASONS).list.len() > 0) for name, frame in parsed.items()}
    assert {name: frame.height for name, frame in bad.items()} == {"flights": 0, "weather": 1, "planes": 0, "airports": 0}
    row = bad["weather"].row(0, named=True)
    assert (row["origin"], row["time_hour"]) == ("EWR", datetime(2013, 2, 12, 8, tzinfo=UTC))
    assert row["wind_speed"] == pytest.approx(1048.36, abs=0.01)
    assert row[REASONS] == ["wind_speed: must be at most 150"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_good_rows_cross_a_typed_edge(parsed: dict[str, pl.DataFrame], table: object) -> None:
    frame = parsed[table.name].filter(pl.col(REASONS).list.len() == 0).drop(REASONS)  # type: ignore[attr-defined]
    assert dict(frame.schema) == types(table.schema)  # type: ignore[attr-defined]
    assert violations(frame.lazy(), table.schema, table.rules) == []  # type: ignore[attr-defined]


def test_no_value_of_the_source_is_lost_to_a_type(parsed: dict[str, pl.DataFrame]) -> None:
    for table in TABLES:
        raw, frame = source.read(source.PACKAGED, table), parsed[table.name]
        lost = {n: frame[n].null_count() - raw[n].null_count() for n in types(table.schema)}
        assert set(lost.values()) == {0}, (table.name, lost)


def test_every_day_of_the_year_has_flights(parsed: dict[str, pl.DataFrame]) -> None:
    days = parsed["flights"].select(source.day_of(TABLES[0])).to_series().unique().sort()
    assert days.equals(pl.date_range(date(2013, 1, 1), date(2013, 12, 31), eager=True).alias(days.name))


def test_scheduled_times_make_sense(flights: pl.DataFrame) -> None:
    duration = (pl.col("scheduled_arrival") - pl.col("scheduled_departure")).dt.total_minutes()
    assert flights.get_column("scheduled_arrival").null_count() == 0
    shortest, longest = flights.select(duration.min().alias("a"), duration.max().alias("b")).row(0)
    assert shortest > 15
    assert longest < 13 * 60  # Honolulu


def test_arrivals_follow_departures(flights: pl.DataFrame) -> None:
    flown = flights.filter(pl.col("landed_at").is_not_null())
    aloft = (flown["landed_at"] - flown["departed_at"]).dt.total_minutes() - flown["air_time"]
    assert flown.height == 327_346  # all but the cancelled and the diverted
    assert (aloft < 0).sum() <= 9  # impossible taxi times of the source
    assert 20 < aloft.median() < 35  # minutes of taxiing, out of New York and in at the other end


def test_arr_time_says_the_same_as_schedule_and_delay(flights: pl.DataFrame) -> None:
    """Two ways to the local time of arrival, through midnight and for delays of a day."""
    minutes = lambda name: pl.col(name) // 100 * 60 + pl.col(name) % 100  # noqa: E731
    late = (minutes("sched_arr_time") + pl.col("arr_delay") - minutes("arr_time")) % 1440
    differ = flights.filter(pl.col("arr_delay").is_not_null()).select((late != 0).sum()).item()
    assert differ < 20  # the change of clocks
