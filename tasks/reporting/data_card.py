"""The data card: what the data are, column by column and rule by rule, and what one snapshot of them holds.

All of it comes from the contract and from the profile of the snapshot, so that it cannot go stale beside them. The same
parts become Markdown (for the docs) and HTML (for a Deck). Restricted columns show no value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import Table, describe, sensitive, types
from tasks.reporting import blocks, page, text
from tasks.reporting.blocks import Block, Bullets, Grid, Title
from tasks.rows import allowed

MASKED = "masked"
"""What the card shows in place of a restricted column's values."""

_MOST_VALUES = 20  # of a category: more is a list to look up, not to read
_SPARSE = 0.05  # share of nulls above which a column is named among the limits
_COLUMN_HEADERS = ("column", "meaning", "type", "unit", "role", "allowed", "nullable", "sensitivity", "retention")
_STATISTIC_HEADERS = ("column", "null", "minimum", "mean", "maximum", "distinct", "values")


def markdown(
    title: str, owner: str, tables: Sequence[Table], snapshot: DataSnapshot, profile: pl.DataFrame, limits: Sequence[str] = ()
) -> str:
    """Return the data card as Markdown.

    Args:
        title: Name of the data.
        owner: Who answers for them.
        tables: The contract.
        snapshot: What the card describes.
        profile: A row a table, day and column: `table`, `batch_day`, `column`, `rows`, `nulls`, `distinct`, `minimum`,
            `maximum`, `mean` (instants as seconds since 1970; null for text) and `values` (of low-cardinality text).
            Names that are not the contract's are left out.
        limits: What the use case knows about its data and no statistic shows, a sentence each.

    Returns:
        A document that ends with a line break.
    """
    written = [f"# {blocks.plain(title)}"]
    for heading, said in _parts(owner, tables, snapshot, profile, limits):
        written.append(f"## {heading}")
        written.extend(blocks.to_markdown(part) for part in said)
    return "\n\n".join(written) + "\n"


def html(title: str, owner: str, tables: Sequence[Table], snapshot: DataSnapshot, profile: pl.DataFrame, limits: Sequence[str] = ()) -> str:
    """Return the data card as an HTML fragment that carries its style; see `markdown`."""
    parts = [page.lead("", title)]
    for heading, said in _parts(owner, tables, snapshot, profile, limits):
        parts.append(page.heading(heading))
        parts.extend(blocks.to_html(part) for part in said)
    return page.fragment(*parts)


def _parts(
    owner: str, tables: Sequence[Table], snapshot: DataSnapshot, profile: pl.DataFrame, limits: Sequence[str]
) -> list[tuple[str, list[Block]]]:
    statistics = _statistics(profile)
    columns: list[Block] = []
    for table in tables:
        columns += [Title(table.name), _columns(table), _measured(table, statistics)]
    return [
        ("What it is and where it comes from", _origin(tables, snapshot)),
        ("Owner", [f"{owner} answers for these data and for this contract."]),
        ("Tables", [_tables(tables, snapshot, statistics)]),
        ("Columns", columns),
        ("Rules", _rules(tables)),
        ("Sensitivity and retention", _sensitivity(tables)),
        ("Quarantine", _quarantine(snapshot)),
        ("Known limits", [Bullets([*limits, *_limits(tables, statistics)])]),
    ]


def _origin(tables: Sequence[Table], snapshot: DataSnapshot) -> list[Block]:
    days = text.days_between(snapshot.first_day, snapshot.last_day)
    return [
        f"Read from {snapshot.source}, as known at {text.instant(snapshot.as_of)}: "
        f"{snapshot.first_day} to {snapshot.last_day}, {text.count(days, 'day')}, {text.count(snapshot.rows_read, 'row')} read. "
        f"Content {text.short(snapshot.content_hash)}.",
        Bullets([f"{table.name}: {_summary(table)}" for table in tables]),
    ]


def _summary(table: Table) -> str:
    return " ".join((table.schema.__doc__ or "").split())


def _tables(tables: Sequence[Table], snapshot: DataSnapshot, statistics: pl.DataFrame) -> Grid:
    held = {version.name: version for version in snapshot.tables}
    days = dict(statistics.group_by("table").agg(pl.col("days").max()).rows())
    rows = [
        (
            table.name,
            text.count(held[table.name].rows) if table.name in held else page.NOTHING,
            text.count(days[table.name]) if table.is_daily and table.name in days else page.NOTHING,
            text.count(len(describe(table.schema))),
            ", ".join(table.key),
            "in daily batches" if table.is_daily else "whole",
        )
        for table in tables
    ]
    return Grid(("table", "rows", "days", "columns", "key", "comes"), rows)


def _columns(table: Table) -> Grid:
    dtypes, permitted = types(table.schema), allowed(table.schema)
    rows = []
    for name, column in describe(table.schema).items():
        said = column.metadata or {}
        rows.append(
            (
                name,
                column.description or page.NOTHING,
                _type(dtypes[name]),
                said.get("unit") or page.NOTHING,
                said.get("role") or page.NOTHING,
                _range(column.checks) or "; ".join(permitted[name]) or "any",
                "yes" if column.nullable else "no",
                said.get("sensitivity") or "public",
                _retention(said),
            )
        )
    return Grid(_COLUMN_HEADERS, rows)


def _type(dtype: pl.DataType) -> str:
    return "instant (UTC)" if isinstance(dtype, pl.Datetime) else str(dtype)


