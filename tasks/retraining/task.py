"""Retraining: what the nights' evidence asks for, and who carries it out."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit.types.error.error import FlyteError

from tasks import local
from tasks.artifacts.monitoring import NightReport
from tasks.artifacts.registry import RegisteredModel, RunSummary
from tasks.artifacts.retraining import TriggerDecision
from tasks.artifacts.settings import TrainingConfig
from tasks.execution import LIGHT, lake_uri, publish, stage
from tasks.usecase import policy


class Wanted(NamedTuple):
    """What the workflow's conditional asks, and what its branches need."""

    challenge: bool
    roll_back: bool
    to: int
    reason: str
    lease: str


class Begun(NamedTuple):
    """A retraining that may run: the clock it runs with, and the name of its claim."""

    as_of: datetime
    lease: str


class Due(NamedTuple):
    """Whether a retraining that is due may run, by which claim, and what it says."""

    is_free: bool
    lease: str
    told: str


@stage(cached=False, resources=LIGHT)
def trigger(reports: list[NightReport]) -> TriggerDecision:
    """Decide what each night asks for and record it; for a challenger of tonight, claim the retraining.

    Args:
        reports: The nights that were caught up and tonight, the oldest first.
    """
    from tasks.reporting import monitoring as section
    from tasks.retraining import act

    decision = act.settle(lake_uri(), reports, policy.MONITORING, local.run(), _holder(), _now())
    publish("trigger", section.decision(decision))
    return decision


@stage(cached=False, resources=LIGHT)
def asks_for(decision: TriggerDecision) -> Wanted:
    """Tell the workflow's conditional what to do, and the operator why.

    Args:
        decision: The trigger's decision.
    """
    import logging

    from tasks.retraining import act

    logging.getLogger("tasks.retraining").info("%s", act.told(decision))
    to = decision.roll_back_to
    return Wanted(decision.retrain, to is not None, to or 0, "; ".join(decision.reasons), _holder() if decision.retrain else "")


@stage(cached=False, resources=LIGHT)
def stand_by(decision: TriggerDecision) -> str:
    """End a night that neither trains nor rolls back.

    Args:
        decision: The trigger's decision.
    """
    from tasks.retraining import act

    return f"nothing done: {act.told(decision)}"


@stage(cached=False, resources=LIGHT)
def begin(as_of: datetime, lease: str) -> Begun:
    """Let a retraining begin under the claim that was taken for it, or under a new one; refuse where another is under way.

    Args:
        as_of: The clock of the retraining.
        lease: The name of its claim; empty for a new one.
    """
    from tasks.clock import last_labelled_day
    from tasks.retraining import act
    from tasks.usecase import source

    night = last_labelled_day(as_of, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS)
    held = act.begin(lake_uri(), night, lease or _holder(), _now(), policy.MONITORING.trigger.lease_hours)
    return Begun(as_of, held.holder)


@stage(cached=False, resources=LIGHT)
def claim(as_of: datetime) -> Due:
    """Claim a retraining that is due by the calendar, if no other is under way and its night has had none.

    Args:
        as_of: The clock of the retraining.
    """
    from tasks.clock import last_labelled_day
    from tasks.errors import TrainingError
    from tasks.retraining import act
    from tasks.usecase import source

    night = last_labelled_day(as_of, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS)
    try:
        held = act.begin(lake_uri(), night, _holder(), _now(), policy.MONITORING.trigger.lease_hours)
    except TrainingError as refused:
        return Due(False, "", f"nothing done: {refused.found}")
    return Due(True, held.holder, f"for {night}")


@stage(cached=False, resources=LIGHT)
def stand_aside(told: str) -> str:
    """End a retraining that was due and is not needed.

    Args:
        told: Why it is not needed.
    """
    return told


@stage(cached=False, resources=LIGHT)
def challenged(summary: RunSummary, lease: str) -> str:
    """End a retraining, and tell in one line what it gave.

    Args:
        summary: The run of the retraining.
        lease: The name of its claim.
    """
    from tasks.retraining import act

    decision = summary.decision
    told = f"challenger: version {summary.registered.version}, {decision.verdict.value}: {'; '.join(decision.reasons)}"
    return act.finish(lake_uri(), lease, told, _now())


@stage(cached=False, resources=LIGHT)
def failed(as_of: datetime, source: str, config: TrainingConfig, lease: str, err: FlyteError | None = None) -> str:
    """End a retraining that failed, so that its night may try again.

    Args:
        as_of: The clock of the retraining.
        source: Where its raw files are.
        config: Its settings for training.
        lease: The name of its claim; empty if it was launched by hand.
        err: What went wrong, as Flyte tells it.
    """
    return _end_as_failed(lease or _holder(), err)


@stage(cached=False, resources=LIGHT)
def abandoned(as_of: datetime, source: str, config: TrainingConfig, err: FlyteError | None = None) -> str:
    """End the claim of a night or week that failed before its retraining began, so that it may try again.

    Args:
        as_of: Its clock.
        source: Where its raw files are.
        config: Its settings for training.
        err: What went wrong, as Flyte tells it.
    """
    return _end_as_failed(_holder(), err)


@stage(cached=False, resources=LIGHT)
def stepped_back(registered: RegisteredModel, reason: str) -> str:
    """Tell in one line what the rollback gave.

    Args:
        registered: The version that is champion again.
        reason: Why it was brought back.
    """
    return f"rolled back: version {registered.version} is champion again: {reason}"


def _end_as_failed(holder: str, err: FlyteError | None) -> str:
    from tasks.lake.leases import FAILED
    from tasks.retraining import act

    told = err.message.rpartition("Message:")[2].strip() if err is not None else ""  # in a pod's words a trace stands before it
    why = told.split("\n")[0][:300] or "no word of it"
    return act.finish(lake_uri(), holder, f"{FAILED}: {why}", _now())


def _holder() -> str:
    """Return who claims a retraining: an execution's pods are one, and on a laptop a process is."""
    from tasks.lake import leases

    return f"{local.run()} on Flyte" if local.is_pod() else leases.here(local.run())


def _now() -> datetime:
    from datetime import UTC

    return datetime.now(UTC)
