"""Delta tables: whole days or nothing, one schema, and a damaged table says how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from tasks.errors import LakeError, StorageError
from tasks.lake import tables

pytestmark = pytest.mark.unit

DAYS = [date(2013, 1, d) for d in range(1, 5)]


def rows(*days: date, x: int = 1) -> pl.DataFrame:
    return pl.DataFrame({"x": [x] * len(days), "batch_day": list(days)}, schema={"x": pl.Int64, "batch_day": pl.Date})


def held(uri: str) -> list[tuple[int, date]]:
    frame = tables.read(uri)
    assert frame is not None
    return sorted(frame.select("x", "batch_day").rows(), key=lambda r: (r[1], r[0]))


@pytest.fixture(params=["lake", "a lake"])  # people do have folders with a space
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / request.param / "flights")


def test_there_is_no_table_at_first(uri: str) -> None:
    assert tables.open_table(uri) is None
    assert tables.read(uri) is None
    for ask in (lambda: tables.version_of(uri), lambda: tables.scan(uri, 0)):
        with pytest.raises(LakeError, match="run the ingest workflow"):
            ask()


def test_writing_days_again_leaves_the_same_rows(uri: str) -> None:
    for _ in range(3):
        tables.overwrite_days(uri, rows(*DAYS, DAYS[0]), DAYS)
    assert held(uri) == [(1, DAYS[0]), (1, DAYS[0]), (1, DAYS[1]), (1, DAYS[2]), (1, DAYS[3])]


def test_only_the_days_named_are_replaced(uri: str) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    tables.overwrite_days(uri, rows(DAYS[1], x=7), [DAYS[1], DAYS[2]])  # the third day is emptied
    assert held(uri) == [(1, DAYS[0]), (7, DAYS[1]), (1, DAYS[3])]


def test_rows_of_a_day_not_named_are_refused_and_nothing_is_written(uri: str) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    with pytest.raises(StorageError):
        tables.overwrite_days(uri, rows(DAYS[0], x=7), [DAYS[1]])
    assert held(uri) == [(1, day) for day in DAYS]


def test_overwrite_replaces_all(uri: str) -> None:
    tables.overwrite(uri, rows(*DAYS))
    tables.overwrite(uri, rows(DAYS[0], x=2))
    assert held(uri) == [(2, DAYS[0])]


def test_a_version_stays_as_it_was(uri: str) -> None:
    tables.overwrite_days(uri, rows(DAYS[0]), DAYS[:1])
    first = tables.version_of(uri)
    tables.overwrite_days(uri, rows(DAYS[0], x=9), DAYS[:1])
    assert tables.scan(uri, first).collect().get_column("x").to_list() == [1]
    assert tables.scan(uri, tables.version_of(uri)).collect().get_column("x").to_list() == [9]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (rows(DAYS[0]).with_columns(x=pl.lit("2.5")), "x String"),  # Delta would cast it silently
        (rows(DAYS[0]).with_columns(pl.col("x").cast(pl.Int32)), "x Int32"),
        (rows(DAYS[0]).with_columns(y=1), "y Int32"),
        (rows(DAYS[0]).drop("x"), "x Int64"),
    ],
    ids=["text", "narrow", "more", "less"],
)
@pytest.mark.parametrize("whole", [True, False], ids=["table", "days"])
def test_another_schema_is_refused(uri: str, other: pl.DataFrame, named: str, whole: bool) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    with pytest.raises(LakeError, match=named) as caught:
        tables.overwrite(uri, other) if whole else tables.overwrite_days(uri, other, DAYS[:1])
    assert "needs a new lake" in caught.value.mend
    assert held(uri) == [(1, day) for day in DAYS]


# --- damage -----------------------------------------------------------------------------------------------------------


def _data_file(folder: Path) -> Path:
    return sorted(folder.glob("batch_day=*/*.parquet"))[0]


def _cut(folder: Path) -> None:
    path = _data_file(folder)
    path.write_bytes(path.read_bytes()[:40])


def _empty(folder: Path) -> None:
    _data_file(folder).write_bytes(b"")


def _remove(folder: Path) -> None:
    _data_file(folder).unlink()


def _garble(folder: Path) -> None:
    path = _data_file(folder)
    path.write_bytes(b"\x00" * path.stat().st_size)


def _garble_log(folder: Path) -> None:
    (folder / "_delta_log" / f"{0:020}.json").write_text('{"add": {"path": garbage\n')


@pytest.mark.parametrize("damage", [_cut, _empty, _remove, _garble, _garble_log])
def test_a_damaged_table_is_a_lake_error_with_a_way_out(uri: str, damage: Callable[[Path], None]) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    damage(Path(uri))
    with pytest.raises(LakeError, match="must be a readable Delta table") as caught:
        tables.read(uri)
    assert "restore the folder from a backup, or remove it" in caught.value.mend
    assert "\n" not in caught.value.found


@pytest.mark.parametrize("damage", [_cut, _empty, _remove, _garble_log])
def test_a_damaged_table_is_refused_before_its_rows_are_asked_for(uri: str, damage: Callable[[Path], None]) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    damage(Path(uri))
    with pytest.raises(LakeError, match="must be a readable Delta table"):
        tables.scan(uri, 1)


def test_a_damaged_log_is_not_written_over(uri: str) -> None:
    tables.overwrite_days(uri, rows(*DAYS), DAYS)
    _garble_log(Path(uri))
    with pytest.raises(LakeError):
        tables.overwrite_days(uri, rows(*DAYS), DAYS)


def test_a_version_that_is_not_there_is_a_lake_error(uri: str) -> None:
    tables.overwrite(uri, rows(*DAYS))
    with pytest.raises(LakeError):
        tables.scan(uri, 7)


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="free space or mend permissions"):
        tables.overwrite(str(tmp_path / "lake" / "flights"), rows(*DAYS))


# --- other writers ----------------------------------------------------------------------------------------------------


class Writer:
    """Fails as often as it is told to, then writes."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(tables.time, "sleep", taken.append)
    return taken


