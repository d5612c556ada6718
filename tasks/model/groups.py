"""Groups of a sensitive attribute, and the decision threshold of each row: one definition for training, evaluation and serving.

A group is a text, so that a package can name it in JSON. Plain polars and numpy: the service imports it too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.fairness import Grouping
from tasks.errors import ConfigError

UNKNOWN = "unknown"
"""The group of a row whose value is not known."""


def group(grouping: Grouping) -> pl.Expr:
    """Return the group of a row as text; a null, or a NaN of a number, is `UNKNOWN`."""
    column = pl.col(grouping.column)
    if grouping.cut is None:
        return column.cast(pl.String).fill_null(UNKNOWN)
    number = column.cast(pl.Float64)
    known = number.is_not_null() & number.is_not_nan()
    return (
        pl.when(~known)
        .then(pl.lit(UNKNOWN))
        .when(number < grouping.cut)
        .then(pl.lit(grouping.below))
        .otherwise(pl.lit(grouping.above))
        .alias(grouping.column)
    )


def groups_of(frame: pl.DataFrame, grouping: Grouping) -> pl.Series:
    """Return the group of each row, shape (n,), texts.

    Args:
        frame: Rows with the attribute's column.
        grouping: The attribute.

    Raises:
        ConfigError: If the rows lack the column.
    """
    require_columns(frame.columns, [grouping])
    return frame.select(group(grouping)).to_series().alias(grouping.name)


def require_columns(columns: Sequence[str], groupings: Sequence[Grouping]) -> None:
    """Require that rows have the column of every attribute.

    Raises:
        ConfigError: Naming each attribute whose column is not there.
    """
    missing = [f"{grouping.name} by {grouping.column}" for grouping in groupings if grouping.column not in columns]
    if missing:
        found = f"no column for {', '.join(missing[:5])}"
        raise ConfigError(
            "the rows must have the column of every sensitive attribute", found, "mend SENSITIVE in tasks/usecase/segments.py"
        )


def named(name: str, groupings: Sequence[Grouping]) -> Grouping | None:
    """Return the attribute of a name, None for the empty name.

    Raises:
        ConfigError: If no attribute has that name; it lists those that there are.
    """
    return required(name, groupings) if name else None


def require_servable(grouping: Grouping | None, inputs: Collection[str]) -> None:
    """Require that the service can tell the group of a row, if groups are to have thresholds of their own.

    Args:
        grouping: The attribute; None where all rows have the same threshold.
        inputs: The features that a model reads.

    Raises:
        ConfigError: If it is by a column that no request has: a protected one that is kept out of the features.
    """
    if grouping is not None and grouping.column not in inputs:
        raise ConfigError(
            "thresholds by group must be by a feature that the model reads, as the service knows nothing else of a row",
            f"{grouping.name!r}, which is by {grouping.column}",
            "choose another attribute for group_thresholds, or reweigh by this one",
        )


def required(name: str, groupings: Sequence[Grouping]) -> Grouping:
    """Return the attribute of a name.

    Raises:
        ConfigError: If no attribute has that name; it lists those that there are.
    """
    for grouping in groupings:
        if grouping.name == name:
            return grouping
    known = ", ".join(repr(grouping.name) for grouping in groupings) or "none"
    mend = "choose one of them, or declare it in SENSITIVE of tasks/usecase/segments.py"
    raise ConfigError(f"a sensitive attribute must be one of those declared: {known}", f"{name!r}", mend)


def row_thresholds(
    frame: pl.DataFrame, threshold: float, grouping: Grouping | None = None, by_group: Mapping[str, float] | None = None
) -> npt.NDArray[np.float64]:
    """Return the probability from which each row is flagged, shape (n,).

    Args:
        frame: Rows, with the attribute's column if there is one.
        threshold: Of rows whose group has none of its own.
        grouping: The attribute whose groups have thresholds; None where all rows have the same.
        by_group: Group to threshold.

    Raises:
        ConfigError: If the rows lack the attribute's column.
    """
    if grouping is None or not by_group:
        return np.full(frame.height, threshold)
    groups = groups_of(frame, grouping)
    own = groups.replace_strict(list(by_group), list(by_group.values()), default=threshold, return_dtype=pl.Float64)
    return own.to_numpy().astype(np.float64)
