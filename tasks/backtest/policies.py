"""Policies of retraining: fixed cadences, what others take for a trigger, and the rules that every night is decided by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.backtest import BacktestRules
from tasks.artifacts.monitoring import Drift, MonitoringRules
from tasks.artifacts.retraining import Action
from tasks.backtest.history import Array, History
from tasks.backtest.replay import Asked, Policy, State, report
from tasks.evidence import trigger

_BINS = 10
_LEAST_SHARE = 1e-4  # of an empty bin: the usual guard of the index against a logarithm of nothing


def never() -> Policy:
    """Keep the first model for ever."""

    def ask(state: State) -> Asked:
        return Asked()

    return ask


def every(starts: int, rules: BacktestRules) -> Policy:
    """Train at every so-manieth start."""
    reason = f"every {starts * rules.start_every_days} days"

    def ask(state: State) -> Asked:
        since = state.night + 1 - state.history.at(state.history.starts[state.candidate].day)
        return Asked(retrain=since >= starts * rules.start_every_days, reason=reason)

    return ask


@dataclass(frozen=True)
class Histograms:
    """How often a column falls into each bin, by day.

    Attributes:
        columns: Names.
        counts: Shape (days, columns, bins), the last bin for missing values.
    """

    columns: Sequence[str]
    counts: Array


def histograms(features: pl.LazyFrame, columns: Sequence[str], history: History) -> Histograms:
    """Count every column by day in ten bins that are equally full on the first evaluation days; texts by their values there.

    Args:
        features: Rows with `batch_day` and the columns.
        columns: Numeric or text.
        history: Says which days.
    """
    rows = features.filter(pl.col("batch_day").is_between(history.days[0], history.days[-1])).select("batch_day", *columns).collect()
    day = (rows.get_column("batch_day") - history.days[0]).dt.total_days().to_numpy().astype(np.int64)
    is_first = day < history.evaluation(0).stop
    counts = np.zeros((len(history.days), len(columns), _BINS + 2))
    for place, name in enumerate(columns):
        bins = _bins(rows.get_column(name), is_first)
        width = counts.shape[2]
        counts[:, place] = np.bincount(day * width + bins, minlength=len(history.days) * width).reshape(-1, width)
    return Histograms(list(columns), counts)


def _bins(values: pl.Series, is_first: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the bin of each value: equally full ones, or the most frequent values and one for the others; the last for none."""
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = numbers[is_first & np.isfinite(numbers)]
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.zeros(0)
        found = np.searchsorted(edges, numbers, side="right")
        return np.where(np.isnan(numbers), _BINS + 1, found).astype(np.int64)
    texts = values.cast(pl.String)
    frequent = texts.filter(pl.Series(is_first)).drop_nulls().value_counts(sort=True).head(_BINS).get_column(values.name).to_list()
    codes = texts.replace_strict({value: code for code, value in enumerate(frequent)}, default=_BINS, return_dtype=pl.Int64)
    return np.where(texts.is_null().to_numpy(), _BINS + 1, codes.to_numpy()).astype(np.int64)


def stability_index(reference: Array, current: Array) -> Array:
    """Return the population stability index of counts, shape of both (columns, bins) to (columns,)."""
    shares = [np.maximum(counts / counts.sum(-1, keepdims=True), _LEAST_SHARE) for counts in (reference, current)]
    index: Array = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum(-1)
    return index


def naive_drift(found: Histograms, rules: BacktestRules) -> Policy:
    """Train when any column's stability index is above the rule of thumb: the usual alarm, rows taken for independent."""

    def ask(state: State) -> Asked:
        history = state.history
        if state.days_since_candidate < rules.cool_down_days:
            return Asked()
        reference = found.counts[history.evaluation(state.champion)].sum(0)
        current = found.counts[max(0, state.night + 1 - rules.naive_days) : state.night + 1].sum(0)
        index = stability_index(reference, current)
        worst = int(np.argmax(index))
        return Asked(retrain=bool(index[worst] > rules.psi), reason=f"PSI of {found.columns[worst]} {index[worst]:.2f}")

    return ask


def residuals(rules: BacktestRules) -> Policy:
    """Train when the champion's mean residual on the newest days is not 0, rows taken for independent."""

    def ask(state: State) -> Asked:
        history = state.history
        first = max(history.evaluation(state.champion).stop, state.night + 1 - rules.residual_days)
        days = slice(first, state.night + 1)
        variance = history.variance[state.champion, days].sum()
        if state.days_since_candidate < rules.cool_down_days or variance <= 0:
            return Asked()
        z = float(history.residual[state.champion, days].sum() / np.sqrt(variance))
        return Asked(retrain=abs(z) > rules.residual_z, reason=f"residual of {z:+.1f} standard errors")

    return ask


def nightly(rules: MonitoringRules, drift: Mapping[date, Drift]) -> Policy:
    """Do what the nightly trigger decides, by the same function.

    Args:
        rules: All rules of a night.
        drift: What each night's test found, by its day; a day without one could not be tested.
    """

    def ask(state: State) -> Asked:
        night = report(state, rules.quality, drift)
        decision = trigger.decide(night, state.reports, rules)
        state.reports = [*state.reports, night][-rules.trigger.alarms_of :]
        told = "; ".join(evidence.rule for evidence in decision.evidence if evidence.action == decision.action)
        return Asked(retrain=decision.action == Action.CHALLENGE, roll_back=decision.action == Action.ROLL_BACK, reason=told)

    return ask
