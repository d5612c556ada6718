"""The trigger: what the evidence of a night asks for, by rules that each say what they saw.

A pure function of a night's report and of those before it, so that the backtest replays over history what a night decides.
Evidence may only ask for a challenger; the paired gate of the evaluation alone promotes. Who retrains, and that only one
does, is `tasks.lake.leases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tasks.artifacts.monitoring import Drift, MonitoringRules, NightReport, Quality, TriggerRules
from tasks.artifacts.retraining import Action, Evidence, Lease, TriggerDecision

_GRAVITY = {action: place for place, action in enumerate(Action)}  # the gravest is declared last


def decide(report: NightReport, earlier: Sequence[NightReport], rules: MonitoringRules) -> TriggerDecision:
    """Decide what a night asks for.

    A challenger is asked for when one is due by the schedule, when enough days have been labelled since the newest candidate,
    when the drift of a group that matters is found on some of the newest nights, tonight among them, when the champion has
    decayed for certain, or when it is stale. In the days after a candidate, promoted or not, the same evidence only alerts. A
    champion that is worse than the version before it for certain goes back to that, whenever it is seen: to go back trains nothing.
    A night that is caught up late at most alerts.

    Args:
        report: The night's report.
        earlier: Reports of nights before it, in any order; those that it or a later night gave are left out.
        rules: All rules of a night.

    Returns:
        The decision, with what each rule says that has something to say: the action it asks for by itself.
    """
    trigger = rules.trigger
    found = [
        *_rollback(report.quality, rules),
        *_decay(report.quality, rules.quality.decay_margin),
        *_drift(report, earlier, trigger),
        *_schedule(report, trigger),
        *_new_labels(report, trigger),
        *_staleness(report, trigger),
        *(Evidence(rule=problem.name, action=Action.ALERT, told=problem.told, runbook=problem.runbook) for problem in report.problems),
    ]
    action = _gravest(found)
    if action == Action.CHALLENGE and report.days_since_candidate < trigger.cool_down_days:
        told = f"cool-down: {report.days_since_candidate} days since the newest candidate, fewer than {trigger.cool_down_days}"
        action = Action.ALERT
        found.append(Evidence(rule="cool-down", action=action, told=told, runbook="operations/runbook.md#cool-down"))
    if report.is_late and _GRAVITY[action] > _GRAVITY[Action.ALERT]:
        told = f"late night: caught up for {report.night} at {report.as_of:%Y-%m-%d %H:%M} or after, so nothing is done about it"
        action = Action.ALERT
        found.append(Evidence(rule="late night", action=action, told=told, runbook="operations/runbook.md#late-night"))
    return TriggerDecision(
        night=report.night,
        action=action,
        champion_version=report.champion_version,
        evidence=found or [_nothing(report)],
        retrain=action == Action.CHALLENGE,
        roll_back_to=_previous(report.quality) if action == Action.ROLL_BACK else None,
    )


def held_back(decision: TriggerDecision, lease: Lease) -> TriggerDecision:
    """Return a decision for a challenger as an alert, as another retraining is under way or the night has had its own.

    Args:
        decision: The decision.
        lease: The retraining that is in its way.
    """
    if lease.ended_at is None:
        told = (
            f"retraining under way: {lease.holder} retrains for the night {lease.night} since {lease.taken_at:%Y-%m-%d %H:%M} UTC, "
            f"and until {lease.expires_at:%Y-%m-%d %H:%M} UTC at most"
        )
    else:
        told = f"retraining done: for the night {lease.night} by {lease.holder}, {lease.outcome or 'without a word'}"
    evidence = Evidence(rule="retraining under way", action=Action.ALERT, told=told, runbook="operations/runbook.md#retraining-under-way")
    return decision.model_copy(update={"action": Action.ALERT, "retrain": False, "evidence": [*decision.evidence, evidence]})


def has_alarm(drift: Drift | None, groups: Sequence[str]) -> bool:
    """Return whether one of some groups of columns is called drifted."""
    return drift is not None and any(group.group in groups for group in drift.drifted)


def _drift(report: NightReport, earlier: Sequence[NightReport], rules: TriggerRules) -> list[Evidence]:
    """Say what has drifted: groups that ask for a challenger, if often enough, and the others."""
    if report.drift is None:
        return []
    # By the calendar: an alarm before a gap of missed nights is no confirmation of tonight's.
    oldest = report.night - timedelta(days=rules.alarms_of - 1)
    before = {other.night for other in earlier if oldest <= other.night < report.night and has_alarm(other.drift, rules.drift_groups)}
    found = []
    for group in report.drift.drifted:
        told = f"drift: {group.group} ({group.column}: {group.what}, over {group.days} days; p = {group.p_value:.2g})"
        action = Action.ALERT
        if group.group in rules.drift_groups:
            nights = len(before) + 1
            action = Action.CHALLENGE if nights >= rules.alarms_needed else Action.ALERT
            told += f", alarm on {nights} of the {rules.alarms_of} newest nights, {rules.alarms_needed} ask for a challenger"
        else:
            told += ", a group that asks for no challenger"
        found.append(Evidence(rule="drift", action=action, told=told, runbook="operations/runbook.md#drift"))
    return found


def _decay(quality: Quality | None, margin: float) -> list[Evidence]:
    if quality is None or quality.decay.lower <= margin:
        return []
    told = (
        f"decay: log-loss {quality.log_loss} on {quality.window}, {quality.decay} above the {quality.reference_log_loss:.4f} of its "
        f"evaluation: for certain more than {margin:g}"
    )
    return [Evidence(rule="decay", action=Action.CHALLENGE, told=told, runbook="operations/runbook.md#decay")]


def _rollback(quality: Quality | None, rules: MonitoringRules) -> list[Evidence]:
    """Ask to go back to the version before, if the champion is worse for certain on enough days."""
    limits = rules.quality
    if quality is None or quality.over_previous is None or quality.previous_version is None:
        return []
    if quality.over_previous.lower <= limits.roll_back_margin or len(quality.by_day) < limits.roll_back_days:
        return []
    told = (
        f"rollback: log-loss {quality.over_previous} above that of version {quality.previous_version} on the same {len(quality.by_day)} "
        f"days, for certain more than {limits.roll_back_margin:g}"
    )
    if not rules.trigger.rolls_back:
        told += "; a person rolls back here"
    return [
        Evidence(
            rule="rollback",
            action=Action.ROLL_BACK if rules.trigger.rolls_back else Action.ALERT,
            told=told,
            runbook="operations/runbook.md#roll-back",
        )
    ]


def _schedule(report: NightReport, rules: TriggerRules) -> list[Evidence]:
    if report.days_since_candidate < rules.every_days:
        return []
    told = f"schedule: {report.days_since_candidate} days since the newest candidate, one is due every {rules.every_days}"
    return [Evidence(rule="schedule", action=Action.CHALLENGE, told=told, runbook="operations/runbook.md#schedule")]


def _new_labels(report: NightReport, rules: TriggerRules) -> list[Evidence]:
    # What a refused candidate has learned from is not new: else it would be asked for again after each cool-down.
    new = min(report.new_labelled_days, report.days_since_candidate)
    if new < rules.new_labelled_days:
        return []
    told = f"new labelled days: {new} that no candidate was judged on, {rules.new_labelled_days} are enough to learn from anew"
    return [Evidence(rule="new labelled days", action=Action.CHALLENGE, told=told, runbook="operations/runbook.md#new-labels")]


def _staleness(report: NightReport, rules: TriggerRules) -> list[Evidence]:
    if report.age_days < rules.oldest_days:
        return []
    told = f"staleness: {report.age_days} days since the champion's evaluation, at {rules.oldest_days} it is stale"
    return [Evidence(rule="staleness", action=Action.CHALLENGE, told=told, runbook="operations/runbook.md#age")]


def _nothing(report: NightReport) -> Evidence:
    drift = "too few days to test for drift" if report.drift is None else "no drift"
    decay = "too few labelled days to tell decay" if report.quality is None else "no decay"
    told = f"{drift}, {decay}, {report.age_days} days since the champion's evaluation"
    return Evidence(rule="nothing", action=Action.NONE, told=told, runbook="operations/runbook.md#nothing")


def _previous(quality: Quality | None) -> int | None:
    return None if quality is None else quality.previous_version


def _gravest(found: Sequence[Evidence]) -> Action:
    return max((evidence.action for evidence in found), key=_GRAVITY.__getitem__, default=Action.NONE)
