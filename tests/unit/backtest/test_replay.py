"""Replays: what is trained, what the gate lets through, when it serves; and that no night reads a later day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tasks.backtest import policies
from tasks.backtest.replay import Asked, State, decay, gain, report, run, schedule
from tasks.evidence import windows
from tasks.evidence.bootstrap import Days
from tasks.usecase import policy
from tests.unit.backtest.toy import EVALUATION, FIRST, RULES, history, improving

pytestmark = pytest.mark.unit


def always(state: State) -> Asked:
    return Asked(retrain=True, reason="always")


def test_never_keeps_the_first_model() -> None:
    done = run(improving(), policies.never(), None)
    assert not done.trained
    assert not done.promoted
    assert not done.serving.any()


@pytest.mark.parametrize(
    ("starts", "trained"),
    [
        (1, [1, 2, 3, 4, 5, 6, 7, 8]),  # each
        (2, [2, 4, 6, 8]),
        (4, [4, 8]),
        (9, []),  # longer than the history
    ],
)
def test_a_cadence_trains_at_every_so_manieth_start(starts: int, trained: list[int]) -> None:
    done = run(improving(), policies.every(starts, RULES), None)
    assert done.trained == trained
    assert [promotion.start for promotion in done.promoted] == trained


def test_a_model_serves_from_its_first_whole_day_on() -> None:
    done = run(improving(), policies.every(4, RULES), None)
    first = EVALUATION + 4 * 7 + 1
    assert done.promoted[0].first_day == FIRST + timedelta(days=first)
    assert done.serving[first - 1] == 0
    assert done.serving[first] == 4


def test_the_gate_lets_through_what_is_better_for_certain() -> None:
    past = improving(better_from=4)
    done = run(past, always, 0.0)
    assert done.trained == list(range(1, 9)), "a challenger that was refused was trained all the same"
    better = [promotion.start for promotion in done.promoted if promotion.start >= 4]
    assert better[0] == 4
    assert gain(past, 4, 0).lower > 0
    assert not run(past, always, 0.2).promoted, "no gain is as large"


def test_an_alarm_between_two_starts_waits_for_the_next() -> None:
    asked_on = EVALUATION + 2

    def once(state: State) -> Asked:
        return Asked(retrain=state.night == asked_on, reason="alarm")

    done = run(improving(), once, None)
    assert done.trained == [1]
    assert done.promoted[0].reason == "alarm"


def test_a_rollback_serves_the_version_before_and_has_no_other_to_go_back_to() -> None:
    night = EVALUATION + 10

    def back(state: State) -> Asked:
        return Asked(retrain=state.night == EVALUATION + 6, roll_back=state.night >= night, reason="worse")

    done = run(improving(), back, None)
    assert [promotion.start for promotion in done.promoted] == [1, 0]
    assert done.serving[night + 1] == 1
    assert not done.serving[night + 2 :].any()


def test_a_schedule_is_what_a_replay_of_it_would_serve() -> None:
    past = improving()
    promoted = np.zeros(9)
    promoted[[4, 8]] = 1
    assert (schedule(past, promoted) == run(past, policies.every(4, RULES), None).serving).all()


@pytest.mark.parametrize("night", [EVALUATION + 8, EVALUATION + 20, EVALUATION + 33])
def test_a_night_reads_nothing_of_a_later_day(night: int) -> None:
    past = improving()
    later = replace(past, loss=past.loss.copy(), rows=past.rows.copy())
    later.loss[:, night + 1 :] = 1e6
    later.rows[night + 1 :] = 1
    reports = [report(State(h, champion=1, previous=0, candidate=1, night=night), policy.MONITORING.quality, {}) for h in (past, later)]
    assert reports[0] == reports[1]
    assert reports[0].age_days == night - EVALUATION - 6


def test_decay_is_zero_where_nothing_changes_and_found_where_it_does() -> None:
    steady = np.full((2, 60), 0.5) + np.random.default_rng(0).normal(0, 0.02, 60)
    assert decay(history(steady), 0, slice(20, 48)).lower < 0 < decay(history(steady), 0, slice(20, 48)).upper
    risen = steady.copy()
    risen[:, 20:] += 0.1
    found = decay(history(risen), 0, slice(20, 48))
    assert found.lower > 0.05
    assert abs(found.value - 0.1) < 0.03


def test_the_decay_of_a_night_is_that_of_the_trigger() -> None:
    past = improving()
    worse = replace(past, loss=past.loss.copy())
    worse.loss[0, EVALUATION + 10 :] += 0.2 * 40
    rules = policy.MONITORING.model_copy(
        update={
            "quality": policy.MONITORING.quality.model_copy(update={"days": 14}),
            "trigger": policy.MONITORING.trigger.model_copy(update={"every_days": 999, "new_labelled_days": 999, "oldest_days": 999}),
        }
    )
    assert not run(past, policies.nightly(rules, {}), None).promoted
    done = run(worse, policies.nightly(rules, {}), None)
    assert done.promoted
    assert done.promoted[0].reason == "decay"


def test_decay_from_sums_by_day_is_that_of_the_rows() -> None:
    """The night resamples rows by their days; here the sums of these days are enough."""
    generator = np.random.default_rng(4)
    past = history(0.5 + generator.normal(0, 0.05, (2, 60)))
    rows = np.repeat(past.loss[0] / past.rows, 40)
    day = np.repeat(np.arange(60), 40)
    sides = []
    for seed, window in zip(windows.SEEDS, (slice(20, 48), past.evaluation(0)), strict=True):
        kept = (day >= window.start) & (day < window.stop)
        sides.append(windows.Side(rows[kept], Days.draw(day[kept], seed=seed)))
    ours, theirs = decay(past, 0, slice(20, 48)), windows.difference(*sides)
    assert ours.value == pytest.approx(theirs.value)
    width = theirs.upper - theirs.lower
    assert (ours.lower, ours.upper) == pytest.approx((theirs.lower, theirs.upper), abs=0.1 * width)
