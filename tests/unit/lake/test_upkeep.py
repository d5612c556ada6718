"""Upkeep: what is named or recent stays to the row, what is neither goes; and writers at once lose nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake import write_deltalake

from tasks.artifacts.lineage import NamedData, TableUpkeep
from tasks.errors import LakeError, StorageError
from tasks.lake import ledger, tables
from tasks.lake.ledger import UNDATED, Entry
from tasks.lake.upkeep import overdue, tidy

pytestmark = pytest.mark.unit

DAYS = [date(2013, 1, d) for d in range(1, 5)]
NOW = timedelta(0)
NOTHING = NamedData(tables={}, manifests=[])


def rows(x: int, days: list[date] = DAYS) -> pl.DataFrame:
    return pl.DataFrame({"x": [x] * len(days), "batch_day": days}, schema={"x": pl.Int64, "batch_day": pl.Date})


def at(uri: str, version: int | None = None) -> list[tuple[int, date]]:
    return sorted(tables.scan(uri, version).select("x", "batch_day").collect().rows(), key=lambda row: row[1])


def expected(x: int) -> list[tuple[int, date]]:
    return [(x, day) for day in DAYS]


@pytest.fixture(params=["lake", "a lake"])  # people do have folders with a space
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Flights in the versions 1 to 5, of which each holds its number; and a ledger beside them."""
    folder = str(tmp_path / request.param)
    for x in range(1, 6):
        tables.overwrite_days(f"{folder}/flights", rows(x), DAYS)
    tables.replace(f"{folder}/ledger", rows(1), "x = 1")
    return folder


def run(lake: str, named: NamedData = NOTHING, keep: timedelta = NOW) -> dict[str, TableUpkeep]:
    return {table.table: table for table in tidy(lake, named, keep, datetime.now(UTC)).tables}


def test_a_named_version_and_the_newest_stay_to_the_row(lake: str) -> None:
    uri = f"{lake}/flights"
    done = run(lake, NamedData(tables={"flights": [2, 4]}, manifests=[]))
    assert done["flights"] == TableUpkeep(table="flights", kept_versions=[2, 4], files_compacted=0, files_removed=8)
    assert [at(uri, 2), at(uri, 4), at(uri)] == [expected(2), expected(4), expected(5)]
    for version in (1, 3):
        with pytest.raises(LakeError, match="4 data files gone"):
            tables.scan(uri, version)
    assert tables.require_whole(uri)


def test_what_is_named_no_longer_goes_the_next_time(lake: str) -> None:
    run(lake, NamedData(tables={"flights": [2, 4]}, manifests=[]))
    assert run(lake, NamedData(tables={"flights": [4]}, manifests=[]))["flights"].files_removed == 4
    with pytest.raises(LakeError):
        tables.scan(f"{lake}/flights", 2)
    assert at(f"{lake}/flights", 4) == expected(4)


def test_again_does_nothing_more(lake: str) -> None:
    run(lake)
    version = tables.version_of(f"{lake}/flights")
    assert all((t.files_removed, t.files_compacted) == (0, 0) for t in run(lake).values())
    assert tables.version_of(f"{lake}/flights") <= version + 2  # Delta may note the vacuum's begin and end
    assert at(f"{lake}/flights") == expected(5)


def test_what_is_recent_stays(lake: str) -> None:
    assert run(lake, keep=timedelta(days=30))["flights"].files_removed == 0
    assert [at(f"{lake}/flights", version) for version in range(1, 6)] == [expected(x) for x in range(1, 6)]


def test_what_a_killed_write_left_goes_when_it_is_old(lake: str) -> None:
    days = timedelta(days=40)
    for name, age in {"old": days, "young": timedelta(days=20)}.items():
        path = Path(lake) / "flights" / f"batch_day={DAYS[0]}" / f"{name}.parquet"
        path.write_bytes(b"never committed")
        moment = (datetime.now(UTC) - age).timestamp()
        os.utime(path, (moment, moment))
    assert run(lake, keep=timedelta(days=30))["flights"].files_removed == 1
    assert [path.stem for path in Path(lake).rglob("*.parquet") if "-" not in path.stem] == ["young"]


def test_a_version_of_another_lake_does_not_matter(lake: str) -> None:
    done = run(lake, NamedData(tables={"flights": [3, 4_000], "elsewhere": [1]}, manifests=[]))
    assert done["flights"].kept_versions == [3]
    assert sorted(done) == ["flights", "ledger"]
    assert at(f"{lake}/flights", 3) == expected(3)


def test_small_files_are_merged_within_days_and_a_named_version_keeps_its_own(lake: str) -> None:
    uri = f"{lake}/flights"
    for x in range(6, 9):  # as other writers would
        write_deltalake(uri, rows(x, DAYS[:2]).to_arrow(), mode="append")
    before = tables.version_of(uri)
    held = at(uri)
    done = run(lake, NamedData(tables={"flights": [before]}, manifests=[]))
    assert done["flights"].files_compacted == 8  # two days of four files each
    assert len(list(Path(uri).glob(f"batch_day={DAYS[0]}/*.parquet"))) == 5  # the four of the version named, and the one of them all
    assert sorted(at(uri)) == sorted(at(uri, before)) == sorted(held)
    tables.overwrite_days(uri, rows(0), DAYS)  # and it can be written after that
    assert at(uri) == expected(0)


