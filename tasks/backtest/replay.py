"""One policy over history, night by night with the clock: what is known, what it asks for, what the gate lets through.

The night of a day is looked at when its labels are known, on the day after. A model that is asked for is trained at the next
start, judged on its evaluation days beside the champion, and serves from its first whole day on. Nothing of a later day is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol

import numpy as np

from tasks.artifacts.backtest import Promotion
from tasks.artifacts.monitoring import DayQuality, Drift, NightReport, Quality, QualityRules
from tasks.artifacts.record import Interval, Window
from tasks.backtest.history import Array, History, Numbers
from tasks.evidence import bootstrap

_CLOCK = time(18)  # UTC, the kick-off of the nightly monitor
_NOTHING = Interval(value=0, lower=0, upper=0)


@dataclass
class State:
    """Where a replay stands: who serves, and since when.

    Attributes:
        history: The matrix.
        champion: Start of the model that serves.
        previous: Start of the model before it, None if there is none to go back to.
        candidate: Start of the newest model that was trained, promoted or not.
        night: Position of the newest whole day.
        reports: Of the nights before, oldest first, as far as a policy asked for them.
    """

    history: History
    champion: int = 0
    previous: int | None = None
    candidate: int = 0
    night: int = 0
    reports: list[NightReport] = field(default_factory=list)

    @property
    def days_since_candidate(self) -> int:
        """Days after the newest candidate's last evaluation day."""
        return self.night - self.history.evaluation(self.candidate).stop + 1


@dataclass(frozen=True)
class Asked:
    """What a policy asks for in a night; neither for nothing."""

    retrain: bool = False
    roll_back: bool = False
    reason: str = ""


class Policy(Protocol):
    """Anything that says in a night whether a model shall be trained."""

    def __call__(self, state: State) -> Asked:
        """Say what is asked for."""


@dataclass(frozen=True)
class Replayed:
    """What a policy did.

    Attributes:
        serving: Start of the model that served each day, shape (days,); 0 before the first served one.
        trained: Starts at which a model was trained, after the first.
        promoted: Models that went live after the first.
    """

    serving: Numbers
    trained: list[int]
    promoted: list[Promotion]


def run(history: History, policy: Policy, gate_margin: float | None) -> Replayed:
    """Replay a policy.

    Args:
        history: The matrix.
        policy: Asked every night.
        gate_margin: Log-loss that the lower bound of a challenger's paired gain over the champion must be above; None promotes all.
    """
    state = State(history)
    serving = np.zeros(len(history.days), np.int64)
    opens = {history.at(start.day): number for number, start in enumerate(history.starts)}
    trained: list[int] = []
    promoted: list[Promotion] = []
    pending = ""
    for night in range(history.at(history.starts[0].day), len(history.days)):
        state.night = night
        asked = policy(state)
        pending = pending or (asked.reason if asked.retrain else "")
        live = night + 1 + history.delay  # what is decided on the day after this night serves from here on
        if asked.roll_back and state.previous is not None:
            state.champion, state.previous = state.previous, None
            if live < len(serving):
                serving[live:] = state.champion
                promoted.append(Promotion(start=state.champion, first_day=history.days[live], reason=asked.reason))
        challenger = opens.get(night + 1)
        if pending and challenger is not None:
            trained.append(challenger)
            state.candidate = challenger
            if gate_margin is None or gain(history, challenger, state.champion).lower > gate_margin:
                state.previous, state.champion = state.champion, challenger
                serving[live:] = challenger
                promoted.append(Promotion(start=challenger, first_day=history.days[live], reason=pending))
            pending = ""
    return Replayed(serving, trained, promoted)


def schedule(history: History, promoted: Array | Numbers) -> Numbers:
    """Return who serves each day if some starts are promoted as they come, shape of both (..., starts) to (..., days)."""
    number = np.arange(len(history.starts))
    newest = np.maximum.accumulate(np.where(promoted.astype(bool), number, 0), axis=-1)
    first = np.array([history.first_served(start) for start in number])
    slot = np.maximum(np.searchsorted(first, np.arange(len(history.days)), side="right") - 1, 0)
    return newest[..., slot].astype(np.int64)


