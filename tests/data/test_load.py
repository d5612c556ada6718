"""A lake filled by several processes side by side holds what a night fills it with, to the bit: on a disk and on object storage."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.artifacts.data import DataSnapshot, FilledBlock, Severity
from tasks.artifacts.record import Window
from tasks.features import store
from tasks.ingestion import blocks
from tasks.ingestion.days import ingest
from tasks.lake import ledger, manifest, tables
from tasks.usecase import features, source
from tasks.usecase.contract import TABLES
from tasks.validation import store as profiles
from tests.feeds import bound_source, judged, profiling, write_feed

pytestmark = [
    pytest.mark.data,
    # botocore's and the server's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AS_OF, EARLY = datetime(2013, 2, 24, 12, tzinfo=UTC), datetime(2013, 1, 9, 12, tzinfo=UTC)
DEFINITION = store.Definition(features.build, source.known_by, features.LOOKBACK, "1")
ROWS = ("flights", "weather", "planes", "airports", "quarantine", "features")
PROFILES = ("profile_flights", "profile_weather")
WORKERS = 3


@pytest.fixture(scope="module")
def folder(small_source: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A feed with a file a day."""
    made = tmp_path_factory.mktemp("feed")
    write_feed(made, {table.name: source.read(small_source, table) for table in TABLES})
    return str(made)


def _night(folder: str, lake: str, as_of: datetime) -> DataSnapshot:
    """Bring what a night brings, one day after the other."""
    snapshot = ingest(bound_source(folder), lake, as_of)
    judged(snapshot, lake)
    store.bring_up(snapshot, lake, DEFINITION)
    return snapshot


@pytest.fixture(scope="module")
def serial(folder: str, tmp_path_factory: pytest.TempPathFactory) -> DataSnapshot:
    return _night(folder, str(tmp_path_factory.mktemp("serial") / "lake"), AS_OF)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as started:
        yield started


# What a process does; each binds the use case anew, as a pod would.


def _ingest(folder: str, lake: str, as_of: datetime, block: Window) -> FilledBlock:
    return blocks.fill(bound_source(folder), lake, as_of, block)


def _profile(snapshot: DataSnapshot, lake: str, block: Window) -> FilledBlock:
    return profiles.fill(snapshot, lake, profiling(), block)


def _build(snapshot: DataSnapshot, lake: str, block: Window) -> FilledBlock:
    return store.fill(snapshot, lake, DEFINITION, block)


def _versions(lake: str) -> dict[str, int]:
    return {name: tables.version_of(f"{lake}/{name}") for name in (*ROWS, *PROFILES, ledger.LEDGER)}


def _side_by_side(pool: ProcessPoolExecutor, work: Callable[[Window], FilledBlock], planned: Sequence[Window]) -> None:
    done = list(pool.map(work, planned))
    assert [part.block for part in done] == planned
    assert all(part.days for part in done)


def _load(folder: str, lake: str, pool: ProcessPoolExecutor, days: int, as_of: datetime = AS_OF) -> DataSnapshot:
    """Do what `workflows/load.py` does, with blocks of so many days."""
    bound = bound_source(folder)
    _side_by_side(pool, partial(_ingest, folder, lake, as_of), blocks.plan(bound, lake, as_of, days))
    snapshot = ingest(bound, lake, as_of)
    _side_by_side(pool, partial(_profile, snapshot, lake), profiles.plan(snapshot, lake, profiling(), days))
    _side_by_side(pool, partial(_build, snapshot, lake), store.plan(snapshot, lake, DEFINITION, days))
    return snapshot


def _rows(lake: str, name: str) -> pl.DataFrame:
    rows = tables.read(f"{lake}/{name}")
    assert rows is not None
    return rows.sort([column for column, dtype in rows.schema.items() if not isinstance(dtype, pl.List)])


def _same(loaded: DataSnapshot, serial: DataSnapshot) -> None:
    mine, theirs = (found.manifest.rpartition("/manifests/")[0] for found in (loaded, serial))
    where = {"tables", "manifest"}  # tables are named with their place and version
    assert loaded.model_dump(exclude=where) == serial.model_dump(exclude=where)
    assert [(t.name, t.rows, t.content_hash) for t in loaded.tables] == [(t.name, t.rows, t.content_hash) for t in serial.tables]
    assert manifest.read(loaded).equals(manifest.read(serial))
    for name in ROWS:
        assert _rows(mine, name).equals(_rows(theirs, name)), name
    for name in PROFILES:  # the last bit of a mean depends on how many days polars groups at once
        assert_frame_equal(_rows(mine, name), _rows(theirs, name), rel_tol=1e-9)
    told, wanted = (_rows(lake, ledger.LEDGER) for lake in (mine, theirs))
    hashed = pl.when(~pl.col("table").is_in(PROFILES)).then("content_hash")
    assert told.with_columns(content_hash=hashed).equals(wanted.with_columns(content_hash=hashed))


@pytest.mark.parametrize("days", [3, 20])  # many blocks of few days merge the ledger's files while others write; and few of many
def test_side_by_side_is_one_after_the_other(
    folder: str, serial: DataSnapshot, pool: ProcessPoolExecutor, tmp_path: Path, days: int
) -> None:
    lake = str(tmp_path / "lake")
    loaded = _load(folder, lake, pool, days)
    _same(loaded, serial)
    before = _versions(lake)
    assert ingest(bound_source(folder), lake, AS_OF) == loaded
    assert judged(loaded, lake).verdict != Severity.STOP
    assert store.bring_up(loaded, lake, DEFINITION)[2] == 0
    assert store.plan(loaded, lake, DEFINITION, days) == profiles.plan(loaded, lake, profiling(), days) == []
    assert _versions(lake) == before, "a night that follows finds everything there"


def test_on_object_storage_too(folder: str, tmp_path: Path, s3: Any) -> None:
    s3.create_bucket(Bucket="load")
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:  # started with the server's address
        loaded = _load(folder, "s3://load/lake", pool, 4, EARLY)
    _same(loaded, _night(folder, str(tmp_path / "lake"), EARLY))
