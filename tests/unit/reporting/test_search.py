"""What a search says: in a Deck, and in the terminal at its end."""

from __future__ import annotations

from datetime import date

import pytest
from rich.console import Console

from tasks.artifacts.record import Window
from tasks.artifacts.search import FoldScore, Range, Search, SearchConfig, Trial, TrialState
from tasks.artifacts.settings import NetworkConfig, TrainingConfig
from tasks.artifacts.training import FoldResult, Split
from tasks.reporting import plots, search

pytestmark = pytest.mark.unit

WEEKS = Window(first_day=date(2013, 5, 1), last_day=date(2013, 5, 28))
RULES = SearchConfig(
    trials=3,
    at_once=2,
    fewest_before_pruning=1,
    space=[Range(setting="k", low=2, high=8), Range(setting="dropout", low=0, high=1 / 3)],
    seed=1,
)


def trial(number: int, state: TrialState, *losses: float, **network: float) -> Trial:
    folds = [FoldScore(result=FoldResult(window=WEEKS, rows=9, log_loss=loss), losses=[0.6], device="cpu", seconds=90.0) for loss in losses]
    return Trial(number=number, config=TrainingConfig(network=NetworkConfig(**network)), state=state, folds=folds)


def record(*trials: Trial, best: int | None) -> Search:
    split = Split(training=WEEKS, evaluation=WEEKS, folds=[WEEKS, WEEKS])
    return Search(identity="abc", features_hash="f", split=split, base=TrainingConfig(), rules=RULES, trials=list(trials), best=best)


BASE = trial(0, TrialState.COMPLETE, 0.5, 0.4)
BETTER = trial(1, TrialState.COMPLETE, 0.48, 0.38, k=6, dropout=1 / 3)
BEHIND = trial(2, TrialState.PRUNED, 0.52, k=2)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (record(trial(0, TrialState.RUNNING), best=None), "No trial is complete yet: 1 running."),
        (record(BASE, BEHIND, best=0), "No trial is better than the settings that the search began with: log-loss 0.4500"),
        (record(BASE, BETTER, BEHIND, best=1), "Trial 1 is best, 0.0200 below the settings that the search began with: log-loss 0.4300"),
    ],
)
def test_the_sentence(found: Search, words: str) -> None:
    assert search.sentence(found).startswith(words)


def test_the_section_has_every_trial_with_a_score_and_what_changed() -> None:
    html = search.search(record(BASE, BETTER, BEHIND, trial(3, TrialState.RUNNING), best=1))
    assert [html.index(words) for words in ("0.4800, 0.3800", "0.5000, 0.4000", "0.5200")] == sorted(
        html.index(words) for words in ("0.4800, 0.3800", "0.5000, 0.4000", "0.5200")
    ), "the best first, those given up last"
    assert "0.333" in html
    assert "Log-loss of 3 trials, the lowest 0.4300 of trial 1" in html
    assert plots.trials([trial(0, TrialState.RUNNING)]) == ""


def test_the_closing_names_the_record_and_where_the_settings_go() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(search.closing(record(BASE, BETTER, best=1), "searches/abc.json"))
    console.file.close()
    shown = console.export_text()
    for words in ("Trial 1 is best", "0.333", "tasks/artifacts/settings.py", "searches/abc.json"):
        assert words in shown
