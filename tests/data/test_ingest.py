"""Ingest of real flights into a lake: the same instant, the same snapshot, in whatever order the nights come."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, Severity
from tasks.errors import ClockError
from tasks.ingestion.days import ingest
from tasks.ingestion.feed import Source
from tasks.lake import tables
from tasks.lake.snapshots import read_snapshot
from tasks.rows import violations
from tasks.usecase import features, instants, source
from tasks.usecase.contract import TABLES
from tasks.usecase.features import Features
from tests.feeds import bound_source, judged

pytestmark = pytest.mark.data

EARLY, LATE = datetime(2013, 2, 9, tzinfo=UTC), datetime(2013, 4, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bound(small_source: str) -> Source:
    return bound_source(small_source)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("lake") / "lake")


@pytest.fixture(scope="module")
def late(bound: Source, lake: str) -> DataSnapshot:
    return ingest(bound, lake, LATE)


def _files(lake: str) -> set[Path]:
    return {path for path in Path(lake).rglob("*.*") if "manifests" not in path.parts}


def test_every_row_read_is_stored_set_aside_or_not_yet_known(late: DataSnapshot, bound: Source) -> None:
    accepted, aside = sum(table.rows for table in late.tables), sum(count.rows for count in late.quarantined)
    assert late.rows_read == accepted + aside + late.rows_not_yet_known
    begun = pl.col("time_hour") < "2013-04-11T04"  # the day in New York on which the clock stands
    flights, weather = (source.read(bound.name, table).filter(begun).height for table in TABLES[:2])
    assert late.rows_read == flights + weather + late.table("planes").rows + late.table("airports").rows
    assert [(q.table, q.rows, q.reasons) for q in late.quarantined] == [("weather", 1, {"wind_speed: must be at most 150": 1})]
    assert late.table("planes").rows == 3_322
    assert (late.first_day, late.last_day) == (date(2013, 1, 1), date(2013, 4, 10))


def test_an_earlier_night_after_a_later_one(bound: Source, lake: str, late: DataSnapshot, tmp_path: Path) -> None:
    before = _files(lake)
    early = ingest(bound, lake, EARLY)
    assert ingest(bound, lake, LATE) == late
    assert _files(lake) == before
    other = str(tmp_path / "other")
    straight = ingest(bound, other, EARLY)
    assert straight.content_hash == early.content_hash != late.content_hash
    assert [t.rows for t in straight.tables] == [t.rows for t in early.tables]
    assert ingest(bound, other, LATE).content_hash == late.content_hash  # the way there does not matter


def test_nothing_of_a_snapshot_was_known_later(lake: str, late: DataSnapshot, bound: Source) -> None:
    early = ingest(bound, lake, EARLY)  # read from a lake that knows more
    frames = read_snapshot(early, source.known_by)
    flights = instants.with_instants(frames["flights"], frames["airports"]).collect()
    assert flights.height == early.table("flights").rows
    assert flights.get_column("departed_at").max() <= EARLY
    assert flights.get_column("landed_at").max() <= EARLY
    flying = flights.filter(pl.col("landed_at").is_null() & pl.col("departed_at").is_not_null())
    assert flying.height > 0
    assert frames["weather"].select(pl.col("time_hour").max()).collect().item() <= EARLY - timedelta(hours=1)


@pytest.mark.parametrize("as_of", [datetime(2012, 12, 31, 12, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)])
def test_an_instant_outside_the_data_is_a_clock_error(bound: Source, tmp_path: Path, as_of: datetime) -> None:
    with pytest.raises(ClockError, match="as_of must lie within the data, 2013-01-01 to 2013-04-20"):
        ingest(bound, str(tmp_path / "lake"), as_of)


def test_features_of_a_snapshot_keep_their_contract(late: DataSnapshot) -> None:
    built = features.build(read_snapshot(late, source.known_by))
    assert violations(built, Features) == []
    frame = built.collect()
    assert frame.height == late.table("flights").rows
    assert frame.get_column("flight_id").is_unique().all()
    assert frame.get_column("predicted_at").is_sorted()
    known = frame.filter(pl.col("label").is_not_null())
    assert (known["label_known_at"] <= LATE).all()
    assert known["label"].mean() == pytest.approx(0.25, abs=0.05)


def test_a_sample_of_real_days_passes_validation(late: DataSnapshot, tmp_path: Path) -> None:
    report = judged(late, str(tmp_path))
    told = [f"{f.rule}: {f.found}" for f in report.findings if f.severity == Severity.STOP]
    assert told == []


def test_a_restricted_value_is_masked_where_its_row_is_set_aside(small_source: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    shutil.copytree(small_source, folder)
    flights = pl.read_csv(folder / "flights.csv", infer_schema=False)
    number = flights.get_column("tailnum").drop_nulls()[0]
    flights.with_columns(distance=pl.when(pl.col("tailnum") == number).then(pl.lit("-1")).otherwise("distance")).write_csv(
        folder / "flights.csv"
    )
    lake = str(tmp_path / "lake")
    assert ingest(bound_source(str(folder)), lake, EARLY).quarantined
    aside = tables.read(f"{lake}/quarantine")
    assert aside is not None
    rows = aside.filter(pl.col("table") == "flights").get_column("row")
    assert rows.len() > 0
    assert not rows.str.contains(number).any()
    assert rows.str.contains("<sensitive>").all()
