"""The row of an id, and for one that is not known the nearest ids."""

from __future__ import annotations

from difflib import get_close_matches

import polars as pl

from tasks.errors import EvaluationError

_NEAREST = 3  # ids that are told where one is not known
_COMPARED = 2_000  # ids, two days of them: to compare a year's letter by letter took half a minute


def pick(features: pl.LazyFrame, key: str, wanted: str) -> pl.DataFrame:
    """Return the row of an id, shape (1, columns).

    Args:
        features: Rows of features.
        key: The column of ids.
        wanted: The id.

    Raises:
        EvaluationError: If no row has it; names the nearest ids.
    """
    found = features.filter(pl.col(key) == wanted).head(1).collect()
    if found.height:
        return found
    close = _nearest(features.select(pl.col(key).sort()).collect().to_series(), wanted)
    told = f"; the nearest are {', '.join(close)}" if close else "; there is no row at all"
    raise EvaluationError(f"{key} must be that of a row known at that time", f"{wanted!r}{told}", "give one of these ids, or a later as_of")


def _nearest(ids: pl.Series, wanted: str) -> list[str]:
    """Return a few ids: the likest of those that start as it does, or its neighbours where too many do."""
    near, start = ids.clear(), wanted
    while start and len(near) < _NEAREST:
        near, start = ids.filter(ids.str.starts_with(start)), start[:-1]
    if _NEAREST <= len(near) <= _COMPARED:
        return get_close_matches(wanted, near.to_list(), n=_NEAREST, cutoff=0)
    place = int(ids.search_sorted(wanted))
    return ids.slice(max(0, min(place, len(ids)) - _NEAREST), _NEAREST).to_list()
