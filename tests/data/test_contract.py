"""The contract holds on the packaged flights, and the traps of these data are handled."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.contracts import types
from tasks.rows import REASONS, violations
from tasks.usecase import contract, instants, routes, source
from tasks.usecase.contract import TABLES

pytestmark = pytest.mark.data

ROWS = {"flights": 336_776, "weather": 26_115, "planes": 3_322, "airports": 1_458}


@pytest.fixture(scope="module")
def flights(parsed: dict[str, pl.DataFrame]) -> pl.DataFrame:
    frames = {name: frame.drop(REASONS).lazy() for name, frame in parsed.items()}
    return instants.with_instants(frames["flights"], frames["airports"]).collect()


def test_exactly_two_rows_are_set_aside(parsed: dict[str, pl.DataFrame]) -> None:
    """A third one means that the contract, or the data, changed."""
    assert {name: frame.height for name, frame in parsed.items()} == ROWS
    bad = {name: frame.filter(pl.col(REASONS).list.len() > 0) for name, frame in parsed.items()}
    assert {name: frame.height for name, frame in bad.items()} == {"flights": 0, "weather": 2, "planes": 0, "airports": 0}
    found = bad["weather"].select("origin", "time_hour", "wind_speed", "temp", REASONS).sort("time_hour").rows()
    assert found == [
        # Hurricanes have a fifth of this wind.
        ("EWR", datetime(2013, 2, 12, 8, tzinfo=UTC), pytest.approx(1048.36, abs=0.01), 39.02, ["wind_speed: must be at most 150"]),
        # 13.1 degrees Celsius (55.6 Fahrenheit) in a column of Fahrenheit: the hours beside it have 57.
        (
            "JFK",
            datetime(2013, 5, 9, 2, tzinfo=UTC),
            pytest.approx(8.06, abs=0.01),
            13.1,
            ["(row): temp must be within the records of its month"],
        ),
    ]


def test_the_times_of_all_flights_agree_exactly(flights: pl.DataFrame) -> None:
    """Measured, so that rules can be this strict: the least and most time to taxi, by the contract's and the clock's arithmetic."""
    taxi = (pl.col("landed_at") - pl.col("departed_at")).dt.total_minutes() - pl.col("air_time")
    found = flights.select(contract.taxi_minutes().alias("contract"), taxi.alias("clock"))
    assert found["contract"].equals(found["clock"].alias("contract"), null_equal=True)
    assert (found["clock"].min(), found["clock"].max()) == (5, 235)


def test_routes_are_those_of_the_data(parsed: dict[str, pl.DataFrame]) -> None:
    flown = parsed["flights"].group_by("origin", "dest").agg(pl.col("distance").unique().sort())
    assert {(origin, dest): tuple(miles) for origin, dest, miles in flown.rows()} == routes.MILES
    zones = dict(parsed["airports"].select("faa", "tzone").rows())
    absent = {"SJU", "BQN", "PSE", "STT"}
    assert {dest: zone for dest, zone in routes.ZONES.items() if dest not in absent} == {
        d: zones[d] for d in routes.ZONES if d not in absent
    }


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
    assert aloft.min() >= 5  # none is impossible
    assert 20 < aloft.median() < 35  # minutes of taxiing, out of New York and in at the other end


def test_arr_time_says_the_same_as_schedule_and_delay(flights: pl.DataFrame) -> None:
    """Two ways to the local time of arrival, through midnight and for delays of a day."""
    minutes = lambda name: pl.col(name) // 100 * 60 + pl.col(name) % 100  # noqa: E731
    late = (minutes("sched_arr_time") + pl.col("arr_delay") - minutes("arr_time")) % 1440
    differ = flights.filter(pl.col("arr_delay").is_not_null()).select((late != 0).sum()).item()
    assert differ == 0  # also in the nights in which the clocks change
