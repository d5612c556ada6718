"""Upkeep: the lake compacted, and rid of what no registered model names and nobody has used for long."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.lineage import UpkeepReport
from tasks.ingestion.task import tidy
from tasks.registry.task import named_versions


@workflow
def upkeep(keep_days: int = 30) -> UpkeepReport:
    """Compact the lake's tables, then remove what no registered version names and is out of use for long enough.

    Args:
        keep_days: How long what is out of use stays, at least 1.
    """
    return tidy(named=named_versions(), keep_days=keep_days)
