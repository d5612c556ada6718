"""Named slices of the flights, as predicates over the features."""

from __future__ import annotations

import polars as pl

from tasks.artifacts.fairness import Grouping

_HOURS = {"night and early morning (0-7)": (0, 7), "morning (8-11)": (8, 11), "afternoon (12-16)": (12, 16), "evening (17-23)": (17, 23)}

_ARRIVALS, _ONE_A_DAY = "arrivals_dest_28d_n", 28

SMALL_COMMUNITY = pl.col(_ARRIVALS) < _ONE_A_DAY
"""Fewer than one arrival a day from New York in the last four weeks."""

BY_VALUE = ("origin", "carrier")
"""Features of which every value that occurs is a segment: `origin EWR`, `carrier UA`."""

SEGMENTS: dict[str, pl.Expr] = {
    **{name: pl.col("hour").cast(pl.Int32).is_between(*bounds) for name, bounds in _HOURS.items()},
    "small communities": SMALL_COMMUNITY,
}
"""Name to predicate, of which each must match something; the overall slice is always reported beside them."""

SENSITIVE: tuple[Grouping, ...] = (
    # Who lives where few flights go has no other flight to take; both groups together are all flights whose past is known.
    Grouping(name="air service", column=_ARRIVALS, cut=_ONE_A_DAY, below="small community", above="well served"),
    # A carrier that is warned about more often than its delays explain loses passengers by it.
    Grouping(name="carrier", column="carrier"),
)
"""Attributes whose groups the decisions must treat alike, within the limits of `policy.FAIRNESS`."""
