from __future__ import annotations

from datetime import date

import pytest

from tasks.artifacts.lineage import Lineage, Overdue, Reproduction, SourceUse, TableUpkeep, UpkeepReport
from tasks.artifacts.record import Window
from tasks.reporting import lineage
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit


def use(file: str = "flights.csv", day: date | None = factory.FIRST) -> SourceUse:
    return SourceUse(table="flights", source="feed", file=file, fingerprint="f" * 64, first_day=day, last_day=day, days=1, rows=900)


def record(prediction: str | None = None, files: int = 1, owner: str = "x") -> Lineage:
    return Lineage(
        prediction_id=prediction,
        name="evergreen-flights",
        version=3,
        verdict="PROMOTE",
        owner=owner,
        package_digest=factory.digest(5),
        evaluation=Window(first_day=factory.FIRST, last_day=factory.LAST),
        code_commit="c" * 40,
        lock_hash=factory.digest(6),
        snapshot=factory.snapshot(),
        files=[use(f"flights/{n}.csv") for n in range(files)],
    )


def words(html: str) -> str:
    return " ".join(" ".join(Tags(html).words).split())


def test_a_version_is_traced_in_a_sentence() -> None:
    html = lineage.trace(record())
    require_sound(html)
    assert "Version 3 of evergreen-flights was trained on what was known at 2013-07-01 12:00 UTC, from 1 file." in words(html)
    for held in (factory.digest(5), "c" * 40, factory.digest(6), factory.SNAPSHOT_HASH, "lake/manifests/1.parquet", "f" * 64):
        assert held in html


def test_a_prediction_is_traced_in_a_sentence() -> None:
    told = "Prediction abc-1 was made by version 3 of evergreen-flights, trained on what was known at 2013-07-01 12:00 UTC, from 2 files."
    assert told in words(lineage.trace(record("abc-1", files=2)))


def test_a_feed_of_years_stays_small() -> None:
    html = lineage.trace(record(files=3_000))
    require_sound(html)
    assert "2,800 more rows not shown" in html
    assert "and 2,988 files more" in repr(record(files=3_000))


def test_what_records_say_is_escaped() -> None:
    hostile = record(HOSTILE, owner=HOSTILE).model_copy(update={"files": [use(HOSTILE, None)]})
    require_sound(lineage.trace(hostile))


def test_upkeep_is_told_by_table() -> None:
    rows = [
        TableUpkeep(table="flights", kept_versions=[3, 7], files_compacted=4, files_removed=1_200),
        TableUpkeep(table="ledger", kept_versions=[], files_compacted=0, files_removed=0),
    ]
    late = Overdue(table="flights", column="tailnum", retention_days=400, days=3, first_day=date(2013, 1, 1), last_day=date(2013, 1, 3))
    report = UpkeepReport(keep_days=30, tables=rows, manifests_removed=1, manifests_kept=2, overdue=[late])
    html = lineage.upkeep(report)
    require_sound(html)
    assert "1,200 data files and 1 manifest were removed." in words(html)
    assert repr(report).splitlines() == [
        "",
        "  flights     4 files compacted, 1,200 removed; versions kept: 3, 7",
        "  ledger      0 files compacted, 0 removed; versions kept: the newest",
        "  manifests   1 removed, 2 kept",
        "  overdue     flights.tailnum of 3 days, 2013-01-01 to 2013-01-03: to be kept for 400 days",
    ]
    assert "Kept for too long" in words(html)
    assert "Kept for too long" not in words(lineage.upkeep(report.model_copy(update={"overdue": []})))


@pytest.mark.parametrize(("again", "told"), [("a", "gave the same weights to the bit"), ("b", "gave other weights")])
def test_a_reproduction_is_told(again: str, told: str) -> None:
    html = lineage.reproduction(Reproduction(version=3, bundle_digest="a", again_digest=again, differs=[f"device {HOSTILE}, now cuda"]))
    require_sound(html)
    assert f"The training of version 3, done again, {told}." in words(html)
