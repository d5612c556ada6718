"""The account of a run: a folder with its summary as JSON and its report as HTML, and `latest` pointing to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tasks.artifacts.registry import RunSummary, StageCost
from tasks.artifacts.usage import Prices, ResourceAdvice, SizingRules, TaskUsage
from tasks.errors import StorageError
from tasks.usage import advise


def stage_costs(traces: Sequence[TaskUsage]) -> list[StageCost]:
    """Sum up tasks by stage, in the order in which the stages ran."""
    order = list(dict.fromkeys(trace.stage for trace in traces))
    by_stage = {name: list(group) for name, group in groupby(sorted(traces, key=lambda t: order.index(t.stage)), key=lambda t: t.stage)}
    return [
        StageCost(
            stage=name,
            seconds=sum(t.seconds for t in group),
            peak_memory_mb=max(t.peak_host_mb for t in group),
            tasks=len(group),
            cached=sum(t.cached for t in group),
            cpu_seconds=sum(t.cpu_seconds for t in group),
            device_seconds=sum(t.device_seconds for t in group),
            energy_joules=total_energy(group),
            cost=sum(t.cost for t in group),
        )
        for name, group in by_stage.items()
    ]


def total_energy(traces: Sequence[TaskUsage]) -> float | None:
    """Return the energy of the tasks whose energy a counter told; None if none did."""
    told = [t.energy_joules for t in traces if t.energy_joules is not None]
    return sum(told) if told else None


def advice(traces: Sequence[TaskUsage], history: Sequence[TaskUsage], rules: SizingRules) -> list[ResourceAdvice]:
    """Return what each task of a run should ask for, in the order in which they ended; a task without history has none.

    Args:
        traces: What the tasks of the run used.
        history: What earlier runs of these tasks used, or those of other tasks too; this run's own may be among them.
        rules: How a suggestion follows from it.
    """
    known = {(u.task, u.started): u for u in (*history, *traces) if not u.cached}
    by_task: dict[str, list[TaskUsage]] = {}
    for (task, _), used in known.items():
        by_task.setdefault(task, []).append(used)
    return [advise(by_task[task], rules) for task in dict.fromkeys(t.task for t in traces) if task in by_task]


def cost_as_suggested(traces: Sequence[TaskUsage], advice: Sequence[ResourceAdvice], prices: Prices) -> float:
    """Return what a run would have cost, had each task asked for what it should, and taken as long."""
    suggested = {a.task: a.suggested for a in advice}
    return sum(prices.of(suggested.get(t.task, t.asked), t.seconds, t.energy_joules) for t in traces)


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
