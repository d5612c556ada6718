"""Manifests: one small file a snapshot, with a row a table and day: which rows, of which file, with which content."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tasks.artifacts.data import DataSnapshot
from tasks.errors import LakeError, StorageError

FOLDER = "manifests"
_COLUMNS = ("table", "batch_day", "source", "file", "fingerprint", "rows_read", "rows", "quarantined", "content_hash")


def write(lake: str, content_hash: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """Write the manifest of a snapshot, unless it is there, and return where.

    Raises:
        StorageError: If it cannot be written.
    """
    import fsspec

    uri = f"{lake}/{FOLDER}/{content_hash}.parquet"
    rows = pl.DataFrame([{name: entry[name] for name in _COLUMNS} for entry in entries])
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    filesystem, path = fsspec.core.url_to_fs(uri)
    if filesystem.exists(path):
        return uri
    try:
        filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with filesystem.transaction, filesystem.open(path, "wb") as file:  # whole or not at all
            file.write(buffer.getvalue())
    except OSError as error:
        raise StorageError(f"{uri} must be writable", f"{error}", "free space or mend permissions, then run again") from error
    return uri


def read(snapshot: DataSnapshot) -> pl.DataFrame:
    """Read the manifest of a snapshot: `table`, `batch_day`, source file with fingerprint, rows and content of each day.

    Raises:
        LakeError: If it is gone.
    """
    import fsspec

    try:
        with fsspec.open(snapshot.manifest, "rb") as file:
            return pl.read_parquet(io.BytesIO(file.read()))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LakeError(f"{snapshot.manifest} must be a snapshot's manifest", f"{error}", "ingest again: it is written anew") from error
