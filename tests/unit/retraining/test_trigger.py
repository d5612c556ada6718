from __future__ import annotations

from datetime import date

import pytest

from tasks.artifacts.monitoring import Action, GroupDrift, MonitoringReport
from tasks.artifacts.record import Interval, Window
from tasks.retraining.trigger import decide
from tasks.usecase.policy import MONITORING

pytestmark = pytest.mark.unit

QUIET = MonitoringReport(
    champion_version=3,
    reference=Window(first_day=date(2013, 7, 1), last_day=date(2013, 8, 25)),
    current=Window(first_day=date(2013, 9, 1), last_day=date(2013, 9, 14)),
    age_days=20,
    days_since_candidate=20,
    drift=[GroupDrift(group="weather", statistic=0.2, p_value=0.4, column="wind", is_drifted=False)],
    quality=[],
    reference_log_loss=0.35,
    current_log_loss=Interval(value=0.36, lower=0.33, upper=0.39),
)
DRIFTED = [GroupDrift(group="weather", statistic=2.0, p_value=0.001, column="wind", is_drifted=True)]
DECAYED = Interval(value=0.45, lower=0.39, upper=0.51)


@pytest.mark.parametrize(
    ("change", "action", "words"),
    [
        ({}, Action.NONE, "no drift, no decay"),
        ({"drift": DRIFTED}, Action.CHALLENGE, "drift: weather"),
        ({"current_log_loss": DECAYED}, Action.CHALLENGE, "decay: log-loss"),
        ({"age_days": MONITORING.oldest_days}, Action.CHALLENGE, "age:"),
        # The same evidence within a week of the newest candidate, promoted or not, asks for no second one.
        ({"drift": DRIFTED, "days_since_candidate": 6}, Action.ALERT, "cool-down"),
        ({"age_days": 100, "days_since_candidate": 1}, Action.ALERT, "cool-down"),
        # The first days after a promotion tell nothing, and are no failure.
        ({"current": None, "current_log_loss": None, "drift": []}, Action.NONE, "too few labelled days"),
        # An upper half of an interval above the limit is not proof.
        ({"current_log_loss": Interval(value=0.40, lower=0.379, upper=0.42)}, Action.NONE, "no decay"),
    ],
)
def test_decides(change: dict[str, object], action: Action, words: str) -> None:
    decision = decide(QUIET.model_copy(update=change), MONITORING)
    assert decision.action == action
    assert decision.retrain == (action == Action.CHALLENGE)
    assert words in "; ".join(decision.reasons)
