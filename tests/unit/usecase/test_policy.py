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
        (policy.BATCH.quarantined_day_share_warn, policy.BATCH.quarantined_day_share_stop),
        (policy.BATCH.thin_day_share_stop, policy.BATCH.thin_day_share_warn),  # a share below which: the harder is lower
        (policy.BATCH.full_day_share_warn, policy.BATCH.full_day_share_stop),
        (policy.BATCH.null_rise_warn, policy.BATCH.null_rise_stop),
        (policy.BATCH.scale_warn, policy.BATCH.scale_stop),
        (policy.BATCH.level_warn, policy.BATCH.level_stop),
        (policy.BATCH.label_share_stop, policy.BATCH.label_share_warn),
        (policy.BATCH.stale_hours_warn, policy.BATCH.stale_hours_stop),
        (policy.MONITORING.fewest_current_days, policy.MONITORING.current_days),
        (policy.MONITORING.cool_down_days, policy.MONITORING.oldest_days),
    ],
)
def test_a_warning_comes_before_a_stop(milder: float, harder: float) -> None:
    assert milder < harder


def test_a_false_alarm_rate_can_be_reached_with_the_permutations() -> None:
    """The smallest p-value is 1 in permutations + 1, shared among three groups of features."""
    assert 1 / (policy.MONITORING.permutations + 1) < policy.MONITORING.false_alarm_rate / 3


def test_a_miss_costs_more_than_a_needless_warning() -> None:
    assert policy.COSTS.missed > policy.COSTS.needless > 0
