"""Contracts as data: what a pandera model says, turned into polars expressions.

One reading of a contract serves ingest (which rows go to quarantine, and why) and every typed edge (is this frame
fit to cross). Rules are evaluated by polars in one pass, so a frame of which every row is wrong is reported as fast
as one with a single bad row. What the contracts say stands in `tasks/usecase/contract.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pandera.polars as pa
import polars as pl

from tasks.errors import ContractViolation

Instant = Annotated[pl.Datetime, "us", "UTC"]
"""Column type of an instant: UTC, microseconds."""

Role = Literal["key", "time", "label", "feature", "numeric", "categorical", "segment", "other"]
"""What a column is for: `time` is an event time, `feature` a raw column that features are made of, `numeric` and
`categorical` the features themselves."""

Sensitivity = Literal["public", "restricted"]
"""Who may see the values: a restricted column is masked in every report and never a feature."""

REASONS = "__reasons"
_EXAMPLES = 3
_REPORTED_RULES = 20
MASK = "<sensitive>"
_WORD = 63  # checks packed into one integer


@dataclass(frozen=True)
class RowRule:
    """A rule over several columns of one row; `holds` is true (or null: not applicable) for a good row."""

    name: str
    meaning: str
    holds: pl.Expr


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


@dataclass(frozen=True)
class Violation:
    """One broken rule: how many rows break it, with up to three examples of the offending value."""

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.examples)
        return f"{self.column}: {self.rule}, broken by {self.rows:,} rows (such as {shown})"


@dataclass(frozen=True)
class _Check:
    column: str
    name: str
    bad: pl.Expr


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
        retention_days: For how long the values are kept, in days since the event; None for as long as the table is.
        checks: Allowed values or range, by pandera's names (`ge`, `le`, `isin`, `str_matches`, ...).

    Returns:
        A pandera field; the type is what pandera's own `Field` is declared to return.
    """
    said = {"role": role, "unit": unit, "sensitivity": sensitivity, "retention_days": retention_days}
    return pa.Field(description=meaning, nullable=nullable, metadata=said, **checks)


def describe(schema: type[pa.DataFrameModel]) -> dict[str, Any]:
    """Return name to pandera column, in the schema's order."""
    return dict(schema.to_schema().columns)


def types(schema: type[pa.DataFrameModel]) -> dict[str, pl.DataType]:
    """Return name to polars type, in the schema's order."""
    return {name: _polars_type(column.dtype.type) for name, column in describe(schema).items()}


def _polars_type(dtype: Any) -> pl.DataType:
    """Return the polars type of a column; that of a pandas contract is what its values become in polars."""
    if isinstance(dtype, pl.DataType):
        return dtype
    if isinstance(dtype, type) and issubclass(dtype, pl.DataType):
        return dtype()
    kind = getattr(dtype, "kind", "O")
    if kind in "if":
        return {"int64": pl.Int64(), "int8": pl.Int8(), "int32": pl.Int32(), "float64": pl.Float64(), "float32": pl.Float32()}[dtype.name]
    return {"b": pl.Boolean(), "M": pl.Datetime("ns")}.get(kind, pl.String())


def columns(schema: type[pa.DataFrameModel], role: Role) -> list[str]:
    """Return the names of the columns that play a role, in the schema's order."""
    return [n for n, c in describe(schema).items() if (c.metadata or {}).get("role") == role]


def sensitive(schema: type[pa.DataFrameModel]) -> list[str]:
    """Return the names of the columns whose values no report may show, in the schema's order."""
    return [n for n, c in describe(schema).items() if (c.metadata or {}).get("sensitivity") not in (None, "public")]


def allowed(schema: type[pa.DataFrameModel]) -> dict[str, tuple[str, ...]]:
    """Return name to what its values must be, such as `at least 0`, in the schema's order."""
    return {n: tuple(_holds(check, pl.col(n))[0] for check in c.checks) for n, c in describe(schema).items()}


