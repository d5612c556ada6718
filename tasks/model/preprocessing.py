"""Fitted preprocessing as data: from a frame of features to the two arrays that a network reads.

Fitted on training rows only, kept as JSON, and the same in training, evaluation and serving. Needs neither torch nor
scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Standard:
    """The encoding of numeric columns, each array of shape (numeric columns,) but the last: the one for frames and for requests.

    Attributes:
        fill: What stands for a missing value.
        lower: Values are clipped to it from below ...
        upper: ... and to this from above.
        mean: Subtracted.
        scale: Divided by.
        indicated: Positions of the columns whose nulls are told in a column of their own, shape (indicators,).
    """

    fill: Floats
    lower: Floats
    upper: Floats
    mean: Floats
    scale: Floats
    indicated: Codes

    def encode(self, values: Floats) -> Floats:
        """Encode numbers.

        Args:
            values: Numeric columns in their order, float32 of shape (n, numeric columns), NaN where a value is missing.

        Returns:
            Float32 of shape (n, width): clipped, filled and standardised, then the indicators.
        """
        count, absent = len(self.fill), np.isnan(values)
        encoded = np.empty((len(values), count + len(self.indicated)), np.float32)
        numbers = encoded[:, :count]
        np.copyto(numbers, values)
        np.copyto(numbers, self.fill, where=absent)
        np.clip(numbers, self.lower, self.upper, out=numbers)
        numbers -= self.mean
        numbers /= self.scale
        encoded[:, count:] = absent[:, self.indicated]
        return encoded


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
        """Encode rows of a frame.

        Args:
            frame: n rows with `columns`.

        Returns:
            Float32 array of shape (n, width) and int64 array of shape (n, number of categorical columns).
        """
        values = [pl.col(c.name).cast(pl.Float32).fill_null(np.nan) for c in self.numeric]
        codes = [
            pl.col(c.name).replace_strict(known, default=0, return_dtype=pl.Int64)
            for c, known in zip(self.categorical, self.known, strict=True)
        ]
        return self.standard.encode(_array(frame, values, np.float32)), _array(frame, codes, np.int64)

    @property
    def known(self) -> list[dict[str, int]]:
        """Value to code of each categorical column; any other value has code 0."""
        return [{value: code for code, value in enumerate(column.values, start=1)} for column in self.categorical]

    @property
    def standard(self) -> Standard:
        """How the numeric columns are encoded, as arrays."""

        def of(name: str) -> Floats:
            return np.array([getattr(column, name) for column in self.numeric], np.float32)

        indicated = np.array([i for i, column in enumerate(self.numeric) if column.has_indicator], np.int64)
        return Standard(of("fill"), of("lower"), of("upper"), of("mean"), of("scale"), indicated)


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
