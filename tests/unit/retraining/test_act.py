"""Acting on nights: each is decided by those before it, all are recorded, and a retraining is claimed once."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.artifacts.monitoring import MonitoringRules, NightReport
from tasks.artifacts.retraining import Action, TriggerDecision
from tasks.errors import ClockError, EvaluationError, LakeError, StorageError, TrainingError
from tasks.lake import leases, nights
from tasks.retraining import act
from tasks.usecase.policy import MONITORING
from tests.unit.evidence.reports import TONIGHT, drift, report

pytestmark = pytest.mark.unit

NOW = datetime(2013, 10, 15, 18, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = {"every_days": 28, "new_labelled_days": 28, "oldest_days": 56, "cool_down_days": 7, "lease_hours": 6.0}
TRIGGER = MONITORING.trigger.model_copy(update={"drift_groups": ["state"], "alarms_needed": 2, "alarms_of": 3, **LIMITS})
DUE = {"age_days": TRIGGER.oldest_days}
RULES: MonitoringRules = MONITORING.model_copy(update={"trigger": TRIGGER})


def settle(lake: Path, *reports: NightReport, holder: str = "a", now: datetime = NOW) -> TriggerDecision:
    return act.settle(str(lake), reports, RULES, f"run of {holder}", holder, now)


def ago(days: int, *drifted: str, **change: object) -> NightReport:
    night = TONIGHT - timedelta(days=days)
    return report(night, drift=drift(*drifted, night=night), **change)


def recorded(lake: Path) -> list[tuple[int, Action]]:
    return [((TONIGHT - one.night).days, one.decision.action) for one in nights.read(str(lake))]


def test_a_quiet_night_is_recorded_and_claims_nothing(tmp_path: Path) -> None:
    assert settle(tmp_path, report()).action == Action.NONE
    assert recorded(tmp_path) == [(0, Action.NONE)]
    assert leases.read(str(tmp_path)) == []


def test_without_a_night_there_is_nothing_to_decide(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="must be a night"):
        settle(tmp_path)


def test_a_challenge_is_claimed_once(tmp_path: Path) -> None:
    assert settle(tmp_path, report(**DUE)).action == Action.CHALLENGE
    (lease,) = leases.read(str(tmp_path))
    assert (lease.night, lease.holder, lease.ended_at) == (TONIGHT, "a", None)
    # The pod's second attempt goes on where the first ended.
    assert settle(tmp_path, report(**DUE)).action == Action.CHALLENGE
    # Another monitor of the same night is told who is under way, and the record stays.
    other = settle(tmp_path, report(**DUE), holder="b")
    assert (other.action, other.retrain) == (Action.ALERT, False)
    assert "retraining under way: a retrains for the night 2013-10-14" in other.reasons[-1]
    assert recorded(tmp_path) == [(0, Action.CHALLENGE)]
    # So is the night after, while it lasts; and the same night again, once it has ended.
    assert settle(tmp_path, ago(-1, **DUE), holder="c").action == Action.ALERT
    act.finish(str(tmp_path), "a", "version 4, HOLD", NOW + HOUR)
    assert settle(tmp_path, ago(-1, **DUE), holder="c").action == Action.CHALLENGE
    assert recorded(tmp_path) == [(0, Action.CHALLENGE), (-1, Action.CHALLENGE)]


def test_the_same_night_again_trains_no_second_challenger(tmp_path: Path) -> None:
    settle(tmp_path, report(**DUE))
    act.finish(str(tmp_path), "a", "version 4, HOLD", NOW + HOUR)
    again = settle(tmp_path, report(**DUE), holder="b", now=NOW + 2 * HOUR)
    assert again.action == Action.ALERT
    assert again.reasons[-1] == "retraining done: for the night 2013-10-14 by a, version 4, HOLD"


def test_after_a_failure_the_night_may_be_run_again(tmp_path: Path) -> None:
    settle(tmp_path, report(**DUE))
    act.finish(str(tmp_path), "a", f"{leases.FAILED}: no space left", NOW + HOUR)
    assert settle(tmp_path, report(**DUE), holder="b", now=NOW + 2 * HOUR).action == Action.CHALLENGE


def test_missed_nights_are_decided_in_order_and_acted_upon_once(tmp_path: Path) -> None:
    settle(tmp_path, ago(6))
    late = {"is_late": True, **DUE}
    decision = settle(tmp_path, ago(3, **late), ago(2, **late), ago(1, **late), ago(0, **DUE))
    assert decision.action == Action.CHALLENGE
    assert recorded(tmp_path) == [(6, Action.NONE), (3, Action.ALERT), (2, Action.ALERT), (1, Action.ALERT), (0, Action.CHALLENGE)]
    assert [lease.night for lease in leases.read(str(tmp_path))] == [TONIGHT]


@pytest.mark.parametrize(
    ("runs", "action"),
    [
        ([[ago(1, "state")], [ago(0, "state")]], Action.CHALLENGE),  # the night before is looked up
        ([[ago(1, "state", is_late=True), ago(0, "state")]], Action.CHALLENGE),  # or caught up in the same run
        ([[ago(0, "state")], [ago(0, "state")]], Action.ALERT),  # the same night twice is one
        ([[ago(3, "state")], [ago(0, "state")]], Action.ALERT),  # too long ago
    ],
)
def test_an_alarm_is_held_to_the_nights_before(tmp_path: Path, runs: list[list[NightReport]], action: Action) -> None:
    for reports in runs:
        decision = settle(tmp_path, *reports)
    assert decision.action == action


def test_a_night_that_cannot_be_recorded_claims_nothing(tmp_path: Path) -> None:
    settle(tmp_path, report())
    with pytest.raises(ClockError, match="must not be older"):
        settle(tmp_path, ago(1, **DUE))
    (lease,) = leases.read(str(tmp_path))
    assert lease.outcome == "failed: the night could not be recorded"
    assert recorded(tmp_path) == [(0, Action.NONE)]


def test_a_lake_out_of_reach_loses_nothing(tmp_path: Path) -> None:
    settle(tmp_path, ago(1, "state"))
    (tmp_path / "nights").rename(tmp_path / "kept")
    (tmp_path / "nights").write_text("a file where the table should be")
    with pytest.raises((LakeError, StorageError), match="To mend"):
        settle(tmp_path, ago(0, "state"))
    (tmp_path / "nights").unlink()
    (tmp_path / "kept").rename(tmp_path / "nights")
    assert settle(tmp_path, ago(0, "state")).action == Action.CHALLENGE
    assert recorded(tmp_path) == [(1, Action.ALERT), (0, Action.CHALLENGE)]


_MONITOR = """
import sys
from datetime import UTC, datetime
from tasks.artifacts.monitoring import NightReport
from tasks.lake import leases
from tasks.retraining import act
from tasks.usecase.policy import MONITORING
report = NightReport.model_validate_json(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
decision = act.settle(sys.argv[1], [report], MONITORING, sys.argv[3], leases.here(sys.argv[3]), datetime.now(UTC))
print(decision.action.name, flush=True)
sys.stdin.readline()  # lives on, as one that trains
"""


def test_of_two_monitors_at_once_one_trains(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _MONITOR, str(tmp_path), report(age_days=999, days_since_candidate=999).model_dump_json()]
    monitors = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for name in "ab"]
    told = []
    for step in ("ready", "decided"):
        for monitor in monitors:
            assert monitor.stdout is not None
            told.append((step, monitor.stdout.readline().strip()))
        for monitor in monitors:
            assert monitor.stdin is not None
            monitor.stdin.write("go\n")
    for monitor in monitors:
        monitor.communicate(timeout=60)
    assert sorted(told) == [("decided", "ALERT"), ("decided", "CHALLENGE"), ("ready", "ready"), ("ready", "ready")]
    assert recorded(tmp_path) == [(0, Action.CHALLENGE)]
    assert len(leases.read(str(tmp_path))) == 1


def test_a_retraining_begins_under_its_claim_or_a_new_one(tmp_path: Path) -> None:
    lake = str(tmp_path)
    settle(tmp_path, report(**DUE))
    assert act.begin(lake, TONIGHT, "a", NOW + HOUR, 6).taken_at == NOW
    with pytest.raises(TrainingError, match=r"got that of a for 2013-10-14, since 2013-10-15 18:05 UTC.*until 2013-10-16 00:05"):
        act.begin(lake, TONIGHT, "by hand", NOW + HOUR, 6)
    act.finish(lake, "a", "version 4, HOLD", NOW + HOUR)
    with pytest.raises(TrainingError, match="one for 2013-10-14 that has ended: version 4, HOLD"):
        act.begin(lake, TONIGHT, "by hand", NOW + HOUR, 6)
    assert act.begin(lake, TONIGHT + timedelta(days=1), "by hand", NOW + HOUR, 6).holder == "by hand"


def test_one_that_ends_after_its_claim_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("tasks"), "propagate", True)
    assert act.finish(str(tmp_path), "a", "version 4", NOW) == "version 4"
    assert "a holds no retraining any more" in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "NONE for champion 3: no drift, no decay, 20 days since the champion's evaluation"),
        (
            {"age_days": 90, "days_since_candidate": 1},
            "ALERT for champion 3: staleness: 90 days since the champion's evaluation, at 56 it is stale; "
            "cool-down: 1 days since the newest candidate, fewer than 7 "
            "(docs/operations/runbook.md#age, docs/operations/runbook.md#cool-down)",
        ),
    ],
)
def test_a_decision_in_a_line(tmp_path: Path, change: dict[str, object], words: str) -> None:
    assert act.told(settle(tmp_path, report(**change))) == words
