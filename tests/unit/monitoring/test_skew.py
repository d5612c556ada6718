"""Skew: what counts as a difference, which rows are compared, and real features that were logged as the service does."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.monitoring.skew import compare

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 12, tzinfo=UTC)


def rows(wind: list[float | None], carrier: list[str | None] | None = None, ids: list[str | None] | None = None) -> pl.DataFrame:
    count = len(wind)
    return pl.DataFrame(
        {
            "id": ids or [f"f{i}" for i in range(count)],
            "at": [AT] * count,
            "wind": wind,
            "carrier": carrier or ["UA"] * count,
        },
        schema={"id": pl.String, "at": pl.Datetime("us", "UTC"), "wind": pl.Float32, "carrier": pl.String},
    )


def found(logged: pl.DataFrame, again: pl.DataFrame, tolerance: float = 1e-4) -> tuple[int, dict[str, tuple[int, Any]]]:
    compared, skew = compare(logged, again, "id", "at", ["wind"], ["carrier"], tolerance)
    assert all(one.rows == compared for one in skew)
    return compared, {one.feature: (one.differing, one.largest) for one in skew}


@pytest.mark.parametrize(
    ("logged", "again", "differs", "largest"),
    [
        (1.0, 1.0, False, None),
        (1.0, 1.00005, False, None),  # within the tolerance
        (1.0, 1.001, True, 0.001),  # beyond it, of the larger one
        (-1.0, 1.0, True, 2.0),  # the sign counts
        (0.0, 0.0, False, None),  # nothing to divide by
        (0.0, 1e-9, True, 1.0),  # nothing against something, however little
        (None, None, False, None),
        (None, 1.0, True, None),  # none against a number: there is no difference to tell
        (1.0, None, True, None),
        (math.nan, None, False, None),  # NaN is none
        (20.0, 9.0, True, 0.55),  # miles for metres
    ],
)
def test_what_counts_as_a_difference(logged: float | None, again: float | None, differs: bool, largest: float | None) -> None:
    assert found(rows([logged]), rows([again])) == (
        1,
        {"wind": (1, None if largest is None else pytest.approx(largest, abs=1e-5))} if differs else {},
    )


@pytest.mark.parametrize(("logged", "again", "differs"), [("UA", "UA", False), ("UA", "ua", True), (None, None, False), (None, "UA", True)])
def test_categories_are_equal_or_not(logged: str | None, again: str | None, differs: bool) -> None:
    assert found(rows([1.0], [logged]), rows([1.0], [again])) == (1, {"carrier": (1, None)} if differs else {})


def test_only_the_same_key_and_instant_are_compared() -> None:
    logged = rows([1.0, 1.0, 1.0, 1.0], ids=["f0", "f1", None, "f9"])
    logged = logged.with_columns(at=pl.when(pl.col("id") == "f1").then(AT + timedelta(seconds=1)).otherwise(pl.col("at")))
    assert found(logged, rows([2.0, 2.0, 2.0])) == (1, {"wind": (1, 0.5)})
    assert found(logged, rows([])) == (0, {})
    assert found(rows([]), rows([1.0])) == (0, {})


def test_a_key_that_is_there_twice_counts_once() -> None:
    assert found(rows([1.0]), rows([1.0, 5.0], ids=["f0", "f0"])) == (1, {})
    assert found(rows([1.0, 3.0], ids=["f0", "f0"]), rows([1.0], ids=["f0"])) == (2, {"wind": (1, pytest.approx(2 / 3))})


def test_what_one_side_lacks_says_nothing() -> None:
    assert found(rows([1.0]), rows([2.0]).drop("wind")) == (1, {})


def test_the_most_frequent_comes_first() -> None:
    _, skew = compare(rows([1.0, 2.0], ["UA", "B6"]), rows([1.0, 9.0], ["DL", "DL"]), "id", "at", ["wind"], ["carrier"], 0)
    assert [(one.feature, one.differing) for one in skew] == [("carrier", 2), ("wind", 1)]


@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=1, max_size=20))
def test_what_was_logged_as_float32_is_the_same(values: list[Any]) -> None:
    wide = rows(values).with_columns(pl.col("wind").cast(pl.Float64))
    assert found(rows(values), wide, 0)[1] == {}


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=20), st.floats(0.9, 1.1))
def test_a_factor_is_found_at_its_size(values: list[float], factor: float) -> None:
    one = np.asarray(values, np.float32)
    other = one * np.float32(factor)
    apart = np.abs(one.astype(float) - other) / np.maximum(one, other)
    _, skew = found(rows(one.tolist()), rows(other.tolist()), 0.01)
    assert skew.get("wind", (0, None))[0] == int((apart > 0.01).sum())
