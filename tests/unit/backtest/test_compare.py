"""The table of policies and what is recommended by it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tasks.artifacts.backtest import PolicyKind
from tasks.backtest import compare
from tasks.backtest.compare import Contender
from tasks.backtest.replay import Asked, State
from tests.unit.backtest.toy import EVALUATION, RULES, improving

pytestmark = pytest.mark.unit


def at_the_change(state: State) -> Asked:
    return Asked(retrain=state.night == EVALUATION + 4 * 7 - 1, reason="change")


def test_a_policy_that_promotes_at_the_change_alone_is_recommended() -> None:
    past = improving()
    found = compare.compare(past, [*compare.fixed(RULES), Contender("ours", PolicyKind.OURS, at_the_change, True)], RULES, 0.1)
    by_name = {policy.name: policy for policy in found.policies}
    ours, oracle = by_name["ours"], by_name["oracle with 1 promotions"]
    assert ours.promotions == 1
    assert ours.log_loss.value == pytest.approx(oracle.log_loss.value, abs=1e-3)
    assert ours.gain_share == pytest.approx(1, abs=0.05)
    assert ours.over_never.lower > 0
    assert ours.beaten_by_random is not None
    assert ours.beaten_by_random <= 0.2, "one of eight schedules is the best"
    assert by_name["never"].gain_share == 0
    assert by_name["weekly"].gain_share == 1
    assert by_name["weekly"].over_shortest.value == 0
    assert by_name["weekly"].retrains == by_name["weekly"].promotions == 8
    assert by_name["weekly"].train_seconds == 80
    assert by_name["weekly"].train_cost == pytest.approx(80 / 3600 * 0.1)
    assert by_name["oracle"].regret == 0
    assert all(policy.regret >= -1e-9 for policy in found.policies)
    assert sum(week.rows for week in ours.weeks) == found.rows
    mean = sum(week.log_loss * week.rows for week in ours.weeks) / found.rows
    assert mean == pytest.approx(ours.log_loss.value)


def test_phases_begin_at_one_start_after_another() -> None:
    past = improving()
    contenders = [*compare.fixed(RULES), Contender("ours", PolicyKind.OURS, at_the_change, True)]
    found = compare.in_phases(past, contenders, "weekly", RULES)
    assert found["weekly"].gain_share == 1
    assert found["weekly"].promotions == found["weekly"].shortest_promotions == pytest.approx((8 + 7 + 6) / 3)
    assert found["ours"].promotions == 1
    assert found["ours"].gain_share == pytest.approx(1, abs=0.05), "the change is there in each of the first phases"
    assert found["every 4 weeks"].gain_share is not None
    assert found["ours"].gain_share is not None
    assert found["every 4 weeks"].gain_share < found["ours"].gain_share, "in two of three phases it comes too late"
    assert found["never"].beaten_by_random is None


def test_without_a_gain_there_is_no_share_of_it() -> None:
    past = improving(gain=0.0)
    past.loss[1:] = past.loss[0] + 1  # every later model is worse
    found = compare.compare(past, compare.fixed(RULES), RULES, 0.1)
    assert {policy.gain_share for policy in found.policies} == {None}
    assert not found.recommendation.meets_all


def test_the_area_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    labels, scores = (generator.random(500) < 0.3).astype(float), generator.random(500).round(2)  # with ties
    assert compare._auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert compare._auc(np.zeros(3), scores[:3]) is None
