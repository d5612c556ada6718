"""The clock: what was known at an instant.

Everything that joins a row to the past goes through this module, so that one rule decides what a feature may see:
an event counts for a query at instant `at` when it was known at or before `at`, and a label may be learned from once it
was known. Nothing here knows of the use case. What is *not* here: which events exist (the lake) and when each became
known (the use case).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

_ROW = "__row"


def latest(
    queries: pl.DataFrame,
    events: pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    known: str,
    columns: Sequence[str],
    within: timedelta,
) -> pl.DataFrame:
    """Find the newest event known at each query's instant.

    Args:
        queries: One row a query, with the `by` columns and the instant `at` (UTC).
        events: One row an event, with the `by` columns and the instant `known` at which it became known (UTC).
        by: Columns that must be equal.
        at: The queries' column of instants.
        known: The events' column of instants; rows without one are left out, and of several at one instant the last given counts.
        columns: The events' columns to return.
        within: Events older than this are too old to count: null.

    Returns:
        `columns`, a row a query in the queries' order.
    """
    right = events.filter(pl.col(known).is_not_null()).select(*by, known, *columns).sort(known, maintain_order=True)
    joined = (
        queries.lazy()
        .select(*by, at)
        .with_row_index(_ROW)
        .sort(at)
        .join_asof(
            right,
            left_on=at,
            right_on=known,
            by=list(by),
            strategy="backward",
            tolerance=within,
            coalesce=False,
            check_sortedness=False,
        )
        .sort(_ROW)
    )
    return joined.select(columns).collect()


def sums_within(
    queries: pl.DataFrame,
    events: pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    known: str,
    values: Mapping[str, pl.Expr],
    windows: Mapping[str, timedelta],
) -> pl.DataFrame:
    """Find sums over the events known within windows that end at each query's instant.

    A sum over the window (at - w, at] is the difference of two running totals. Totals are 64-bit integers, so the
    difference is exact and the same however much history stands before the window.

    Args:
        queries: One row a query.
        events: One row an event.
        by: Columns that must be equal; empty for all events together.
        at: The queries' column of instants.
        known: The events' column of instants at which each became known; rows without one are left out.
        values: Name to integer expression over the events, summed (`pl.lit(1)` counts).
        windows: Suffix to length of window.

    Returns:
        An Int64 column `{name}_{suffix}` for each value and window, a row a query in the queries' order.
    """
    totals = (
        events.filter(pl.col(known).is_not_null())
        .select(*by, known, **{name: expr.cast(pl.Int64) for name, expr in values.items()})
        .group_by(*by, known)
        .agg(pl.col(name).sum() for name in values)
        .sort(known)
    )
    running = [pl.col(name).cum_sum() for name in values]
    totals = totals.with_columns(*(r.over(list(by)) for r in running) if by else running)

    frame = queries.lazy().select(*by, at).with_row_index(_ROW)  # narrow: it is sorted twice a window
    edge = "__edge"

    def total_until(left: pl.LazyFrame, instant: pl.Expr, suffix: str) -> pl.LazyFrame:
        right = totals.rename({name: f"{name}{suffix}" for name in values})
        return (
            left.with_columns(instant.alias(edge))
            .sort(edge)
            .join_asof(
                right,
                left_on=edge,
                right_on=known,
                by=list(by) or None,
                strategy="backward",
                coalesce=False,
                check_sortedness=False,
            )
            .drop(edge, known)
            .with_columns(pl.col(f"{name}{suffix}").fill_null(0) for name in values)
        )

    now = "__now"
    frame = total_until(frame, pl.col(at), now)
    for label, length in windows.items():
        past = f"__{label}"
        frame = total_until(frame, pl.col(at) - length, past)
        frame = frame.with_columns((pl.col(f"{name}{now}") - pl.col(f"{name}{past}")).alias(f"{name}_{label}") for name in values).drop(
            f"{name}{past}" for name in values
        )
    made = [f"{name}_{label}" for label in windows for name in values]
    return frame.sort(_ROW).select(made).collect()


def start_of(day: date, zone: str) -> datetime:
    """Return the instant (UTC) at which a local day begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def labelled_before(frame: pl.LazyFrame, day: date, zone: str) -> pl.LazyFrame:
    """Keep the rows whose label was known (`label_known_at`) before a local day began."""
    return frame.filter(pl.col("label").is_not_null() & (pl.col("label_known_at") < pl.lit(start_of(day, zone))))


def labelled_in(frame: pl.LazyFrame, first_day: date, last_day: date) -> pl.LazyFrame:
    """Keep the labelled rows of the local days (`batch_day`) from one to another, both included."""
    return frame.filter(pl.col("label").is_not_null() & pl.col("batch_day").is_between(first_day, last_day))


def last_labelled_day(as_of: datetime, zone: str, hours: int) -> date:
    """Return the last local day that ended at least `hours` before an instant."""
    local = (as_of.astimezone(UTC) - timedelta(hours=hours)).astimezone(ZoneInfo(zone))
    return local.date() - timedelta(days=1)
