"""Policies: when each asks for a model, and that drift without effect asks the usual alarm alone."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.monitoring import Drift, GroupDrift
from tasks.artifacts.record import Window
from tasks.backtest import policies
from tasks.backtest.replay import State, run
from tasks.usecase import policy
from tests.unit.backtest.toy import EVALUATION, FIRST, RULES, improving

pytestmark = pytest.mark.unit

QUIET = policy.MONITORING.model_copy(
    update={"trigger": policy.MONITORING.trigger.model_copy(update={"every_days": 999, "new_labelled_days": 999, "oldest_days": 999})}
)


def drifted(day: date, group: str = "state") -> Drift:
    """Return a night's drift of one group."""
    found = GroupDrift(group=group, days=2, column="a", what="level", statistic=9.0, p_value=1e-5, is_drifted=True)
    window = Window(first_day=day - timedelta(days=30), last_day=day - timedelta(days=2))
    return Drift(last_day=day, reference=window, windows=[2], level=0.001, groups=[found], columns=[])


def features(moved_from: int, *, name: str = "a") -> pl.DataFrame:
    """Return a number and a text by day, of which the number moves on a day."""
    generator = np.random.default_rng(0)
    day = np.repeat(np.arange(77), 60)
    values = generator.normal(size=len(day)) + 2.0 * (day >= moved_from)
    return pl.DataFrame(
        {
            "batch_day": [FIRST + timedelta(days=int(d)) for d in day],
            name: pl.Series(values).set(pl.Series(generator.random(len(day)) < 0.05), None),
            "kind": [f"k{k}" for k in generator.integers(0, 20, len(day))],
        }
    )


def test_the_usual_alarm_fires_where_a_column_moves_and_rests_after_a_training() -> None:
    past = improving()
    moved = EVALUATION + 20
    found = policies.histograms(features(moved).lazy(), ["a", "kind"], past)
    assert found.counts.sum() == 77 * 60 * 2, "every row of every column is counted, missing or not"
    done = run(past, policies.naive_drift(found, RULES), None)
    assert done.trained[0] == 4, "the first start that has days with the move before it"
    assert "PSI of a" in done.promoted[0].reason
    still = policies.histograms(features(999).lazy(), ["a"], past)
    assert not run(past, policies.naive_drift(still, RULES), None).trained


def test_the_index_is_nothing_between_equal_shares() -> None:
    counts = np.array([[10, 20, 30], [5, 5, 0]], np.float64)
    assert policies.stability_index(counts, 3 * counts) == pytest.approx(0)
    assert policies.stability_index(counts, counts[:, ::-1].copy())[0] > 0.2


def test_the_residual_trigger_fires_where_the_model_is_off() -> None:
    past = improving()
    assert not run(past, policies.residuals(RULES), None).trained
    past.residual[:, EVALUATION + 12 :] += 20
    assert run(past, policies.residuals(RULES), None).trained[0] == 2


@pytest.mark.parametrize(
    ("nights", "group", "trained"),
    [
        ([20, 21], "state", 1),  # two of three nights, with the newest
        ([20, 22], "state", 1),
        ([20], "state", 0),  # one alone
        ([20, 25], "state", 0),  # too far apart
        ([20, 21], "weather", 0),  # a group that asks for no challenger
    ],
)
def test_ours_asks_by_the_rules_of_the_night(nights: list[int], group: str, trained: int) -> None:
    drift = {(day := FIRST + timedelta(days=EVALUATION + night)): drifted(day, group) for night in nights}
    done = run(improving(), policies.nightly(QUIET, drift), None)
    assert len(done.trained) == trained


def test_ours_rests_after_a_training() -> None:
    drift = {(day := FIRST + timedelta(days=EVALUATION + night)): drifted(day) for night in range(60)}
    rules = QUIET.model_copy(update={"trigger": QUIET.trigger.model_copy(update={"cool_down_days": 21})})
    done = run(improving(), policies.nightly(rules, drift), None)
    assert done.trained == [3, 6], "the first model counts as a candidate"


def test_never_and_a_cadence_read_no_night() -> None:
    state = State(improving(), night=EVALUATION + 6)
    assert not policies.never()(state).retrain
    assert policies.every(1, RULES)(state).retrain
    assert not policies.every(2, RULES)(state).retrain
