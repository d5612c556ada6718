"""Ingest on a toy source: parcels, whose weight is known when they are weighed, hours after they came."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import Instant, RowRule, SourceFile, Table
from tasks.errors import ClockError, ContractViolation, LakeError
from tasks.ingestion import days
from tasks.ingestion.feed import Source
from tasks.lake import manifest, tables
from tasks.lake.ledger import LEDGER
from tasks.lake.snapshots import read_snapshot

pytestmark = pytest.mark.unit


class Parcels(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    came: Instant
    weighed: Instant = pa.Field(nullable=True)
    weight: float = pa.Field(ge=0, le=50, nullable=True)


class Scans(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    came: Instant


class Depots(pa.DataFrameModel):
    depot: str


PARCELS = Table("parcels", Parcels, ("id",), (RowRule("not weighed before it came", "", pl.col("weighed") >= pl.col("came")),))
SCANS = Table("scans", Scans, ("id",))
DEPOTS = Table("depots", Depots, ("depot",), is_daily=False)
ZERO = datetime(2013, 1, 1, 6, tzinfo=UTC)
DAYS = 5


def text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def parcels() -> pl.DataFrame:
    """Return four parcels a day at 6, 12, 18 and 24 o'clock, each weighed seven hours later."""
    came = [ZERO + timedelta(hours=6 * i) for i in range(4 * DAYS)]
    return pl.DataFrame(
        {
            "id": [str(i) for i in range(len(came))],
            "came": list(map(text, came)),
            "weighed": [text(c + timedelta(hours=7)) for c in came],
            "weight": [str(i / 2) for i in range(len(came))],
            "note": [f"n{i}" for i in range(len(came))],  # not in the contract
        }
    )


def known_by(frames: Mapping[str, pl.LazyFrame], as_of: datetime) -> dict[str, pl.LazyFrame]:
    weighed = pl.col("weighed") <= as_of
    known = frames["parcels"].filter(pl.col("came") <= as_of)
    known = known.with_columns(pl.when(weighed).then(pl.col(name)).alias(name) for name in ("weighed", "weight"))
    return {**frames, "parcels": known, "scans": frames["scans"].filter(pl.col("came") <= as_of)}


def source(raw: pl.DataFrame | None = None, scans: pl.DataFrame | None = None) -> Source:
    raw = parcels() if raw is None else raw
    held = {
        "parcels": raw,
        "scans": raw.select("id", "came") if scans is None else scans,
        "depots": pl.DataFrame({"depot": ["north", "south"]}),
    }
    return bound(
        lambda table: [SourceFile(f"{table.name}.csv", str(held[table.name].hash_rows().to_list()))],
        lambda table, file: held[table.name],
    )


def feed(raw: pl.DataFrame, name: str = "feed", depots: tuple[str, ...] = ("north", "south")) -> Source:
    """Return a source with a file a day, whose reads are counted in `READ`."""
    by_day = {date.fromisoformat(day): rows for (day,), rows in raw.group_by(pl.col("came").str.head(10)) if isinstance(day, str)}

    def files(table: Table) -> list[SourceFile]:
        if not table.is_daily:
            return [SourceFile("depots.csv", str(depots))]
        return [SourceFile(f"{table.name}/{day}.csv", str(rows.hash_rows().to_list()), day) for day, rows in sorted(by_day.items())]

    def read(table: Table, file: SourceFile) -> pl.DataFrame:
        READ.append(file.name)
        if file.day is None:
            return pl.DataFrame({"depot": depots})
        return by_day[file.day] if table.name == "parcels" else by_day[file.day].select("id", "came")

    return bound(files, read, name)


READ: list[str] = []


def bound(
    files: Callable[[Table], list[SourceFile]], read: Callable[[Table, SourceFile], pl.DataFrame], name: str = "toy", version: str = "1"
) -> Source:
    return Source(
        name,
        (PARCELS, SCANS, DEPOTS),
        files,
        read,
        lambda table: pl.col("came").dt.date(),
        known_by,
        "UTC",
        timedelta(hours=8),
        version,
    )


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2013, 1, day, hour, tzinfo=UTC)


def files(lake: str) -> dict[str, int]:
    return {str(path.relative_to(lake)): path.stat().st_mtime_ns for path in Path(lake).rglob("*") if path.is_file()}


# --- what the lake holds ----------------------------------------------------------------------------------------------


