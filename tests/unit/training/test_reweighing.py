"""Reweighing: by the weights group and label are independent, and nothing else of the rows changes."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.fairness import Grouping
from tasks.training.reweighing import WEIGHT, weighed

pytestmark = pytest.mark.unit

KIND = Grouping(name="kind", column="kind")
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "0 a", None]), st.integers(0, 1)), min_size=1, max_size=60)


def frame(rows: list[tuple[str | None, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"kind": pl.String, "label": pl.Int8}, orient="row").with_row_index("row")


def test_the_weights_of_the_paper() -> None:
    """Kamiran and Calders, table 1: 5 of 10 are women, 6 positive; 2 of the women, 4 of the men."""
    rows = [("f", 1)] * 2 + [("f", 0)] * 3 + [("m", 1)] * 4 + [("m", 0)]
    found = weighed(frame(rows).lazy(), KIND).collect().unique(["kind", "label"]).sort("kind", "label")
    assert found.get_column(WEIGHT).to_list() == pytest.approx([2 / 3, 1.5, 2.0, 0.75])
    assert found.schema[WEIGHT] == pl.Float32


@given(rows=ROWS)
def test_group_and_label_are_independent_and_the_mean_is_one(rows: list[tuple[str | None, int]]) -> None:
    given_ = frame(rows)
    found = weighed(given_.lazy(), KIND).collect()
    assert found.drop(WEIGHT).equals(given_), "the rows as they were, in their order"
    full = given_.group_by("kind").agg(pl.col("label").n_unique()).get_column("label").min() == given_.get_column("label").n_unique()
    if full:  # where a group lacks a label, no weight can make up for it
        assert found.get_column(WEIGHT).mean() == pytest.approx(1, rel=1e-5)
        rate = given_.get_column("label").mean()
        for _, group in found.group_by("kind"):
            weights, labels = group.get_column(WEIGHT), group.get_column("label")
            assert (weights * labels).sum() / weights.sum() == pytest.approx(rate, abs=1e-5)


def test_where_they_are_independent_every_weight_is_exactly_one() -> None:
    rows: list[tuple[str | None, int]] = [(kind, label) for kind in ("a", "b") for label in (0, 0, 1)]
    assert weighed(frame(rows).lazy(), KIND).collect().get_column(WEIGHT).unique().to_list() == [1.0]


def test_no_rows_have_no_weights() -> None:
    assert weighed(frame([]).lazy(), KIND).collect().get_column(WEIGHT).len() == 0
