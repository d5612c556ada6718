"""The trigger: each rule asks for what it should, and none can ask for more than a night may do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.monitoring import MonitoringRules, NightReport, Problem, TriggerRules
from tasks.artifacts.retraining import Action, Lease
from tasks.evidence.trigger import decide, held_back
from tasks.usecase.policy import MONITORING
from tests.unit.evidence.reports import TONIGHT, drift, even, quality, report

pytestmark = pytest.mark.unit

TRIGGER = TriggerRules(
    every_days=28,
    new_labelled_days=28,
    oldest_days=56,
    drift_groups=["schedule", "state"],
    alarms_needed=2,
    alarms_of=3,
    cool_down_days=7,
    most_missed_nights=14,
    lease_hours=6.0,
    rolls_back=True,
)
QUALITY = MONITORING.quality.model_copy(update={"decay_margin": 0.03, "roll_back_days": 14, "roll_back_margin": 0.002})
RULES: MonitoringRules = MONITORING.model_copy(update={"trigger": TRIGGER, "quality": QUALITY})
WORSE = quality(over_previous=even(0.02))
ALARM = [report(TONIGHT - timedelta(days=1), drift=drift("state", night=TONIGHT - timedelta(days=1)))]


def ruled(**change: object) -> MonitoringRules:
    return RULES.model_copy(update={"trigger": TRIGGER.model_copy(update=change)})


@pytest.mark.parametrize(
    ("change", "action", "words", "section"),
    [
        ({}, Action.NONE, "no drift, no decay, 20 days", "nothing"),
        # The first days tell nothing, and are no failure.
        ({"drift": None, "quality": None}, Action.NONE, "too few days to test for drift, too few labelled days", "nothing"),
        # One is due by the calendar, and not a day earlier.
        ({"days_since_candidate": 28, "new_labelled_days": 27}, Action.CHALLENGE, "schedule: 28 days", "schedule"),
        ({"days_since_candidate": 27}, Action.NONE, "no drift", "nothing"),
        ({"age_days": 56}, Action.CHALLENGE, "staleness: 56 days", "age"),
        # Decay is called by the lower bound alone, and above the margin.
        ({"quality": quality(even(0.05))}, Action.CHALLENGE, "decay: log-loss", "decay"),
        ({"quality": quality(even(0.05, 0.025))}, Action.NONE, "no drift", "nothing"),
        # The champion is worse than the version before for certain.
        ({"quality": WORSE}, Action.ROLL_BACK, "above that of version 2", "roll-back"),
        ({"quality": quality(over_previous=even(0.011))}, Action.NONE, "no drift", "nothing"),
        # A version before that could not be asked is worse than nobody.
        ({"quality": quality().model_copy(update={"previous_version": 2})}, Action.NONE, "no drift", "nothing"),
        # Of too few days nothing goes back.
        ({"quality": quality(over_previous=even(0.02), days=13)}, Action.NONE, "no drift", "nothing"),
        # A rollback is graver than a challenge, and needs no cool-down: it trains nothing.
        ({"quality": WORSE, "age_days": 100}, Action.ROLL_BACK, "rollback", "roll-back"),
        ({"quality": WORSE, "days_since_candidate": 1}, Action.ROLL_BACK, "rollback", "roll-back"),
        # The same evidence within a week of the newest candidate, promoted or not, asks for no second one.
        ({"age_days": 100, "days_since_candidate": 6}, Action.ALERT, "cool-down: 6 days", "cool-down"),
        ({"age_days": 100, "days_since_candidate": 7}, Action.CHALLENGE, "staleness", "age"),
        # Caught up after it was missed: told, and nothing is done.
        ({"age_days": 100, "is_late": True}, Action.ALERT, "late night", "late-night"),
        ({"quality": WORSE, "is_late": True}, Action.ALERT, "late night", "late-night"),
        ({"is_late": True}, Action.NONE, "no drift", "nothing"),
        # What a refused candidate has learned from is not new.
        ({"new_labelled_days": 60}, Action.NONE, "no drift", "nothing"),
        # One night's alarm is not enough, even on two groups at once; that of another group never is.
        ({"drift": drift("state")}, Action.ALERT, "alarm on 1 of the 3 newest nights", "drift"),
        ({"drift": drift("state", "schedule")}, Action.ALERT, "schedule_1", "drift"),
        ({"drift": drift("weather")}, Action.ALERT, "asks for no challenger", "drift"),
    ],
)
def test_a_night_by_itself(change: dict[str, object], action: Action, words: str, section: str) -> None:
    decision = decide(report(**change), [], RULES)
    assert decision.action == action
    assert words in "; ".join(decision.reasons)
    assert f"operations/runbook.md#{section}" in [evidence.runbook for evidence in decision.evidence]
    assert decision.retrain == (action == Action.CHALLENGE)
    assert decision.roll_back_to == (2 if action == Action.ROLL_BACK else None)
    assert (decision.night, decision.champion_version) == (TONIGHT, 3)


def test_new_labelled_days_ask_by_themselves() -> None:
    decision = decide(report(new_labelled_days=30, days_since_candidate=29), [], ruled(every_days=365))
    assert [(evidence.rule, evidence.action) for evidence in decision.evidence] == [("new labelled days", Action.CHALLENGE)]
    assert "29 that no candidate" in decision.reasons[0]


@pytest.mark.parametrize(
    ("nights_before", "tonight", "action"),
    [
        ([1], "state", Action.CHALLENGE),  # two of three, tonight among them
        ([2], "state", Action.CHALLENGE),  # the night between need not alarm
        ([1, 2], "state", Action.CHALLENGE),  # more than are needed
        ([3], "state", Action.ALERT),  # too long ago
        ([1, 2], "", Action.NONE),  # not tonight: it has passed
        ([1, 2], "weather", Action.ALERT),  # another group does not confirm
        ([0], "state", Action.ALERT),  # the night itself, watched before, is no second one
        ([-1], "state", Action.ALERT),  # a later night is none before it
        ([1, 1], "state", Action.CHALLENGE),  # told twice it counts once
    ],
)
def test_drift_asks_when_it_stays(nights_before: list[int], tonight: str, action: Action) -> None:
    nights = [TONIGHT - timedelta(days=days) for days in nights_before]
    earlier = [report(night, drift=drift("state", night=night)) for night in nights]
    assert decide(report(drift=drift(tonight)), earlier, RULES).action == action


@pytest.mark.parametrize(
    "before",
    [
        report(TONIGHT - timedelta(days=1)),  # tested, and calm
        report(TONIGHT - timedelta(days=1), drift=drift("weather", night=TONIGHT - timedelta(days=1))),  # another group
        report(TONIGHT - timedelta(days=1), drift=None),  # too few days to test
    ],
)
def test_a_night_before_without_an_alarm_confirms_nothing(before: NightReport) -> None:
    assert decide(report(drift=drift("state")), [before], RULES).action == Action.ALERT


def test_of_an_alert_no_cool_down_is_told() -> None:
    """It tells why a challenger is not trained: none was asked for."""
    decision = decide(report(drift=drift("weather"), days_since_candidate=1), [], RULES)
    assert [evidence.rule for evidence in decision.evidence] == ["drift"]


def test_a_night_told_twice_is_no_third_alarm() -> None:
    assert decide(report(drift=drift("state")), ALARM * 2, ruled(alarms_needed=3)).action == Action.ALERT


def test_where_a_person_rolls_back_it_alerts() -> None:
    decision = decide(report(quality=WORSE), [], ruled(rolls_back=False))
    assert (decision.action, decision.roll_back_to) == (Action.ALERT, None)
    assert "a person rolls back here" in decision.reasons[0]


def test_a_problem_alerts_with_its_page() -> None:
    problem = Problem(name="volume", told="volume: 3 predictions on 2013-10-14, usually 900", runbook="operations/runbook.md#volume")
    decision = decide(report(problems=[problem]), [], RULES)
    assert decision.action == Action.ALERT
    assert [(evidence.rule, evidence.told, evidence.runbook) for evidence in decision.evidence] == [
        (problem.name, problem.told, problem.runbook)
    ]
    # And takes nothing away from what else there is to do.
    assert decide(report(problems=[problem], age_days=60), [], RULES).action == Action.CHALLENGE


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({}, "run-7 retrains for the night 2013-10-13 since 2013-10-14 18:00 UTC"),
        ({"ended_at": datetime(2013, 10, 14, 20, tzinfo=UTC), "outcome": "version 4, HOLD"}, "by run-7, version 4, HOLD"),
    ],
)
def test_a_retraining_in_the_way_makes_an_alert_of_a_challenge(ended: dict[str, object], words: str) -> None:
    taken = datetime(2013, 10, 14, 18, tzinfo=UTC)
    lease = Lease(night=date(2013, 10, 13), holder="run-7", taken_at=taken, expires_at=taken + timedelta(hours=6))
    asked = decide(report(age_days=60), [], RULES)
    decision = held_back(asked, lease.model_copy(update=ended))
    assert (decision.action, decision.retrain) == (Action.ALERT, False)
    assert decision.evidence[:-1] == asked.evidence
    assert words in decision.reasons[-1]
    assert decision.evidence[-1].runbook == "operations/runbook.md#retraining-under-way"


@given(
    age=st.integers(0, 400),
    since=st.integers(0, 400),
    new=st.integers(0, 400),
    drifted=st.sets(st.sampled_from(["schedule", "state", "weather", "label"])),
    before=st.lists(st.integers(1, 5), max_size=4),
    worse=st.sampled_from([None, 0.0, 0.02]),
    decay=st.floats(-0.1, 0.2),
    is_late=st.booleans(),
)
def test_whatever_is_found(
    age: int, since: int, new: int, drifted: set[str], before: list[int], worse: float | None, decay: float, is_late: bool
) -> None:
    found = quality(even(decay), None if worse is None else even(worse))
    earlier = [report(TONIGHT - timedelta(days=days), drift=drift("state")) for days in before]
    seen = report(age_days=age, days_since_candidate=since, new_labelled_days=new, drift=drift(*drifted), quality=found, is_late=is_late)
    decision = decide(seen, earlier, RULES)
    asked = {evidence.action for evidence in decision.evidence}
    assert decision.evidence
    assert decision.action in asked  # some rule says why
    assert decision.retrain == (decision.action == Action.CHALLENGE)
    assert not (decision.retrain and (is_late or since < TRIGGER.cool_down_days))
    assert (decision.roll_back_to is not None) == (decision.action == Action.ROLL_BACK)
    assert (decision.action == Action.NONE) == (asked == {Action.NONE})
    assert decide(seen, list(reversed(earlier)), RULES) == decision
