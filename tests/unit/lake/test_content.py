"""Hashes of content: the same rows, the same hash, however they lie."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake import content

pytestmark = pytest.mark.unit

DAY0 = date(2013, 1, 1)
rows_of = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5) | st.none(), st.sampled_from(["a", "b", None])), max_size=25)


def frame(rows: list[Any]) -> pl.DataFrame:
    schema = {"batch_day": pl.Date, "x": pl.Int64, "s": pl.String}
    return pl.DataFrame([(DAY0 + timedelta(days=d), x, s) for d, x, s in rows], schema=schema, orient="row")


@given(rows_of, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_matter(rows: list[Any], generator: random.Random) -> None:
    shuffled = frame(generator.sample(rows, len(rows))).select("s", "batch_day", "x")
    assert content.frame_hash(shuffled) == content.frame_hash(frame(rows))
    assert content.by_day(shuffled) == content.by_day(frame(rows))


@given(rows_of, rows_of)
def test_a_day_differs_exactly_when_its_rows_do(ours: list[Any], theirs: list[Any]) -> None:
    def by_day(rows: list[Any], day: int) -> list[Any]:
        return sorted((r for r in rows if r[0] == day), key=str)

    found, other = content.by_day(frame(ours)), content.by_day(frame(theirs))
    for n in range(4):
        day = DAY0 + timedelta(days=n)
        assert (found.get(day, content.NOTHING) == other.get(day, content.NOTHING)) is (by_day(ours, n) == by_day(theirs, n))


@given(rows_of, rows_of)
def test_frames_hash_alike_exactly_when_their_rows_are(ours: list[Any], theirs: list[Any]) -> None:
    alike = sorted(ours, key=str) == sorted(theirs, key=str)
    assert (content.frame_hash(frame(ours)) == content.frame_hash(frame(theirs))) is alike


ROWS = [(0, 1, "a"), (1, 2, "b")]


@pytest.mark.parametrize(
    "other",
    [
        frame([*ROWS, ROWS[0]]),  # a row twice
        frame([(0, 2, "a"), (1, 1, "b")]),  # values swapped between rows
        frame(ROWS).rename({"x": "y"}),
        frame(ROWS).with_columns(pl.col("x").cast(pl.Int32)),
        frame([]),
    ],
    ids=["twice", "swapped", "name", "type", "empty"],
)
def test_frame_hash_differs_with(other: pl.DataFrame) -> None:
    assert content.frame_hash(other) != content.frame_hash(frame(ROWS))


def test_combine_keeps_parts_apart() -> None:
    assert content.combine(["ab", "c"]) != content.combine(["a", "bc"])
    assert content.combine(["a", "b"]) != content.combine(["b", "a"])
    assert content.combine(iter(["a", "b"])) == content.combine(["a", "b"])
