"""What a table declares: its columns with their meaning, its key, its rules and its files.

A contract is a pandera model whose columns say what they are for; here it is written and read, and no row is judged.
What a broken rule leads to stands in `rows.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pandera.polars as pa
import polars as pl

from tasks.errors import ContractViolation

Instant = Annotated[pl.Datetime, "us", "UTC"]
"""Column type of an instant: UTC, microseconds."""

Role = Literal["key", "time", "label", "outcome", "feature", "numeric", "categorical", "segment", "other"]
"""What a column is for: `time` is an event time, `feature` a raw column that features are made of, `numeric` and
`categorical` the features themselves."""

Sensitivity = Literal["public", "restricted"]
"""Who may see the values: a restricted column is masked in every report and never a feature."""


@dataclass(frozen=True)
class RowRule:
    """A rule over several columns of one row.

    Attributes:
        name: What must hold, as a reason for quarantine.
        meaning: The same for people, with its limits.
        holds: True, or null (not applicable), for a good row.
        excused: True, or null, for a row that may break it all the same; looked at in those rows alone.
    """

    name: str
    meaning: str
    holds: pl.Expr
    excused: pl.Expr | None = None


@dataclass(frozen=True)
class Table:
    """A table of the source: its contract, its key, and whether it comes in daily batches."""

    name: str
    schema: type[pa.DataFrameModel]
    key: tuple[str, ...]
    rules: tuple[RowRule, ...] = ()
    is_daily: bool = True


@dataclass(frozen=True)
class SourceFile:
    """A file of the source.

    Attributes:
        name: Its path below the source.
        fingerprint: Changes when the file does.
        day: The day whose rows it holds, or None: all days, or a table without days.
    """

    name: str
    fingerprint: str
    day: date | None = None


def column(
    meaning: str,
    *,
    role: Role,
    unit: str | None = None,
    nullable: bool = False,
    sensitivity: Sensitivity = "public",
    retention_days: int | None = None,
    **checks: Any,
) -> Any:
    """Return one column of a contract; its type is the annotation beside it.

    Args:
        meaning: What a value says.
        role: What the column is for.
        unit: Of a value, such as `minutes`; None for a code or a text.
        nullable: Whether a value may be missing.
        sensitivity: Who may see the values.
        retention_days: For how long the values should be kept, in days since the event; upkeep names those that are older.
            None: for as long as the table is.
        checks: Allowed values or range, by pandera's names (`ge`, `le`, `isin`, `str_matches`, ...).

    Returns:
        A pandera field; the type is what pandera's own `Field` is declared to return.
    """
    said = {"role": role, "unit": unit, "sensitivity": sensitivity, "retention_days": retention_days}
    return pa.Field(description=meaning, nullable=nullable, metadata=said, **checks)


def main_table(tables: Iterable[Table]) -> Table:
    """Return the table whose rows are predicted and whose days are counted: the first that comes in daily batches.

    Raises:
        ContractViolation: If none does.
    """
    found = [table for table in tables if table.is_daily]
    if not found:
        raise ContractViolation("a table must come in daily batches", "none that does", "leave is_daily of the main table out")
    return found[0]


def key_of(schema: type[pa.DataFrameModel]) -> str:
    """Return the name of the column that names a row of the features.

    Raises:
        ContractViolation: If not exactly one column has the role `key`.
    """
    found = columns(schema, "key")
    if len(found) != 1:
        told = f"the columns {', '.join(found)}" if found else "no such column"
        raise ContractViolation(f"{schema.__name__} must have one column of the role key", told, "put all that names a row into one text")
    return found[0]


def describe(schema: type[pa.DataFrameModel]) -> dict[str, Any]:
    """Return name to pandera column, in the schema's order."""
    return dict(schema.to_schema().columns)


def types(schema: type[pa.DataFrameModel]) -> dict[str, pl.DataType]:
    """Return name to polars type, in the schema's order."""
    return {name: polars_type(column.dtype.type) for name, column in describe(schema).items()}


def polars_type(dtype: Any) -> pl.DataType:
    """Return the polars type of a column; that of a pandas contract is what its values become in polars."""
    if isinstance(dtype, pl.DataType):
        return dtype
    if isinstance(dtype, type) and issubclass(dtype, pl.DataType):
        return dtype()
    kind = getattr(dtype, "kind", "O")
    if kind in "if":
        return {"int64": pl.Int64(), "int8": pl.Int8(), "int32": pl.Int32(), "float64": pl.Float64(), "float32": pl.Float32()}[dtype.name]
    return {"b": pl.Boolean(), "M": pl.Datetime("ns")}.get(kind, pl.String())


def digest(*tables: Table | type[pa.DataFrameModel]) -> str:
    """Return a digest of what tables or schemas declare: names, types, nullability, checks, what columns are for, and rules.

    Another wording of a meaning changes nothing; another unit, range or role does.
    """
    said = []
    for table in tables:
        schema, rules = (table.schema, table.rules) if isinstance(table, Table) else (table, ())
        said += [(schema.__name__, name, *_declared(column)) for name, column in describe(schema).items()]
        for rule in rules:
            said.append(
                (schema.__name__, rule.name, *(e.meta.serialize(format="json") for e in (rule.holds, rule.excused) if e is not None))
            )
        if isinstance(table, Table):
            said.append((table.name, table.key, table.is_daily))
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _declared(column: Any) -> tuple[object, ...]:
    """Return what a column must be and what it is for; not for how long it is kept, and in which words it is described."""
    checks = sorted((check.name, str(check.statistics)) for check in column.checks)
    said = sorted((key, value) for key, value in (column.metadata or {}).items() if key != "retention_days" and value is not None)
    return str(polars_type(column.dtype.type)), column.nullable, checks, said


def columns(schema: type[pa.DataFrameModel], role: Role) -> list[str]:
    """Return the names of the columns that play a role, in the schema's order."""
    return [n for n, c in describe(schema).items() if (c.metadata or {}).get("role") == role]


def inputs(schema: type[pa.DataFrameModel]) -> list[str]:
    """Return the names of all features that a model reads: the numeric ones, then the others."""
    return [*columns(schema, "numeric"), *columns(schema, "categorical")]


def grouped(schema: type[pa.DataFrameModel], names: Iterable[str]) -> dict[str, list[str]]:
    """Return group to those of some columns that are in it, in their order."""
    described, groups = describe(schema), dict[str, list[str]]()
    for name in names:
        groups.setdefault(described[name].metadata["group"], []).append(name)
    return groups


def sensitive(schema: type[pa.DataFrameModel]) -> list[str]:
    """Return the names of the columns whose values no report may show, in the schema's order."""
    return [n for n, c in describe(schema).items() if (c.metadata or {}).get("sensitivity") not in (None, "public")]


def retention(schema: type[pa.DataFrameModel]) -> dict[str, int]:
    """Return the columns whose values are kept for a time only, with the days since the event."""
    return {n: days for n, c in describe(schema).items() if (days := (c.metadata or {}).get("retention_days")) is not None}