def _holds(check: Any, value: pl.Expr) -> tuple[str, pl.Expr]:
    """Translate one pandera check to its name and a polars expression that is true where it holds."""
    s = check.statistics
    match check.name:
        case "greater_than_or_equal_to":
            return f"at least {s['min_value']}", value >= s["min_value"]
        case "greater_than":
            return f"more than {s['min_value']}", value > s["min_value"]
        case "less_than_or_equal_to":
            return f"at most {s['max_value']}", value <= s["max_value"]
        case "less_than":
            return f"less than {s['max_value']}", value < s["max_value"]
        case "in_range":
            return f"from {s['min_value']} to {s['max_value']}", value.is_between(s["min_value"], s["max_value"])
        case "isin":
            allowed = list(s["allowed_values"])
            shown = ", ".join(map(str, allowed[:8])) + (", ..." if len(allowed) > 8 else "")
            return f"one of {shown}", value.is_in(allowed)
        case "str_matches":
            return f"matches {s['pattern']}", value.str.contains(s["pattern"])
    raise NotImplementedError(f"contract check {check.name!r} has no translation in tasks/contracts.py")


def _checks(schema: type[pa.DataFrameModel], rules: Sequence[RowRule]) -> list[_Check]:
    found: list[_Check] = []
    for name, column in describe(schema).items():
        value = pl.col(name)
        if not column.nullable:
            found.append(_Check(name, "must not be null", value.is_null()))
        if _polars_type(column.dtype.type).is_float():
            found.append(_Check(name, "must be finite", value.is_not_null() & ~value.is_finite()))
        for check in column.checks:
            text, holds = _holds(check, value)
            found.append(_Check(name, f"must be {text}" if not text.startswith("matches") else f"must {text}", ~holds))
    found.extend(_Check("(row)", rule.name, ~rule.holds) for rule in rules)
    return found


def with_reasons(frame: pl.DataFrame, table: Table, unreadable: Sequence[_Check] = ()) -> pl.DataFrame:
    """Append a column `__reasons`: every rule that the row breaks, empty for a good row.

    Args:
        frame: Rows with the contract's columns and types.
        table: The contract.
        unreadable: Further checks, made by `parse`.

    Returns:
        The frame with a list-of-strings column `__reasons`.
    """
    checks = [*unreadable, *_checks(table.schema, table.rules)]
    checks.append(_Check("(row)", f"repeats the key {'+'.join(table.key)}", ~pl.struct(table.key).is_first_distinct()))
    # Lazily, so that what several rules share is computed once.
    bad = frame.lazy().select(c.bad.fill_null(False).alias(f"{c.column}: {c.name}") for c in checks).collect()
    return frame.with_columns(_reasons(bad).alias(REASONS))


def _reasons(bad: pl.DataFrame) -> pl.Series:
    """Return the names of the true columns of every row.

    Rows that break the same rules share one list: the lists are made once for each combination that occurs, which are
    few however many rows there are.
    """
    broken = [name for name, is_any in zip(bad.columns, bad.select(pl.all().any()).row(0), strict=True) if is_any]
    if not broken:
        return pl.repeat([], bad.height, dtype=pl.List(pl.String), eager=True)
    words = [broken[i : i + _WORD] for i in range(0, len(broken), _WORD)]
    packed = bad.select(
        pl.sum_horizontal(pl.col(name).cast(pl.UInt64) * (1 << i) for i, name in enumerate(word)).alias(f"__word_{n}")
        for n, word in enumerate(words)
    )
    keys = packed.columns
    combinations = packed.unique(keys)
    named = combinations.with_columns(
        pl.Series(REASONS, [_unpack(row, words) for row in combinations.rows()], dtype=pl.List(pl.String)),
    )
    return packed.join(named, on=keys, how="left", maintain_order="left").get_column(REASONS)


