"""Slices: a predicate that matches nothing, or that cannot be asked, is told; every value that occurs is a slice."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.errors import EvaluationError
from tasks.evidence import slices

pytestmark = pytest.mark.unit

ROWS = 600
ROWS_OF = pl.DataFrame(
    {
        "origin": ["EWR", "JFK", "LGA"] * (ROWS // 3),
        "n": range(ROWS),
        "is_late": [i % 2 == 0 for i in range(ROWS)],
        "gaps": [1.0 if i % 4 == 0 else None for i in range(ROWS)],
    }
)
SEGMENTS = {"origin EWR": pl.col("origin") == "EWR", "nobody today": pl.col("n") > ROWS}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"origin XXX": pl.col("origin") == "XXX"}, "none of 600 rows in 'origin XXX'"),
        ({f"s{i}": pl.col("n") < -i for i in range(9)}, "'s4' and 4 more"),  # all at once, and no more than a screen
        ({"nulls": pl.col("gaps") < 0}, "'nulls'"),
    ],
)
def test_a_segment_that_matches_nothing_is_refused(wrong: dict[str, pl.Expr], told: str) -> None:
    with pytest.raises(EvaluationError, match=told) as caught:
        slices.require_matched({"origin EWR": SEGMENTS["origin EWR"]} | wrong, ROWS_OF.head(0), ROWS_OF)
    assert "tasks/usecase/segments.py" in caught.value.mend


def test_a_segment_that_is_only_in_another_frame_is_rare_not_misspelt() -> None:
    earlier = ROWS_OF.with_columns(n=pl.lit(ROWS + 1, dtype=pl.Int64))
    slices.require_matched(SEGMENTS, ROWS_OF, earlier)
    with pytest.raises(EvaluationError, match="'nobody today'"):
        slices.require_matched(SEGMENTS, ROWS_OF)


def test_a_predicate_over_no_feature_is_told() -> None:
    with pytest.raises(EvaluationError, match="tailnum"):
        slices.require_matched({"registered": pl.col("tailnum") == "N1"}, ROWS_OF)


def test_every_value_that_occurs_is_a_segment_and_the_named_ones_follow() -> None:
    found = slices.declared(ROWS_OF.filter(pl.col("origin") != "LGA"), {"all late": pl.col("is_late")}, ["origin"])
    assert list(found) == ["origin EWR", "origin JFK", "all late"]
    assert slices.masks(ROWS_OF, found)["origin JFK"].sum() == ROWS // 3


def test_values_of_a_feature_that_is_not_there_are_told() -> None:
    with pytest.raises(EvaluationError, match="no airline"):
        slices.declared(ROWS_OF, {}, ["origin", "airline"])
