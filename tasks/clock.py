"""The clock: what was known at an instant.

Everything that joins a row to the past goes through this module, so that one rule decides what a feature may see:
an event counts for a query at instant `at` when it was known at or before `at`, and a label may be learned from once it
was known. `Totals` and `Newest` index events once; the same index then answers a whole frame of queries (training)
and a single one (serving). Nothing here knows of the use case. What is *not* here: which events exist (the lake) and
when each became known (the use case).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

Key = tuple[Any, ...]
"""The values of the `by` columns; empty where all events count together."""

Positions = NDArray[np.int64]

_ROW, _AT = "__row", "__at"
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _grouped(frame: pl.LazyFrame, by: Sequence[str]) -> tuple[list[Key], Positions, pl.DataFrame]:
    """Put the rows of one key together, within a key in the order given.

    Returns:
        The keys; the edges of their groups, one more than keys; the other columns.
    """
    if not by:
        whole = frame.collect()
        return [()], np.array([0, whole.height]), whole
    lists = frame.group_by(by).agg(pl.all()).collect()
    values = lists.drop(by)
    lengths = values.to_series(0).list.len().to_numpy()
    return lists.select(by).rows(), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), values.explode(values.columns)


class Index(ABC):
    """Events by key, in the order in which they became known.

    Positions count events through all keys: those of a key that were known at an instant are the positions from the
    key's first up to a sought end, which a binary search finds.
    """

    schema: dict[str, pl.DataType]
    """Columns of an answer, with their types."""

    def __init__(self, events: pl.LazyFrame, by: Sequence[str], known: str, values: Mapping[str, pl.Expr]) -> None:
        self.by = tuple(by)
        keys_of = {f"__by_{name}": pl.col(name) for name in by}  # a key may be a value too
        ordered = (
            events.filter(pl.col(known).is_not_null())
            .select(pl.col(known).dt.epoch("us").alias(_AT), **keys_of, **values)
            .sort(_AT, maintain_order=True)  # of several at one instant the last given is the newest
        )
        keys, edges, frame = _grouped(ordered, list(keys_of))
        self._cuts = {key: (int(start), int(end)) for key, start, end in zip(keys, edges[:-1], edges[1:], strict=True)}
        self._instants = frame.get_column(_AT).to_numpy()
        self._values = frame.drop(_AT)

    def of(self, queries: pl.DataFrame, at: str) -> pl.DataFrame:
        """Answer many queries.

        Args:
            queries: One row a query, with the `by` columns and the column `at` of instants (UTC).
            at: The queries' column of instants.

        Returns:
            The columns `schema`, a row a query in the queries' order.
        """
        return self._answer(queries.height, self._asked(queries, at))

    @abstractmethod
    def at(self, key: Key, instant: datetime) -> tuple[Any, ...]:
        """Answer one query, asked at an instant (with a time zone): the values of `schema`."""

    @abstractmethod
    def _answer(self, queries: int, asked: Iterator[tuple[Key, Positions, Positions]]) -> pl.DataFrame:
        """Answer queries that come key by key, as the numbers of their rows and their instants (microseconds)."""

    def _asked(self, queries: pl.DataFrame, at: str) -> Iterator[tuple[Key, Positions, Positions]]:
        narrow = queries.lazy().select(*self.by, pl.col(at).dt.epoch("us").alias(_AT)).with_row_index(_ROW)
        keys, edges, frame = _grouped(narrow, self.by)
        rows, instants = frame.get_column(_ROW).to_numpy(), frame.get_column(_AT).to_numpy()
        for key, start, end in zip(keys, edges[:-1], edges[1:], strict=True):
            yield key, rows[start:end], instants[start:end]

    def _until(self, key: Key, instants: Any) -> tuple[int, Any]:
        """Return the position of a key's first event, and of the first that was not known at each instant (microseconds)."""
        first, end = self._cuts.get(key, (0, 0))
        return first, first + self._instants[first:end].searchsorted(instants, side="right")


