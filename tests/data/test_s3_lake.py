"""A lake on object storage: ingest, read again and upkeep against a real S3 server on loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.lineage import NamedData
from tasks.errors import LakeError
from tasks.ingestion.days import ingest
from tasks.lake import manifest, tables
from tasks.lake.snapshots import read_snapshot
from tasks.lake.upkeep import tidy
from tasks.usecase import source
from tests.feeds import bound_source

pytestmark = [
    pytest.mark.data,
    # botocore's and the server's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

EARLY, LATE = datetime(2013, 1, 20, tzinfo=UTC), datetime(2013, 1, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def lake(s3: Any) -> str:
    s3.create_bucket(Bucket="evergreen")
    return "s3://evergreen/lake"


@pytest.fixture(scope="module")
def early(lake: str, small_source: str) -> DataSnapshot:
    return ingest(bound_source(small_source), lake, EARLY)


def test_it_holds_what_a_folder_would(lake: str, early: DataSnapshot, small_source: str, tmp_path: Path) -> None:
    local = ingest(bound_source(small_source), str(tmp_path / "lake"), EARLY)
    assert early.content_hash == local.content_hash
    assert manifest.read(early).equals(manifest.read(local))
    ours, theirs = read_snapshot(early, source.known_by), read_snapshot(local, source.known_by)
    for name in theirs:
        columns = theirs[name].collect_schema().names()
        assert ours[name].collect().sort(columns).equals(theirs[name].collect().sort(columns)), name


def test_again_changes_nothing_and_a_later_night_leaves_the_snapshot(lake: str, early: DataSnapshot, small_source: str) -> None:
    bound = bound_source(small_source)
    assert ingest(bound, lake, EARLY) == early
    before = {name: rows.collect().height for name, rows in read_snapshot(early, source.known_by).items()}
    late = ingest(bound, lake, LATE)
    assert late.table("flights").version > early.table("flights").version
    assert {name: rows.collect().height for name, rows in read_snapshot(early, source.known_by).items()} == before
    named = NamedData(tables={t.name: [t.version] for t in early.tables}, manifests=[early.content_hash])
    report = tidy(lake, named, timedelta(0), datetime.now(UTC) + timedelta(minutes=1))
    assert (report.manifests_removed, report.manifests_kept) == (1, 1)
    assert {table.table for table in report.tables} >= {"flights", "weather", "planes", "airports", "ledger"}
    assert {name: rows.collect().height for name, rows in read_snapshot(early, source.known_by).items()} == before
    assert ingest(bound, lake, LATE).content_hash == late.content_hash


def test_a_table_that_is_not_there_is_told(lake: str) -> None:
    with pytest.raises(LakeError, match="run the ingest workflow"):
        tables.scan(f"{lake}/nowhere")
