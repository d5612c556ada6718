"""The fitted encoding: shapes, unknown values, nulls and extremes; the same after a trip through JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.model.preprocessing import Preprocessing, fit

pytestmark = pytest.mark.unit

TRAIN = pl.DataFrame(
    {
        "a": [0.0, 1.0, 2.0, 3.0],
        "gaps": [1.0, None, float("nan"), 3.0],
        "constant": [5.0] * 4,
        "empty": pl.Series([None] * 4, dtype=pl.Float64),
        "kind": ["x", "y", None, "x"],
        "void": pl.Series([None] * 4, dtype=pl.String),
    }
)
FITTED = fit(TRAIN, ["a", "gaps", "constant", "empty"], ["kind", "void"])


def rows(**columns: list[Any]) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    base: dict[str, list[Any]] = {"a": [1.5] * count, "gaps": [2.0] * count, "kind": ["x"] * count, "void": [None] * count}
    types = {"a": pl.Float64, "gaps": pl.Float64, "kind": pl.String, "void": pl.String}
    return pl.DataFrame(base | columns, schema=types)


def test_columns_without_spread_or_values_are_left_out() -> None:
    assert [column.name for column in FITTED.numeric] == ["a", "gaps"]
    assert FITTED.columns == ["a", "gaps", "kind", "void"]


def test_width_and_cardinalities_are_those_of_the_arrays() -> None:
    numbers, codes = FITTED.encode(TRAIN)
    assert numbers.shape == (4, FITTED.width) == (4, 3)  # a, gaps, and that gaps is null
    assert codes.shape == (4, 2)
    assert FITTED.cardinalities == [3, 1]
    assert numbers.dtype == np.float32
    assert codes.dtype == np.int64
    assert numbers.flags.c_contiguous
    assert codes.flags.c_contiguous


def test_training_rows_are_standardised() -> None:
    numbers, _ = FITTED.encode(TRAIN)
    assert numbers[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert numbers[:, 0].std(ddof=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("absent", [None, float("nan")], ids=["null", "nan"])
def test_an_absent_value_is_the_median_and_is_told_where_that_is_common(absent: float | None) -> None:
    numbers, _ = FITTED.encode(rows(a=[absent, 1.5], gaps=[absent, 2.0]))
    np.testing.assert_array_equal(numbers[0, :2], numbers[1, :2])  # medians are 1.5 and 2
    np.testing.assert_array_equal(numbers[:, 2], [1, 0])


def test_rare_nulls_have_no_column_of_their_own() -> None:
    values: list[float | None] = [float(i % 7) for i in range(1000)]
    few = fit(pl.DataFrame({"v": [None] * 4 + values[4:]}), ["v"], [])
    many = fit(pl.DataFrame({"v": [None] * 5 + values[5:]}), ["v"], [])
    assert (few.width, many.width) == (1, 2)  # from 0.5 % upwards


@pytest.mark.parametrize(("value", "like"), [(1e30, 3.0), (-1e30, 0.0), (float("inf"), 3.0), (float("-inf"), 0.0)])
def test_a_value_beyond_training_is_clipped_to_it(value: float, like: float) -> None:
    numbers, _ = FITTED.encode(rows(a=[value, like]))
    assert numbers[0, 0] == numbers[1, 0]
    assert np.isfinite(numbers).all()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("x", 1),  # known values count from 1, sorted
        ("y", 2),
        ("z", 0),  # not seen in training
        (None, 0),  # nor is nothing
        ("", 0),
    ],
)
def test_codes(kind: str | None, code: int) -> None:
    assert FITTED.encode(rows(kind=[kind]))[1].tolist() == [[code, 0]]


def test_a_column_without_known_values_knows_none() -> None:
    assert FITTED.encode(rows(void=["surprise", None]))[1][:, 1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("numeric", "categorical"),
    [
        (["a"], []),  # no categories
        ([], ["kind"]),  # no numbers
        (["constant"], ["kind"]),  # none left
        (["gaps"], ["kind", "void"]),
        ([], []),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_shapes_hold_without_columns_or_rows(numeric: list[str], categorical: list[str], count: int) -> None:
    fitted = fit(TRAIN, numeric, categorical)
    numbers, codes = fitted.encode(TRAIN.head(count))
    assert numbers.shape == (count, fitted.width)
    assert codes.shape == (count, len(categorical))
    assert numbers.flags.writeable  # torch wants it so
    assert codes.flags.writeable
    assert numbers.dtype == np.float32
    assert codes.dtype == np.int64


def test_integers_are_numbers() -> None:
    frame = pl.DataFrame({"n": [1, 2, None, 3]})
    fitted = fit(frame, ["n"], [])
    assert np.isfinite(fitted.encode(frame)[0]).all()


def test_the_order_of_the_columns_of_a_frame_does_not_matter() -> None:
    for ours, theirs in zip(FITTED.encode(TRAIN), FITTED.encode(TRAIN.select(reversed(TRAIN.columns))), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_missing_column_is_an_error() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="gaps"):
        FITTED.encode(TRAIN.drop("gaps"))


values = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=8)


@given(values, st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=8))
def test_whatever_comes_is_encoded_to_finite_numbers_and_known_codes(numbers: list[Any], kinds: list[Any]) -> None:
    count = min(len(numbers), len(kinds))
    encoded, codes = FITTED.encode(rows(a=numbers[:count], gaps=numbers[:count], kind=kinds[:count], void=kinds[:count]))
    assert encoded.shape == (count, 3)
    assert np.isfinite(encoded).all()
    assert ((codes >= 0) & (codes < FITTED.cardinalities)).all()


finite = st.floats(-1e6, 1e6, width=32)


@given(st.lists(st.none() | finite, min_size=2, max_size=20), st.lists(st.none() | st.sampled_from("abcd"), min_size=2, max_size=20))
def test_json_keeps_the_encoding_exactly(numbers: list[Any], kinds: list[Any]) -> None:
    count = min(len(numbers), len(kinds))
    frame = pl.DataFrame({"n": numbers[:count], "k": kinds[:count]}, schema={"n": pl.Float64, "k": pl.String})
    fitted = fit(frame, ["n"], ["k"])
    again = Preprocessing.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    for ours, theirs in zip(fitted.encode(frame), again.encode(frame), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_encoding_is_the_same_to_the_bit_wherever_rows_are_cut_and_read_from(tmp_path: Path) -> None:
    """A mean's last bit would differ if it were a sum over pieces."""
    generator = np.random.default_rng(0)
    values = {f"v{i}": generator.normal(1e3 * i, 1 + i, 20_011).astype(np.float32) for i in range(6)}
    rows = pl.DataFrame(values | {"kind": [f"k{k}" for k in generator.integers(0, 9, 20_011)]}).with_columns(
        v5=pl.when(pl.int_range(pl.len()) % 7 > 0).then("v5")
    )
    once = fit(rows.rechunk(), list(values), ["kind"])
    pieces = pl.concat([rows.slice(start, 1_237) for start in range(0, rows.height, 1_237)], rechunk=False)
    assert pieces.n_chunks() > 10
    assert fit(pieces, list(values), ["kind"]) == once
    rows.with_row_index("n").write_parquet(tmp_path / "rows.parquet", row_group_size=911)
    lazy = pl.scan_parquet(tmp_path / "rows.parquet")
    assert fit(lazy, list(values), ["kind"]) == once
    assert fit(lazy.filter(pl.col("n") % 3 > 0), list(values), ["kind"]) == fit(
        rows.with_row_index("n").filter(pl.col("n") % 3 > 0), list(values), ["kind"]
    )
