"""Named slices of the applications, as predicates over the features."""

from __future__ import annotations

import polars as pl

from tasks.artifacts.fairness import Grouping

_HIGH_OBLIGATIONS = 36.0  # percent of income: the guideline of the secondary market in 1990
_SMALL_LOAN = 100.0  # thousand dollars

BY_VALUE = ("property",)
"""Features of which every value that occurs is a segment: `property condominium`."""

SEGMENTS: dict[str, pl.Expr] = {
    "high obligations": pl.col("obligations_ratio") > _HIGH_OBLIGATIONS,
    "small loans": pl.col("loan") < _SMALL_LOAN,
    "two applicants": pl.col("second_income_share") > 0,
    "Suffolk County": pl.col("county") == "Suffolk",
}
"""Name to predicate, of which each must match something; the overall slice is always reported beside them."""

SENSITIVE: tuple[Grouping, ...] = (
    # The Equal Credit Opportunity Act forbids to treat applicants differently by any of these; none is an input.
    Grouping(name="race", column="race"),
    Grouping(name="sex", column="sex"),
    Grouping(name="marital status", column="marital_status"),
    Grouping(name="age", column="age"),
)
"""Attributes whose groups the decisions must treat alike, within the limits of `policy.FAIRNESS`."""
