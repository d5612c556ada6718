"""Recorded nights: once each, in order, and what was acted upon stays, whoever watches at the same time."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from tasks.artifacts.retraining import Action, Evidence, TriggerDecision
from tasks.errors import ClockError, LakeError, StorageError
from tasks.lake import nights, tables
from tests.unit.evidence.reports import TONIGHT, report

pytestmark = pytest.mark.unit

NOW = datetime(2013, 10, 15, 18, 5, tzinfo=UTC)


def decided(night: date, action: Action = Action.NONE) -> TriggerDecision:
    evidence = [Evidence(rule="x", action=action, told=f"told of {night}", runbook="operations/runbook.md#nothing")]
    return TriggerDecision(night=night, action=action, champion_version=3, evidence=evidence, retrain=action == Action.CHALLENGE)


def record(lake: Path, *ago: int, action: Action = Action.NONE, run: str = "run-1", rows: int = 900) -> list[nights.NightRecord]:
    wanted = [TONIGHT - timedelta(days=days) for days in ago]
    reports = [report(night, rows=rows) for night in wanted]
    return nights.record(str(lake), reports, [decided(night, action) for night in wanted], run, NOW)


def of(found: Sequence[nights.NightRecord]) -> list[tuple[int, Action, str]]:
    return [((TONIGHT - one.night).days, one.decision.action, one.run) for one in found]


def test_a_lake_without_nights_has_none(tmp_path: Path) -> None:
    assert nights.read(str(tmp_path)) == []
    assert nights.read(str(tmp_path), last=3) == []
    assert nights.newest(str(tmp_path)) is None
    assert nights.record(str(tmp_path), [], [], "run-1", NOW) == []


def test_nights_are_kept_whole_and_in_order(tmp_path: Path) -> None:
    record(tmp_path, 5, 4)
    (first,) = record(tmp_path, 2)
    record(tmp_path, 1, 0)
    assert (first.report, first.decision) == (report(TONIGHT - timedelta(days=2)), decided(TONIGHT - timedelta(days=2)))
    assert (first.recorded_at, first.run) == (NOW, "run-1")
    assert [(TONIGHT - one.night).days for one in nights.read(str(tmp_path))] == [5, 4, 2, 1, 0]
    assert [(TONIGHT - one.night).days for one in nights.read(str(tmp_path), last=2)] == [1, 0]
    assert nights.newest(str(tmp_path)) == TONIGHT


def test_the_same_night_again_takes_its_place(tmp_path: Path) -> None:
    record(tmp_path, 1, 0)
    told = record(tmp_path, 0, action=Action.ALERT, run="run-2", rows=901)
    assert of(told) == [(0, Action.ALERT, "run-2")]
    assert of(nights.read(str(tmp_path))) == [(1, Action.NONE, "run-1"), (0, Action.ALERT, "run-2")]
    assert nights.read(str(tmp_path))[-1].report.rows == 901


@pytest.mark.parametrize("acted", [Action.CHALLENGE, Action.ROLL_BACK])
def test_what_was_acted_upon_stays(tmp_path: Path, acted: Action) -> None:
    record(tmp_path, 0, action=acted)
    told = record(tmp_path, 0, action=Action.ALERT, run="run-2")
    assert of(told) == of(nights.read(str(tmp_path))) == [(0, acted, "run-1")]
    # A second try that acts again is what was done last.
    record(tmp_path, 0, action=Action.CHALLENGE, run="run-3")
    assert of(nights.read(str(tmp_path))) == [(0, Action.CHALLENGE, "run-3")]


def test_nights_that_another_monitor_caught_up_meanwhile_stay(tmp_path: Path) -> None:
    record(tmp_path, 2, 1, 0)
    record(tmp_path, 3, 2, 1, 0, action=Action.ALERT, run="run-2")
    found = of(nights.read(str(tmp_path)))
    assert found == [(3, Action.ALERT, "run-2"), (2, Action.NONE, "run-1"), (1, Action.NONE, "run-1"), (0, Action.ALERT, "run-2")]


def test_a_clock_that_goes_backwards_is_refused(tmp_path: Path) -> None:
    record(tmp_path, 0)
    with pytest.raises(ClockError, match=r"must not be older.*got 2013-10-13, and 2013-10-14 is recorded"):
        record(tmp_path, 1)
    assert of(nights.read(str(tmp_path))) == [(0, Action.NONE, "run-1")]


def test_of_monitors_at_once_each_night_is_there_once(tmp_path: Path) -> None:
    start = threading.Barrier(3)

    def watch(run: str) -> list[nights.NightRecord]:
        start.wait()
        return record(tmp_path, 1, 0, run=run)

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(watch, ["a", "b", "c"]))
    assert {(TONIGHT - one.night).days for part in told for one in part} == {1, 0}
    found = of(nights.read(str(tmp_path)))
    assert [days for days, _, _ in found] == [1, 0]


def test_many_nights_stay_few_files(tmp_path: Path) -> None:
    for days in range(40, -1, -1):
        record(tmp_path, days)
    table = tables.open_table(f"{tmp_path}/nights")
    assert table is not None and len(table.file_uris()) <= 33
    assert len(nights.read(str(tmp_path))) == 41


def test_a_row_of_another_form_is_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tasks"), "propagate", True)
    record(tmp_path, 1, 0)
    uri = f"{tmp_path}/nights"
    stored = tables.read(uri)
    assert stored is not None
    odd = pl.lit(json.dumps({"of": "another version"}))
    changed = stored.with_columns(report=pl.when(pl.col("night") == TONIGHT).then(odd).otherwise("report"))
    write_deltalake(uri, changed.to_arrow(), mode="overwrite")
    assert of(nights.read(str(tmp_path))) == [(1, Action.NONE, "run-1")]
    assert "recorded in another form" in caplog.text
    assert nights.newest(str(tmp_path)) == TONIGHT  # it counts, unread


def test_a_table_of_other_columns_is_told(tmp_path: Path) -> None:
    write_deltalake(f"{tmp_path}/nights", pl.DataFrame({"night": [TONIGHT]}).to_arrow())
    with pytest.raises(LakeError, match="must have its columns"):
        nights.read(str(tmp_path))


def test_a_lake_out_of_reach_is_told_and_works_again(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the lake should be")
    with pytest.raises((LakeError, StorageError), match="To mend"):
        record(tmp_path / "lake", 0)
    (tmp_path / "lake").unlink()
    record(tmp_path / "lake", 0)
    assert of(nights.read(str(tmp_path / "lake"))) == [(0, Action.NONE, "run-1")]
