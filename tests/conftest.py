"""What all tests share: a repeatable hypothesis, and a small folder of real flights."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings

from tasks.usecase import source
from tasks.usecase.contract import TABLES

settings.register_profile("evergreen", derandomize=True, deadline=None, max_examples=25, database=None)
settings.load_profile("evergreen")

_DAYS = 110
_EVERY = 6


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with every sixth flight of the first 110 days, the weather of the same days, all planes and airports."""
    folder = tmp_path_factory.mktemp("small_source")
    # New York's New Year is 05Z; a month and a day of two digits sort as text.
    until = (pl.date(2013, 1, 1) + pl.duration(days=_DAYS)).cast(pl.Date)
    day = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), pl.col("day").cast(pl.Int32))
    for table in TABLES:
        raw = source.read(source.PACKAGED, table)
        if table.is_daily:
            raw = raw.filter(day < until)
        if table.name == "flights":
            raw = raw.sort("time_hour", maintain_order=True).gather_every(_EVERY)
        raw.write_csv(Path(folder) / f"{table.name}.csv", null_value="NA")
    return str(folder)
