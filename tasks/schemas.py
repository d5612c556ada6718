"""What a contract declares, as data: the fields that a request may hold, for a package that is read without pandera."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import pandera.polars as pa
import polars as pl

from tasks.artifacts.serving import RequestField
from tasks.contracts import describe, polars_type


def request_fields(schema: type[pa.DataFrameModel], names: Collection[str], optional: Collection[str] = ()) -> list[RequestField]:
    """Return columns of a contract as fields of a request, in the order of the names.

    Args:
        schema: The contract.
        names: The columns.
        optional: Those that may be left out.
    """
    described = describe(schema)
    return [_field(name, described[name], name not in optional) for name in names]


def _field(name: str, column: Any, is_required: bool) -> RequestField:
    said, bounds = column.metadata or {}, {check.name: check.statistics for check in column.checks}
    allowed = bounds.get("isin", {}).get("allowed_values")
    return RequestField(
        name=name,
        kind=_kind(polars_type(column.dtype.type)),
        meaning=column.description or "",
        unit=said.get("unit"),
        group=said.get("group"),
        is_required=is_required,
        is_nullable=column.nullable,
        minimum=bounds.get("greater_than_or_equal_to", {}).get("min_value"),
        maximum=bounds.get("less_than_or_equal_to", {}).get("max_value"),
        pattern=bounds.get("str_matches", {}).get("pattern"),
        allowed=None if allowed is None else sorted(allowed),
    )


def _kind(dtype: pl.DataType) -> Literal["integer", "number", "string", "instant"]:
    if isinstance(dtype, pl.Datetime):
        return "instant"
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_float() else "string"