class Totals(Index):
    """Sums over the events known within windows that end at the instant of a query.

    A sum over the window (at - w, at] is the difference of two running totals. Totals are 64-bit integers, so the
    difference is exact and the same however much history stands before the window.
    """

    def __init__(
        self,
        events: pl.LazyFrame,
        *,
        by: Sequence[str],
        known: str,
        values: Mapping[str, pl.Expr],
        windows: Mapping[str, timedelta],
    ) -> None:
        """Index events.

        Args:
            events: One row an event.
            by: Columns that must be equal; empty for all events together.
            known: The events' column of instants (UTC) at which each became known; rows without one are left out.
            values: Name to integer expression over the events, summed (`pl.lit(1)` counts); null adds nothing.
            windows: Suffix to length of window. Answers are named `{name}_{suffix}`, for each window all values.
        """
        super().__init__(events, by, known, {name: value.cast(pl.Int64).fill_null(0) for name, value in values.items()})
        self.schema = {f"{name}_{label}": pl.Int64() for label in windows for name in values}
        self._lengths = [length // _MICROSECOND for length in windows.values()]
        self._running = np.zeros((len(values), self._values.height + 1), dtype=np.int64)  # a row a value, before each event
        for total, name in zip(self._running, values, strict=True):
            np.cumsum(self._values.get_column(name).to_numpy(), out=total[1:])
        self._values = self._values.clear()

    def _sums(self, key: Key, instants: Any) -> Any:
        """Return the sums, first axis as `schema`, second (if any) as the instants."""
        until = self._running[:, self._until(key, instants)[1]]
        return np.concatenate([until - self._running[:, self._until(key, instants - length)[1]] for length in self._lengths])

    def at(self, key: Key, instant: datetime) -> tuple[int, ...]:
        """Return the sums at one instant."""
        return tuple(self._sums(key, (instant - _EPOCH) // _MICROSECOND).tolist())

    def _answer(self, queries: int, asked: Iterator[tuple[Key, Positions, Positions]]) -> pl.DataFrame:
        found = np.zeros((len(self.schema), queries), dtype=np.int64)
        for key, rows, instants in asked:
            found[:, rows] = self._sums(key, instants)
        return pl.DataFrame(dict(zip(self.schema, found, strict=True)), schema=self.schema)


class Newest(Index):
    """The newest event known at the instant of a query, unless that is too old."""

    def __init__(self, events: pl.LazyFrame, *, by: Sequence[str], known: str, columns: Sequence[str], within: timedelta) -> None:
        """Index events.

        Args:
            events: One row an event.
            by: Columns that must be equal; empty for all events together.
            known: The events' column of instants (UTC) at which each became known; rows without one are left out, and
                of several at one instant the last given counts.
            columns: The events' columns to answer with.
            within: Events known longer ago than this are too old to count: null.
        """
        super().__init__(events, by, known, {name: pl.col(name) for name in columns})
        self.schema = dict(self._values.schema)
        self._within = within // _MICROSECOND

    def at(self, key: Key, instant: datetime) -> tuple[Any, ...]:
        """Return the columns of the newest event at one instant."""
        asked = (instant - _EPOCH) // _MICROSECOND
        first, end = self._until(key, asked)
        if end == first or asked - self._instants[end - 1] > self._within:
            return (None,) * len(self.schema)
        return self._values.row(int(end) - 1)

    def _answer(self, queries: int, asked: Iterator[tuple[Key, Positions, Positions]]) -> pl.DataFrame:
        found = np.full(queries, -1, dtype=np.int64)
        for key, rows, instants in asked:
            first, end = self._until(key, instants)
            some = end > first
            found[rows[some]] = np.where(instants[some] - self._instants[end[some] - 1] <= self._within, end[some] - 1, -1)
        position = pl.Series(found)
        return self._values.select(pl.all().gather(position.set(position < 0, None)))


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
