"""No feature sees the future: whatever is deleted or changed after an instant, all rows up to it stay as they were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tasks.usecase import features, instants, source
from tasks.usecase.online import ANSWERED, Online
from tests.feeds import accepted

pytestmark = pytest.mark.data

INSTANTS = [
    datetime(2013, 2, 9, tzinfo=UTC),  # the evening of the blizzard
    datetime(2013, 3, 10, 7, tzinfo=UTC),  # the very hour in which the clocks go forward
    datetime(2013, 7, 10, 15, tzinfo=UTC),  # a summer morning: many flights in the air
    datetime(2013, 11, 3, 6, tzinfo=UTC),  # the hour that comes twice
]
BEFORE, AFTER = timedelta(days=35), timedelta(days=3)
KNOWN_IN_ADVANCE = list(ANSWERED)


@pytest.fixture(scope="module")
def tables(parsed: dict[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    return accepted(parsed)


def around(tables: Mapping[str, pl.LazyFrame], instant: datetime) -> dict[str, pl.LazyFrame]:
    """Keep 35 days before an instant, more than the longest window, and 3 after it."""
    near = pl.col("time_hour").is_between(instant - BEFORE, instant + AFTER)
    cut = {name: tables[name].filter(near).collect().lazy() for name in ("flights", "weather")}
    return {**tables, **cut}


_BUILT: dict[datetime, pl.DataFrame] = {}


def built(tables: Mapping[str, pl.LazyFrame], instant: datetime) -> pl.DataFrame:
    """Return the features of all that is known in the end, built once an instant."""
    if instant not in _BUILT:
        _BUILT[instant] = features.build(around(tables, instant)).collect()
    return _BUILT[instant]


def until(frame: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    return frame.filter(pl.col("predicted_at") <= instant).select(KNOWN_IN_ADVANCE)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_no_feature_sees_what_became_known_later(tables: dict[str, pl.LazyFrame], instant: datetime) -> None:
    near, whole = around(tables, instant), built(tables, instant)
    expected = until(whole, instant)
    assert expected.height > 15_000

    # 1. Every record known after the instant is deleted. Flights that had not left then are gone with it.
    known = source.known_by(near, instant)
    without = features.build(known).collect()
    found = until(without, instant)
    assert found.height > 0.95 * expected.height
    assert found.equals(expected.filter(pl.col("flight_id").is_in(found.get_column("flight_id").implode())))
    # Labels and what came beside them: those known then are there and the same, the others are not there.
    came = ["label", "arrival_delay"]
    labels = without.join(whole.select("flight_id", *came, "departure_delay", "label_known_at"), on="flight_id", suffix="_later")
    was_known = pl.col("label_known_at_later") <= instant
    for name in came:
        assert labels.filter(was_known).select((pl.col(name) == pl.col(f"{name}_later")).all()).item()
        assert labels.filter(~was_known).get_column(name).null_count() == labels.filter(~was_known).height > 0
    left = labels.filter(pl.col("departure_delay").is_not_null())
    assert left.select((pl.col("departure_delay") == pl.col("departure_delay_later")).all()).item()

    # 2. Every record known after the instant is changed. All flights stay, also those about to leave.
    changed = until(features.build(_changed_after(near, instant)).collect(), instant)
    assert changed.equals(expected)


def _changed_after(tables: Mapping[str, pl.LazyFrame], instant: datetime) -> dict[str, pl.LazyFrame]:
    """Let every flight that had not left arrive and leave two days late, and the weather after the instant be wild."""
    flights = instants.with_instants(tables["flights"], tables["airports"])
    has_left = pl.coalesce("departed_at", "scheduled_departure") <= instant
    # One that was cancelled or diverted before then never lands.
    stays = has_left & (pl.col("landed_at") <= instant).fill_null(True)
    two_days = pl.lit(2880, dtype=pl.Int64)
    flights = flights.with_columns(
        dep_delay=pl.when(has_left).then("dep_delay").otherwise(two_days),
        arr_delay=pl.when(stays).then("arr_delay").otherwise(two_days),
    ).select(tables["flights"].collect_schema().names())
    later = pl.col("time_hour") + pl.duration(hours=1) > instant
    wild = tables["weather"].with_columns(
        pl.when(later).then(pl.lit(99.0)).otherwise(name).alias(name) for name in ("humid", "wind_speed", "wind_gust", "precip", "visib")
    )
    return {**tables, "flights": flights, "weather": wild}


def test_the_changes_of_this_test_do_change_later_rows(tables: dict[str, pl.LazyFrame]) -> None:
    """Else the test above would prove nothing."""
    instant = INSTANTS[2]
    near = around(tables, instant)
    later = pl.col("predicted_at") > instant + timedelta(hours=3)
    whole, changed = built(tables, instant).filter(later), features.build(_changed_after(near, instant)).collect().filter(later)
    assert whole.height == changed.height > 1_000
    for name in ("departures_origin_1h_n", "arrivals_dest_24h_late", "wind_speed", "precip_6h"):
        differ = (whole.sort("flight_id")[name].ne_missing(changed.sort("flight_id")[name])).mean()
        assert differ is not None
        assert differ > 0.2, name


def test_a_feature_that_peeked_would_be_found(tables: dict[str, pl.LazyFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weather that counts from its hour, not from its last reading, is a leak of an hour: the test must see it."""
    instant = INSTANTS[2]
    near, expected = around(tables, instant), until(built(tables, instant), instant)
    real = features._readings
    monkeypatch.setattr(features, "_readings", lambda weather: real(weather).with_columns(pl.col("known_at") - pl.duration(hours=1)))
    assert not until(features.build(_changed_after(near, instant)).collect(), instant).equals(expected)


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
def test_no_answer_online_sees_what_became_known_later(tables: dict[str, pl.LazyFrame], instant: datetime) -> None:
    """Flights that leave in the next hours, asked about at the instant: with the future in the index, and without it."""
    near = around(tables, instant)
    due = pl.col("time_hour").is_between(instant + features.LEAD, instant + timedelta(hours=20))
    asked = near["flights"].filter(due).collect().rows(named=True)
    assert len(asked) > 300
    whole, then = Online(near), Online(source.known_by(near, instant))
    assert whole.features_of(asked, at=instant) == then.features_of(asked, at=instant)
    later = instant + features.LEAD / 2
    hour = [flight for flight in asked if flight["time_hour"] >= later + features.LEAD]
    assert whole.features_of(hour, at=later) != then.features_of(hour, at=later), "else the index would hold no future"
