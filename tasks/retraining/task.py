"""Retraining: whether the night's evidence asks for a challenger."""

from __future__ import annotations

from tasks.artifacts.monitoring import MonitoringReport, TriggerDecision
from tasks.artifacts.registry import RunSummary
from tasks.execution import LIGHT, publish, stage


@stage(resources=LIGHT)
def trigger(report: MonitoringReport) -> TriggerDecision:
    """Decide between NONE, ALERT and CHALLENGE, with the evidence.

    Args:
        report: What the newest days look like.
    """
    from tasks.reporting import sections
    from tasks.retraining import trigger as rules
    from tasks.usecase import policy

    decision = rules.decide(report, policy.MONITORING)
    publish("trigger", sections.monitoring(report, decision))
    return decision


@stage(cached=False, resources=LIGHT)
def asks_for_challenger(decision: TriggerDecision) -> bool:
    """Tell the workflow's conditional whether to train a challenger, and the operator why.

    Args:
        decision: The trigger's decision.
    """
    import logging

    log = logging.getLogger("tasks.retraining")
    log.info("%s of champion %d: %s", decision.action.value, decision.champion_version, "; ".join(decision.reasons))
    return decision.retrain


@stage(cached=False, resources=LIGHT)
def stand_by(decision: TriggerDecision) -> str:
    """End a night that asks for no challenger.

    Args:
        decision: The trigger's decision.
    """
    return f"no challenger: {'; '.join(decision.reasons)}"


@stage(cached=False, resources=LIGHT)
def challenged(summary: RunSummary) -> str:
    """Tell in one line what the triggered retraining gave.

    Args:
        summary: The run.
    """
    return f"challenger: version {summary.registered.version}, {summary.decision.verdict.value}: {'; '.join(summary.decision.reasons)}"