def gain(history: History, challenger: int, champion: int) -> Interval:
    """Return the paired gain in log-loss of a challenger over the champion on its own evaluation days."""
    days = history.evaluation(challenger)
    return over(history.loss[champion, days] - history.loss[challenger, days], history.rows[days])


def over(differences: Array, rows: Array) -> Interval:
    """Return the mean difference by row over days, with its interval; sums by day and rows by day, shape (days,)."""
    return bootstrap.ratio(differences, rows, _drawn(len(rows)))


@lru_cache(maxsize=512)
def _drawn(days: int, seed: int = 2013) -> bootstrap.Days:
    return bootstrap.Days.draw(np.arange(days), seed=seed)


def decay(history: History, champion: int, days: slice) -> Interval:
    """Return the champion's log-loss on some days above that of its evaluation, both over resampled days."""
    reference = history.evaluation(champion)

    def resampled(window: slice, seed: int) -> tuple[float, Array]:
        total, number = history.loss[champion, window], history.rows[window]
        draws = _drawn(len(number), seed).draws
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(total.sum() / number.sum()), (draws @ total) / (draws @ number)

    (now, now_drawn), (then, then_drawn) = resampled(days, 2013), resampled(reference, 2014)
    return bootstrap.interval(now - then, now_drawn - then_drawn, min(days.stop - days.start, reference.stop - reference.start))


def report(state: State, rules: QualityRules, drift: Mapping[date, Drift]) -> NightReport:
    """Return the night's report: what the trigger reads of it, as the night itself would have measured it."""
    history, night = state.history, state.night
    evaluation = history.starts[state.champion].split.evaluation
    age = night - history.evaluation(state.champion).stop + 1
    day = history.days[night]
    return NightReport(
        night=day,
        as_of=datetime.combine(day + timedelta(days=1), _CLOCK, UTC),
        champion_version=state.champion + 1,
        evaluation=evaluation,
        age_days=age,
        days_since_candidate=state.days_since_candidate,
        new_labelled_days=age,
        rows=int(history.rows[night]),
        drift=drift.get(day),
        quality=_quality(state, rules, age),
        estimate=None,
    )


def _quality(state: State, rules: QualityRules, age: int) -> Quality | None:
    history, champion, night = state.history, state.champion, state.night
    count = min(rules.days, age)
    if count < rules.fewest_days:
        return None
    days = slice(night + 1 - count, night + 1)
    loss, rows = history.loss[champion, days], history.rows[days]
    reference = history.evaluation(champion)
    beside = None
    if state.previous is not None:
        beside = _at_level(history.loss[champion, days] - history.loss[state.previous, days], rows, rules.roll_back_level)
    return Quality(
        window=Window(first_day=history.days[days.start], last_day=history.days[night]),
        rows=int(rows.sum()),
        by_day=[
            DayQuality(day=history.days[d], rows=int(history.rows[d]), log_loss=float(history.loss[champion, d] / history.rows[d]))
            for d in range(days.start, days.stop)
            if history.rows[d]
        ],
        log_loss=over(loss, rows),
        auc=None,
        calibration_error=_NOTHING,
        positives=_NOTHING,
        cost=over(history.cost[champion, days], rows),
        reference_log_loss=float(history.loss[champion, reference].sum() / history.rows[reference].sum()),
        decay=decay(history, champion, days),
        segments=[],
        previous_version=None if state.previous is None else state.previous + 1,
        over_previous=beside,
    )


def _at_level(differences: Array, rows: Array, level: float) -> Interval:
    """Return a paired difference with bounds of a level on either side: by Student's t of the days' ratio, as few resamples are so rare."""
    from scipy.stats import t

    count = len(rows)
    value = differences.sum() / rows.sum()
    spread = float(np.sqrt(((differences - value * rows) ** 2).sum() * count / (count - 1)) / rows.sum())
    away = float(t.ppf(1 - level, count - 1)) * spread
    return Interval(value=float(value), lower=float(value) - away, upper=float(value) + away)
