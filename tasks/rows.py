"""Rows judged by their contract: what a pandera model says, turned into polars expressions.

One reading of a contract serves ingest (which rows go to quarantine, and why) and every typed edge (is this frame
fit to cross). Rules are evaluated by polars in one pass, so a frame of which every row is wrong is reported as fast
as one with a single bad row. How a contract is declared stands in `contracts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl

from tasks.contracts import RowRule, Table, describe, polars_type, types
from tasks.errors import ContractViolation

REASONS = "__reasons"
_EXAMPLES = 3
_REPORTED_RULES = 20
MASK = "<sensitive>"
_WORD = 63  # checks packed into one integer
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_TOO_FINE = {unit: rf"\.\d{{{digits}}}\d*[1-9]" for unit, digits in {"ms": 3, "us": 6, "ns": 9}.items()}
"""Fractions of a second that a unit cannot hold: they would be cut off."""


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
    breaks: pl.Expr
    excused: pl.Expr | None = None

    def __str__(self) -> str:
        return f"{self.column}: {self.name}"

    @property
    def bad(self) -> pl.Expr:
        return self.breaks if self.excused is None else self.breaks & ~self.excused


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
    raise NotImplementedError(f"contract check {check.name!r} has no translation in tasks/rows.py")


def _checks(schema: type[pa.DataFrameModel], rules: Sequence[RowRule]) -> list[_Check]:
    found: list[_Check] = []
    for name, said in describe(schema).items():
        value, is_float = pl.col(name), polars_type(said.dtype.type).is_float()
        if not said.nullable:
            found.append(_Check(name, "must not be null", value.is_null()))
        if is_float:
            found.append(_Check(name, "must be finite", ~value.is_finite()))
        for check in said.checks:
            text, holds = _holds(check, value)
            must = text.replace("matches", "match", 1) if text.startswith("matches") else f"be {text}"
            # polars orders NaN above all numbers; it breaks the rule above, not a bound as well.
            found.append(_Check(name, f"must {must}", ~holds & value.is_not_nan() if is_float else ~holds))
    found.extend(_Check("(row)", rule.name, ~rule.holds, rule.excused) for rule in rules)
    return found


def with_reasons(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Append a column `__reasons`: every rule that the row breaks, empty for a good row.

    Args:
        frame: Rows with the contract's columns and types.
        table: The contract.

    Returns:
        The frame with a list-of-strings column `__reasons`.
    """
    return frame.with_columns(_reasons(_broken(frame, table)).alias(REASONS))


def _broken(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return for every rule, by its name, which rows break it; null is no breach."""
    checks = _checks(table.schema, table.rules)
    # Lazily, so that what several rules share is computed once.
    broken = frame.lazy().select(check.breaks.alias(str(check)) for check in checks).collect()
    # An excuse is looked for only where a rule is broken, which is in few rows or none.
    excused = (_unexcused(frame, broken[str(c)], c.excused) for c in checks if c.excused is not None)
    return broken.with_columns(*excused, _repeats(frame, table.key))


def _repeats(frame: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Return which rows repeat an earlier one's key; keys are compared only where their hashes are equal."""
    rows = frame.select(pl.struct(key).hash().is_duplicated().arg_true()).to_series()
    again = frame[rows].select(~pl.struct(key).is_first_distinct()).to_series()
    return pl.repeat(False, frame.height, eager=True).scatter(rows.filter(again), True).alias(f"(row): repeats the key {'+'.join(key)}")


def _unexcused(frame: pl.DataFrame, breaks: pl.Series, excused: pl.Expr) -> pl.Series:
    rows = breaks.arg_true()
    if rows.is_empty():
        return breaks
    stays = frame[rows].select((~excused).fill_null(False).alias("stays")).to_series()
    return breaks.clone().scatter(rows.filter(~stays), False)


def _reasons(broken: pl.DataFrame) -> pl.Series:
    """Return the names of the true columns of every row.

    Rows that break the same rules share one list: the lists are made once for each combination that occurs, which are
    few however many rows there are.
    """
    names = [name for name, is_any in zip(broken.columns, broken.select(pl.all().any()).row(0), strict=True) if is_any]
    if not names:
        return pl.repeat([], broken.height, dtype=pl.List(pl.String), eager=True)
    words = [names[i : i + _WORD] for i in range(0, len(names), _WORD)]
    packed = broken.select(
        pl.sum_horizontal(pl.col(name).fill_null(False).cast(pl.UInt64) * (1 << i) for i, name in enumerate(word)).alias(f"__word_{n}")
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
        (raw[name].is_not_null() & typed[name].is_null()).alias(f"{name}: must be readable as {dtype}")
        for name, dtype in wanted.items()
        if typed[name].null_count() > raw[name].null_count()
    ]
    broken = pl.concat([pl.DataFrame(unreadable), _broken(typed, table)], how="horizontal") if unreadable else _broken(typed, table)
    return typed.with_columns(_reasons(broken).alias(REASONS))


def _read(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a text column as its type; null where the text does not say one of its values, all of it.

    Raises:
        ContractViolation: If no text is read as the type.
    """
    value = pl.col(name)
    match dtype:
        case pl.Datetime(time_zone="UTC"):
            read = value.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit=dtype.time_unit, time_zone="UTC", strict=False)
            return pl.when(~value.str.contains(_TOO_FINE[dtype.time_unit])).then(read)
        case pl.Date():
            return value.str.to_date("%Y-%m-%d", strict=False)
        case pl.Boolean():
            return value.str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
        case pl.Decimal():
            return pl.when(~value.str.contains(rf"\.\d{{{dtype.scale}}}\d*[1-9]")).then(value.cast(dtype, strict=False))
        case _ if dtype.is_integer() or dtype.is_float() or dtype == pl.String:
            return value.cast(dtype, strict=False)
    raise ContractViolation(
        f"the column {name} must be of a type that text is read as: int, float, str, bool, pl.Date, pl.Decimal or Instant",
        f"{dtype}",
        "choose one of them in tasks/usecase/contract.py",
    )


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
