"""Fitted preprocessing as data: from a frame of features to the two arrays that a network reads.

Fitted on training rows only, kept as JSON, and the same in training, evaluation and serving. Needs neither torch nor
scikit-learn.
"""

from __future__ import annotations

from typing import Any

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


def fit(frame: pl.DataFrame, numeric: list[str], categorical: list[str]) -> Preprocessing:
    """Fit the encoding on training rows.

    Columns without spread (or without any value) tell nothing and are left out.

    Args:
        frame: Training rows.
        numeric: Names of the numeric columns.
        categorical: Names of the categorical columns.
    """
    finite = {name: pl.col(name).fill_nan(None).cast(pl.Float64) for name in numeric}
    summary = frame.select(
        *(e.min().alias(f"{n}|min") for n, e in finite.items()),
        *(e.max().alias(f"{n}|max") for n, e in finite.items()),
        *(e.median().alias(f"{n}|median") for n, e in finite.items()),
        *(e.mean().alias(f"{n}|mean") for n, e in finite.items()),
        *(e.std().alias(f"{n}|std") for n, e in finite.items()),
        *(e.null_count().alias(f"{n}|nulls") for n, e in finite.items()),
    )
    statistics = summary.row(0, named=True) if numeric else {}
    fitted = [
        Numeric(
            name=name,
            lower=statistics[f"{name}|min"],
            upper=statistics[f"{name}|max"],
            fill=statistics[f"{name}|median"],
            mean=statistics[f"{name}|mean"],
            scale=statistics[f"{name}|std"],
            has_indicator=statistics[f"{name}|nulls"] >= _INDICATE_NULLS_FROM * frame.height,
        )
        for name in numeric
        if (statistics[f"{name}|std"] or 0) > 1e-9
    ]
    known = [Categorical(name=name, values=frame.get_column(name).drop_nulls().unique().sort().to_list()) for name in categorical]
    return Preprocessing(numeric=fitted, categorical=known)
