"""Policy: no threshold is missing, and they do not contradict each other."""

from __future__ import annotations

import pytest

from tasks.usecase import policy

pytestmark = pytest.mark.unit


def test_every_threshold_of_a_promotion_is_set() -> None:
    assert None not in policy.PROMOTION.model_dump().values()


@pytest.mark.parametrize(
    ("milder", "harder"),
    [
        (policy.BATCH.missing_days_warn, policy.BATCH.missing_days_stop),
        (policy.BATCH.quarantined_share_warn, policy.BATCH.quarantined_share_stop),
        (policy.BATCH.thin_day_share_stop, policy.BATCH.thin_day_share_warn),  # a share below which: the harder is lower
        (policy.MONITORING.fewest_current_days, policy.MONITORING.current_days),
        (policy.MONITORING.cool_down_days, policy.MONITORING.oldest_days),
    ],
)
def test_a_warning_comes_before_a_stop(milder: float, harder: float) -> None:
    assert milder < harder


def test_a_false_alarm_rate_can_be_reached_with_the_permutations() -> None:
    """The smallest p-value is 1 in permutations + 1, shared among three groups of features."""
    assert 1 / (policy.MONITORING.permutations + 1) < policy.MONITORING.false_alarm_rate / 3


def test_validation_asks_for_no_fewer_days_than_the_shortest_fold_needs() -> None:
    assert policy.BATCH.fewest_days >= policy.TRAINING.training_days + policy.TRAINING.fold_days


def test_a_miss_costs_more_than_a_needless_warning() -> None:
    assert policy.COSTS.missed > policy.COSTS.needless > 0
