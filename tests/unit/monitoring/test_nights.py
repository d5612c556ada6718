"""The nights to watch: missed ones once and in order, none from before the champion, and never back in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.monitoring import Night
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState
from tasks.errors import ClockError
from tasks.monitoring.nights import plan

pytestmark = pytest.mark.unit

ZONE, HOURS = "America/New_York", 12
TONIGHT = datetime(2013, 10, 20, 18, tzinfo=UTC)
CHAMPION = ChampionState(
    version=3,
    bundle_uri="",
    bundle_digest="",
    evaluation=Window(first_day=date(2013, 9, 1), last_day=date(2013, 9, 28)),
    log_loss=0.4,
    newest_candidate_day=date(2013, 9, 28),
)


def planned(as_of: datetime, newest: date | None, most: int = 14, champion: ChampionState = CHAMPION) -> list[Night]:
    return plan(as_of, newest, champion, ZONE, HOURS, most)


@pytest.mark.parametrize(
    ("newest", "late"),
    [
        (None, []),  # the first night ever: there is nothing to catch up
        (date(2013, 10, 18), []),  # last night was watched
        (date(2013, 10, 19), []),  # tonight was: it is watched again, and nothing beside it
        (date(2013, 10, 15), [16, 17, 18]),  # three were missed
    ],
)
def test_missed_nights_come_first_in_order(newest: date | None, late: list[int]) -> None:
    found = planned(TONIGHT, newest)
    assert [night.night.day for night in found] == [*late, 19]
    assert [night.is_late for night in found] == [True] * len(late) + [False]
    assert [night.as_of for night in found] == [TONIGHT - timedelta(days=19 - night.night.day) for night in found]


def test_a_long_outage_is_caught_up_in_part() -> None:
    assert [night.night.day for night in planned(TONIGHT, date(2013, 8, 1), most=2)] == [17, 18, 19]
    assert [night.night.day for night in planned(TONIGHT, date(2013, 10, 1), most=0)] == [19]


def test_nights_from_before_the_champion_are_not_caught_up() -> None:
    judged = CHAMPION.model_copy(update={"evaluation": Window(first_day=date(2013, 9, 20), last_day=date(2013, 10, 17))})
    assert [night.night.day for night in planned(TONIGHT, date(2013, 10, 1), champion=judged)] == [18, 19]


def test_a_clock_that_goes_backwards_is_told() -> None:
    with pytest.raises(ClockError, match="2013-10-19, with 2013-10-25 on record") as caught:
        planned(TONIGHT, date(2013, 10, 25))
    assert "make backtest" in caught.value.mend


@given(missed=st.integers(-1, 400), most=st.integers(0, 30))
def test_however_long_the_outage_tonight_is_one_and_the_last(missed: int, most: int) -> None:
    found = planned(TONIGHT, date(2013, 10, 18) - timedelta(days=missed), most)
    nights = [night.night for night in found]
    assert nights == sorted(set(nights))
    assert nights[-1] == date(2013, 10, 19)
    assert sum(night.is_late for night in found) == min(max(missed, 0), most, 20)  # 20 days since the champion was judged