def test_the_lake_holds_what_was_known_and_no_more(lake: str) -> None:
    snapshot = days.ingest(source(), lake, at(3, 1))  # parcels 0-7 came, of which 0-7 minus those of the last seven hours are weighed
    rows = tables.read(f"{lake}/parcels")
    assert rows is not None
    assert rows.get_column("came").max() <= at(3, 1)
    assert rows.get_column("weighed").max() <= at(3, 1)
    late = rows.filter(pl.col("came") > at(3, 1) - timedelta(hours=7))
    assert late.get_column("weight").to_list() == [None] * late.height
    assert late.height > 0
    assert (snapshot.first_day, snapshot.last_day) == (date(2013, 1, 1), date(2013, 1, 3))
    assert snapshot.table("parcels").rows == rows.height == 8
    assert snapshot.table("depots").rows == 2
    assert snapshot.rows_read == sum(t.rows for t in snapshot.tables) + snapshot.rows_not_yet_known == 8 + 8 + 2 + 6
    assert snapshot.quarantined == []


def test_a_row_lies_in_the_day_that_it_belongs_to(lake: str) -> None:
    days.ingest(source(), lake, at(6))
    rows = tables.read(f"{lake}/parcels")
    assert rows is not None
    assert rows.select((pl.col("came").dt.date() == pl.col(tables.DAY)).all()).item()


def test_the_second_time_nothing_is_written(lake: str) -> None:
    first = days.ingest(source(), lake, at(4))
    before = files(lake)
    assert days.ingest(source(), lake, at(4)) == first
    assert files(lake) == before


def test_the_order_of_the_source_does_not_matter(lake: str) -> None:
    first = days.ingest(source(), lake, at(4))
    before = files(lake)
    assert days.ingest(source(parcels().reverse()), lake, at(4)).content_hash == first.content_hash
    assert {name for name in files(lake).keys() - before.keys() if not name.startswith(LEDGER)} == set()


def test_the_next_night_writes_only_the_days_that_changed(lake: str) -> None:
    days.ingest(source(), lake, at(3))
    before = files(lake)
    days.ingest(source(), lake, at(4))
    new = {name for name in files(lake).keys() - before.keys() if name.endswith(".parquet") and name.startswith("parcels")}
    # The second day's last parcels are weighed on the third.
    assert {name.split("/")[1] for name in new} == {"batch_day=2013-01-02", "batch_day=2013-01-03", "batch_day=2013-01-04"}


def test_an_earlier_instant_after_a_later_one_is_the_earlier_snapshot_again(lake: str) -> None:
    early = days.ingest(source(), lake, at(3, 5))
    late = days.ingest(source(), lake, at(5, 5))
    before = files(lake)
    again = days.ingest(source(), lake, at(3, 5))
    assert again.content_hash == early.content_hash != late.content_hash
    assert [t.content_hash for t in again.tables] == [t.content_hash for t in early.tables]
    assert files(lake) == before  # what is known since stays
    assert days.ingest(source(), lake, at(5, 5)).content_hash == late.content_hash


def test_the_same_instant_from_an_empty_lake_is_the_same_content(lake: str, tmp_path: Path) -> None:
    days.ingest(source(), lake, at(5))
    long_way = days.ingest(source(), lake, at(3))
    straight = days.ingest(source(), str(tmp_path / "other"), at(3))
    assert long_way.content_hash == straight.content_hash


def test_a_snapshot_reads_the_same_rows_whatever_came_since(lake: str) -> None:
    snapshot = days.ingest(source(), lake, at(3, 5))
    before = {name: frame.collect().sort(frame.collect_schema().names()) for name, frame in read_snapshot(snapshot, known_by).items()}
    mended = parcels().with_columns(weight=pl.when(pl.col("id") == "1").then(pl.lit("9")).otherwise("weight"))
    later = days.ingest(source(mended), lake, at(5))
    assert later.content_hash != snapshot.content_hash
    for name, frame in read_snapshot(snapshot, known_by).items():
        assert frame.collect().sort(frame.collect_schema().names()).equals(before[name])


