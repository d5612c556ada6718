"""Acting on nights: decide each, record all, and claim the retraining that is asked for.

The rules are those of `tasks.evidence.trigger`. The claim comes before the record, so that what is recorded as a challenge is one;
a run that is killed between the two leaves a claim that expires, and does all of it again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime

from tasks.artifacts.monitoring import MonitoringRules, NightReport
from tasks.artifacts.retraining import Action, Lease, TriggerDecision
from tasks.errors import EvaluationError, TrainingError
from tasks.evidence import trigger
from tasks.lake import leases, nights

log = logging.getLogger(__name__)


def settle(lake: str, reports: Sequence[NightReport], rules: MonitoringRules, run: str, holder: str, now: datetime) -> TriggerDecision:
    """Decide the nights in order, each by what was known before it, and record them.

    Args:
        lake: Folder or URI of the lake.
        reports: The nights that were caught up and tonight, the oldest first.
        rules: All rules of a night.
        run: The execution that decides.
        holder: Who claims the retraining; the same until it ends.
        now: The machine's clock (UTC).

    Returns:
        Tonight's decision. One for a challenger has the claim; without it, it is an alert that says who has.

    Raises:
        EvaluationError: If there is no night.
        ClockError: If a later night is recorded.
        LakeError: If a table is damaged, or stays in conflict with other writers.
        StorageError: If the lake cannot be written.
    """
    if not reports:
        raise EvaluationError("there must be a night to decide on", "none", "give the reports of `watch`, tonight's last")
    # As far as the rules look back, and what a second run of the same nights finds of itself.
    earlier = [record.report for record in nights.read(lake, rules.trigger.alarms_of + len(reports))]
    decisions: list[TriggerDecision] = []
    for report in reports:
        decisions.append(trigger.decide(report, earlier, rules))
        earlier.append(report)
    if decisions[-1].retrain:
        lease, is_taken = leases.take(lake, decisions[-1].night, holder, now, rules.trigger.lease_hours)
        if not is_taken:
            decisions[-1] = trigger.held_back(decisions[-1], lease)
    try:
        nights.record(lake, reports, decisions, run, now)
    except Exception:
        if decisions[-1].retrain:  # what is not recorded does not happen
            leases.end(lake, holder, f"{leases.FAILED}: the night could not be recorded", now)
        raise
    return decisions[-1]


def begin(lake: str, night: date, holder: str, now: datetime, hours: float) -> Lease:
    """Return the claim that a retraining runs under: the one that was taken for it, or a new one.

    Args:
        lake: Folder or URI of the lake.
        night: The night that it is for.
        holder: Who claims it.
        now: The machine's clock (UTC).
        hours: After these it blocks no other.

    Raises:
        TrainingError: If another is under way, or the night has had its challenger.
        LakeError: If the table is damaged, or stays in conflict with other writers.
        StorageError: If the lake cannot be written.
    """
    lease, is_taken = leases.take(lake, night, holder, now, hours)
    if is_taken:
        return lease
    if lease.ended_at is None:
        found = f"that of {lease.holder} for {lease.night}, since {lease.taken_at:%Y-%m-%d %H:%M} UTC"
        mend = f"wait for its end, or until {lease.expires_at:%Y-%m-%d %H:%M} UTC, when it blocks no other"
    else:
        found = f"one for {lease.night} that has ended: {lease.outcome}"
        mend = "wait for the next night; `make retrain` trains another at once"
    raise TrainingError("a retraining must be the only one at a time, and of its night", found, mend)


def finish(lake: str, holder: str, outcome: str, now: datetime) -> str:
    """End a retraining, and return its outcome.

    Args:
        lake: Folder or URI of the lake.
        holder: Who had claimed it.
        outcome: What came of it.
        now: The machine's clock (UTC).
    """
    if leases.end(lake, holder, outcome, now) is None:
        log.warning("%s holds no retraining any more: it took longer than it may, or has ended before", holder)
    return outcome


def told(decision: TriggerDecision) -> str:
    """Return a decision in a line, with the pages of the runbook that an alert leads to."""
    pages = "" if decision.action == Action.NONE else f" (docs/{', docs/'.join(dict.fromkeys(_pages(decision)))})"
    return f"{decision.action.value} for champion {decision.champion_version}: {'; '.join(decision.reasons)}{pages}"


def _pages(decision: TriggerDecision) -> list[str]:
    return [evidence.runbook for evidence in decision.evidence if evidence.action != Action.NONE]
