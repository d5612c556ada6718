"""Back-fill: a window of days brought up to date in the lake, with their features and scores."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow

from tasks.artifacts.data import TableVersion
from tasks.artifacts.serving import BatchScores
from workflows.batch_scoring import batch_scoring
from workflows.defaults import AS_OF, SOURCE
from workflows.night import night


class Filled(NamedTuple):
    """The stored features, and the scores of each day of the window."""

    features: TableVersion
    scores: list[BatchScores]


@workflow
def backfill(first_day: str, last_day: str, as_of: datetime = AS_OF, source: str = SOURCE, model_version: int = 0) -> Filled:
    """Ingest and validate what is new or has changed, add its features to the lake, and score the days of a window.

    Days that the lake has as the source has them cost nothing; scores of a day are replaced. No night is recorded: what the
    monitor saw and did at the time stays on record.

    Args:
        first_day: The first day, local to the use case, such as 2024-05-27.
        last_day: The last day, included.
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        model_version: The registered version; 0 for the champion.
    """
    features = night(as_of=as_of, source=source)
    scores = batch_scoring(first_day=first_day, last_day=last_day, as_of=as_of, source=source, model_version=model_version)
    features >> scores  # type: ignore[operator]  # promises while the workflow is compiled: two would ingest the same days at once
    return Filled(features=features, scores=scores)