def test_a_lake_that_is_not_there_is_tidy(tmp_path: Path) -> None:
    report = tidy(str(tmp_path / "none"), NOTHING, NOW, datetime.now(UTC))
    assert (report.tables, report.manifests_removed, report.manifests_kept) == ([], 0, 0)
    assert not (tmp_path / "none").exists()


def test_a_damaged_table_is_told(lake: str) -> None:
    (Path(lake) / "flights" / "_delta_log" / f"{0:020}.json").write_text('{"add": {"path": garbage\n')
    with pytest.raises(LakeError, match="must be a readable Delta table"):
        run(lake)


# --- manifests --------------------------------------------------------------------------------------------------------


def test_manifests_stay_that_are_named_or_recent(lake: str) -> None:
    folder, now = Path(lake) / "manifests", datetime(2026, 1, 31, tzinfo=UTC)
    folder.mkdir()
    for name, age in {"named": 40, "old": 40, "recent": 20}.items():
        (folder / f"{name}.parquet").write_bytes(b"")
        moment = (now - timedelta(days=age)).timestamp()
        os.utime(folder / f"{name}.parquet", (moment, moment))
    report = tidy(lake, NamedData(tables={}, manifests=["named"]), timedelta(days=30), now)
    assert (report.manifests_removed, report.manifests_kept) == (1, 2)
    assert sorted(path.stem for path in folder.iterdir()) == ["named", "recent"]


# --- writers at once --------------------------------------------------------------------------------------------------


def at_once(*jobs: Callable[[], object]) -> None:
    """Run jobs in threads that begin together; raise what any of them raises."""
    barrier = Barrier(len(jobs))

    def begin(job: Callable[[], object]) -> None:
        barrier.wait(timeout=20)
        job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(begin, job) for job in jobs]:
            done.result(timeout=120)


def test_two_writers_of_different_days_both_succeed(lake: str) -> None:
    uri = f"{lake}/flights"
    for x in range(10, 13):
        at_once(
            lambda x=x: tables.overwrite_days(uri, rows(x, DAYS[:2]), DAYS[:2]),  # type: ignore[misc]
            lambda x=x: tables.overwrite_days(uri, rows(x + 100, DAYS[2:]), DAYS[2:]),  # type: ignore[misc]
        )
        assert at(uri) == [(x, DAYS[0]), (x, DAYS[1]), (x + 100, DAYS[2]), (x + 100, DAYS[3])]


def test_writers_that_find_no_table_all_keep_their_rows(tmp_path: Path) -> None:
    uri = str(tmp_path / "new" / "flights")

    def job(day: date) -> Callable[[], object]:
        return lambda: tables.overwrite_days(uri, rows(day.day, [day]), [day])

    at_once(*map(job, DAYS))
    assert at(uri) == [(day.day, day) for day in DAYS]


def test_upkeep_beside_a_writer_loses_nothing(lake: str) -> None:
    uri = f"{lake}/flights"

    def write() -> None:
        for x in range(20, 24):
            tables.overwrite_days(uri, rows(x), DAYS)

    at_once(write, lambda: run(lake, NamedData(tables={"flights": [2]}, manifests=[]), timedelta(days=1)))
    assert [at(uri, 2), at(uri)] == [expected(2), expected(23)]


@pytest.mark.parametrize("work", [tables.compact, lambda uri: tables.vacuum(uri, [], NOW)])
def test_there_is_nothing_to_do_where_no_table_is(tmp_path: Path, work: Callable[[str], int]) -> None:
    with pytest.raises(LakeError, match="run the ingest workflow"):
        work(str(tmp_path / "none"))


def test_a_version_that_delta_cannot_keep_is_told_and_nothing_is_removed(lake: str) -> None:
    uri = f"{lake}/flights"
    with pytest.raises(StorageError):
        tables.vacuum(uri, [4_000], NOW)
    assert [at(uri, version) for version in range(1, 6)] == [expected(x) for x in range(1, 6)]


def test_values_beyond_their_retention_are_named(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    tables.overwrite_days(f"{lake}/flights", rows(1), DAYS)
    entry = Entry("flights", DAYS[0], "toy", "", "", "", datetime(2013, 1, 9, tzinfo=UTC), 1, 1, 0, "")
    ledger.write(lake, "flights", [replace(entry, batch_day=day) for day in (*DAYS, UNDATED)])
    today = date(2013, 1, 12)
    assert overdue(lake, {("flights", "who"): 30, ("weather", "who"): 1}, today) == []
    [found] = overdue(lake, {("flights", "who"): 9}, today)
    assert (found.table, found.column, found.retention_days) == ("flights", "who", 9)
    assert (found.days, found.first_day, found.last_day) == (2, DAYS[0], DAYS[1])  # what has no day is of the 9th
    assert overdue(lake, {("flights", "who"): 2}, today)[0].days == 5


def test_a_version_that_upkeep_removed_says_so(lake: str) -> None:
    run(lake)
    with pytest.raises(LakeError, match="upkeep removes what no registered version names"):
        tables.scan(f"{lake}/flights", 1)
