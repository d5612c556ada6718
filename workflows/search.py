"""Search: better settings of the network, on rolling-origin folds that end before the evaluation days."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import NamedTuple

from flytekit import map_task, workflow

from tasks.artifacts.search import Search, SearchConfig, Tracked
from tasks.artifacts.settings import TrainingConfig
from tasks.features.task import build_features
from tasks.registry.task import track_search
from tasks.training.task import DEFAULT_CONFIG, SEARCH, SEARCH_STEPS, advance_search, begin_search, conclude_search, plan_split, score_fold
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


class Found(NamedTuple):
    """The settings that were found, with how, and where its trials are tracked."""

    config: TrainingConfig
    search: Search
    tracked: Tracked


@workflow
def search(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG, rules: SearchConfig = SEARCH) -> Found:
    """Search the network's settings on folds before the evaluation days, several trials side by side, each cached.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Where the search starts, as JSON or a JSON file; what it leaves out keeps its default.
        rules: How many settings are tried, side by side, and from which values, as JSON or a JSON file.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    split = plan_split(features=features, snapshot=validated.snapshot, config=config)
    step = begin_search(features=features, split=split, config=config, rules=rules)
    tracked = track_search(search=step.search)
    for _ in range(SEARCH_STEPS):
        scores = map_task(partial(score_fold, features=features, split=split))(fit=step.fits)
        step = advance_search(search=step.search, scores=scores)
        newer = track_search(search=step.search)
        tracked >> newer  # type: ignore[operator]  # promises: one after the other, as they write the same runs
        tracked = newer
    return Found(config=conclude_search(search=step.search), search=step.search, tracked=tracked)
