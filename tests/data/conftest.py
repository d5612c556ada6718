"""The packaged flights, read and parsed once for all tests of the real data."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.contracts import parse
from tasks.usecase import source
from tasks.usecase.contract import TABLES


@pytest.fixture(scope="session")
def parsed() -> dict[str, pl.DataFrame]:
    """Name to typed rows with their reasons."""
    return {table.name: parse(source.read(source.PACKAGED, table), table) for table in TABLES}
