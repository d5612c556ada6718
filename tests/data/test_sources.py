"""The same flights as CSV, Parquet, Delta and SQL: one snapshot, whatever form and storage they come from."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import types
from tasks.ingestion.days import ingest
from tasks.lake import tables
from tasks.lake.tables import DAY
from tasks.rows import REASONS, parse
from tasks.usecase import source
from tasks.usecase.contract import TABLES
from tests.feeds import bound_source, write_feed

pytestmark = [
    pytest.mark.data,
    # botocore's and the server's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

EARLY, LATE = datetime(2013, 1, 20, tzinfo=UTC), datetime(2013, 1, 25, 12, tzinfo=UTC)
FIRST_DAY = date(2013, 1, 1)

Frames = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def typed(small_source: str) -> Frames:
    """Return the tables with the contract's types, each daily one with its day; every row keeps its contract as far as types go."""
    found = {}
    for table in TABLES:
        rows = parse(source.read(small_source, table), table).drop(REASONS)
        found[table.name] = rows.with_columns(source.day_of(table).alias(DAY)) if table.is_daily else rows
    return found


def _days(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(day): part for (day,), part in rows.partition_by(DAY, as_dict=True, include_key=False).items()}


def _parquet(folder: Path, frames: Frames) -> str:
    for name, rows in frames.items():
        rows.drop(DAY, strict=False).write_parquet(folder / f"{name}.parquet")
    return str(folder)


def _parquet_days(folder: Path, frames: Frames) -> str:
    for name, rows in frames.items():
        (folder / name).mkdir()
        for day, part in _days(rows).items() if DAY in rows.columns else ():
            part.write_parquet(folder / name / f"{day}.parquet")
        if DAY not in rows.columns:
            rows.write_parquet(folder / f"{name}.parquet")
    return str(folder)


def _hive(folder: Path, frames: Frames) -> str:
    for name, rows in frames.items():
        for day, part in _days(rows).items() if DAY in rows.columns else ():
            (folder / name / f"{DAY}={day}").mkdir(parents=True)
            part.write_parquet(folder / name / f"{DAY}={day}" / "00000.parquet")
        if DAY not in rows.columns:
            rows.write_parquet(folder / f"{name}.parquet")
    return str(folder)


def _delta(folder: Path | str, frames: Frames) -> str:
    for name, rows in frames.items():
        write_deltalake(f"{folder}/{name}", rows.to_arrow(), partition_by=[DAY] if DAY in rows.columns else None)
    return str(folder)


def _sqlite(folder: Path, frames: Frames) -> str:
    with sqlite3.connect(folder / "flights.db") as connection:
        for name, rows in frames.items():
            instants = [pl.col(n).dt.strftime("%Y-%m-%d %H:%M:%S+00:00") for n, t in rows.schema.items() if t == pl.Datetime]
            stored = rows.with_columns(*instants, *(pl.col(n).cast(pl.String) for n, t in rows.schema.items() if t == pl.Date))
            connection.execute(f"CREATE TABLE {name} ({', '.join(stored.columns)})")
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * stored.width)})", stored.rows())
    connection.close()
    return f"sqlite:///{folder}/flights.db"


FORMS: dict[str, Callable[[Path, Frames], str]] = {
    "parquet": _parquet,
    "parquet a day": _parquet_days,
    "hive": _hive,
    "delta": _delta,
    "sqlite": _sqlite,
}


def _told(snapshot: DataSnapshot) -> dict[str, Any]:
    """Return what a snapshot says of the data, and not of where they came from."""
    return {
        "content": snapshot.content_hash,
        "tables": {table.name: (table.rows, table.content_hash) for table in snapshot.tables},
        "quarantined": [count.model_dump() for count in snapshot.quarantined],
    }


@pytest.fixture(scope="module")
def from_csv(small_source: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _told(ingest(bound_source(small_source), str(tmp_path_factory.mktemp("csv") / "lake"), LATE))


@pytest.mark.parametrize("form", FORMS)
def test_equal_data_make_an_equal_snapshot(typed: Frames, from_csv: dict[str, Any], tmp_path: Path, form: str) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    bound = bound_source(FORMS[form](folder, typed))
    lake = str(tmp_path / "lake")
    ingest(bound, lake, EARLY)
    assert _told(ingest(bound, lake, LATE)) == from_csv  # a night after another gives what one pass does


def test_a_packed_feed_makes_an_equal_snapshot(small_source: str, from_csv: dict[str, Any], tmp_path: Path) -> None:
    import gzip

    write_feed(tmp_path, {table.name: source.read(small_source, table) for table in TABLES})
    for path in [*tmp_path.rglob("*.csv")]:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes(), compresslevel=1))
        path.unlink()
    assert _told(ingest(bound_source(str(tmp_path)), str(tmp_path / "lake"), LATE)) == from_csv


