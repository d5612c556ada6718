"""The clock against an oracle that looks at every event for every query."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import clock

pytestmark = pytest.mark.unit

ZERO = datetime(2013, 3, 10, tzinfo=UTC)
ZONE = "America/New_York"
_INSTANT = pl.Datetime("us", "UTC")

# Few instants and few keys, so that ties, edges of windows and repeated keys come up often.
minutes = st.integers(0, 30)
keys = st.sampled_from(["a", "b", "c"])
queries_of = st.lists(st.tuples(keys, keys, minutes), max_size=12)
events_of = st.lists(st.tuples(keys, keys, st.none() | minutes, st.integers(-(10**12), 10**12)), max_size=20)
group_by = st.sampled_from([(), ("k",), ("k", "l")])


def at(minute: int | None) -> datetime | None:
    return None if minute is None else ZERO + timedelta(minutes=minute)


def query_frame(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    schema = {"k": pl.String, "l": pl.String, "at": _INSTANT}
    return pl.DataFrame([(k, m, at(t)) for k, m, t in rows], schema=schema, orient="row")


def event_frame(rows: list[tuple[str, str, int | None, int]]) -> pl.LazyFrame:
    schema = {"k": pl.String, "l": pl.String, "known": _INSTANT, "v": pl.Int64}
    return pl.DataFrame([(k, m, at(t), v) for k, m, t, v in rows], schema=schema, orient="row").lazy()


def known_at(query: tuple[str, str, int], events: list[Any], by: tuple[str, ...]) -> list[Any]:
    """Return the events of the query's keys known by its instant, in the order given."""
    return [e for e in events if e[: len(by)] == query[: len(by)] and e[2] is not None and e[2] <= query[2]]


def one_by_one(index: clock.Index, queries: list[tuple[str, str, int]]) -> list[tuple[Any, ...]]:
    """Ask each query alone."""
    return [index.at(query[: len(index.by)], ZERO + timedelta(minutes=query[2])) for query in queries]


@given(queries_of, events_of, group_by, st.integers(1, 12))
def test_totals_equal_a_scan_of_all_events(queries: list[Any], events: list[Any], by: tuple[str, ...], width: int) -> None:
    totals = clock.Totals(
        event_frame(events),
        by=by,
        known="known",
        values={"n": pl.lit(1), "v": pl.col("v")},
        windows={"w": timedelta(minutes=width), "all": timedelta(days=9)},
    )
    found = totals.of(query_frame(queries), "at")
    assert dict(found.schema) == totals.schema == dict.fromkeys(["n_w", "v_w", "n_all", "v_all"], pl.Int64())
    expected = []
    for query in queries:
        known = known_at(query, events, by)
        recent = [e for e in known if e[2] > query[2] - width]  # the window is (at - width, at]
        expected.append((len(recent), sum(e[3] for e in recent), len(known), sum(e[3] for e in known)))
    assert found.rows() == one_by_one(totals, queries) == expected


@given(queries_of, events_of, group_by, st.integers(1, 12))
def test_newest_equals_a_scan_of_all_events(queries: list[Any], events: list[Any], by: tuple[str, ...], width: int) -> None:
    newest = clock.Newest(event_frame(events), by=by, known="known", columns=["v", "l"], within=timedelta(minutes=width))
    found = newest.of(query_frame(queries), "at")
    assert dict(found.schema) == newest.schema == {"v": pl.Int64(), "l": pl.String()}
    expected: list[tuple[Any, ...]] = []
    for query in queries:
        known = [e for e in known_at(query, events, by) if e[2] >= query[2] - width]
        last = max((e[2] for e in known), default=None)
        expected.append(next(((e[3], e[1]) for e in reversed(known) if e[2] == last), (None, None)))  # the last given of a tie
    assert found.rows() == one_by_one(newest, queries) == expected


@given(queries_of, events_of, st.integers(0, 30))
def test_what_becomes_known_later_changes_nothing(queries: list[Any], events: list[Any], now: int) -> None:
    """The leak test in small: without the future, every answer up to now is the same."""
    asked = [q for q in queries if q[2] <= now]
    past = [e for e in events if e[2] is not None and e[2] <= now]

    def answers(known: list[Any]) -> list[Any]:
        right = event_frame(known)
        totals = clock.Totals(right, by=("k",), known="known", values={"v": pl.col("v")}, windows={"w": timedelta(minutes=7)})
        newest = clock.Newest(right, by=("k",), known="known", columns=["v"], within=timedelta(minutes=7))
        frame = query_frame(asked)
        return [totals.of(frame, "at").rows(), newest.of(frame, "at").rows(), one_by_one(totals, asked), one_by_one(newest, asked)]

    assert answers(events) == answers(past)


@given(queries_of, events_of, group_by, st.integers(1, 12), st.integers(0, 30))
def test_history_before_the_window_changes_nothing(
    queries: list[Any], events: list[Any], by: tuple[str, ...], width: int, first: int
) -> None:
    """So that a day is built from its own past alone."""
    asked = [q for q in queries if q[2] >= first]

    def answers(known: list[Any]) -> list[Any]:
        totals = clock.Totals(event_frame(known), by=by, known="known", values={"v": pl.col("v")}, windows={"w": timedelta(minutes=width)})
        return totals.of(query_frame(asked), "at").rows()

    assert answers(events) == answers([e for e in events if e[2] is not None and e[2] > first - width])


