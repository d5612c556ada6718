"""The search for the network's settings: Optuna asks, the fan-out trains, the scores are told.

Everything is worked out anew from the trials so far, so that the search has no state of its own: stopped anywhere, it asks
the same again, and what was trained is in the cache. TPE proposes (Bergstra et al., "Algorithms for hyper-parameter
optimization", NeurIPS 2011), the median rule prunes (Golovin et al., "Google Vizier", KDD 2017, section 3.2).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from statistics import median

import optuna

from tasks.artifacts.search import FoldScore, Range, Search, SearchConfig, Trial, TrialState
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.errors import ConfigError

log = logging.getLogger(__name__)


def require_steps(rules: SearchConfig, folds: int, steps: int) -> None:
    """Require that a graph of some steps is long enough.

    Raises:
        ConfigError: If the search would end before its trials.
    """
    needed = rules.steps(folds)
    if needed > steps:
        mend = "lower trials or folds, raise at_once, or change SEARCH in tasks/usecase/policy.py, by which the graph is made"
        found = f"{needed}, for {rules.trials} trials on {folds} folds, {rules.at_once} at once"
        raise ConfigError(f"a search may take at most {steps} steps", found, mend)


def advance(search: Search, scores: Sequence[FoldScore]) -> Search:
    """Take the scores of what was next to train, and say what is next now.

    Args:
        search: As far as it was.
        scores: One for each of `search.to_train`, in that order.

    Returns:
        The search with these scores told, and with new trials as there is room beside those that are still running.

    Raises:
        ValueError: If there are scores, but not one for each.
    """
    if scores and len(scores) != len(search.to_train):
        raise ValueError(f"{len(search.to_train)} scores must be given; got {len(scores)}")
    trials = _tell(search.trials, scores, search.rules)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    best = min(complete, key=lambda trial: (trial.log_loss, trial.number)).number if complete else None
    running = sum(trial.state is TrialState.RUNNING for trial in trials)
    room = min(search.rules.at_once - running, search.rules.trials - len(trials))
    return search.model_copy(update={"trials": [*trials, *_ask(trials, room, search.base, search.rules)], "best": best})


def _tell(trials: Sequence[Trial], scores: Sequence[FoldScore], rules: SearchConfig) -> list[Trial]:
    """Give the running trials their scores; complete those that have them all, and give up those behind.

    A trial is behind if its mean log-loss is above the median of that of the complete trials over the same folds.
    """
    told, left = [], iter(scores)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    for trial in trials:
        if trial.state is not TrialState.RUNNING or not scores:
            told.append(trial)
            continue
        scored = trial.model_copy(update={"folds": [*trial.folds, next(left)]})
        count, state = len(scored.folds), TrialState.RUNNING
        if count == scored.config.folds:
            state = TrialState.COMPLETE
        elif len(complete) >= rules.fewest_before_pruning and scored.log_loss > median(other.log_loss_over(count) for other in complete):
            state = TrialState.PRUNED
        told.append(scored.model_copy(update={"state": state}))
        log.info("trial %d: log-loss %.4f on %d of %d folds, %s", trial.number, scored.log_loss, count, trial.config.folds, state)
    return told


def _ask(trials: Sequence[Trial], count: int, base: TrainingConfig, rules: SearchConfig) -> list[Trial]:
    """Propose trials, running and not yet scored; the first of all has the base settings."""
    if count <= 0:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {tried.setting: _distribution(tried) for tried in rules.space}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=rules.seed + len(trials), multivariate=True))
    for trial in trials:
        values = {name: getattr(trial.config.network, name) for name in space}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[trial.state.name],
                value=trial.log_loss if trial.state is TrialState.COMPLETE else None,
                params=values,
                distributions={tried.setting: _distribution(tried, around=values[tried.setting]) for tried in rules.space},
                intermediate_values={len(trial.folds): trial.log_loss} if trial.folds else {},
            )
        )
    asked: list[Trial] = []
    for number in range(len(trials), len(trials) + count):
        network = base.network if number == 0 else base.network.model_copy(update=study.ask(space).params)
        asked.append(Trial(number=number, config=base.model_copy(update={"network": network}), state=TrialState.RUNNING, folds=[]))
    return asked


def _distribution(tried: Range, around: float | None = None) -> optuna.distributions.BaseDistribution:
    """Return what Optuna draws a setting from; or what a value was drawn from, that of the base settings being any."""
    low, high, step = tried.low, tried.high, tried.step
    if around is not None and not (low <= around <= high and (step is None or (around - low) % step == 0)):
        low, high, step = min(low, around), max(high, around), None
    if NetworkConfig.model_fields[tried.setting].annotation is int:
        return optuna.distributions.IntDistribution(int(low), int(high), log=tried.is_log, step=int(step or 1))
    return optuna.distributions.FloatDistribution(low, high, log=tried.is_log, step=step)
