"""Parquet: bytes of a file as a typed frame, with a plain word on what is wrong with it."""

from __future__ import annotations

import io

import polars as pl

from tasks.errors import SourceError

ENDING = ".parquet"


def parse(data: bytes, where: str) -> pl.DataFrame:
    """Return the rows of a file with their types.

    Args:
        data: The file's bytes.
        where: The file, for errors.

    Raises:
        SourceError: If it is truncated or no Parquet.
    """
    try:
        return pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        found = "an empty file" if not data else str(error).split("\n")[0]
        raise SourceError(f"{where} must be a whole Parquet file", found, "copy the file again, or ask who writes it") from error
