"""Delta as a source: a day is a partition, and only a day whose data files changed has another fingerprint."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from tasks.errors import SourceError
from tests.unit.sources.toy import FIRST, RAW, SECOND, VISITS, rows, write_delta

pytestmark = pytest.mark.unit


def prints(source: str) -> dict[object, str]:
    return {file.day: file.fingerprint for file in RAW.files(source, VISITS)}


def test_a_changed_day_changes_its_fingerprint_alone(tmp_path: Path) -> None:
    source = write_delta(tmp_path, rows())
    before = prints(source)
    part = rows().filter(pl.col("day") == SECOND).with_columns(weight=5.0)
    write_deltalake(f"{source}/visits", part.to_arrow(), mode="overwrite", predicate=f"day = '{SECOND}'")
    after = prints(source)
    assert after[FIRST] == before[FIRST]
    assert after[SECOND] != before[SECOND]
    second = RAW.files(source, VISITS)[1]
    assert RAW.read(source, VISITS, second).get_column("weight").to_list() == ["5.0", "5.0"]


def test_a_table_without_partitions_is_one_file(tmp_path: Path) -> None:
    source = write_delta(tmp_path, rows(), by=None)
    (file,) = RAW.files(source, VISITS)
    assert (file.name, file.day) == ("delta:visits", None)
    before = file.fingerprint
    write_deltalake(f"{source}/visits", rows().head(1).to_arrow(), mode="append")
    (file,) = RAW.files(source, VISITS)
    assert file.fingerprint != before
    assert RAW.read(source, VISITS).height == 5


def test_days_as_text_are_days(tmp_path: Path) -> None:
    source = write_delta(tmp_path, rows().with_columns(pl.col("day").cast(pl.String)))
    files = RAW.files(source, VISITS)
    assert [file.day for file in files] == [FIRST, SECOND]
    assert RAW.read(source, VISITS, files[0]).get_column("id").sort().to_list() == ["1", "2"]


@pytest.mark.parametrize("day", [None, "soon"])
def test_a_partition_that_is_no_day_is_a_source_error(tmp_path: Path, day: str | None) -> None:
    source = write_delta(tmp_path, rows().with_columns(day=pl.lit(day, pl.String)))
    with pytest.raises(SourceError, match="visits, column day must be named by its day"):
        RAW.files(source, VISITS)


def test_a_damaged_table_is_a_source_error(tmp_path: Path) -> None:
    source = write_delta(tmp_path, rows())
    files = RAW.files(source, VISITS)
    for path in (tmp_path / "visits").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(SourceError, match="visits must be a readable Delta table"):
        RAW.read(source, VISITS, files[0])
    for path in (tmp_path / "visits" / "_delta_log").iterdir():
        path.write_text("{")
    with pytest.raises(SourceError, match="visits must be a readable Delta table"):
        RAW.files(source, VISITS)


def test_an_earlier_version_does_not_count(tmp_path: Path) -> None:
    """What a commit took away is no longer of the source, though its files may still lie there."""
    source = write_delta(tmp_path, rows())
    DeltaTable(f"{source}/visits").delete(f"day = '{FIRST}'")
    assert list(prints(source)) == [SECOND]
    assert RAW.read(source, VISITS).height == 2
