"""What the recommended policy of retraining brings on the flights of 2013, beside fixed cadences, the usual triggers, chance and
hindsight: `make bench NAME=backtest`.

A LightGBM is trained at every weekly start with what was known by then, as `pyflyte run workflows/backtest.py backtest` does, and all
policies are replayed over these models. `--quick` trains at most 60 rounds, and starts every second week. With `--scores FOLDER` the
scores of a start are kept there, and taken from there the next time.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import polars as pl

from tasks.artifacts.backtest import Backtest, BacktestRules, PolicyKind, Start
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.usage import Request
from tasks.backtest import compare, drifts, history
from tasks.contracts import columns, grouped
from tasks.training import starts
from tasks.training.candidates import Task
from tasks.usecase import features, policy, source
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

NUMERIC, CATEGORICAL = columns(features.Features, "numeric"), columns(features.Features, "categorical")
_POD = Request(cpu=2, mem_mb=8192)


def _scored(rows: pl.LazyFrame, start: Start, config: TrainingConfig, kept: Path | None) -> pl.LazyFrame:
    """Train the model of a start and score all later rows, or take that from where it was kept."""
    path = None if kept is None else kept / f"{start.day}.parquet"
    if path is not None and path.is_file():
        return pl.scan_parquet(path)
    task = Task(rows, "", NUMERIC, CATEGORICAL, start.split, source.LOCAL_ZONE, policy.COSTS.missed, policy.COSTS.needless)
    scores = starts.score_start(task, start, config, Path())
    print(f"start {start.number}, {start.day}: {scores.get_column('train_seconds')[0]:.0f} s", file=sys.stderr, flush=True)
    if path is not None:
        scores.write_parquet(path)
    return scores.lazy()


def _backtest(config: TrainingConfig, rules: BacktestRules, kept: Path | None) -> tuple[Backtest, dict[str, float]]:
    """Replay all policies; return what they brought, and the seconds of each part."""
    rows = features.build(accepted(packaged())).collect().lazy()
    seconds, began = {}, time.perf_counter()
    planned = starts.plan_starts(rows, config, rules, source.LOCAL_ZONE)
    scores = [_scored(rows, start, config, kept) for start in planned]
    seconds["train all starts"], began = time.perf_counter() - began, time.perf_counter()
    named = [*NUMERIC, *CATEGORICAL]
    drift = drifts.series(rows, grouped(features.Features, named), planned[0].day, policy.MONITORING.drift)
    seconds["test every night for drift"], began = time.perf_counter() - began, time.perf_counter()
    past = history.gather(rows, scores, planned, policy.COSTS, rules)
    contenders = compare.contenders(rows, named, past, {one.last_day: one for one in drift}, policy.MONITORING, rules)
    found = compare.compare(past, contenders, rules, policy.PRICES.of(_POD, 3600, None))
    seconds["replay all policies"] = time.perf_counter() - began
    return found, seconds


def _figures(found: Backtest, seconds: dict[str, float], *, is_quick: bool) -> list[Figure]:
    rules = found.rules
    by_name = {one.name: one for one in found.policies}
    chosen, shortest = by_name[found.recommendation.policy], by_name[found.shortest]
    bars = not is_quick  # with half of the starts and small models the figures mean something else
    figures = [
        Figure(f"recommended: {chosen.name}; meets all criteria", float(found.recommendation.meets_all), "", 1 if bars else None, "higher")
    ]
    for where, share, promotions, most, beaten in (
        ("over all days", chosen.gain_share, chosen.promotions, shortest.promotions, chosen.beaten_by_random),
        *((("mean of phases", p.gain_share, p.promotions, p.shortest_promotions, p.beaten_by_random),) if (p := chosen.phases) else ()),
    ):
        limit = 100 * rules.most_promotions_share if bars else None
        figures += [
            Figure(f"{where}: of the gain of {found.shortest}", 100 * (share or 0), "%", 90 if bars else None, "higher"),
            Figure(f"{where}: of its promotions", 100 * promotions / max(most, 1), "%", limit),
            Figure(f"{where}: random schedules that do better", 100 * (beaten or 0), "%", 5 if bars else None),
        ]
    for one in found.policies:
        figures.append(Figure(f"{one.name}: log-loss", one.log_loss.value, ""))
        if one.kind != PolicyKind.ORACLE and one.phases is not None and one.phases.gain_share is not None:
            figures.append(Figure("  share of the gain, over all phases", 100 * one.phases.gain_share, "%"))
    figures += [Figure(f"seconds to {part}", value, "s") for part, value in seconds.items()]
    return figures


def main() -> None:
    """Train, replay, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 rounds, a start every second week")
    parser.add_argument("--scores", type=Path, help="folder in which the scores of a start are kept")
    given = parser.parse_args()
    config, rules = policy.TRAINING, policy.BACKTEST
    if given.quick:
        config = config.model_copy(update={"baselines": config.baselines.model_copy(update={"lightgbm_rounds": 60})})
        rules = rules.model_copy(update={"start_every_days": 14, "cadences": [1, 2, 4], "phases": 4})
    if given.scores is not None:
        given.scores.mkdir(parents=True, exist_ok=True)
    found, seconds = _backtest(config, rules, given.scores)
    publish("backtest", _figures(found, seconds, is_quick=given.quick))


if __name__ == "__main__":
    main()
