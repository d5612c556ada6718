"""Policy: no threshold is missing, and they do not contradict each other."""

from __future__ import annotations

import math

import pytest

from tasks.evidence import drift
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
        (policy.MONITORING.quality.fewest_days, policy.MONITORING.quality.days),
        # Evidence may ask between two candidates of the calendar, and these come before a champion is stale.
        (policy.MONITORING.trigger.cool_down_days, policy.MONITORING.trigger.every_days),
        (policy.MONITORING.trigger.every_days, policy.MONITORING.trigger.oldest_days),
    ],
)
def test_a_warning_comes_before_a_stop(milder: float, harder: float) -> None:
    assert milder < harder


def test_a_false_alarm_rate_can_be_reached_with_the_shuffles() -> None:
    """A fault of two days is the only pair of its kind, and what comes with the label has a fifth of the level."""
    rules = policy.MONITORING.drift
    pairs = math.comb(rules.reference_days + max(rules.windows), 2)
    assert min(rules.windows) == 2
    assert pairs <= rules.permutations + 1, "each pair is looked at"
    assert 1 / pairs < drift.level(rules) / 5


def test_a_miss_costs_more_than_a_needless_warning() -> None:
    assert policy.COSTS.missed > policy.COSTS.needless > 0
