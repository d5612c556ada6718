"""Days as numbers: each sees its fault, and none knows which days are the newest."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evidence import profiles
from tasks.evidence.profiles import Profiles

pytestmark = pytest.mark.unit

GROUPS = {"state": ["x", "y"], "schedule": ["a", "b"]}
DAYS = 12


def _rows(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), 40)
    x = np.round(generator.normal(0, 3, len(day)))
    return pl.DataFrame(
        {
            "batch_day": [date(2013, 1, 1) + timedelta(days=int(d)) for d in day],
            "x": x,
            "y": x + generator.normal(0, 1, len(day)),
            "a": generator.choice(["p", "q"], len(day)),
            "b": generator.choice(["r", "s"], len(day)),
        }
    )


def _of(found: Profiles, column: str, what: str) -> npt.NDArray[np.float64]:
    return found.table[:, (found.columns == column) & (found.whats == what)][:, 0]


def _swapped(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose names of `a` are changed for each other on the last day."""
    is_last = pl.col("batch_day") == rows.get_column("batch_day").max()
    return rows.with_columns(a=pl.when(is_last).then(pl.col("a").replace({"p": "q", "q": "p"})).otherwise(pl.col("a")))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("x", pl.col("x") + 4, "level"),
        ("x", pl.lit(0.0), "one place"),  # stuck
        ("x", pl.col("x") + 0.5, "unusual values"),  # another lattice
        ("x", -pl.col("x"), "apart from y"),  # its sign: neither level nor spread see it
        ("y", pl.when(pl.col("b") == "r").then(1e6).otherwise(pl.col("y")), "far out"),
        ("y", pl.lit(None), "nulls"),
        ("a", pl.lit("p"), "share of p"),
        ("a", pl.lit("new"), "unusual values"),
    ],
)
def test_a_fault_of_one_day_is_that_day_s_largest(column: str, value: pl.Expr, what: str) -> None:
    rows = _rows()
    last = rows.get_column("batch_day").max()
    faulty = rows.with_columns(pl.when(pl.col("batch_day") == last).then(value).otherwise(pl.col(column)).alias(column))
    numbers = _of(profiles.of(faulty, GROUPS), column, what)
    assert int(np.nanargmax(numbers)) == DAYS - 1
    assert numbers[-1] > 1.5 * np.nanmax(numbers[:-1]) or what == "level"


def test_pairs_of_names_that_go_together_show_a_swap() -> None:
    rows = _rows().with_columns(b=pl.when(pl.col("a") == "p").then(pl.lit("r")).otherwise(pl.lit("s")))
    numbers = _of(profiles.of(_swapped(rows), GROUPS), "a", "pairs with b")
    assert numbers[-1] == pytest.approx(np.pi / 2) and not numbers[:-1].any()


def test_affinity_shows_a_swap_of_names_that_occur_together_now_and_then() -> None:
    same = pl.lit(pl.Series(np.random.default_rng(2).random(40 * DAYS) < 0.8))
    rows = _rows().with_columns(b=pl.when(same == (pl.col("a") == "p")).then(pl.lit("r")).otherwise(pl.lit("s")))
    found = profiles.of(_swapped(rows), GROUPS)
    affinity = _of(found, "a", "affinity to b")
    assert affinity[-1] < -0.2 and affinity[:-1].min() > 0
    assert not _of(found, "a", "pairs with b").any()


def test_labels_that_are_turned_round_show_in_their_order_with_the_probability() -> None:
    generator = np.random.default_rng(4)
    rows = _rows().select("batch_day", probability=pl.Series(generator.random(40 * DAYS)))
    label = pl.Series((generator.random(40 * DAYS) < rows.get_column("probability").to_numpy()).astype(np.float64))
    is_last = pl.col("batch_day") == rows.get_column("batch_day").max()
    rows = rows.with_columns(label=label).with_columns(label=pl.when(is_last).then(1 - pl.col("label")).otherwise(pl.col("label")))
    order = _of(profiles.of(rows, {"prediction": ["probability"], "label": ["label"]}), "label", "order with probability")
    assert order[-1] < -0.1 and order[:-1].min() > 0.2


@given(st.permutations(list(range(DAYS))))
def test_days_that_change_places_change_places_alone(order: list[int]) -> None:
    rows = _rows()
    first = date(2013, 1, 1)
    moved = rows.with_columns(
        batch_day=pl.col("batch_day").replace({first + timedelta(days=i): first + timedelta(days=j) for i, j in enumerate(order)})
    )
    before, after = profiles.of(rows, GROUPS).table, profiles.of(moved, GROUPS).table
    assert np.allclose(after[order], before, equal_nan=True)


def test_counting_other_rows_by_the_same_coding_gives_the_same_for_the_same_rows() -> None:
    rows = _rows()
    own, coded = profiles.of(rows, GROUPS), profiles.profile(rows, profiles.code(rows, GROUPS))
    assert np.array_equal(own.table, coded.table, equal_nan=True)
    assert own.whats.tolist() == coded.whats.tolist()


def test_values_that_a_coding_does_not_know_are_unusual_and_no_nulls() -> None:
    coding = profiles.code(_rows(), GROUPS)
    other = profiles.profile(_rows().with_columns(x=pl.col("x") + 0.25, a=pl.lit("new")), coding)
    for column in ("x", "a"):
        assert np.allclose(_of(other, column, "unusual values"), np.pi / 2)
        assert not _of(other, column, "nulls").any()


def test_what_cannot_be_counted_is_left_out() -> None:
    rows = _rows().with_columns(x=pl.lit(float("nan")), a=pl.lit(None, pl.String))
    found = profiles.of(rows, {"state": ["x", "y", "absent"], "schedule": ["a"]})
    assert set(found.codings) == {"y"}


def test_infinity_is_no_value() -> None:
    found = profiles.of(_rows().with_columns(x=pl.when(pl.col("x") > 0).then(float("inf")).otherwise(pl.col("x"))), GROUPS)
    assert np.isfinite(found.table).all() and (_of(found, "x", "nulls") > 0).all()


def test_many_values_are_counted_in_bins() -> None:
    rows = pl.DataFrame({"batch_day": [date(2013, 1, 1 + i % 5) for i in range(6000)], "x": np.random.default_rng(1).normal(0, 1, 6000)})
    found = profiles.of(rows, {"state": ["x"]})
    assert not found.codings["x"].is_exact and found.counts["x"].sum() == 6000
