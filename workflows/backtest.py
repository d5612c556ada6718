"""Backtest: policies of retraining, replayed over history with the clock, by one cached training a start."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flytekit import map_task, workflow

from tasks.artifacts.backtest import Backtest, BacktestRules
from tasks.artifacts.monitoring import MonitoringRules
from tasks.artifacts.settings import TrainingConfig
from tasks.backtest.task import BACKTEST, MONITORING, conclude_backtest, drift_series, price_list, replay_policies
from tasks.features.task import build_features
from tasks.training.task import DEFAULT_CONFIG, plan_starts, score_start
from workflows.defaults import BACKTEST_AS_OF, SOURCE
from workflows.validation import validation


@workflow
def backtest(
    as_of: datetime = BACKTEST_AS_OF,
    source: str = SOURCE,
    config: TrainingConfig = DEFAULT_CONFIG,
    monitoring: MonitoringRules = MONITORING,
    rules: BacktestRules = BACKTEST,
) -> Backtest:
    """Replay policies of retraining over history, each night with what was known by then, and recommend one.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
        monitoring: The rules that every night is decided by, as JSON or a JSON file.
        rules: Who learns at every start, which policies stand beside, and when one is recommended, as JSON or a JSON file.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    starts = plan_starts(features=features, config=config, rules=rules)
    scores = map_task(partial(score_start, features=features, config=config))(start=starts)
    drift = drift_series(features=features, starts=starts, rules=monitoring.drift)
    found = replay_policies(
        features=features, starts=starts, scores=scores, drift=drift, monitoring=monitoring, rules=rules, prices=price_list()
    )
    return conclude_backtest(found=found)
