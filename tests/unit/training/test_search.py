"""The search's own part: who is asked, who is given up, and that it has no state beyond its trials."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.record import Window
from tasks.artifacts.search import FoldScore, Range, Search, SearchConfig, TrialState
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.artifacts.training import FoldResult, Split
from tasks.errors import ConfigError
from tasks.training.search import advance, require_steps

pytestmark = pytest.mark.unit

DAY = date(2013, 5, 1)
FOLDS = [Window(first_day=DAY + timedelta(28 * n), last_day=DAY + timedelta(28 * n + 27)) for n in range(3)]
SPLIT = Split(training=FOLDS[0], evaluation=FOLDS[2], folds=FOLDS)
BASE = TrainingConfig(folds=3, network=NetworkConfig(width=500, dropout=0.1))  # a width outside of the space
RULES = SearchConfig(
    trials=9,
    at_once=3,
    fewest_before_pruning=3,
    space=[Range(setting="width", low=32, high=96, step=32), Range(setting="learning_rate", low=1e-4, high=1e-2, is_log=True)],
    seed=1,
)


def begun(rules: SearchConfig = RULES) -> Search:
    return advance(Search(identity="a", features_hash="f", split=SPLIT, base=BASE, rules=rules, trials=[]), [])


def score(loss: float, fold: int = 0) -> FoldScore:
    return FoldScore(result=FoldResult(window=FOLDS[fold], rows=100, log_loss=loss), losses=[0.5], device="cpu", seconds=1.0)


def scored(search: Search, loss: float = 0.5) -> Search:
    """Train what is next: the loss grows with the rate, the folds differ in difficulty."""
    return advance(search, [score(loss + fit.config.network.learning_rate + 0.1 * fit.fold, fit.fold) for fit in search.to_train])


def finished(rules: SearchConfig = RULES) -> Search:
    search = begun(rules)
    while search.to_train:
        search = scored(search)
    return search


def test_the_first_trial_has_the_base_settings_and_the_others_lie_in_the_space() -> None:
    first, *others = finished().trials
    assert first.config == BASE
    assert {trial.config.network.width for trial in others} <= {32, 64, 96}
    assert all(1e-4 <= trial.config.network.learning_rate <= 1e-2 for trial in others)
    assert all(trial.config.network.dropout == BASE.network.dropout for trial in others), "what is not searched stays"


def test_all_trials_come_to_an_end_and_the_best_is_complete() -> None:
    search = finished()
    assert [trial.number for trial in search.trials] == list(range(RULES.trials))
    assert {trial.state for trial in search.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    complete = [trial for trial in search.trials if trial.state is TrialState.COMPLETE]
    assert search.best == min(complete, key=lambda trial: trial.log_loss).number
    assert search.config.network.learning_rate < BASE.network.learning_rate


def test_a_trial_is_given_up_when_it_is_behind_the_median_on_the_same_folds() -> None:
    search = begun()
    for _ in range(3):
        search = scored(search)
    assert [trial.state for trial in search.trials[:3]] == [TrialState.COMPLETE] * 3
    over_first = sorted(trial.folds[0].result.log_loss for trial in search.trials[:3])
    behind, even, ahead = over_first[1] + 1e-6, over_first[1], over_first[0]
    states = [trial.state for trial in advance(search, [score(behind), score(even), score(ahead)]).trials[3:6]]
    assert states == [TrialState.PRUNED, TrialState.RUNNING, TrialState.RUNNING], "later folds are harder, and do not count"


def test_none_is_given_up_before_enough_are_complete() -> None:
    assert all(t.state is TrialState.COMPLETE for t in finished(RULES.model_copy(update={"fewest_before_pruning": 9})).trials)


def test_a_place_that_falls_free_is_filled_at_once() -> None:
    search = begun()
    while len(search.trials) < RULES.trials:
        assert len(search.to_train) == RULES.at_once
        search = scored(search)


@given(at_once=st.integers(1, 5), trials=st.integers(1, 7), stop=st.integers(0, 8))
@settings(max_examples=15, deadline=None)
def test_a_search_that_was_stopped_asks_the_same_again(at_once: int, trials: int, stop: int) -> None:
    rules = RULES.model_copy(update={"at_once": at_once, "trials": trials})
    search = begun(rules)
    for _ in range(stop):
        search = scored(search)
    again = Search.model_validate_json(search.model_dump_json())
    assert scored(again) == scored(search)


@given(at_once=st.integers(1, 5), trials=st.integers(1, 9), fewest=st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_no_search_needs_more_steps_than_are_said(at_once: int, trials: int, fewest: int) -> None:
    rules = RULES.model_copy(update={"at_once": at_once, "trials": trials, "fewest_before_pruning": fewest})
    search = begun(rules)
    for _ in range(rules.steps(BASE.folds)):
        search = scored(search) if search.to_train else search
    assert not search.to_train
    assert len(search.trials) == trials


def test_a_search_that_the_graph_is_too_short_for_is_refused() -> None:
    require_steps(RULES, 3, 9)
    with pytest.raises(ConfigError, match=r"at most 8 steps; got 9, for 9 trials on 3 folds, 3 at once.*policy"):
        require_steps(RULES, 3, 8)


def test_as_many_scores_as_were_asked_for() -> None:
    with pytest.raises(ValueError, match="3 scores must be given; got 2"):
        advance(begun(), [score(0.5)] * 2)


def test_without_scores_nothing_changes_but_the_room_that_is_filled() -> None:
    search = begun()
    assert advance(search, []) == search
