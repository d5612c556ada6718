"""Every form of a source gives the same text; what decides between a storage and a database is the scheme."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import SourceError
from tasks.rows import REASONS, parse
from tasks.sources.reading import is_database
from tests.unit.sources.toy import FIRST, RAW, SECOND, VISITS, WHOLE, WRITERS, rows

pytestmark = pytest.mark.unit

Writer = Callable[[Path, pl.DataFrame], str]


@pytest.mark.parametrize("form", WRITERS)
def test_all_rows_come_back_with_their_types(tmp_path: Path, form: str) -> None:
    """In a folder with a space, as a URI quotes it."""
    source = WRITERS[form](tmp_path / "a folder", rows())
    read = RAW.read(source, VISITS)
    assert set(read.dtypes) == {pl.String}
    parsed = parse(read, VISITS).sort("id")
    assert parsed.get_column(REASONS).list.len().sum() == 0
    assert parsed.drop(REASONS).equals(rows())


@pytest.mark.parametrize("form", ["days", "hive", "delta", "sqlite"])
def test_a_day_is_a_file(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows())
    files = RAW.files(source, VISITS)
    assert [file.day for file in files] == [FIRST, SECOND]
    for file in files:
        parsed = parse(RAW.read(source, VISITS, file), VISITS)
        assert parsed.get_column("day").unique().to_list() == [file.day]
        assert parsed.height == 2


@pytest.mark.parametrize("form", WRITERS)
def test_a_fingerprint_stays_while_the_rows_do(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows())
    assert list(RAW.files(source, VISITS)) == list(RAW.files(source, VISITS))


@pytest.mark.parametrize("form", ["csv", "parquet", "delta", "sqlite"])
def test_a_table_without_days_is_one_file(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows())
    (file,) = RAW.files(source, WHOLE)
    assert file.day is None
    assert RAW.read(source, WHOLE, file).height == 4


@pytest.mark.parametrize("form", ["csv", "parquet", "days", "hive", "delta", "sqlite"])
def test_a_missing_column_is_named(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows().drop("weight"))
    with pytest.raises(SourceError, match="must have a column weight; got the columns") as caught:
        RAW.read(source, VISITS)
    assert "visits.csv" in caught.value.mend


@pytest.mark.parametrize("form", ["csv", "parquet", "delta", "sqlite"])
def test_no_rows_are_no_error(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows().clear())
    assert RAW.read(source, WHOLE).height == 0


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("some/folder", False),
        ("/some/folder", False),
        ("file:///some/folder", False),
        ("s3://bucket/prefix", False),
        ("gs://bucket", False),
        ("sqlite:///file.db", True),
        ("postgresql+psycopg://user@host/db", True),
        ("nonsense://x", True),  # a database that SQLAlchemy does not know is told as such
    ],
)
def test_the_scheme_decides(source: str, expected: bool) -> None:
    assert is_database(source) is expected


def test_a_scheme_that_nobody_knows_is_a_source_error() -> None:
    with pytest.raises(SourceError, match=r"scheme of --source must be one of a storage or a database; got nonsense://"):
        RAW.files("nonsense://x", VISITS)


@pytest.mark.parametrize("form", ["parquet", "delta", "sqlite"])
def test_a_column_beside_the_contract_is_left_out(tmp_path: Path, form: str) -> None:
    source = WRITERS[form](tmp_path, rows().with_columns(owner=pl.lit("Ada")))
    assert "owner" not in RAW.read(source, VISITS).columns


def test_days_are_in_order(tmp_path: Path) -> None:
    frame = pl.concat([rows().head(1).with_columns(day=pl.lit(date(2024, 1, day))) for day in (3, 1, 2)])
    for form in ("days", "hive", "delta", "sqlite"):
        source = WRITERS[form](tmp_path / form, frame)
        assert [file.day for file in RAW.files(source, VISITS)] == [date(2024, 1, day) for day in (1, 2, 3)]
