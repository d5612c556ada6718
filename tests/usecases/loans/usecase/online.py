"""The features of single applications, for serving, from the definition that `build` in `features.py` has for all of them.

Offline never imports this module, so that a change here makes no features anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tasks.contracts import columns, types
from tasks.errors import ClockError, ContractViolation
from tasks.usecase.contract import Applications
from tasks.usecase.features import Features, own_features, past

_LENDERS = ("decided_at", "action", *columns(Applications, "other"))
_GROUPS = columns(Applications, "segment")

CLIENT = tuple(name for name in types(Applications) if name not in {*_LENDERS, *_GROUPS})
"""What a client sends of an application, columns of the contract: all that came with it, but nothing of the applicant's groups."""

OPTIONAL = ("term", "unit", "liq", "lines", "rep")

SCHEDULED = {name: types(Applications)[name] for name in CLIENT}
"""Columns of an application that are known when it comes in, with their types."""

_NOT_KNOWN = {name: types(Applications)[name] for name in (*_LENDERS, *_GROUPS)}

_LATER = {"label_known_at", *columns(Features, "label"), *columns(Features, "segment")}

ANSWERED = tuple(name for name in types(Features) if name not in _LATER)
"""The columns of `Features` that can be known at the prediction instant, and may be."""


def completed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an application as a client sends it (`CLIENT`) with all columns of `SCHEDULED`.

    Raises:
        ContractViolation: If the whole of it breaks a rule that no single field does.
    """
    if row["obrat"] < row["hrat"] - 0.5:
        raise ContractViolation("obrat must not be below hrat, which is a part of it", "less", "take both from the application")
    if row["atotinc"] + row["cototinc"] <= 0:
        raise ContractViolation("atotinc or cototinc must be above 0", "none", "take both from the application")
    return {name: row.get(name) for name in SCHEDULED}


class Online:
    """The features of single applications, from an index of what is known: the same values as `build` gives, to the bit."""

    def __init__(self, tables: Mapping[str, pl.LazyFrame]) -> None:
        """Index the past.

        Args:
            tables: `applications`, from LOOKBACK before the days that will be asked about.
        """
        parts = list(past(tables["applications"]))
        self._indexes = [index for index, _ in parts]
        self._made = [expr for _, made in parts for expr in made]
        self._schema = {name: dtype for index in self._indexes for name, dtype in index.schema.items()}

    def features_of(self, rows: Sequence[Mapping[str, Any]], at: datetime | None = None) -> list[dict[str, Any]]:
        """Return the features of applications, each from what was known at its instant.

        Args:
            rows: With what is known when they come in (`SCHEDULED`). Anything else in a row is not read.
            at: The instant (with a time zone) to ask at, for all; by default each application's own.

        Returns:
            For each the columns `ANSWERED`, `predicted_at` being the instant asked at.

        Raises:
            ContractViolation: If a row lacks a column.
            ClockError: If `at` is later than a prediction instant: that is none the model has learned from.
        """
        missing = sorted({name for name in SCHEDULED for row in rows if name not in row})
        if missing:
            told = f"none named {', '.join(missing)}"
            raise ContractViolation(f"an application must have {', '.join(SCHEDULED)}", told, "complete the row")
        known = pl.LazyFrame([[row[name] for name in SCHEDULED] for row in rows], schema=SCHEDULED, orient="row")
        queries = own_features(known.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _NOT_KNOWN.items())).collect()
        if at is not None:
            first = queries.get_column("predicted_at").min()
            if isinstance(first, datetime) and at > first:
                raise ClockError(f"at must be no later than the prediction instant {first:%F %T}Z", f"{at}", "leave `at` out")
            queries = queries.with_columns(predicted_at=pl.lit(at).cast(queries.schema["predicted_at"]))
        found = pl.DataFrame([self._look_up(query) for query in queries.iter_rows(named=True)], schema=self._schema, orient="row")
        return queries.hstack(found).with_columns(self._made).select(ANSWERED).rows(named=True)

    def _look_up(self, query: Mapping[str, Any]) -> list[Any]:
        asked = query["predicted_at"]
        return [value for index in self._indexes for value in index.at(tuple(query[name] for name in index.by), asked)]
