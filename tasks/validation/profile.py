"""What a day looks like, column by column: the small frame that the rules about batches read instead of the rows.

A day's profile rests on that day's rows alone, so that the lake can keep it. What is expected of a day stands in `batch.py`.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tasks.contracts import Table, columns, sensitive, types
from tasks.rows import violations

DAY = "batch_day"
KEY = "(key)"
"""The name under which the rows' key is profiled: `distinct` below `rows` means that keys repeat."""

MOST_VALUES = 150
"""A text column with more values a day names things (tail numbers), it is no category."""

SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        DAY: pl.Date(),
        "column": pl.String(),
        "rows": pl.Int64(),
        "nulls": pl.Int64(),
        "distinct": pl.Int64(),
        "minimum": pl.Float64(),
        "maximum": pl.Float64(),
        "mean": pl.Float64(),
        "median": pl.Float64(),
        "deviation": pl.Float64(),
        "with_label": pl.Float64(),
        "values": pl.List(pl.String()),
        "broken": pl.List(pl.String()),
    }
)


def profile(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Profile each day of a table.

    Args:
        rows: The table's rows, with a Date column `batch_day`; without one (a table that is not daily) all are one batch.
        table: Its contract.

    Returns:
        A row a day and column, and one for the key, of the form `SCHEMA`: counts of rows, nulls and distinct values that are
        not null; of numbers (instants count as seconds since 1970) the minimum, maximum, mean, median, standard deviation, and
        Pearson's correlation with the label; of text with few values that is not sensitive, the values. What does not
        apply is null. The key's row lists the rules of the contract that rows of the day break, an empty list if none.
    """
    if DAY not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.Date).alias(DAY))
    names = [name for name in types(table.schema) if name in rows.columns]
    statistics = {(name, kind): expr for name in names for kind, expr in _statistics(name, rows.schema[name], table).items()}
    key = pl.struct(table.key) if len(table.key) > 1 else pl.col(table.key[0])
    statistics[KEY, "nulls"] = pl.lit(0)
    statistics[KEY, "distinct"] = key.n_unique()
    by_day = rows.group_by(DAY).agg(pl.len().alias("rows"), *(expr.alias(f"{name}/{kind}") for (name, kind), expr in statistics.items()))
    broken = _broken(rows, table)
    found = pl.Series(f"{KEY}/broken", [broken.get(day, []) for day in by_day.get_column(DAY)], SCHEMA["broken"])
    statistics[KEY, "broken"] = pl.col(found.name)
    by_day = by_day.with_columns(found)
    made = [
        by_day.select(
            pl.lit(table.name).alias("table"),
            DAY,
            pl.lit(name).alias("column"),
            "rows",
            *(pl.col(f"{name}/{kind}").alias(kind) if (name, kind) in statistics else pl.lit(None).alias(kind) for kind in _KINDS),
        ).cast(SCHEMA)
        for name in (*names, KEY)
    ]
    return pl.concat(made).sort(DAY, "column")


_KINDS = [name for name in SCHEMA if name not in ("table", DAY, "column", "rows")]


def _broken(rows: pl.DataFrame, table: Table) -> dict[date | None, list[str]]:
    """Return the broken rules by day; rows of a lake keep them all, so that all days are asked at once first."""

    def told(part: pl.DataFrame) -> list[str]:
        return [str(violation) for violation in violations(part.lazy(), table.schema, table.rules)]

    if not told(rows.drop(DAY)):
        return {}
    return {day: told(part) for (day,), part in rows.partition_by(DAY, as_dict=True, include_key=False).items()}


def _statistics(name: str, dtype: pl.DataType, table: Table) -> dict[str, pl.Expr]:
    value = pl.col(name)
    found = {"nulls": value.null_count(), "distinct": value.drop_nulls().n_unique()}
    if dtype.is_numeric() or dtype.is_temporal():
        number = value.dt.epoch("s") if isinstance(dtype, pl.Datetime) else value.to_physical()
        found |= {"minimum": number.min(), "maximum": number.max(), "mean": number.mean(), "median": number.median()}
        found["deviation"] = number.cast(pl.Float64).std()
        labels = columns(table.schema, "label")
        if labels and name not in labels:
            both = value.is_not_null() & pl.col(labels[0]).is_not_null()
            paired = (column.filter(both).cast(pl.Float64) for column in (number, pl.col(labels[0])))
            found["with_label"] = pl.corr(*paired).fill_nan(None)
    elif dtype == pl.String and name not in sensitive(table.schema):
        values = value.drop_nulls().unique().sort()
        found["values"] = pl.when(found["distinct"] <= MOST_VALUES).then(values.implode())
    return found