def _unpack(row: Sequence[int], words: Sequence[Sequence[str]]) -> list[str]:
    return [name for bits, word in zip(row, words, strict=True) for i, name in enumerate(word) if bits >> i & 1]


def parse(raw: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Turn a frame of strings into the contract's types and append `__reasons`.

    A value that its column's type cannot read becomes null and a reason; nothing is cast silently.

    Args:
        raw: All columns as strings, as the source has them.
        table: The contract.

    Returns:
        The typed frame with `__reasons`.

    Raises:
        ContractViolation: If a column of the contract is missing.
    """
    wanted = types(table.schema)
    missing = [name for name in wanted if name not in raw.columns]
    if missing:
        raise ContractViolation(
            f"table {table.name} must have the columns {', '.join(wanted)}",
            f"none named {', '.join(missing)}",
            "restore the column in the source, or change tasks/usecase/contract.py",
        )
    typed = raw.select(_read(name, dtype) for name, dtype in wanted.items())
    unreadable = [
        _Check(name, f"must be readable as {dtype}", pl.col(f"__raw_{name}").is_not_null() & pl.col(name).is_null())
        for name, dtype in wanted.items()
    ]
    both = typed.hstack(raw.select(pl.col(n).alias(f"__raw_{n}") for n in wanted))
    return with_reasons(both, table, unreadable).select(*wanted, REASONS)


def _read(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return value.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC", strict=False)
    return value.cast(dtype, strict=False)


def violations(frame: pl.LazyFrame, schema: type[pa.DataFrameModel], rules: Sequence[RowRule] = ()) -> list[Violation]:
    """Return the broken rules of a frame, capped: at most twenty rules with three examples each, in one pass.

    Args:
        frame: Any frame.
        schema: Its contract: exactly these columns, of exactly these types.
        rules: Rules over several columns.
    """
    found = frame.collect_schema()
    wanted = types(schema)
    broken = [Violation(n, "must be there", 1, ("no such column",)) for n in wanted if n not in found]
    broken += [Violation(n, "must not be there", 1, (str(t),)) for n, t in found.items() if n not in wanted]
    broken += [Violation(n, f"must be of type {t}", 1, (str(found[n]),)) for n, t in wanted.items() if n in found and found[n] != t]
    if broken:
        return broken[:_REPORTED_RULES]
    described = describe(schema)
    checks = _checks(schema, rules)
    counts = frame.select(c.bad.sum().alias(str(i)) for i, c in enumerate(checks)).collect().row(0)
    failed = [(c, n) for c, n in zip(checks, counts, strict=True) if n][:_REPORTED_RULES]
    if not failed:
        return []
    examples = frame.select(
        _shown(c, described).filter(c.bad).head(_EXAMPLES).implode().alias(str(i)) for i, (c, _) in enumerate(failed)
    ).collect()
    return [Violation(c.column, c.name, n, tuple(map(str, examples[str(i)][0].to_list()))) for i, (c, n) in enumerate(failed)]


def _shown(check: _Check, described: dict[str, Any]) -> pl.Expr:
    if check.column not in described:
        return pl.int_range(pl.len()).cast(pl.String).map_batches(lambda s: "row " + s, return_dtype=pl.String)
    if (described[check.column].metadata or {}).get("sensitivity") not in (None, "public"):
        return pl.lit(MASK).repeat_by(pl.len()).explode()
    return pl.col(check.column)


def require(frame: pl.LazyFrame, schema: type[pa.DataFrameModel], where: str) -> None:
    """Raise unless the frame keeps its contract.

    Raises:
        ContractViolation: Naming for each broken rule the column, the rule, the count and three examples.
    """
    broken = violations(frame, schema)
    if broken:
        raise ContractViolation(
            f"{where} must keep the contract {schema.__name__}",
            f"{len(broken)} broken rule{'s'[: len(broken) != 1]}:\n  " + "\n  ".join(map(str, broken)) + "\n",
            f"mend the rows, or the contract {schema.__module__}.{schema.__name__}",
        )
