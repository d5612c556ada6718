"""Slices of rows by predicate: which rows each segment has, and that a predicate which matches nothing is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.errors import EvaluationError

Mask = npt.NDArray[np.bool_]

_SHOWN = 5


def masks(rows: pl.DataFrame, segments: Mapping[str, pl.Expr]) -> dict[str, Mask]:
    """Return which rows each segment has; a predicate that is null of a row leaves it out."""
    found = rows.select(expr.fill_null(False).alias(name) for name, expr in segments.items())
    return {name: found.get_column(name).to_numpy() for name in segments}


def declared(rows: pl.DataFrame, named: Mapping[str, pl.Expr], by_value: Sequence[str]) -> dict[str, pl.Expr]:
    """Return the predicates of all segments: one for each value of some features that the rows have, and the named ones.

    Args:
        rows: Evaluation rows.
        named: Name to predicate.
        by_value: Features; a segment of one is called by feature and value.

    Raises:
        EvaluationError: If the rows lack one of these features.
    """
    absent = [name for name in by_value if name not in rows.columns]
    if absent:
        mend = "mend BY_VALUE in tasks/usecase/segments.py"
        raise EvaluationError("the rows must have every feature whose values are segments", f"no {', '.join(absent)}", mend)
    values = {name: sorted(rows.get_column(name).drop_nulls().unique().to_list()) for name in by_value}
    return {**{f"{name} {value}": pl.col(name) == value for name, found in values.items() for value in found}, **named}


def require_matched(segments: Mapping[str, pl.Expr], *frames: pl.DataFrame) -> None:
    """Raise unless every segment has a row in one of the frames: a predicate that matches nothing is misspelt, not rare.

    Raises:
        EvaluationError: Naming those that have none, or that cannot be asked of these rows.
    """
    try:
        found = {name: any(frame.select(expr.fill_null(False).any()).item() for frame in frames) for name, expr in segments.items()}
    except pl.exceptions.PolarsError as error:
        expected, mend = "every segment must be a predicate over the features", "mend it in tasks/usecase/segments.py"
        raise EvaluationError(expected, str(error).strip().split("\n")[0][:300], mend) from error
    empty = [repr(name) for name, is_found in found.items() if not is_found]
    if empty:
        rows = sum(frame.height for frame in frames)
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        raise EvaluationError(
            "every segment must match a row",
            f"none of {rows:,} rows in {', '.join(empty[:_SHOWN])}{more}",
            "mend the predicate in tasks/usecase/segments.py, or remove it",
        )
