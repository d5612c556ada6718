"""Every threshold, cost and owner of the use case, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.artifacts import BaselineConfig, NetworkConfig, TrainingConfig

USE_CASE = "nyc-late-flights"
MODEL_NAME = "nyc-late-flights"
OWNER = "flight-operations"
ALERT_EMAILS = ("flight-operations@example.com",)

LABELS_COMPLETE_AFTER_HOURS = 12
"""A local day is labelled when this many hours have passed since its end: by then all but a handful have landed."""

TRAINING = TrainingConfig(network=NetworkConfig(), baselines=BaselineConfig())
"""Defaults of training; see `tasks/artifacts.py` for every setting, its meaning and its range."""


@dataclass(frozen=True)
class Costs:
    """What a wrong decision costs, in units of one needless warning."""

    missed: float = 4.0  # an unannounced late arrival: missed connections, rebooking
    needless: float = 1.0  # a warning about a flight that is on time: a re-check by hand


@dataclass(frozen=True)
class BatchRules:
    """When a snapshot is not fit to train on."""

    fewest_rows: int = 2_000  # below it no segment has a usable interval
    fewest_days: int = 60  # two months: the shortest history with which the folds are more than noise
    missing_days_warn: int = 1  # one day without flights has a reason worth reading
    missing_days_stop: int = 3  # three are an outage of the feed
    thin_day_share_warn: float = 0.5  # of the median of the same weekday; 8-9 February 2013, a blizzard, had 0.6
    thin_day_share_stop: float = 0.05
    quarantined_share_warn: float = 0.001
    quarantined_share_stop: float = 0.05  # one row in twenty wrong is a broken feed, not bad luck
    label_rate_low: float = 0.03  # the quietest month has .13: below it the labels are broken
    label_rate_high: float = 0.70
    weather_gap_hours_warn: float = 12.0  # longer than any gap of 2013 but one


@dataclass(frozen=True)
class Promotion:
    """What a candidate must show. A missing threshold refuses."""

    lightgbm_log_loss_ratio: float | None = 1.02  # within 2 % of the model that a user would pick instead
    logistic_gain: float | None = 0.0  # log-loss below that of the simple baseline, by its lower bound over days
    incumbent_gain: float | None = 0.0  # lower bound of the paired gain in log-loss over the champion
    segment_loss: float | None = 0.02  # no segment with enough days may be worse than the champion by more, for certain
    segment_days: int | None = 14  # fewer days give no usable interval
    review_first_model: bool = False  # a first model goes live when it holds against both baselines


@dataclass(frozen=True)
class Monitoring:
    """When the days since training are different enough to act."""

    false_alarm_rate: float = 0.01  # over all groups together, each night
    permutations: int = 1_000
    reference_days: int = 56  # eight weeks, as seasons move
    current_days: int = 14  # fewer whole days cannot reach the level above
    fewest_current_days: int = 7
    decay_margin: float = 0.03  # log-loss above the champion's own evaluation, by its lower bound
    oldest_days: int = 56  # retraining every 8 weeks gained most of what weekly retraining gains
    cool_down_days: int = 7  # no second challenger within a week


COSTS = Costs()
BATCH = BatchRules()
PROMOTION = Promotion()
MONITORING = Monitoring()

GOLDEN_ROWS = 1_000
PACKAGE_TOLERANCE = 1e-5
"""Largest difference in probability between the package and the training code: float32 through another runtime."""
