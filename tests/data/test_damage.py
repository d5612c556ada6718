"""One bad day in a feed of good ones: whatever is wrong with it, it is mended, set aside, told of or stopped, as the table says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, Finding, Severity, ValidationReport
from tasks.errors import EvergreenError, SourceError
from tasks.ingestion.days import ingest
from tasks.usecase import source
from tasks.usecase.contract import TABLES
from tests.data.damage import DAMAGES, DAY, Damage, File
from tests.feeds import bound_source, judged, write_feed

pytestmark = pytest.mark.data

FIRST, LAST = date(2013, 2, 20), date(2013, 4, 18)
NEXT_NIGHT = datetime(2013, 3, 22, 3, tzinfo=UTC)
"""The night after the day that follows: the damaged one is not the newest, which the rules about change leave out."""
FOUR_WEEKS_ON = datetime(2013, 4, 18, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Feed:
    """A feed of good days that lacks one, and a lake that has ingested it."""

    folder: Path
    lake: Path
    good: dict[str, bytes]
    before: dict[str, bytes]

    def put(self, data: dict[str, bytes | None]) -> None:
        """Deliver the files of the day."""
        for table, found in data.items():
            path = self.folder / table / f"{DAY}.csv"
            path.unlink(missing_ok=True)
            if found is not None:
                path.write_bytes(found)

    def deliver(self, damage: Damage | None) -> None:
        """Deliver the day, one of its files damaged."""
        files: dict[str, bytes | None] = dict(self.good)
        if damage:
            files[damage.table] = damage.make(File(self.good[damage.table], self.before[damage.table]))
        self.put(files)

    def judged(self, lake: Path, as_of: datetime = NEXT_NIGHT) -> tuple[DataSnapshot, ValidationReport]:
        """Ingest into a copy of the lake, and validate."""
        shutil.copytree(self.lake, lake)
        snapshot = ingest(bound_source(str(self.folder)), str(lake), as_of)
        return snapshot, judged(snapshot, str(lake))


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    folder = tmp_path_factory.mktemp("damage")
    day = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), pl.col("day").cast(pl.Int32))
    is_near = day.is_between(FIRST - timedelta(days=1), LAST + timedelta(days=1))
    raw = {table.name: source.read(source.PACKAGED, table) for table in TABLES}
    write_feed(folder, {t.name: raw[t.name].filter(is_near) if t.is_daily else raw[t.name] for t in TABLES})
    names = [table.name for table in TABLES if table.is_daily]
    for path in (path for name in names for path in (folder / name).iterdir()):
        if not FIRST <= date.fromisoformat(path.stem) <= LAST:
            path.unlink()  # of which the feed has no whole day
    good, before = ({name: (folder / name / f"{at}.csv").read_bytes() for name in names} for at in (DAY, DAY - timedelta(days=1)))
    made = Feed(folder, folder / "lake", good, before)
    made.put(dict.fromkeys(names))
    judged(ingest(bound_source(str(folder)), str(made.lake), NEXT_NIGHT), str(made.lake))
    return made


@pytest.fixture(scope="module")
def clean(feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSnapshot, ValidationReport]:
    feed.deliver(None)
    return feed.judged(tmp_path_factory.mktemp("clean") / "lake")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lake"
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)  # a hundred of them


def _told(report: ValidationReport) -> list[Finding]:
    return [f for f in report.findings if f.severity != Severity.PASS]


def test_the_table_has_each_kind_once() -> None:
    names = [damage.name for damage in DAMAGES]
    assert len(names) == len(set(names)) >= 40
    assert all(damage.by for damage in DAMAGES if damage.outcome in ("quarantine", "refused", "warn", "stop"))
    assert all(damage.note for damage in DAMAGES if damage.outcome == "unseen")


def test_good_days_pass(clean: tuple[DataSnapshot, ValidationReport]) -> None:
    snapshot, report = clean
    assert (snapshot.first_day, snapshot.last_day) == (FIRST, DAY + timedelta(days=1))
    assert snapshot.quarantined == []
    assert _told(report) == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damaged_day(damage: Damage, feed: Feed, clean: tuple[DataSnapshot, ValidationReport], lake: Path) -> None:
    feed.deliver(damage)
    try:
        snapshot, report = feed.judged(lake)
    except EvergreenError as error:
        stopped = error
    else:
        stopped = None
    if stopped:
        assert isinstance(stopped, SourceError)
        assert (damage.outcome, f"{damage.table}/{DAY}.csv" in stopped.expected) == ("stop", True)
        assert damage.by in str(stopped)
        return
    told = _told(report)
    reasons = {reason: n for count in snapshot.quarantined for reason, n in count.reasons.items()}
    aside = sum(count.rows for count in snapshot.quarantined)
    assert snapshot.rows_read == sum(table.rows for table in snapshot.tables) + aside + snapshot.rows_not_yet_known
    # The good days are not blamed; of an absent day of weather the rule on freshness tells at the day after.
    assert {f.day for f in told if not f.rule.startswith("freshness")} <= {DAY, None}
    match damage.outcome:
        case "harmless":
            assert (snapshot.content_hash, snapshot.quarantined, told) == (clean[0].content_hash, [], [])
        case "quarantine":
            assert any(damage.by in reason for reason in reasons)
            assert report.verdict != Severity.STOP
        case "refused":
            assert any(damage.by in reason for reason in reasons)
            assert (f"quarantine of {damage.table}", DAY) in {(f.rule, f.day) for f in told if f.severity == Severity.STOP}
        case "warn":
            assert (report.verdict, damage.by in {f.rule for f in told}) == (Severity.WARN, True)
        case "stop":
            assert damage.by in {f.rule for f in told if f.severity == Severity.STOP}
        case "unseen":
            assert snapshot.content_hash != clean[0].content_hash
            assert (reasons, told) == ({}, [])


def test_good_days_pass_after_a_bad_one(feed: Feed, lake: Path) -> None:
    """Four weeks on, the bad day is told of still and no good day before or after it is."""
    feed.deliver(next(damage for damage in DAMAGES if damage.name == "a tenth of the rows"))
    _, report = feed.judged(lake, FOUR_WEEKS_ON)
    assert report.verdict == Severity.STOP
    assert {f.day for f in _told(report) if f.severity == Severity.STOP} == {DAY}
    others = [(f.rule, f.found) for f in _told(report) if f.day != DAY]
    assert others == [("categories of flights", "dest: 1 new, AVL")]  # true: the feed's first flight to Asheville
