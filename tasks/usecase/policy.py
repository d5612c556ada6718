"""Every threshold, cost and owner of the use case, each with its reason."""

from __future__ import annotations

from tasks.artifacts.settings import BaselineConfig, BatchRules, Costs, MonitoringRules, NetworkConfig, PromotionRules, TrainingConfig

USE_CASE = "nyc-late-flights"
MODEL_NAME = "nyc-late-flights"
OWNER = "flight-operations"
ALERT_EMAILS = ("flight-operations@example.com",)

LABELS_COMPLETE_AFTER_HOURS = 12
"""A local day is labelled when this many hours have passed since its end: by then all but a handful have landed."""

TRAINING = TrainingConfig(network=NetworkConfig(), baselines=BaselineConfig())
"""Defaults of training; see `tasks/artifacts/settings.py` for every setting, its meaning and its range."""


COSTS = Costs(
    missed=4.0,  # an unannounced late arrival: missed connections, rebooking
    needless=1.0,  # a warning about a flight that is on time: a re-check by hand; the unit of cost
)

BATCH = BatchRules(
    fewest_rows=2_000,  # below it no segment has a usable interval
    fewest_days=60,  # two months: the shortest history with which the folds are more than noise
    missing_days_warn=1,  # one day without flights has a reason worth reading
    missing_days_stop=3,  # three are an outage of the feed
    thin_day_share_warn=0.5,  # of the median of the same weekday
    thin_day_share_stop=0.05,  # the emptiest day of the 2013 weather, 30 December, has almost all its hours
    quarantined_share_warn=0.001,
    quarantined_share_stop=0.05,  # one row in twenty wrong is a broken feed, not bad luck
)

PROMOTION = PromotionRules(
    lightgbm_log_loss_ratio=1.02,  # within 2 % of the model that a user would pick instead
    logistic_gain=0.0,  # log-loss below that of the simple baseline
    incumbent_gain=0.0,  # lower bound of the paired gain in log-loss over the champion
    segment_loss=0.02,  # no segment with enough days may be worse than the champion by more, for certain
    segment_days=14,  # fewer days give no usable interval
    review_first_model=False,  # a first model goes live when it holds against both baselines
)

MONITORING = MonitoringRules(
    false_alarm_rate=0.01,  # over all groups of features together, each night
    permutations=1_000,  # the smallest p-value, 1 in 1,001, is well below the rate
    reference_days=56,  # eight weeks, as seasons move
    current_days=14,  # recent enough to act on, long enough for weekdays to cancel
    fewest_current_days=7,  # a shorter window differs by its weekdays alone
    decay_margin=0.03,  # log-loss above the champion's own evaluation, by its lower bound
    oldest_days=56,  # retraining every 8 weeks gained most of what weekly retraining gains
    cool_down_days=7,  # no second challenger within a week
)

GOLDEN_ROWS = 1_000
PACKAGE_TOLERANCE = 1e-5
"""Largest difference in probability between the package and the training code: float32 through another runtime."""
