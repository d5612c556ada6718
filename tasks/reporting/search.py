"""A search for settings: its trials, what it found, and how far that is from where it began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts.search import Search, Trial, TrialState
from tasks.reporting import plots, text
from tasks.reporting.page import facts, figure, fragment, heading, lead, paragraph, table

if TYPE_CHECKING:
    from rich.console import Group

_METHOD = (
    "Every trial trains the network on the labels known before a fold and is scored on that fold; the evaluation days are never "
    "seen. A trial whose mean is above the median of the complete ones on the same folds is given up."
)


def sentence(search: Search) -> str:
    """Say what was found and what it gained on the settings that the search began with."""
    counts = [
        f"{sum(t.state is state for t in search.trials)} {state}" for state in TrialState if any(t.state is state for t in search.trials)
    ]
    if search.best is None:
        return f"No trial is complete yet: {text.listed(counts)}."
    best, base = search.trials[search.best], search.trials[0]
    end = f"log-loss {text.decimals(best.log_loss)} on the folds, of {text.count(len(search.trials), 'trial')}: {text.listed(counts)}."
    if best.number == base.number:
        return f"No trial is better than the settings that the search began with: {end}"
    return (
        f"Trial {best.number} is best, {text.decimals(base.log_loss - best.log_loss)} below the settings that the search began with: {end}"
    )


def changes(search: Search) -> list[tuple[str, object, object]]:
    """Return each searched setting as (name, where the search began, what it found)."""
    names = [tried.setting for tried in search.rules.space]
    return [(name, getattr(search.base.network, name), getattr(search.config.network, name)) for name in names]


def search(record: Search) -> str:
    """Show the trials, and the settings that were found."""
    names = [tried.setting for tried in record.rules.space]
    scored = sorted((t for t in record.trials if t.folds), key=lambda t: (-len(t.folds), t.log_loss, t.number))
    rows = [_row(trial, names) for trial in scored]
    return fragment(
        lead("", sentence(record)),
        figure(plots.trials(record.trials), "Mean log-loss on the folds by trial; crosses were given up before the last fold."),
        heading("What was found"),
        table(["Setting", "Began with", "Found"], [(name, _brief(old), _brief(new)) for name, old, new in changes(record)]),
        heading("Trials"),
        paragraph(_METHOD),
        table(["Trial", "State", "Log-loss", "By fold", "Time", *names], rows),
        facts([("Folds", ", ".join(map(str, record.split.folds))), ("Features", record.features_hash), ("Search", record.identity)]),
    )


def closing(record: Search, path: str) -> Group:
    """Return what a terminal shows at the end of a search."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for header in ("setting", "began with", "found"):
        shown.add_column(header)
    for name, old, new in changes(record):
        shown.add_row(name, _brief(old), _brief(new), style="" if old == new else "bold")
    return Group(
        sentence(record),
        "",
        shown,
        "",
        "To train by it: the defaults stand in tasks/artifacts/settings.py, and --config takes others.",
        f"record  {path}",
    )


def _row(trial: Trial, names: list[str]) -> tuple[object, ...]:
    by_fold = ", ".join(text.decimals(fold.result.log_loss) for fold in trial.folds)
    seconds = sum(fold.seconds for fold in trial.folds)
    values = [_brief(getattr(trial.config.network, name)) for name in names]
    return (trial.number, trial.state, text.decimals(trial.log_loss), by_fold, text.duration(seconds), *values)


def _brief(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
