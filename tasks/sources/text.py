"""Typed values as the text that the contract reads: one way in for every form of a source.

A source that has types (Parquet, Delta, SQL) is turned into the text that a CSV file of the same data would hold, so that the
same rules judge it and equal data give equal rows: a float by its shortest digits, an instant as 2013-01-01T10:00:00Z, a
date as 2013-01-01, a boolean as true or false. Nothing is lost on the way: what a column's type cannot say is left as
it is, and the contract sets its row aside with the reason.
"""

from __future__ import annotations

import polars as pl

from tasks.contracts import Table, types
from tasks.errors import SourceError
from tasks.sources.forms import Form

INSTANT = "%Y-%m-%dT%H:%M:%S%.f"
_TOO_FINE = r"\.\d{6}\d*[1-9]"  # finer than a microsecond: reading it would lose it
_MIDNIGHT = r"^(\d{4}-\d{2}-\d{2})[T ]00:00:00(?:\.0+)?$"


def as_text(frame: pl.DataFrame, table: Table, form: Form, where: str, mend: str) -> pl.DataFrame:
    """Return the columns of a contract as text.

    Args:
        frame: Rows of any types; columns that the contract does not have are left out.
        table: The contract.
        form: What the use case says of the table.
        where: The file or table, for errors.
        mend: How to mend it, for errors.

    Raises:
        SourceError: If a column is missing, or is of a type that has no text (binary, nested).
    """
    wanted = types(table.schema)
    require_columns(frame.columns, table, where, mend)
    series = {name: text_of(frame[name], dtype, form) for name, dtype in wanted.items() if has_text(frame.schema[name])}
    odd = [f"{name} {frame.schema[name]}" for name in wanted if name not in series]
    if odd:
        raise SourceError(f"every column of {where} that the contract has must hold plain values", ", ".join(odd), _PLAIN)
    return pl.DataFrame(series)


_PLAIN = "write numbers, text, dates, instants or booleans; in a database by a view, or by a Form(query=...) in tasks/usecase/source.py"


def require_columns(found: list[str], table: Table, where: str, mend: str) -> None:
    """Raise unless all columns of the contract are there.

    Raises:
        SourceError: Naming those that are missing and those that are there.
    """
    missing = [name for name in types(table.schema) if name not in found]
    if missing:
        raise SourceError(f"{where} must have a column {', '.join(missing)}", f"the columns {', '.join(found)}", mend)


def has_text(dtype: pl.DataType) -> bool:
    """Return whether values of a type can be written as text: not those that are binary or nested."""
    return not (dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration))


def text_of(values: pl.Series, wanted: pl.DataType, form: Form) -> pl.Series:
    """Return values of a type that has text, as text for a column whose contract wants a type."""
    dtype = values.dtype
    if isinstance(dtype, pl.Datetime):
        return _instants(values, dtype, wanted, form.zone)
    if dtype == pl.String:
        return _normal(values, wanted, form.zone)
    if wanted.is_integer() and (dtype.is_float() or dtype.is_decimal()):
        # pandas makes floats of integers of which one is missing: 12.0 says 12, and 12.5 says no integer.
        whole = values.cast(pl.Int64, strict=False)
        said = whole.cast(dtype, strict=False) == values
        return pl.select(pl.when(said).then(whole.cast(pl.String)).otherwise(values.cast(pl.String))).to_series().alias(values.name)
    said = values.cast(pl.String)
    return _normal(said, wanted, form.zone) if dtype == pl.Date else said


def _instants(values: pl.Series, dtype: pl.Datetime, wanted: pl.DataType, zone: str | None) -> pl.Series:
    if dtype.time_zone is not None:
        return _utc(values)
    local = values.dt.strftime(INSTANT)
    if wanted == pl.Date:
        return local.str.replace(_MIDNIGHT, "$1")  # midnight is how some write a date
    if zone is None:
        return local
    # An hour that there is twice, or not at all, is not guessed at: it stays without a zone.
    placed = values.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return pl.select(pl.coalesce(_utc(placed), local)).to_series().alias(values.name)


def _utc(values: pl.Series) -> pl.Series:
    return values.dt.convert_time_zone("UTC").dt.strftime(f"{INSTANT}Z")


def _normal(values: pl.Series, wanted: pl.DataType, zone: str | None) -> pl.Series:
    """Return text with its instants written as the contract reads them; a database without a type for them has them as text."""
    if wanted == pl.Date:
        return values.str.replace(_MIDNIGHT, "$1")
    if not isinstance(wanted, pl.Datetime) or (values.str.ends_with("Z") & ~values.str.contains(" ", literal=True)).all():
        return values
    said = values.str.replace(" ", "T", literal=True)
    said = pl.select(pl.when(~said.str.contains(_TOO_FINE)).then(said)).to_series()
    with_zone = said.str.to_datetime(f"{INSTANT}%#z", time_unit="us", time_zone="UTC", strict=False).dt.strftime(f"{INSTANT}Z")
    known: list[pl.Series] = [with_zone]
    if zone is not None:
        local = said.str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00")  # a day alone is its first instant
        local = local.str.to_datetime(INSTANT, time_unit="us", strict=False)
        known.append(_instants(local, pl.Datetime("us"), wanted, zone))
    return pl.select(pl.coalesce(*known, values)).to_series().alias(values.name)
