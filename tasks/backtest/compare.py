"""What each policy brought, beside never, the shortest cadence, chance and hindsight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial

import numpy as np
import polars as pl

from tasks.artifacts.backtest import Backtest, BacktestRules, Phases, PolicyKind, PolicyResult, WeekScore
from tasks.artifacts.monitoring import Drift, MonitoringRules
from tasks.backtest import hindsight, policies
from tasks.backtest.history import Array, History, Numbers
from tasks.backtest.recommendation import NEVER, recommend
from tasks.backtest.replay import Policy, Replayed, over, run
from tasks.evidence import bootstrap

_ROUNDING = 1e-12  # of sums in another order: the same schedule is not better than itself


@dataclass(frozen=True)
class Contender:
    """A policy that is to be compared.

    Attributes:
        name: As the table shows it.
        kind: What drives it.
        policy: Asked every night.
        is_gated: Whether a challenger must be better for certain to go live.
    """

    name: str
    kind: PolicyKind
    policy: Policy
    is_gated: bool


def cadence(starts: int, rules: BacktestRules) -> str:
    """Return the name of a fixed policy."""
    days = starts * rules.start_every_days
    return f"every {days} days" if days % 7 else ("weekly" if days == 7 else f"every {days // 7} weeks")


def contenders(
    features: pl.LazyFrame,
    columns: Sequence[str],
    history: History,
    drift: Mapping[date, Drift],
    monitoring: MonitoringRules,
    rules: BacktestRules,
) -> list[Contender]:
    """Return all policies, each but never without and with the gate: fixed cadences, what others take for a trigger, and ours.

    Args:
        features: Rows, for the naive drift alarm.
        columns: Those that it looks at.
        history: The matrix.
        drift: What each night's test found.
        monitoring: Our rules.
        rules: Cadences, and the peers' thresholds.
    """
    naive = policies.naive_drift(policies.histograms(features, columns, history), rules)
    residuals, ours = policies.residuals(rules), policies.nightly(monitoring, drift)
    return [
        *fixed(rules),
        Contender("naive drift alarm", PolicyKind.PEER, naive, False),
        Contender("naive drift alarm, gated", PolicyKind.PEER, naive, True),
        Contender("residual trigger", PolicyKind.PEER, residuals, False),
        Contender("residual trigger, gated", PolicyKind.PEER, residuals, True),
        Contender("ours", PolicyKind.OURS, ours, True),
        Contender("ours, ungated", PolicyKind.OURS, ours, False),
    ]


def fixed(rules: BacktestRules) -> list[Contender]:
    """Return never and all fixed cadences, each without and with the gate."""
    found = [Contender(NEVER, PolicyKind.FIXED, policies.never(), False)]
    for starts in rules.cadences:
        name, policy = cadence(starts, rules), policies.every(starts, rules)
        found += [Contender(name, PolicyKind.FIXED, policy, False), Contender(f"{name}, gated", PolicyKind.FIXED, policy, True)]
    return found


def compare(history: History, contenders: Sequence[Contender], rules: BacktestRules, hourly: float) -> Backtest:
    """Replay all policies and say what each brought.

    Args:
        history: The matrix.
        contenders: Policies; never and the shortest cadence among them.
        rules: The gate, chance, and what is recommended.
        hourly: What an hour of training costs.
    """
    shortest = cadence(rules.cadences[0], rules)
    replays = {c.name: run(history, c.policy, rules.gate_margin if c.is_gated else None) for c in contenders}
    best = hindsight.oracle(history)
    measured = _Measure(history, rules, hourly, best, replays[NEVER].serving, replays[shortest].serving)
    phases = in_phases(history, contenders, shortest, rules)
    results = [measured.result(c.name, c.kind, replays[c.name]).model_copy(update={"phases": phases[c.name]}) for c in contenders]
    known = [("oracle", best[-1]), *((f"oracle with {k} promotions", best[k]) for k in _of_ours(results, history))]
    every = list(range(1, len(history.starts)))  # it has to train all of them to choose
    results += [measured.result(name, PolicyKind.ORACLE, Replayed(serving, every, [])) for name, serving in known]
    return Backtest(
        window=history.window,
        rows=int(history.rows[history.served :].sum()),
        starts=len(history.starts),
        learner=rules.learner,
        shortest=shortest,
        policies=results,
        recommendation=recommend(results, shortest, rules),
        rules=rules,
    )


def in_phases(history: History, contenders: Sequence[Contender], shortest: str, rules: BacktestRules) -> dict[str, Phases]:
    """Replay all policies anew from each of the first starts: what rests on the phase of a cadence shows here.

    Args:
        history: The matrix.
        contenders: Policies; never and the shortest cadence among them.
        shortest: Name of the latter.
        rules: How many replays, the gate and chance.
    """
    losses: dict[str, list[float]] = {c.name: [] for c in contenders}
    promotions: dict[str, list[int]] = {c.name: [] for c in contenders}
    beaten: dict[str, list[float]] = {c.name: [] for c in contenders}
    for first in range(min(rules.phases, len(history.starts) - 1)):
        begun = history.begun_at(first)
        chance = cache(partial(hindsight.by_chance, begun, draws=rules.random_schedules, seed=rules.seed))
        for c in contenders:
            done = run(begun, c.policy, rules.gate_margin if c.is_gated else None)
            loss = float(hindsight.mean_loss(begun, done.serving))
            losses[c.name].append(loss)
            promotions[c.name].append(len(done.promoted))
            if 0 < len(done.promoted) < len(begun.starts) - 1:
                beaten[c.name].append(float((chance(len(done.promoted)) < loss - _ROUNDING).mean()))
    gains = np.array(losses[NEVER]) - np.array(losses[shortest])
    found = {}
    for name in losses:
        own = np.array(losses[NEVER]) - np.array(losses[name])
        found[name] = Phases(
            gain_share=float(own.sum() / gains.sum()) if gains.sum() > 0 else None,
            least_gain_share=float((own / gains).min()) if (gains > 0).all() else None,
            promotions=float(np.mean(promotions[name])),
            shortest_promotions=float(np.mean(promotions[shortest])),
            beaten_by_random=float(np.mean(beaten[name])) if beaten[name] else None,
        )
    return found


def _of_ours(results: Sequence[PolicyResult], history: History) -> list[int]:
    """Return the numbers of promotions that our own policies made: the oracle is shown with as many, if that limits it."""
    return sorted({r.promotions for r in results if r.kind == PolicyKind.OURS and r.promotions < len(history.starts) - 1})


class _Measure:
    """What all policies are measured beside."""

    def __init__(
        self, history: History, rules: BacktestRules, hourly: float, best: Sequence[Numbers], never: Numbers, shortest: Numbers
    ) -> None:
        self._history, self._rules, self._hourly = history, rules, hourly
        self._days = np.arange(history.served, len(history.days))
        self._rows = history.rows[self._days]
        self._never, self._shortest = self._by_day(never), self._by_day(shortest)
        self._best = [float(hindsight.mean_loss(history, serving)) for serving in best]
        self._chance = cache(self._by_chance)

    def _by_chance(self, promotions: int) -> Array:
        return hindsight.by_chance(self._history, promotions, self._rules.random_schedules, self._rules.seed)

    def _by_day(self, serving: Numbers) -> Array:
        loss: Array = self._history.loss[serving[self._days], self._days]
        return loss

    def result(self, name: str, kind: PolicyKind, done: Replayed) -> PolicyResult:
        """Measure one policy."""
        history, loss = self._history, self._by_day(done.serving)
        is_served = history.row_day >= history.served
        y, day = history.labels[is_served], history.row_day[is_served]
        p = history.probabilities[done.serving[day], np.flatnonzero(is_served)].astype(np.float64)
        switches = int(np.count_nonzero(np.diff(done.serving[self._days])))
        promotions = switches if kind == PolicyKind.ORACLE else len(done.promoted)
        value = float(loss.sum() / self._rows.sum())
        is_chosen = 0 < promotions < len(history.starts) - 1 and kind != PolicyKind.ORACLE  # all of them is one schedule
        seconds = float(history.seconds[done.trained].sum())
        half = len(self._days) // 2
        return PolicyResult(
            name=name,
            kind=kind,
            log_loss=over(loss, self._rows),
            auc=_auc(y, p) or 0.5,
            calibration_error=_calibration_error(y, p),
            cost=float(history.cost[done.serving[self._days], self._days].sum() / self._rows.sum()),
            retrains=len(done.trained),
            promotions=promotions,
            train_seconds=seconds,
            train_cost=seconds / 3600 * self._hourly,
            over_never=over(self._never - loss, self._rows),
            over_shortest=over(self._shortest - loss, self._rows),
            gain_share=self._share(loss, slice(None)),
            gain_share_by_half=[self._share(loss, slice(None, half)), self._share(loss, slice(half, None))],
            regret=value - self._best[-1],
            regret_of_as_many=value - self._best[min(promotions, len(self._best) - 1)],
            beaten_by_random=float((self._chance(promotions) < value - _ROUNDING).mean()) if is_chosen else None,
            weeks=self._weeks(y, p, day, done.serving),
            promoted=done.promoted,
        )

    def _share(self, loss: Array, days: slice) -> float | None:
        """Return the share of the shortest cadence's gain over never; None where it has none."""
        gain = (self._never - self._shortest)[days].sum()
        return float((self._never - loss)[days].sum() / gain) if gain > 0 else None

    def _weeks(self, y: Array, p: Array, day: Numbers, serving: Numbers) -> list[WeekScore]:
        history, found = self._history, []
        for first in range(history.served, len(history.days), 7):
            end = min(first + 7, len(history.days))
            days, rows = np.arange(first, end), slice(*np.searchsorted(day, [first, end]))
            if not history.rows[days].sum():
                continue
            found.append(
                WeekScore(
                    first_day=history.days[first],
                    rows=int(history.rows[days].sum()),
                    log_loss=float(history.loss[serving[days], days].sum() / history.rows[days].sum()),
                    auc=_auc(y[rows], p[rows]),
                    calibration_error=_calibration_error(y[rows], p[rows]),
                    cost=float(history.cost[serving[days], days].sum() / history.rows[days].sum()),
                    serving=int(serving[end - 1]),
                )
            )
        return found


def _auc(labels: Array, probabilities: Array) -> float | None:
    """Return the area under the ROC curve; None for one class only."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, probabilities)) if labels.min() < labels.max() else None


def _calibration_error(labels: Array, probabilities: Array) -> float:
    """Return the expected calibration error over ten equally full bins, as `bootstrap.calibration_error` without its interval."""
    bins = bootstrap.calibration_bins(probabilities)
    return float(np.abs(np.bincount(bins, weights=probabilities - labels)).sum() / len(labels))
