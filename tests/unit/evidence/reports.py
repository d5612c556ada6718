"""Reports of nights to decide on in tests: a quiet one, and what changes it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tasks.artifacts.monitoring import DayQuality, Drift, GroupDrift, NightReport, Quality
from tasks.artifacts.record import Interval, Window

TONIGHT = date(2013, 10, 14)


def even(value: float, half: float = 0.01) -> Interval:
    return Interval(value=value, lower=value - half, upper=value + half)


def drift(*drifted: str, night: date = TONIGHT) -> Drift:
    """Return a test in which some groups are called drifted, and the others not."""
    groups = [
        GroupDrift(group=name, days=2, column=f"{name}_1", what="level", statistic=5.0, p_value=1e-5, is_drifted=True)
        if name in drifted
        else GroupDrift(group=name, days=14, column=f"{name}_1", what="spread", statistic=1.0, p_value=0.5, is_drifted=False)
        for name in ("schedule", "state", "weather", "prediction", "label")
    ]
    reference = Window(first_day=night - timedelta(days=85), last_day=night - timedelta(days=2))
    return Drift(last_day=night, reference=reference, windows=[2, 14], level=1e-4, groups=groups, columns=[])


def quality(decay: Interval | None = None, over_previous: Interval | None = None, days: int = 14, night: date = TONIGHT) -> Quality:
    """Return the champion's quality on some days, the last of them the night before."""
    first = night - timedelta(days=days)
    return Quality(
        window=Window(first_day=first, last_day=night - timedelta(days=1)),
        rows=900 * days,
        by_day=[DayQuality(day=first + timedelta(days=number), rows=900, log_loss=0.36) for number in range(days)],
        log_loss=even(0.36),
        auc=even(0.75),
        calibration_error=even(0.02),
        positives=even(0.2),
        cost=even(0.5),
        reference_log_loss=0.35,
        decay=decay or even(0.01, 0.02),
        segments=[],
        previous_version=None if over_previous is None else 2,
        over_previous=over_previous,
    )


def report(night: date = TONIGHT, **change: Any) -> NightReport:
    """Return a night on which nothing is to be done, but for a change."""
    last_day = night - timedelta(days=20)
    quiet = NightReport(
        night=night,
        as_of=datetime.combine(night + timedelta(days=1), time(18), UTC),
        champion_version=3,
        evaluation=Window(first_day=last_day - timedelta(days=27), last_day=last_day),
        age_days=20,
        days_since_candidate=20,
        new_labelled_days=19,
        rows=900,
        drift=drift(night=night),
        quality=quality(night=night),
        estimate=None,
    )
    return quiet.model_copy(update=change)
