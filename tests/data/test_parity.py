"""One definition, three ways to ask: a build of everything, of a window from its own past, and single flights."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.contracts import types
from tasks.usecase import features, source
from tasks.usecase.contract import FLIGHTS
from tasks.usecase.features import Features
from tasks.usecase.online import ANSWERED, SCHEDULED, Online
from tests.data import golden
from tests.feeds import accepted

pytestmark = pytest.mark.data

WINDOWS = [
    (date(2013, 1, 1), date(2013, 1, 2)),  # no past at all
    (date(2013, 2, 10), date(2013, 2, 10)),  # the day after the blizzard: few flights, much delay
    (date(2013, 3, 10), date(2013, 3, 10)),  # the clocks go forward
    (date(2013, 4, 5), date(2013, 4, 11)),  # a week whose longest window holds that day
    (date(2013, 7, 1), date(2013, 7, 31)),
    (date(2013, 11, 3), date(2013, 11, 3)),  # the clocks go back
    (date(2013, 12, 30), date(2013, 12, 31)),  # the weather ends
]


@pytest.fixture(scope="module")
def tables(parsed: dict[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    return accepted(parsed)


@pytest.fixture(scope="module")
def whole(tables: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    return features.build(tables).collect()


def within(frame: pl.DataFrame, days: tuple[date, date]) -> pl.DataFrame:
    return frame.filter(pl.col("batch_day").is_between(*days))


@pytest.mark.parametrize("days", WINDOWS, ids=lambda days: f"{days[0]} to {days[1]}")
def test_a_window_from_its_own_past_is_that_of_the_whole(
    tables: dict[str, pl.LazyFrame], whole: pl.DataFrame, days: tuple[date, date]
) -> None:
    found = features.build(golden.cut(tables, days), days).collect()
    assert found.height > 150 * ((days[1] - days[0]).days + 1)
    assert found.equals(within(whole, days))


def test_later_rows_of_the_tables_do_not_matter(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame) -> None:
    day = date(2013, 3, 9)
    more = golden.cut(tables, (day, day + timedelta(days=4)))
    assert features.build(more, (day, day)).collect().equals(within(whole, (day, day)))


def test_a_shorter_past_would_be_found(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above would prove nothing."""
    day = date(2013, 3, 10)
    monkeypatch.setattr(features, "LOOKBACK", timedelta(days=27))
    assert not features.build(golden.cut(tables, (day, day)), (day, day)).collect().equals(within(whole, (day, day)))


def test_online_gives_the_same_bits_as_the_build(tables: dict[str, pl.LazyFrame], whole: pl.DataFrame) -> None:
    """Every flight of a month with a change of clocks, looked up by itself in an index of that month and its past.

    The rows hold what happened in the end as well: online must not read it. Floats are compared as they are, and
    nulls with nulls.
    """
    near = golden.cut(tables, golden.MONTH)
    online = Online(near)
    asked = near["flights"].filter(source.day_of(FLIGHTS).is_between(*golden.MONTH)).collect()
    assert asked.height > 28_000
    schema = {name: types(Features)[name] for name in ANSWERED}
    found = pl.concat(pl.DataFrame(online.features_of(part.rows(named=True)), schema=schema) for part in asked.iter_slices(2_000)).sort(
        "predicted_at", "flight_id"
    )
    expected = within(whole, golden.MONTH).select(ANSWERED)
    assert [name for name in schema if not found[name].equals(expected[name], null_equal=True)] == []
    for name in (name for name, dtype in schema.items() if dtype == pl.Float32):
        assert found[name].reinterpret(signed=False).equals(expected[name].reinterpret(signed=False)), name  # the sign of zero too


def test_one_flight_alone_is_as_among_others(tables: dict[str, pl.LazyFrame]) -> None:
    day = date(2013, 3, 10)
    near = golden.cut(tables, (day, day))
    online = Online(near)
    asked = near["flights"].filter(source.day_of(FLIGHTS) == day).collect()[::20].rows(named=True)
    known = [{name: flight[name] for name in SCHEDULED} for flight in asked]
    assert [online.features(flight) for flight in known] == online.features_of(asked)
