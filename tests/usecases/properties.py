"""What must hold of any use case's features, whatever its data: one definition in three ways, and no sight of the future.

The tests of a use case give its own functions and its own real rows. Not a test itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from tasks.contracts import Table, types

Tables = Mapping[str, pl.LazyFrame]
Build = Callable[..., pl.LazyFrame]


def cut(tables: Tables, daily: Sequence[Table], day_of: Callable[[Table], pl.Expr], days: tuple[date, date], lookback: timedelta) -> Tables:
    """Keep the raw rows that matter for the features of some local days."""
    first, last = days[0] - lookback, days[1]
    kept = {table.name: tables[table.name].filter(day_of(table).is_between(first, last)).collect().lazy() for table in daily}
    return {**tables, **kept}


def answered(asked: Sequence[Mapping[str, Any]], online: Any, features: type, names: Sequence[str], key: str) -> pl.DataFrame:
    """Return what the online features say of rows, in the order of the build."""
    schema = {name: types(features)[name] for name in names}  # type: ignore[arg-type]  # a pandera model
    parts = [online.features_of(asked[i : i + 2_000]) for i in range(0, len(asked), 2_000)]
    return pl.concat(pl.DataFrame(part, schema=schema) for part in parts).sort("predicted_at", key)


def differing(found: pl.DataFrame, expected: pl.DataFrame) -> list[str]:
    """Return the columns that differ in any bit: nulls are equal to nulls, and the sign of zero counts."""
    assert found.schema == expected.schema
    names = [name for name in found.columns if not found[name].equals(expected[name], null_equal=True)]
    floats = [name for name, dtype in found.schema.items() if dtype == pl.Float32]
    return names + [name for name in floats if not found[name].reinterpret(signed=False).equals(expected[name].reinterpret(signed=False))]


def until(frame: pl.DataFrame, instant: datetime, names: Sequence[str]) -> pl.DataFrame:
    """Return what the build knows in advance of the rows that were predicted up to an instant."""
    return frame.filter(pl.col("predicted_at") <= instant).select(names)


def sees_no_deleted_future(
    tables: Tables, known_by: Callable[[Tables, datetime], Tables], build: Build, instant: datetime, names: Sequence[str], key: str
) -> pl.DataFrame:
    """Delete every record known after an instant: no row up to it may change, and labels that came later must be gone.

    Returns:
        The rows up to the instant, from all records.
    """
    whole = build(tables).collect()
    without = build(known_by(tables, instant)).collect()
    expected, found = until(whole, instant, names), until(without, instant, names)
    assert found.height > 0.95 * expected.height
    assert differing(found, expected.filter(pl.col(key).is_in(found.get_column(key).implode()))) == []
    labels = without.join(whole.select(key, "label", "label_known_at"), on=key, suffix="_later")
    was_known = (pl.col("label_known_at_later") <= instant).fill_null(False)
    assert labels.filter(was_known).select((pl.col("label") == pl.col("label_later")).all()).item()
    assert labels.filter(~was_known).get_column("label").null_count() == labels.filter(~was_known).height > 0
    return expected