@pytest.mark.parametrize("form", ["delta", "parquet a day"])
def test_and_from_object_storage(typed: Frames, from_csv: dict[str, Any], tmp_path: Path, s3: Any, form: str) -> None:
    bucket = form.replace(" ", "-")
    s3.create_bucket(Bucket=bucket)
    begun = {name: rows.filter(pl.col(DAY) <= LATE.date()) if DAY in rows.columns else rows for name, rows in typed.items()}
    if form == "delta":
        _delta(f"s3://{bucket}/raw", begun)
    else:
        for path in Path(_parquet_days(tmp_path, begun)).rglob("*.parquet"):
            s3.upload_file(str(path), bucket, f"raw/{path.relative_to(tmp_path)}")
    bound = bound_source(f"s3://{bucket}/raw")
    assert _told(ingest(bound, str(tmp_path / "lake"), LATE)) == from_csv
    files = bound.files(TABLES[0])
    assert files == source.files(f"s3://{bucket}/raw", TABLES[0])  # nothing came: nothing is read again
    assert len(files) == 25


@pytest.mark.parametrize("form", ["parquet a day", "delta", "sqlite"])
def test_a_night_reads_the_days_that_changed(typed: Frames, tmp_path: Path, form: str) -> None:
    """A day of January that is settled since long is mended in the source: the night reads it, and no other."""
    folder = tmp_path / "raw"
    folder.mkdir()
    address, lake, clock = FORMS[form](folder, typed), str(tmp_path / "lake"), datetime(2013, 2, 20, 12, tzinfo=UTC)
    before = ingest(bound_source(address), lake, clock)
    day = date(2013, 1, 10)
    mended = typed["flights"].with_columns(tailnum=pl.when((pl.col(DAY) == day) & pl.col("tailnum").is_not_null()).then(pl.lit("N10001")))
    if form == "sqlite":
        with sqlite3.connect(folder / "flights.db") as connection:
            connection.execute("UPDATE flights SET tailnum = 'N10001' WHERE batch_day = '2013-01-10' AND tailnum IS NOT NULL")
        connection.close()
    elif form == "delta":
        part = mended.filter(pl.col(DAY) == day)
        write_deltalake(f"{folder}/flights", part.to_arrow(), mode="overwrite", predicate=f"{DAY} = '{day}'")
    else:
        mended.filter(pl.col(DAY) == day).drop(DAY).write_parquet(folder / "flights" / f"{day}.parquet")
    bound, read = bound_source(address), []
    after = ingest(_watched(bound, read), lake, clock)
    assert [file.day for name, file in read if name == "flights"] == [FIRST_DAY, day]  # the first is looked at for the clock
    assert before.content_hash != after.content_hash
    rows = tables.scan(f"{lake}/flights", days=[day]).collect()
    assert rows.get_column("tailnum").drop_nulls().unique().to_list() == ["N10001"]
    assert rows.columns == [*types(TABLES[0].schema), DAY]


def _watched(bound: Any, read: list[Any]) -> Any:
    from dataclasses import replace

    def watched(table: Any, file: Any) -> pl.DataFrame:
        read.append((table.name, file))
        return bound.read(table, file)

    return replace(bound, read=watched)


def test_the_example_of_the_page_gives_what_the_packaged_files_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text()
    code = page.partition("<<'EOF'\n")[2].partition("\nEOF\n")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/sources.md", "exec"), {})
    clock = datetime(2013, 1, 8, tzinfo=UTC)
    addresses = (source.PACKAGED, *re.findall(r"--as_of 2013-01-08 --source (\S+)", page))
    assert len(addresses) == 3
    found = {_told(ingest(bound_source(address), f"lake-{n}", clock))["content"] for n, address in enumerate(addresses)}
    assert len(found) == 1