def test_a_conflict_is_tried_again_with_growing_pauses(uri: str, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(3, CommitFailedError("conflict"))
    monkeypatch.setattr(tables, "write_deltalake", writer)
    tables.overwrite(uri, rows(*DAYS))
    assert writer.calls == 4
    assert naps == sorted(naps)
    assert len(naps) == 3


def test_conflicts_without_end_are_a_lake_error(uri: str, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "write_deltalake", Writer(99, CommitFailedError("conflict")))
    with pytest.raises(LakeError, match="one writer at a time"):
        tables.overwrite(uri, rows(*DAYS))


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), DeltaError("Generic error: No space left on device")])
def test_a_full_disk_is_a_storage_error_at_once(uri: str, naps: list[float], monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(tables, "write_deltalake", Writer(99, error))
    with pytest.raises(StorageError, match="No space left on device"):
        tables.overwrite(uri, rows(*DAYS))
    assert naps == []


def test_many_small_files_become_one_and_old_versions_stay(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_MANY_FILES", 3)
    days = [date(2013, 1, 1 + n) for n in range(6)]
    for n, day in enumerate(days):
        tables.replace(uri, pl.DataFrame({tables.DAY: [day], "value": [n]}), tables.where([day]))
    table = tables.open_table(uri)
    assert table is not None
    assert len(table.file_uris()) <= 3
    assert sorted(tables.scan(uri).collect()["value"]) == list(range(6))
    assert sorted(tables.scan(uri, 2).collect()["value"]) == [0, 1]


@pytest.mark.parametrize("partition", [[tables.DAY], None], ids=["days apart", "small"])
@pytest.mark.parametrize("between", ["a compaction", DAYS[3], DAYS[0]], ids=["a compaction", "another day", "the same day"])
def test_a_compaction_that_another_writer_overtakes_begins_again(
    uri: str, naps: list[float], monkeypatch: pytest.MonkeyPatch, partition: list[str] | None, between: str | date
) -> None:
    """Two of delta-rs's own at once leave every row twice."""
    for n in range(6):  # two files a day
        write_deltalake(uri, rows(DAYS[n % 3], x=n).to_arrow(), mode="append", partition_by=partition)
    opened = [tables.open_table(uri)]  # what the compaction has in its hand while the other writes
    if isinstance(between, date):
        tables._write(uri, rows(between, x=9), tables.where([between]), partition)
    else:
        tables.compact(uri)
    before, real = held(uri), tables.open_table
    monkeypatch.setattr(tables, "open_table", lambda place, version=None: opened.pop() if opened else real(place, version))
    tables.compact(uri)
    assert held(uri) == before
    compacted = real(uri)
    assert compacted is not None
    assert len(compacted.file_uris()) == (len({day for _, day in before}) if partition else 1)


def test_a_table_that_is_only_added_to_is_compacted_too(uri: str) -> None:
    for day in DAYS:
        write_deltalake(uri, rows(day).to_arrow(), mode="append", configuration={"delta.appendOnly": "true"})
    assert tables.compact(uri) == len(DAYS)
    assert held(uri) == [(1, day) for day in DAYS]


def test_a_compaction_in_passing_gives_way(uri: str, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    tables.overwrite(uri, rows(*DAYS))
    monkeypatch.setattr(tables, "_merge", Writer(99, CommitFailedError("conflict")))
    tables.compact_if_free(uri)
    assert naps == []


def test_large_files_are_left_alone(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        write_deltalake(uri, rows(DAYS[0], x=n).to_arrow(), mode="append")
    monkeypatch.setattr(tables, "_SMALL_BYTES", 10)
    assert tables.compact(uri) == 0
    assert tables.version_of(uri) == 2