def _range(checks: Sequence[Any]) -> str:
    """Return a lower and an upper bound as one range; nothing where the checks are others."""
    bounds = {check.name: check.statistics for check in checks}
    if bounds.keys() != {"greater_than_or_equal_to", "less_than_or_equal_to"}:
        isin = bounds.get("isin")
        return f"one of {', '.join(map(str, isin['allowed_values']))}" if isin and len(bounds) == 1 else ""
    return f"{bounds['greater_than_or_equal_to']['min_value']:,} to {bounds['less_than_or_equal_to']['max_value']:,}".replace(",", "")


def _retention(said: dict[str, Any]) -> str:
    days = said.get("retention_days")
    return "with the table" if days is None else text.count(days, "day")


def _statistics(profile: pl.DataFrame) -> pl.DataFrame:
    """Return one row a table and column over all days; the mean is that of all rows, `distinct` at least the number of values."""
    known = pl.col("rows") - pl.col("nulls")
    total = pl.col("known").filter(pl.col("mean").is_not_null()).sum()
    mean = pl.when(total > 0).then((pl.col("mean") * pl.col("known")).sum() / total)
    values = pl.col("values").list.explode(keep_nulls=False, empty_as_null=False).drop_nulls().unique().sort()
    return (
        profile.with_columns(known=known)
        .group_by("table", "column")
        .agg(
            pl.col("rows").sum(),
            pl.col("nulls").sum(),
            # Values that recur from day to day cannot be told apart, unless they are listed.
            pl.col("distinct").max(),
            pl.col("minimum").min(),
            pl.col("maximum").max(),
            mean.alias("mean"),
            values.alias("values"),
            pl.col("values").is_null().any().alias("is_open"),
            pl.col("batch_day").n_unique().alias("days"),
        )
    )


def _measured(table: Table, statistics: pl.DataFrame) -> Grid | str:
    found = {row["column"]: row for row in statistics.filter(pl.col("table") == table.name).iter_rows(named=True)}
    masked, dtypes = set(sensitive(table.schema)), types(table.schema)
    rows: list[tuple[str, ...]] = []
    for name in describe(table.schema):
        if name not in found:
            continue
        row = found[name]
        null = text.share(row["nulls"] / row["rows"]) if row["rows"] else page.NOTHING
        if name in masked:
            rows.append((name, null, *(MASKED,) * 5))
            continue
        listed = not row["is_open"] and row["values"] is not None
        many = not listed and row["days"] > 1
        distinct = text.count(len(row["values"]) if listed else row["distinct"] or 0) + (" or more" if many else "")
        shown = ", ".join(row["values"][:_MOST_VALUES]) + (", ..." if len(row["values"]) > _MOST_VALUES else "") if listed else page.NOTHING
        numbers = (_number(row[statistic], dtypes[name]) for statistic in ("minimum", "mean", "maximum"))
        rows.append((name, null, *numbers, distinct, shown))
    return Grid(_STATISTIC_HEADERS, rows) if rows else "No statistics of this table."


def _number(value: float | None, dtype: pl.DataType) -> str:
    if value is None or not math.isfinite(value):
        return page.NOTHING
    if isinstance(dtype, pl.Datetime):
        return text.instant(datetime.fromtimestamp(round(value), UTC))
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _rules(tables: Sequence[Table]) -> list[Block]:
    rows = [(table.name, rule.name, rule.meaning) for table in tables for rule in table.rules]
    keys = [(table.name, f"{' + '.join(table.key)} must not repeat", "the key; the first row stays") for table in tables]
    return [
        "A row that breaks a rule, or a column's type, range or nullability, is set aside.",
        Grid(("table", "rule", "meaning"), rows + keys),
    ]


def _sensitivity(tables: Sequence[Table]) -> list[Block]:
    rows = [
        (table.name, name, str(column.metadata["sensitivity"]), _retention(column.metadata), column.description or page.NOTHING)
        for table in tables
        for name, column in describe(table.schema).items()
        if name in sensitive(table.schema)
    ]
    if not rows:
        return ["No column is restricted; all are kept with their table."]
    return [
        "Restricted columns are masked in reports and are never features. All others are public and kept with their table.",
        Grid(("table", "column", "sensitivity", "retention", "meaning"), rows),
    ]


def _quarantine(snapshot: DataSnapshot) -> list[Block]:
    rows = [(count.table, reason, text.count(n)) for count in snapshot.quarantined for reason, n in count.reasons.items()]
    total = sum(count.rows for count in snapshot.quarantined)
    if not total:
        return ["No row was set aside."]
    return [
        f"{text.count(total, 'row')} set aside, of {text.count(snapshot.rows_read)} read; a row may have several reasons.",
        Grid(("table", "reason", "rows"), rows),
    ]


def _limits(tables: Sequence[Table], statistics: pl.DataFrame) -> list[str]:
    """Return what contract and statistics themselves show to be weak."""
    found = []
    for table in tables:
        share = pl.col("nulls") / pl.col("rows")
        sparse = (
            statistics.filter((pl.col("table") == table.name) & (share > _SPARSE)).with_columns(share=share).sort("share", descending=True)
        )
        if sparse.height:
            named = [f"{row['column']} ({text.share(row['share'])})" for row in sparse.iter_rows(named=True)]
            found.append(f"{table.name}: often missing are {text.listed(named)}.")
        open_columns = [name for name, checks in allowed(table.schema).items() if not checks and types(table.schema)[name] == pl.String()]
        if open_columns:
            found.append(f"{table.name}: the contract allows any text in {text.listed(open_columns)}.")
        if not table.is_daily:
            found.append(f"{table.name}: comes whole, without days, so that it does not say since when a row holds.")
    return [*found, "Rules judge one row: a wrong value within its range and in accord with its row is not found by them."]