def one_event(values: dict[str, pl.Expr], width: timedelta) -> clock.Totals:
    return clock.Totals(event_frame([("a", "a", 10, 5)]), by=("k",), known="known", values=values, windows={"w": width})


@pytest.mark.parametrize(
    ("minute", "counted"),
    [
        (9, 0),  # the event is known a minute later
        (10, 1),  # known at the very instant of the query
        (19, 1),  # the last minute of the window
        (20, 0),  # exactly as old as the window is long: out
    ],
)
def test_edges_of_the_window(minute: int, counted: int) -> None:
    totals = one_event({"n": pl.lit(1)}, timedelta(minutes=10))
    assert totals.of(query_frame([("a", "a", minute)]), "at").item() == counted
    assert totals.at(("a",), ZERO + timedelta(minutes=minute)) == (counted,)


def test_a_key_without_events_has_sums_of_nothing() -> None:
    totals = one_event({"n": pl.lit(1), "v": pl.col("v")}, timedelta(days=1))
    assert totals.at(("never",), ZERO) == (0, 0)
    assert totals.of(query_frame([("never", "a", 20), ("a", "a", 20)]), "at").rows() == [(0, 0), (1, 5)]


def test_an_instant_is_the_same_in_any_zone() -> None:
    totals = one_event({"n": pl.lit(1)}, timedelta(hours=1))
    there = (ZERO + timedelta(minutes=10)).astimezone(ZoneInfo("Asia/Tokyo"))
    assert totals.at(("a",), there) == (1,)
    assert totals.at(("a",), there - timedelta(minutes=1)) == (0,)


def test_sums_of_booleans_and_nulls_are_counts() -> None:
    events = event_frame([("a", "a", 1, 1), ("a", "a", 1, 2), ("a", "a", 2, 3)]).with_columns(
        pl.when(pl.col("v") > 1).then(pl.col("v") > 2).alias("big")
    )
    totals = clock.Totals(events, by=(), known="known", values={"big": pl.col("big")}, windows={"w": timedelta(hours=1)})
    assert totals.of(query_frame([("a", "a", 3)]), "at").item() == 1


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        (date(2013, 1, 1), 5),  # winter: five hours behind UTC
        (date(2013, 3, 10), 5),  # the clocks go forward after midnight
        (date(2013, 3, 11), 4),  # summer
        (date(2013, 11, 3), 4),  # the clocks go back after midnight
    ],
)
def test_start_of_a_local_day(day: date, hour: int) -> None:
    assert clock.start_of(day, ZONE) == datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def labelled(*rows: tuple[int | None, date, datetime | None]) -> pl.LazyFrame:
    schema = {"label": pl.Int8, "batch_day": pl.Date, "label_known_at": _INSTANT}
    return pl.LazyFrame(list(rows), schema=schema, orient="row")


@pytest.mark.parametrize(
    ("label", "known", "kept"),
    [
        (1, datetime(2013, 3, 11, 3, 59, tzinfo=UTC), 1),  # a minute before the local day begins
        (1, datetime(2013, 3, 11, 4, tzinfo=UTC), 0),  # as it begins
        (None, datetime(2013, 3, 1, tzinfo=UTC), 0),  # no label to learn from
        (0, None, 0),  # nobody knows when it was known
    ],
)
def test_labelled_before(label: int | None, known: datetime | None, kept: int) -> None:
    frame = labelled((label, date(2013, 3, 9), known))
    assert clock.labelled_before(frame, date(2013, 3, 11), ZONE).collect().height == kept


def test_labelled_in_takes_both_ends_and_leaves_out_rows_without_a_label() -> None:
    days = [date(2013, 3, d) for d in range(1, 6)]
    frame = labelled(*((None if d.day == 3 else 1, d, None) for d in days))
    found = clock.labelled_in(frame, days[1], days[3]).collect().get_column("batch_day").to_list()
    assert found == [days[1], days[3]]


@pytest.mark.parametrize(
    ("as_of", "hours", "expected"),
    [
        (datetime(2013, 7, 2, 16, tzinfo=UTC), 12, date(2013, 7, 1)),  # noon in New York: yesterday ended twelve hours ago
        (datetime(2013, 7, 2, 15, 59, tzinfo=UTC), 12, date(2013, 6, 30)),  # a minute earlier it had not
        (datetime(2013, 1, 2, 16, 59, tzinfo=UTC), 12, date(2012, 12, 31)),  # winter: noon is 17Z
        (datetime(2013, 1, 2, 17, tzinfo=UTC), 12, date(2013, 1, 1)),
        (datetime(2013, 1, 2, 5, tzinfo=UTC), 0, date(2013, 1, 1)),  # as the day ends
        (datetime(2013, 11, 3, 16, 59, tzinfo=UTC), 12, date(2013, 11, 2)),  # a day of 25 hours has begun: midnight was 04Z
    ],
)
def test_last_labelled_day(as_of: datetime, hours: int, expected: date) -> None:
    assert clock.last_labelled_day(as_of, ZONE, hours) == expected


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    as_of = datetime(2013, 7, 2, 16, tzinfo=UTC)
    there = as_of.astimezone(ZoneInfo("Asia/Tokyo"))
    assert clock.last_labelled_day(there, ZONE, 12) == clock.last_labelled_day(as_of, ZONE, 12)