def test_a_corrected_row_changes_its_day_and_the_hash(lake: str) -> None:
    first = days.ingest(source(), lake, at(5))
    before = files(lake)
    mended = parcels().with_columns(weight=pl.when(pl.col("id") == "1").then(pl.lit("9")).otherwise("weight"))
    second = days.ingest(source(mended), lake, at(5))
    assert second.content_hash != first.content_hash
    new = [name for name in files(lake).keys() - before.keys() if name.endswith(".parquet") and "batch_day" in name]
    assert [name.split("/")[:2] for name in new] == [["parcels", "batch_day=2013-01-01"]]


def test_more_days_than_a_commit_holds(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = days.ingest(source(), lake, at(6))
    monkeypatch.setattr(days, "_DAYS_A_COMMIT", 2)
    parts = days.ingest(source(), f"{lake}-2", at(6))
    assert parts.content_hash == whole.content_hash
    assert tables.version_of(f"{lake}-2/parcels") == 3  # made empty, then 2 + 2 + 1 or 2 days


def test_a_run_that_was_killed_between_commits_is_taken_up(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = days.ingest(source(), f"{lake}-whole", at(6))
    monkeypatch.setattr(days, "_DAYS_A_COMMIT", 2)
    real, calls = tables.overwrite_days, iter(range(99))

    def dies(*args: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(tables, "overwrite_days", dies)
    with pytest.raises(KeyboardInterrupt):
        days.ingest(source(), lake, at(6))
    half = tables.read(f"{lake}/parcels")
    assert half is not None
    assert 0 < half.height < 20
    assert days.ingest(source(), lake, at(6)).content_hash == whole.content_hash


# --- quarantine -------------------------------------------------------------------------------------------------------


def broken() -> pl.DataFrame:
    bad = pl.DataFrame(
        {
            "id": ["90", "-1", "x", "3"],
            "came": [text(at(2)), text(at(2)), text(at(2)), text(at(2))],
            "weighed": [text(at(1)), None, None, text(at(2, 7))],
            "weight": ["51", "NaN?", None, "1"],
            "note": ["heavy", "minus", None, "again"],
        }
    )
    return pl.concat([parcels(), bad])


def test_bad_rows_are_set_aside_with_their_raw_text_and_every_reason(lake: str) -> None:
    days.ingest(source(broken(), scans=parcels().select("id", "came")), lake, at(6))
    aside = tables.read(f"{lake}/{days.QUARANTINE}")
    assert aside is not None
    found = {json.loads(row)["note"]: (table, json.loads(row), set(reasons)) for table, _, row, reasons in aside.iter_rows()}
    assert set(found) == {"heavy", "minus", None, "again"}
    assert {table for table, _, _ in found.values()} == {"parcels"}
    assert found["heavy"][1] == {"id": "90", "came": text(at(2)), "weighed": text(at(1)), "weight": "51", "note": "heavy"}
    assert found["heavy"][2] == {"weight: must be at most 50", "(row): not weighed before it came"}
    assert found["minus"][2] == {"id: must be at least 0", "weight: must be readable as Float64"}
    assert found["minus"][1]["weight"] == "NaN?"
    assert found[None][2] == {"id: must be readable as Int64", "id: must not be null"}
    assert found["again"][2] == {"(row): repeats the key id"}


def test_every_row_read_is_stored_or_set_aside_and_counted(lake: str) -> None:
    snapshot = days.ingest(source(broken(), scans=parcels().select("id", "came")), lake, at(6, 12))
    assert [(q.table, q.rows) for q in snapshot.quarantined] == [("parcels", 4)]
    assert snapshot.rows_read == sum(t.rows for t in snapshot.tables) + 4
    assert snapshot.quarantined[0].reasons == {
        "(row): not weighed before it came": 1,
        "(row): repeats the key id": 1,
        "id: must be at least 0": 1,
        "id: must be readable as Int64": 1,
        "id: must not be null": 1,
        "weight: must be at most 50": 1,
        "weight: must be readable as Float64": 1,
    }


def test_quarantine_is_not_written_again_and_empties_when_the_source_is_mended(lake: str) -> None:
    scans = parcels().select("id", "came")
    days.ingest(source(broken(), scans), lake, at(6))
    before = files(lake)
    days.ingest(source(broken(), scans), lake, at(6))
    assert files(lake) == before
    mended = days.ingest(source(), lake, at(6))
    aside = tables.read(f"{lake}/{days.QUARANTINE}")
    assert aside is not None
    assert aside.height == 0
    assert mended.quarantined == []


# --- the clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "as_of",
    [
        at(1) - timedelta(days=1),  # the day before the data
        at(8),  # more than a day after them (24 o'clock of the fifth day is the sixth)
        at(1) - timedelta(days=365),
        at(1) + timedelta(days=365),
    ],
)
def test_an_instant_outside_the_data_is_a_clock_error(lake: str, as_of: datetime) -> None:
    with pytest.raises(ClockError, match="as_of must lie within the data, 2013-01-01 to 2013-01-06"):
        days.ingest(source(), lake, as_of)
    assert not Path(lake).exists()


def test_an_instant_on_the_first_day_before_the_first_row_is_a_clock_error(lake: str) -> None:
    with pytest.raises(ClockError, match="none known by 2013-01-01 05:00"):
        days.ingest(source(), lake, at(1, 5))
    assert not Path(lake).exists()


def test_a_source_without_a_good_row_is_a_clock_error(lake: str) -> None:
    with pytest.raises(ClockError, match="rows that keep the contract"):
        days.ingest(source(parcels().with_columns(id=pl.lit("x"))), lake, at(3))


def test_a_table_of_which_nothing_is_known_yet_is_there_and_empty(lake: str) -> None:
    scans = parcels().select("id", "came").tail(1)
    early = days.ingest(source(scans=scans), lake, at(2))
    assert early.table("scans").rows == 0
    assert days.ingest(source(scans=scans), lake, at(6)).table("scans").rows == 1
    assert days.ingest(source(scans=scans), lake, at(2)).content_hash == early.content_hash


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_source_that_lacks_a_column_writes_nothing(lake: str) -> None:
    with pytest.raises(ContractViolation, match="weight"):
        days.ingest(source(parcels().drop("weight")), lake, at(3))
    assert not Path(lake).exists()


def test_a_lake_of_an_earlier_contract_is_refused(lake: str) -> None:
    days.ingest(source(), lake, at(3))
    rows = tables.read(f"{lake}/depots")
    assert rows is not None
    other = str(Path(lake).parent / "old")
    tables.overwrite(f"{other}/depots", rows.with_columns(more=1))
    with pytest.raises(LakeError, match="those of an earlier contract"):
        days.ingest(source(), other, at(3))


def test_a_damaged_table_stops_the_ingest(lake: str) -> None:
    days.ingest(source(), lake, at(3))
    min(Path(lake).glob("parcels/batch_day=*/*.parquet")).write_bytes(b"garbage")  # a day that needs no new write
    with pytest.raises(LakeError, match="must be a readable Delta table"):
        days.ingest(source(), lake, at(4))


def test_reading_a_snapshot_whose_files_are_damaged_is_a_lake_error(lake: str) -> None:
    snapshot = days.ingest(source(), lake, at(3))
    next(Path(lake).glob("parcels/batch_day=*/*.parquet")).write_bytes(b"garbage")
    with pytest.raises(LakeError, match="must be a readable Delta table"):
        read_snapshot(snapshot, known_by)


def test_a_snapshot_is_a_record_that_survives_json(lake: str) -> None:
    snapshot = days.ingest(source(), lake, at(3))
    assert DataSnapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


# --- a file a day -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nothing_read_yet() -> None:
    READ.clear()


def test_a_feed_gives_the_content_that_one_file_gives(lake: str) -> None:
    assert days.ingest(feed(parcels()), lake, at(4)).content_hash == days.ingest(source(), f"{lake}-whole", at(4)).content_hash


def test_a_night_reads_the_days_that_are_new_or_were_not_settled(lake: str) -> None:
    days.ingest(feed(parcels()), lake, at(4, 9))
    READ.clear()
    days.ingest(feed(parcels()), lake, at(5, 9))
    # The third day's last parcel is weighed on the fourth at 7 o'clock: settled. The sixth begins within a day.
    dated = {name for name in READ if name.startswith("parcels")}
    assert dated == {"parcels/2013-01-01.csv", "parcels/2013-01-04.csv", "parcels/2013-01-05.csv", "parcels/2013-01-06.csv"}
    READ.clear()
    days.ingest(feed(parcels()), lake, at(5, 9))
    assert READ == ["parcels/2013-01-01.csv"]  # to know where the data begin


def test_nights_one_by_one_give_what_one_run_gives(lake: str) -> None:
    for night in range(2, 7):
        last = days.ingest(feed(parcels()), lake, at(night, 3))
    assert last.content_hash == days.ingest(feed(parcels()), f"{lake}-once", at(6, 3)).content_hash


def test_a_corrected_file_is_read_again_however_old(lake: str) -> None:
    days.ingest(feed(parcels()), lake, at(6))
    READ.clear()
    mended = parcels().with_columns(weight=pl.when(pl.col("id") == "4").then(pl.lit("9")).otherwise("weight"))
    days.ingest(feed(mended), lake, at(6))
    assert "parcels/2013-01-02.csv" in READ
    assert "parcels/2013-01-03.csv" not in READ
    rows = tables.read(f"{lake}/parcels")
    assert rows is not None
    assert rows.filter(pl.col("id") == 4).get_column("weight").to_list() == [9.0]


def test_a_quarantined_row_that_was_mended_is_taken(lake: str) -> None:
    heavy = parcels().with_columns(weight=pl.when(pl.col("id") == "4").then(pl.lit("51")).otherwise("weight"))
    bad = days.ingest(feed(heavy), lake, at(6, 12))
    assert [(q.table, q.rows) for q in bad.quarantined] == [("parcels", 1)]
    assert bad.rows_read == sum(t.rows for t in bad.tables) + 1 + bad.rows_not_yet_known
    good = days.ingest(feed(parcels()), lake, at(6, 12))
    assert good.quarantined == []
    assert good.table("parcels").rows == bad.table("parcels").rows + 1
    aside = tables.read(f"{lake}/{days.QUARANTINE}")
    assert aside is not None
    assert aside.is_empty()


def test_a_row_in_the_file_of_another_day_is_set_aside(lake: str) -> None:
    strayed = feed(parcels())
    real = strayed.read
    moved = parcels().filter(pl.col("id") == "9")

    def read(table: Table, file: SourceFile) -> pl.DataFrame:
        rows = real(table, file)
        return pl.concat([rows, moved]) if table.name == "parcels" and file.day == date(2013, 1, 2) else rows

    snapshot = days.ingest(replace(strayed, read=read), lake, at(5))
    assert snapshot.quarantined[0].reasons == {"(row): must be of the day of its file": 1}


def test_a_feed_may_drop_its_old_files(lake: str) -> None:
    whole = days.ingest(feed(parcels()), lake, at(5))
    kept = parcels().filter(pl.col("came") >= "2013-01-03")
    assert days.ingest(feed(kept), lake, at(5)).content_hash == whole.content_hash


def test_another_source_brings_its_days_alone(lake: str) -> None:
    days.ingest(feed(parcels()), lake, at(5))
    other = parcels().filter(pl.col("came") >= "2013-01-03")
    snapshot = days.ingest(feed(other, "another"), lake, at(5))
    assert snapshot.first_day == date(2013, 1, 3)
    assert snapshot.content_hash == days.ingest(feed(other, "another"), f"{lake}-fresh", at(5)).content_hash


def test_a_changed_contract_reads_every_day_again(lake: str) -> None:
    days.ingest(feed(parcels()), lake, at(5))
    READ.clear()
    days.ingest(replace(feed(parcels()), version="2"), lake, at(5))
    assert {name for name in READ if name.startswith("parcels")} == {f"parcels/2013-01-0{day}.csv" for day in range(1, 7)}


def test_a_table_that_was_removed_is_filled_again(lake: str) -> None:
    first = days.ingest(feed(parcels()), lake, at(5))
    shutil.rmtree(f"{lake}/parcels")
    assert days.ingest(feed(parcels()), lake, at(5)).content_hash == first.content_hash


def test_the_manifest_names_the_file_of_every_day(lake: str) -> None:
    snapshot = days.ingest(feed(parcels()), lake, at(5))
    rows = manifest.read(snapshot)
    mine = rows.filter(pl.col("table") == "parcels")
    assert mine.get_column("file").to_list() == [f"parcels/2013-01-0{day}.csv" for day in range(1, 6)]
    assert mine.get_column("rows").sum() == snapshot.table("parcels").rows


def test_a_manifest_that_is_gone_is_a_lake_error(lake: str) -> None:
    snapshot = days.ingest(feed(parcels()), lake, at(5))
    Path(snapshot.manifest).unlink()
    with pytest.raises(LakeError, match="must be a snapshot's manifest"):
        manifest.read(snapshot)
    assert days.ingest(feed(parcels()), lake, at(5)) == snapshot  # written anew
    assert manifest.read(snapshot).height > 0
