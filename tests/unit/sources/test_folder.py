"""A folder: which form a table has in it, what a changed file changes, and plain words for what is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import SourceError
from tests.unit.sources.toy import FIRST, RAW, SECOND, VISITS, WRITERS, rows, write_csv, write_days, write_hive, write_parquet

pytestmark = pytest.mark.unit


def prints(source: str) -> dict[object, str]:
    return {file.day: file.fingerprint for file in RAW.files(source, VISITS)}


def test_a_missing_table_says_what_may_be_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"must hold visits.csv or visits.csv.zip or visits.csv.gz or visits.parquet, or") as caught:
        RAW.files(str(tmp_path), VISITS)
    assert "docs/sources.md" in caught.value.mend


def test_two_forms_of_a_table_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path, rows())
    write_parquet(tmp_path, rows())
    with pytest.raises(SourceError, match=r"must hold visits in one form; got visits.csv and visits.parquet"):
        RAW.files(str(tmp_path), VISITS)


def test_two_files_of_a_day_are_refused(tmp_path: Path) -> None:
    write_days(tmp_path, rows())
    (tmp_path / "visits" / f"{FIRST}.csv").write_text("id\n")
    with pytest.raises(SourceError, match=r"must hold one file of visits a day; got .*2024-02-29.csv and .*2024-02-29.parquet"):
        RAW.files(str(tmp_path), VISITS)


def test_a_file_of_no_day_is_named(tmp_path: Path) -> None:
    write_days(tmp_path, rows())
    (tmp_path / "visits" / "2024-02-30.csv").write_text("id\n")
    with pytest.raises(SourceError, match=r"2024-02-30.csv must be named by its day"):
        RAW.files(str(tmp_path), VISITS)


def test_files_that_are_none_of_a_table_are_left_alone(tmp_path: Path) -> None:
    write_days(tmp_path, rows())
    (tmp_path / "visits" / "README.txt").write_text("what this is")
    (tmp_path / "visits_old.csv").write_text("id\n")
    assert list(prints(str(tmp_path))) == [FIRST, SECOND]


def test_a_packed_file_is_read_like_the_file_in_it(tmp_path: Path) -> None:
    plain = RAW.read(write_csv(tmp_path, rows()), VISITS)
    path = tmp_path / "visits.csv"
    (tmp_path / "visits.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert RAW.read(str(tmp_path), VISITS).equals(plain)
    (tmp_path / "visits.csv.gz").write_bytes((tmp_path / "visits.csv.gz").read_bytes()[:-9])
    with pytest.raises(SourceError, match="must be a whole gzip file"):
        RAW.read(str(tmp_path), VISITS)


@pytest.mark.parametrize("keep", [0, 100, -5])
def test_a_truncated_parquet_file_is_a_source_error(tmp_path: Path, keep: int) -> None:
    path = Path(write_parquet(tmp_path, rows())) / "visits.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"visits.parquet must be a whole Parquet file") as caught:
        RAW.read(str(tmp_path), VISITS)
    assert "copy the file again" in caught.value.mend


def test_a_changed_day_changes_its_fingerprint_alone(tmp_path: Path) -> None:
    for form in ("days", "hive"):
        source = WRITERS[form](tmp_path / form, rows())
        before = prints(source)
        changed = rows().with_columns(weight=pl.when(pl.col("day") == SECOND).then(5.125).otherwise("weight"), note=pl.lit("x"))
        part = changed.filter(pl.col("day") == SECOND)
        home = tmp_path / form / "visits"
        part.write_parquet(home / (f"{SECOND}.parquet" if form == "days" else f"day={SECOND}/part-2.parquet"))
        after = prints(source)
        assert after[FIRST] == before[FIRST]
        assert after[SECOND] != before[SECOND]


def test_a_folder_of_a_day_without_files_is_no_day(tmp_path: Path) -> None:
    source = write_hive(tmp_path, rows())
    (tmp_path / "visits" / "day=2024-03-02").mkdir()
    assert list(prints(source)) == [FIRST, SECOND]


def test_a_file_that_goes_between_is_named(tmp_path: Path) -> None:
    source = write_days(tmp_path, rows())
    first, *_ = RAW.files(source, VISITS)
    (tmp_path / "visits" / f"{FIRST}.parquet").unlink()
    with pytest.raises(SourceError, match=r"visits/2024-02-29.parquet must be there"):
        RAW.read(source, VISITS, first)
