"""Skew between training and serving: the features of logged predictions, made again from the lake for the same instant.

A feature that differs was made of other data, or in another way, than what the model learned from (Breck et al., "The ML test
score", IEEE Big Data 2017, Monitor 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.artifacts.monitoring import Skew

_AGAIN = "__recomputed_"
_TINY = 1e-30  # two zeros differ by nothing


def compare(
    logged: pl.DataFrame,
    recomputed: pl.DataFrame,
    key: str,
    at: str,
    numeric: Sequence[str],
    categorical: Sequence[str],
    tolerance: float,
) -> tuple[int, list[Skew]]:
    """Compare logged features with those of the lake.

    Args:
        logged: A row a prediction, with `key`, `at` and features; null where a client named no key.
        recomputed: A row a key and instant, with the same columns. Of several of one key and instant the first counts.
        key: The column that names what was asked about.
        at: The column of the instants that were asked for.
        numeric: Numeric features; those that either side lacks are left out, as nothing can be said of them.
        categorical: The others.
        tolerance: Relative difference of two numbers that is none; a number and none differ.

    Returns:
        How many predictions could be compared, and what differs in any of them, the most often first.
    """
    numbers, texts = ([n for n in names if n in logged.columns and n in recomputed.columns] for names in (numeric, categorical))
    again = recomputed.unique([key, at], keep="first", maintain_order=True)
    again = again.select(key, at, *(pl.col(name).alias(f"{_AGAIN}{name}") for name in (*numbers, *texts)))
    rows = logged.filter(pl.col(key).is_not_null()).join(again, on=[key, at])
    if not rows.height:
        return 0, []
    apart = rows.select(
        *(_relative(name).alias(f"by {name}") for name in numbers),
        *(_differs(name, tolerance).alias(name) for name in numbers),
        *(pl.col(name).cast(pl.String).ne_missing(pl.col(f"{_AGAIN}{name}").cast(pl.String)) for name in texts),
    )
    found = []
    for name in (*numbers, *texts):
        differing = int(apart.get_column(name).sum())
        if differing:
            largest = apart.filter(pl.col(name)).get_column(f"by {name}").max() if name in numbers else None
            found.append(Skew(feature=name, rows=rows.height, differing=differing, largest=largest))  # type: ignore[arg-type]  # a number
    return rows.height, sorted(found, key=lambda skew: -skew.differing)


def _numbers(name: str) -> tuple[pl.Expr, pl.Expr]:
    """Return a feature as logged and as made again, as float32, which the log keeps; NaN is none."""
    found = (pl.col(n).cast(pl.Float32).fill_nan(None).cast(pl.Float64) for n in (name, f"{_AGAIN}{name}"))
    return tuple(found)  # type: ignore[return-value]  # two


def _relative(name: str) -> pl.Expr:
    mine, theirs = _numbers(name)
    return (mine - theirs).abs() / pl.max_horizontal(mine.abs(), theirs.abs(), pl.lit(_TINY))


def _differs(name: str, tolerance: float) -> pl.Expr:
    mine, theirs = _numbers(name)
    return (mine.is_null() != theirs.is_null()) | (_relative(name) > tolerance).fill_null(False)
