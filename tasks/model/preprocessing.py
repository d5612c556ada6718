"""Fitted preprocessing as data: from a frame of features to the two arrays that a network reads.

Fitted on training rows only, kept as JSON, and the same in training, evaluation and serving. Needs neither torch nor
scikit-learn.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

_INDICATE_NULLS_FROM = 0.005  # share of nulls from which their absence is told to the model as a column of its own


class Numeric(BaseModel):
    """How one numeric column is encoded: clipped, filled, standardised; with a column for nulls where they are common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lower: float
    upper: float
    fill: float
    mean: float
    scale: float
    has_indicator: bool


class Categorical(BaseModel):
    """The known values of one categorical column; code 0 is for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    values: list[str]


class Preprocessing(BaseModel):
    """The fitted encoding of all columns, in the order in which the network reads them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    numeric: list[Numeric]
    categorical: list[Categorical]

    @property
    def width(self) -> int:
        """Number of numeric inputs: the columns, then the indicators."""
        return len(self.numeric) + sum(column.has_indicator for column in self.numeric)

    @property
    def cardinalities(self) -> list[int]:
        """Number of codes of each categorical input, the code for unknown values included."""
        return [len(column.values) + 1 for column in self.categorical]

    @property
    def columns(self) -> list[str]:
        """Names of the columns that `encode` needs."""
        return [*(column.name for column in self.numeric), *(column.name for column in self.categorical)]

    def encode(self, frame: pl.DataFrame) -> tuple[Floats, Codes]:
        """Encode rows.

        Args:
            frame: n rows with `columns`.

        Returns:
            Float32 array of shape (n, width) and int64 array of shape (n, number of categorical columns).
        """
        values = [
            ((pl.col(c.name).fill_nan(None).fill_null(c.fill).clip(c.lower, c.upper) - c.mean) / c.scale).cast(pl.Float32)
            for c in self.numeric
        ]
        absent = [
            pl.col(c.name).fill_nan(None).is_null().cast(pl.Float32).alias(f"{c.name} is null") for c in self.numeric if c.has_indicator
        ]
        codes = [
            pl.col(c.name).replace_strict({v: i for i, v in enumerate(c.values, start=1)}, default=0, return_dtype=pl.Int64).alias(c.name)
            for c in self.categorical
        ]
        return _array(frame, [*values, *absent], np.float32), _array(frame, codes, np.int64)


def _array(frame: pl.DataFrame, made: list[pl.Expr], dtype: type[np.generic]) -> npt.NDArray[Any]:
    if not made:  # polars forgets the number of rows of a frame without columns
        return np.empty((frame.height, 0), dtype)
    # Of a single column polars lends its own memory, read-only, which torch does not take.
    return np.require(frame.select(made).to_numpy(), dtype, ["C", "W"])


def fit(rows: pl.LazyFrame | pl.DataFrame, numeric: list[str], categorical: list[str]) -> Preprocessing:
    """Fit the encoding on training rows, of which one column at a time is in memory.

    Columns without spread (or without any value) tell nothing and are left out.

    Args:
        rows: Training rows.
        numeric: Names of the numeric columns.
        categorical: Names of the categorical columns.
    """
    lazy = rows.lazy()
    fitted = [found for name in numeric if (found := _fit_numeric(lazy, name)) is not None]
    known = [Categorical(name=name, values=_column(lazy, pl.col(name).drop_nulls().unique()).sort().to_list()) for name in categorical]
    return Preprocessing(numeric=fitted, categorical=known)


def _fit_numeric(rows: pl.LazyFrame, name: str) -> Numeric | None:
    values = _column(rows, pl.col(name).cast(pl.Float64).fill_nan(None))
    count, nulls = len(values), values.null_count()
    mean, scale = cast(float | None, values.mean()), cast(float | None, values.std())
    if mean is None or not (scale or 0) > 1e-9:
        return None
    return Numeric(
        name=name,
        lower=cast(float, values.min()),
        upper=cast(float, values.max()),
        fill=cast(float, values.median()),
        mean=mean,
        scale=cast(float, scale),
        has_indicator=nulls >= _INDICATE_NULLS_FROM * count,
    )


def _column(rows: pl.LazyFrame, made: pl.Expr) -> pl.Series:
    # In one piece: a sum over pieces depends on where they are cut, and so would the last bit of a mean.
    return rows.select(made).collect(engine="streaming").to_series().rechunk()
