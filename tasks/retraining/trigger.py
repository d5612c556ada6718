"""The trigger: whether the evidence of a night asks for a challenger.

Drift and decay may only ask for one; the gate alone promotes.
"""

from __future__ import annotations

from tasks.artifacts.monitoring import Action, MonitoringReport, TriggerDecision
from tasks.artifacts.settings import MonitoringRules


def decide(report: MonitoringReport, rules: MonitoringRules) -> TriggerDecision:
    """Decide from a monitoring report.

    A challenger is asked for when the champion is old, has decayed for certain, or its inputs drift; within the
    cool-down after any candidate, promoted or not, the same evidence only alerts.

    Args:
        report: The night's report.
        rules: Age, margin and cool-down.
    """
    reasons: list[str] = []
    if report.age_days >= rules.oldest_days:
        reasons.append(f"age: {report.age_days} days since its evaluation, at most {rules.oldest_days} are allowed")
    limit = report.reference_log_loss + rules.decay_margin
    if report.current_log_loss is not None and report.current_log_loss.lower > limit:
        reasons.append(
            f"decay: log-loss {report.current_log_loss} on {report.current}, certainly above {report.reference_log_loss:.4f} "
            f"at its evaluation plus the margin of {rules.decay_margin:g}"
        )
    reasons += [
        f"drift: {group.group} ({group.column} most, p = {group.p_value:.4f}) against {report.reference}"
        for group in report.drift
        if group.is_drifted
    ]
    if not reasons:
        action = Action.NONE
        told = "no drift, no decay" if report.current is not None else "too few labelled days to tell"
        reasons = [f"{told}, {report.age_days} days old"]
    elif report.days_since_candidate < rules.cool_down_days:
        action = Action.ALERT
        reasons.append(f"cool-down: {report.days_since_candidate} days since the newest candidate, fewer than {rules.cool_down_days}")
    else:
        action = Action.CHALLENGE
    return TriggerDecision(action=action, reasons=reasons, champion_version=report.champion_version, retrain=action == Action.CHALLENGE)
