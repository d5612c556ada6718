"""The features of a month have the distributions that they had, and a slight change of one is found."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from tasks.contracts import columns
from tasks.features.distribution import Summary, compare
from tasks.rows import violations
from tasks.usecase import features
from tasks.usecase.features import Features
from tests.data import golden
from tests.feeds import accepted

pytestmark = pytest.mark.data

KEPT = Summary.model_validate_json(golden.FILE.read_text())


@pytest.fixture(scope="module")
def tables(parsed: dict[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    return golden.cut(accepted(parsed), golden.MONTH)


def build(tables: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    return features.build(tables, golden.MONTH).collect()


def test_the_distributions_are_those_of_the_golden_month(tables: dict[str, pl.LazyFrame]) -> None:
    """Else a feature changed: if that was meant, `python -m tests.data.golden`, and say so in the commit."""
    frame = build(tables)
    assert frame.height == KEPT.rows > 28_000
    assert list(map(str, compare(KEPT, frame))) == []


def test_the_golden_file_is_small_and_of_these_features() -> None:
    assert golden.FILE.stat().st_size < 100_000
    assert {s.feature for s in (*KEPT.numeric, *KEPT.categorical)} == {*columns(Features, "numeric"), *columns(Features, "categorical")}


def _utc_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(features, "_HOUR", pl.col("time_hour").dt.hour().cast(pl.String).str.zfill(2).alias("hour"))


def _late_at_16(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(features, "LATE_MINUTES", 16)


def _four_hours(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(features._WINDOWS, "3h", features._WINDOWS["3h"] * 4 / 3)


def _weather(patch: pytest.MonkeyPatch, hours: int) -> None:
    readings = features._readings
    patch.setattr(features, "_readings", lambda weather: readings(weather).with_columns(pl.col("known_at") + pl.duration(hours=hours)))


def _arrivals_as_scheduled(patch: pytest.MonkeyPatch) -> None:
    events = features._events

    def changed(flights: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
        landed = flights.filter(pl.col("landed_at").is_not_null()).with_columns(landed_at="scheduled_arrival")
        return events(flights) | {"arrivals": events(landed)["arrivals"]}

    patch.setattr(features, "_events", changed)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_utc_hour, "hour"),
        (_late_at_16, "arrivals_dest_28d_late"),
        (_four_hours, "departures_all_3h_delay"),
        (lambda patch: _weather(patch, -1), "reading_age_hours"),  # known an hour too soon: a leak
        (lambda patch: _weather(patch, 1), "reading_age_hours"),  # an older reading than need be
        (_arrivals_as_scheduled, "arrivals_dest_6h_delay"),  # late flights counted before they landed: a leak
    ],
    ids=["UTC hour for local", "late at 16 minutes", "4 h for 3 h", "weather 1 h sooner", "weather 1 h later", "arrivals as scheduled"],
)
def test_a_slight_change_is_found(
    tables: dict[str, pl.LazyFrame], monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], named: str
) -> None:
    change(monkeypatch)
    frame = build(tables)
    # Shapes, names, types, nulls and ranges are as they should be: a unit test that looks at these sees nothing.
    assert frame.height == KEPT.rows
    assert violations(frame.lazy(), Features) == []
    found = compare(KEPT, frame)
    assert named in {change.feature for change in found}, list(map(str, found))
