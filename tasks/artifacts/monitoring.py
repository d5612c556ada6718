"""Records of monitoring and of the trigger."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from tasks.artifacts.record import Interval, Record, Window


class GroupDrift(Record):
    """One group of features, days since training against reference days."""

    group: str
    statistic: float
    p_value: float
    column: str
    is_drifted: bool


class DayQuality(Record):
    """The champion on one labelled day."""

    day: date
    rows: int
    log_loss: float


class MonitoringReport(Record):
    """What the days since the champion's training look like; without `current` they are too few to tell."""

    champion_version: int
    reference: Window
    current: Window | None
    age_days: int
    days_since_candidate: int
    drift: list[GroupDrift]
    quality: list[DayQuality]
    reference_log_loss: float
    current_log_loss: Interval | None


class Action(StrEnum):
    """What the monitor asks for."""

    NONE = "NONE"
    ALERT = "ALERT"
    CHALLENGE = "CHALLENGE"


class TriggerDecision(Record):
    """Whether to train a challenger now, and on what evidence."""

    action: Action
    reasons: list[str]
    champion_version: int
    retrain: bool
