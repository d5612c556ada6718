"""A database as a source, by SQLAlchemy: any database for which a driver is installed; SQLite needs none.

Names are quoted by the dialect and values are bound: no name and no day becomes part of a statement. A password never
stands in the URL, since that goes into the lake and the registry as the source's name: the URL says `${NAME}`, and
the environment has the value. What a driver complains of is shown without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy
from sqlalchemy import FromClause, column, func, inspect, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from tasks.contracts import SourceFile, Table, types
from tasks.errors import SourceError
from tasks.sources.days import day_named
from tasks.sources.forms import Form
from tasks.sources.text import as_text, require_columns

PREFIX = "sql:"
"""Begins the name of what is read from a database; a day follows as `/batch_day=2013-10-01`."""

_ROWS_AT_ONCE = 50_000  # bounds the memory of a pass over a whole table
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRET = re.compile(r"password|passwd|pwd|secret|token", re.IGNORECASE)
_SECRET_WITHIN = re.compile(r"(?:password|pwd)\s*=\s*(?!\$\{\w+\})\S", re.IGNORECASE)  # as `odbc_connect` has
_HIDDEN = "***"


class Database:
    """A database, opened anew for every question, so that nothing is held between the nights.

    Args:
        address: A URL of SQLAlchemy, with `${NAME}` for what only the environment knows.
        mend: How to mend a source in which a table is missing, for errors.

    Raises:
        SourceError: If the URL cannot be read, holds a password, or names a variable that is not set.
    """

    def __init__(self, address: str, mend: str) -> None:
        self._mend = mend
        self._url, self._secrets = _resolved(address)
        self._shown = address  # holds no secret: `_resolved` refuses it otherwise

    def files(self, table: Table, form: Form) -> list[SourceFile]:
        """List a table: a file a day if it has the day column, else one with all rows.

        Raises:
            SourceError: If there is no such table, or a row has no day.
        """
        name = form.called or table.name
        with self._asking() as connection:
            rows, found = self._rows(connection, table, form)
            require_columns(found, table, self._where(name), self._mend)
            is_divided = table.is_daily and form.day in found
            if form.updated is not None and form.updated not in found:
                mend = f"name the column in Form(updated=...) of {table.name} in tasks/usecase/source.py, or leave it out"
                raise SourceError(f"{self._where(name)} must have a column {form.updated}", f"the columns {', '.join(found)}", mend)
            if is_divided:
                self._require_days(connection, rows, name, form)
            if form.updated is not None:
                prints = _marks(connection, rows, form, is_divided)
            else:
                prints = self._hashes(connection, rows, table, form, is_divided)
        if not is_divided:
            return [SourceFile(f"{PREFIX}{name}", prints.get(None, "0"))]
        dated = {day_named(str(day), f"{self._where(name)}, column {form.day}"): mark for day, mark in prints.items()}
        return [SourceFile(f"{PREFIX}{name}/{form.day}={day}", dated[day], day) for day in sorted(dated)]

    def read(self, table: Table, form: Form, file: SourceFile) -> pl.DataFrame:
        """Return the rows of one of `files` as text.

        Raises:
            SourceError: If the table is gone, or lacks a column.
        """
        where = self._where(form.called or table.name)
        with self._asking() as connection:
            rows, found = self._rows(connection, table, form)
            require_columns(found, table, where, self._mend)
            asked = _columns(rows, list(types(table.schema)))
            if file.day is not None:
                asked = asked.where(column(form.day) == _as_stored(connection, rows, form.day, file.day))
            got = connection.execute(asked).all()
        wanted = list(types(table.schema))
        values = list(zip(*got, strict=True)) if got else [()] * len(wanted)
        return as_text(frame_of(wanted, values), table, form, where, self._mend)

    def _rows(self, connection: Connection, table: Table, form: Form) -> tuple[FromClause, list[str]]:
        """Return what to select from, and the names of its columns."""
        name = form.called or table.name
        if form.query is not None:
            asked = text(f"({form.query}) AS source_rows")  # code of the use case, see `Form`
            rows: Any = asked
            return rows, list(connection.execute(select(text("*")).select_from(rows).limit(0)).keys())
        schema, _, bare = name.rpartition(".")
        try:
            found = [said["name"] for said in inspect(connection).get_columns(bare, schema=schema or None)]
        except NoSuchTableError as error:
            there = sorted([*inspect(connection).get_table_names(schema or None), *inspect(connection).get_view_names(schema or None)])
            said = f"the tables {', '.join(there[:20])}" if there else "no tables"
            raise SourceError(f"{self._shown} must hold a table {name}", said, self._mend) from error
        return sqlalchemy.table(bare, schema=schema or None), found

    def _require_days(self, connection: Connection, rows: FromClause, name: str, form: Form) -> None:
        count = connection.execute(select(func.count()).select_from(rows).where(column(form.day).is_(None))).scalar_one()
        if count:
            expected = f"every row of {self._where(name)} must have a day in {form.day}"
            raise SourceError(expected, f"{count:,} rows without", "fill it in, or leave such rows out by a Form(query=...)")

    def _hashes(self, connection: Connection, rows: FromClause, table: Table, form: Form, is_divided: bool) -> dict[Any, str]:
        """Return day (or None) to a hash of its rows, by one pass over all of them."""
        wanted = list(types(table.schema))
        asked = _columns(rows, [*wanted, *([form.day] if is_divided else [])])
        counted: dict[Any, tuple[int, int]] = {}
        where = self._where(form.called or table.name)
        for part in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(asked).partitions(_ROWS_AT_ONCE):
            values = list(zip(*part, strict=True))
            said = as_text(frame_of(wanted, values[: len(wanted)]), table, form, where, self._mend)
            day = pl.Series("day", list(map(str, values[-1])) if is_divided else [None] * len(part), dtype=pl.String)
            marked = pl.DataFrame([day, said.hash_rows(seed=2013).alias("hash")])
            for day, count, total in marked.group_by("day").agg(pl.len(), pl.col("hash").sum()).iter_rows():
                before = counted.get(day, (0, 0))
                counted[day] = (before[0] + count, (before[1] + total) % 2**64)
        return {day: f"{count}-{total:016x}" for day, (count, total) in counted.items()}

    def _where(self, name: str) -> str:
        return f"{self._shown}, table {name}"

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        """Give a connection; what a driver says of a failure is told without secrets.

        Raises:
            SourceError: If the database cannot be reached or refuses.
        """
        try:
            engine = sqlalchemy.create_engine(self._url, poolclass=sqlalchemy.pool.NullPool)
        except ModuleNotFoundError as error:
            mend = "install it beside the project, and into the images: docs/sources.md"
            raise SourceError(f"{self._shown} needs its driver, the package {error.name}", "it is not installed", mend) from error
        try:
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            said = self._masked(str(getattr(error, "orig", None) or error).strip().split("\n")[0][:300])
            # Without the driver's own error, which may tell what it was given.
            raise SourceError(f"{self._shown} must answer", said, "mend the URL, the rights or the network: docs/sources.md") from None
        finally:
            engine.dispose()

    def _masked(self, said: str) -> str:
        for secret in self._secrets:
            said = said.replace(secret, _HIDDEN)
        return said


def _resolved(address: str) -> tuple[URL, list[str]]:
    """Return a URL with the values of its variables, and those values."""
    try:
        url = make_url(address)
        url.get_dialect()
    except NoSuchModuleError as error:
        scheme = address.split("://")[0]
        mend = "write a storage that fsspec knows (s3://...), or a database that SQLAlchemy knows (sqlite:///..., postgresql+psycopg://...)"
        raise SourceError("the scheme of --source must be one of a storage or a database", f"{scheme}://", mend) from error
    except ModuleNotFoundError:  # the driver is missed when it is needed
        pass
    except (ArgumentError, ValueError):
        raise SourceError("--source must be a URL of SQLAlchemy", "one that it cannot read", "docs/sources.md has examples") from None
    _require_no_secret(url)
    secrets: list[str] = []

    def value(said: Any) -> Any:
        if isinstance(said, tuple):
            return tuple(map(value, said))
        return _VARIABLE.sub(lambda match: _from_environment(match[1], secrets), said) if isinstance(said, str) else said

    parts = {name: value(getattr(url, name)) for name in ("username", "password", "host", "database")}
    query = {name: value(said) for name, said in url.query.items()}
    resolved = url.set(**{name: said for name, said in parts.items() if said is not None}, query=query)
    if resolved.get_backend_name() == "sqlite":
        _require_file(resolved)
    return resolved, secrets


def _require_no_secret(url: URL) -> None:
    """Raise if a password stands in a URL; it is never shown."""
    said = [url.password or "", *(str(value) for name, value in url.query.items() if _SECRET.search(name))]
    within = any(_SECRET_WITHIN.search(str(value)) for value in url.query.values())
    if within or any(value and not _VARIABLE.fullmatch(value) for value in said):
        raise SourceError(
            "the password of a database must come from the environment: the source's name goes into the lake and the registry",
            "one within --source",
            "write ${NAME} in its place, in quotes that keep the shell from it, and set the variable NAME",
        )


def _from_environment(name: str, secrets: list[str]) -> str:
    if name not in os.environ:
        raise SourceError(f"the environment variable {name} of --source must be set", "no such variable", f"export {name}=...")
    if os.environ[name]:
        secrets.append(os.environ[name])
    return os.environ[name]


def _require_file(url: URL) -> None:
    """Raise if an SQLite file is not there: connecting would make an empty one."""
    if url.database and not url.database.startswith("file:") and not Path(url.database).is_file():
        mend = "sqlite:///some/file.db is relative to where the command runs, sqlite:////some/file.db is not"
        raise SourceError(f"{url.database} must be a database of SQLite", "no such file", mend)


def _columns(rows: FromClause, names: Sequence[str]) -> Any:
    # Without types: a value comes as the driver has it, and the contract judges it.
    return select(*(column(name) for name in names)).select_from(rows)


def _marks(connection: Connection, rows: FromClause, form: Form, is_divided: bool) -> dict[Any, str]:
    """Return day (or None) to the number of its rows and the newest change of one."""
    newest: Any = func.max(column(str(form.updated)))
    if not is_divided:
        count, mark = connection.execute(select(func.count(), newest).select_from(rows)).one()
        return {None: f"{count}-{mark}"}
    asked = select(column(form.day), func.count(), newest).select_from(rows).group_by(column(form.day))
    return {day: f"{count}-{mark}" for day, count, mark in connection.execute(asked)}


def _as_stored(connection: Connection, rows: FromClause, name: str, day: date) -> Any:
    """Return a day as the database has it: a date, or text where it has no such type."""
    held = connection.execute(select(column(name)).select_from(rows).where(column(name).is_not(None)).limit(1)).scalar()
    return day.isoformat() if isinstance(held, str) else day


def frame_of(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Return what a driver gave as a frame; a column of values of several types, which SQLite allows, is text.

    Args:
        names: Of the columns.
        columns: The values of each.
    """
    return pl.DataFrame([_series(name, list(values)) for name, values in zip(names, columns, strict=True)])


def _series(name: str, values: list[Any]) -> pl.Series:
    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else _said(value) for value in values], dtype=pl.String)


def _said(value: Any) -> str:
    return pl.Series([value]).cast(pl.String)[0] if isinstance(value, float) else str(value)
