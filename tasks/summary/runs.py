"""The account of a run: a folder with its summary as JSON and its report as HTML, and `latest` pointing to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from tasks.artifacts.registry import RunSummary, StageCost
from tasks.errors import StorageError


class Trace(Protocol):
    """What one task used in this process."""

    task: str
    cached: bool
    seconds: float
    peak_memory_mb: float

    @property
    def stage(self) -> str:
        """The stage's package."""


def stage_costs(traces: Sequence[Trace]) -> list[StageCost]:
    """Sum up tasks by stage, in the order in which the stages ran."""
    order = list(dict.fromkeys(trace.stage for trace in traces))
    by_stage = {name: list(group) for name, group in groupby(sorted(traces, key=lambda t: order.index(t.stage)), key=lambda t: t.stage)}
    return [
        StageCost(
            stage=name,
            seconds=sum(t.seconds for t in group),
            peak_memory_mb=max(t.peak_memory_mb for t in group),
            tasks=len(group),
            cached=sum(t.cached for t in group),
        )
        for name, group in by_stage.items()
    ]


def write(folder: Path, summary: RunSummary, pages: Mapping[str, str]) -> None:
    """Write a run's folder, then let `latest` beside it point to it.

    Args:
        folder: `runs/<run id>`.
        summary: The account.
        pages: File name to HTML.

    Raises:
        StorageError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(summary.model_dump_json(indent=1) + "\n")
        for name, html in pages.items():
            (folder / name).write_text(html)
        pointer = folder.parent / f".latest.{os.getpid()}"
        pointer.unlink(missing_ok=True)
        pointer.symlink_to(folder.name)
        pointer.replace(folder.parent / "latest")
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "free space or mend permissions, then run again") from error
