"""What runs used is kept: each row as it was, none lost among writers at once, the newest of each task read again."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.artifacts.lineage import NamedData
from tasks.artifacts.usage import Request, TaskUsage
from tasks.lake import tables, usage
from tasks.lake.upkeep import tidy

pytestmark = pytest.mark.unit


def used(minute: int, task: str = "tasks.a.task.b", run: str = "run") -> TaskUsage:
    return TaskUsage(
        run=run,
        task=task,
        started=datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=minute, microseconds=123),
        asked=Request(cpu=2, mem_mb=8192),
        seconds=1.5,
        cpu_seconds=2.25,
        cores=2,
        peak_host_mb=512.5,
    )


FULL = used(0).model_copy(
    update={"device": "Toy", "devices": 1, "device_seconds": 1.5, "peak_device_mb": 7.5, "energy_joules": 3.25, "cost": 0.125}
)


def test_the_columns_are_the_fields_of_the_record() -> None:
    assert set(usage.SCHEMA) == set(TaskUsage.model_fields)
    assert {field.name for field in usage.SCHEMA["asked"].fields} == set(Request.model_fields)  # type: ignore[attr-defined]


def test_a_lake_without_runs_has_none(tmp_path: Path) -> None:
    assert usage.of_run(str(tmp_path), "run") == usage.newest(str(tmp_path), 3, ["tasks.a.task.b"]) == []


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = used(1, run="it's")
    for row in (FULL, odd):
        usage.add(str(tmp_path), row)
    assert usage.of_run(str(tmp_path), "run") == [FULL]
    assert usage.of_run(str(tmp_path), "it's") == [odd]


def test_the_newest_runs_of_each_task_are_read(tmp_path: Path) -> None:
    for minute in (3, 1, 2, 0):
        for task in ("tasks.a.task.b", "tasks.a.task.c", "tasks.a.task.d"):
            usage.add(str(tmp_path), used(minute, task))
    found = usage.newest(str(tmp_path), 2, ["tasks.a.task.b", "tasks.a.task.d"])
    assert [(u.task[-1], u.started.minute) for u in found if u.task[-1] == "b"] == [("b", 2), ("b", 3)]
    assert sorted({u.task[-1] for u in found}) == ["b", "d"]
    assert len(found) == 4


def _add(lake: str, task: str) -> None:
    for minute in range(6):
        usage.add(lake, used(minute, task))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    """Pods of one execution end when they like; each is a process of its own."""
    names = [f"tasks.a.task.t{i}" for i in range(4)]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(str(tmp_path), name)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert sorted((u.task, u.started.minute) for u in usage.of_run(str(tmp_path), "run")) == [(n, m) for n in names for m in range(6)]


def test_upkeep_merges_its_files_and_keeps_its_rows(tmp_path: Path) -> None:
    for minute in range(5):
        usage.add(str(tmp_path), used(minute))
    (done,) = tidy(str(tmp_path), NamedData(tables={}, manifests=[]), timedelta(0), datetime.now(UTC)).tables
    assert (done.table, done.files_compacted, done.files_removed) == ("usage", 5, 5)
    assert len(usage.of_run(str(tmp_path), "run")) == 5


def test_many_runs_leave_few_files(tmp_path: Path) -> None:
    for minute in range(40):
        usage.add(str(tmp_path), used(minute))
    table = tables.open_table(f"{tmp_path}/usage")
    assert table is not None
    assert len(table.file_uris()) <= 32
    assert len(usage.of_run(str(tmp_path), "run")) == 40
