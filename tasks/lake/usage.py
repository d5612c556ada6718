"""What runs of tasks used: a Delta table beside the data, one row a run of a task. No snapshot names it.

What the cache gave is not in it. Readers take the newest rows of each task; upkeep merges and removes its files as it does
those of other tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tasks.artifacts.usage import TaskUsage
from tasks.lake import tables

SCHEMA = pl.Schema(
    {
        "run": pl.String(),
        "task": pl.String(),
        "started": pl.Datetime("us", "UTC"),
        "asked": pl.Struct({"cpu": pl.Float64(), "mem_mb": pl.Float64(), "gpu": pl.Int64()}),
        "seconds": pl.Float64(),
        "cpu_seconds": pl.Float64(),
        "cores": pl.Int64(),
        "peak_host_mb": pl.Float64(),
        "device": pl.String(),
        "devices": pl.Int64(),
        "device_seconds": pl.Float64(),
        "peak_device_mb": pl.Float64(),
        "energy_joules": pl.Float64(),
        "cost": pl.Float64(),
        "cached": pl.Boolean(),
    }
)


def add(lake: str, used: TaskUsage) -> None:
    """Record one more run of a task, in one commit; runs of others at the same time are kept, too.

    Raises:
        LakeError: If the table is damaged or of another schema, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    mine = f"run = '{_quoted(used.run)}' AND task = '{_quoted(used.task)}' AND started = '{used.started.isoformat()}'"
    tables.replace(_uri(lake), pl.DataFrame([used.model_dump()], schema=SCHEMA), mine)


def newest(lake: str, runs: int, tasks: Sequence[str]) -> list[TaskUsage]:
    """Return the newest runs of each of some tasks, the oldest first.

    Args:
        lake: Folder or URI of the lake.
        runs: How many of each task.
        tasks: Their full names.

    Raises:
        LakeError: If the table is damaged.
    """
    return _read(lake, pl.col("task").is_in(list(tasks)) & (pl.col("started").rank("ordinal", descending=True).over("task") <= runs))


def tasks(lake: str) -> list[str]:
    """Return the full names of all tasks that have runs on record.

    Raises:
        LakeError: If the table is damaged.
    """
    return sorted({used.task for used in _read(lake, pl.lit(True))})


def of_run(lake: str, run: str) -> list[TaskUsage]:
    """Return what one execution used, the oldest first.

    Raises:
        LakeError: If the table is damaged.
    """
    return _read(lake, pl.col("run") == run)


def _read(lake: str, wanted: pl.Expr) -> list[TaskUsage]:
    if not tables.exists(_uri(lake)):
        return []
    rows = tables.scan(_uri(lake)).select(SCHEMA.names()).filter(wanted).sort("started").collect()
    return [TaskUsage(**row) for row in rows.iter_rows(named=True)]


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _uri(lake: str) -> str:
    return f"{lake}/usage"
