"""A folder as a source, on any storage that fsspec knows: what of a table is in it, and in which form.

A table is there in one of these forms, and in one alone, or nobody could say which is meant:

- `flights.csv`, `.csv.zip`, `.csv.gz`, `.parquet`: one file;
- `flights/2013-10-01.csv` or with another of these endings: a file a day;
- `flights/batch_day=2013-10-01/*.parquet`: a folder a day, as Hive and Spark write it;
- `flights/_delta_log`: a Delta table.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from tasks.contracts import SourceFile, Table
from tasks.errors import SourceError
from tasks.sources import csv, delta, parquet
from tasks.sources.days import day_named
from tasks.sources.forms import Form
from tasks.sources.text import as_text

ENDINGS = (*csv.ENDINGS, parquet.ENDING)


class Folder:
    """A folder, or a prefix of an object store.

    Args:
        address: A path, or a URI such as `s3://bucket/prefix`.
        mend: How to mend a source in which a table is missing, for errors.
    """

    def __init__(self, address: str, mend: str) -> None:
        import fsspec

        self._address, self._mend = address.rstrip("/"), mend
        self._files, self._root = fsspec.core.url_to_fs(self._address)
        self._files.invalidate_cache()  # object stores remember listings: a file that came since must be seen

    def files(self, table: Table, form: Form) -> list[SourceFile]:
        """List what there is of a table, a daily one in the order of its days.

        Raises:
            SourceError: If there is nothing, or more than one form of it.
        """
        name = form.called or table.name
        inside = self._listed(f"{self._root}/{name}")
        found: dict[str, list[SourceFile]] = {}
        if f"{name}/_delta_log" in inside:
            found["a Delta table"] = delta.files(self._uri(name), name, table, form)
        elif table.is_daily:
            found["a file a day"] = self._daily(inside, name)
            found["a folder a day"] = self._folders(inside, name, form)
        beside = self._listed(self._root, f"{name}.")
        for path in (f"{name}{ending}" for ending in ENDINGS):
            if path in beside:
                found[path] = [SourceFile(path, fingerprint(beside[path]))]
        found = {said: files for said, files in found.items() if files}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            only = f"{self._address} must hold {name} in one form"
            raise SourceError(only, " and ".join(found), "remove what is out of date: nobody could say which of them is meant")
        wanted = " or ".join(f"{name}{ending}" for ending in ENDINGS) + (f", or {name}/2013-01-01.csv and so on" if table.is_daily else "")
        raise SourceError(f"{self._address} must hold {wanted}, or a Delta table {name}", "no such file", self._mend)

    def read(self, table: Table, form: Form, file: SourceFile) -> pl.DataFrame:
        """Return the rows of one of `files` as text.

        Raises:
            SourceError: If it is gone, damaged, or lacks a column.
        """
        if file.name.startswith(delta.PREFIX):
            uri = self._uri(form.called or table.name)
            return as_text(delta.read(uri, table, form, file.day), table, form, uri, self._mend)
        if not file.name.endswith(ENDINGS):
            return self._read_folder(table, form, file)
        return self._read_file(table, form, file.name)

    def _read_file(self, table: Table, form: Form, name: str, also: Mapping[str, Any] | None = None) -> pl.DataFrame:
        where = f"{self._address}/{name}"
        try:
            data: bytes = self._files.cat_file(f"{self._root}/{name}")
        except FileNotFoundError as error:
            raise SourceError(f"{where} must be there", "no such file", self._mend) from error
        if name.endswith(parquet.ENDING):
            rows = parquet.parse(data, where)
            rows = rows.with_columns(pl.lit(value).alias(column) for column, value in (also or {}).items() if column not in rows.columns)
            return as_text(rows, table, form, where, self._mend)
        rows = csv.parse(data, form.missing, where, self._mend)
        said = as_text(rows, table, form, where, self._mend)
        return rows.with_columns(said)

    def _read_folder(self, table: Table, form: Form, file: SourceFile) -> pl.DataFrame:
        paths = sorted(path for path in self._listed(f"{self._root}/{file.name}", deep=True) if path.endswith(parquet.ENDING))
        if not paths:
            raise SourceError(f"{self._address}/{file.name} must hold Parquet files", "none", self._mend)
        # The name of the folder is a column, whether the files have it or not.
        return pl.concat([self._read_file(table, form, path, {form.day: file.day}) for path in paths])

    def _daily(self, inside: Mapping[str, Mapping[str, Any]], name: str) -> list[SourceFile]:
        found = []
        for path, info in sorted(inside.items()):
            stem, ending = _split(path.removeprefix(f"{name}/"))
            if ending and len(stem) == len("2013-10-01") and "/" not in stem:
                found.append(SourceFile(path, fingerprint(info), day_named(stem, f"{self._address}/{path}")))
        twice = [day for day, count in Counter(file.day for file in found).items() if count > 1]
        if twice:
            several = " and ".join(file.name for file in found if file.day == twice[0])
            raise SourceError(f"{self._address} must hold one file of {name} a day", several, "remove the one that is out of date")
        return sorted(found, key=lambda file: file.day or date.min)

    def _folders(self, inside: Mapping[str, Mapping[str, Any]], name: str, form: Form) -> list[SourceFile]:
        start = f"{name}/{form.day}="
        held: dict[str, list[str]] = {}
        for path in sorted(path for path in inside if path.startswith(start)):
            days = self._listed(f"{self._root}/{path}", deep=True)
            prints = [f"{below} {fingerprint(info)}" for below, info in sorted(days.items()) if below.endswith(parquet.ENDING)]
            if prints:
                held[path.removeprefix(start)] = prints
        dated = {day_named(said, f"{self._address}/{start}{said}"): prints for said, prints in held.items()}
        return [SourceFile(f"{start}{day}", _digest(dated[day]), day) for day in sorted(dated)]

    def _listed(self, path: str, start: str = "", deep: bool = False) -> dict[str, dict[str, Any]]:
        """Return what lies in a folder by its path below the root; nothing if there is no such folder."""
        try:
            found = self._files.find(path, detail=True).values() if deep else self._files.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        below = {info["name"].rstrip("/").removeprefix(f"{self._root}/"): info for info in found}
        return {name: info for name, info in below.items() if name.startswith(start)}

    def _uri(self, name: str) -> str:
        """Return the address of a Delta table, which wants a path without `file://`."""
        return f"{self._root if 'file' in self._files.protocol else self._address}/{name}"


def fingerprint(info: Mapping[str, Any]) -> str:
    """Return what changes when a file does: the store's own tag, or size and time of change."""
    return str(info.get("ETag") or f"{info['size']}-{info.get('mtime') or info.get('LastModified')}").strip('"')


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _split(name: str) -> tuple[str, str]:
    ending = next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending)), "")
    return name.removesuffix(ending), ending
