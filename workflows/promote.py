"""Promote: a version becomes champion, by the decision on it or by a person's approval."""

from __future__ import annotations

from flytekit import approve, workflow

from tasks.artifacts.evaluation import Decision
from tasks.artifacts.registry import RegisteredModel
from tasks.registry import task as registry


@workflow
def settle(registered: RegisteredModel, decision: Decision) -> RegisteredModel:
    """Make a version champion if the decision on it is PROMOTE, else leave it as challenger. What `retrain` ends with.

    The decision is looked at within the task: of a conditional within a conditional, as in a night's challenge, flytekit runs
    the first branch whatever it says when it runs locally.

    Args:
        registered: The version.
        decision: The verdict on it.
    """
    return registry.settle(registered=registered, decision=decision)


@workflow
def promote(model_version: int) -> RegisteredModel:
    """Make a version champion: one whose decision is PROMOTE, or is REVIEW and was approved. Once; a rollback is not undone.

    Args:
        model_version: The registered version.
    """
    return registry.promote(model_version=model_version)


@workflow
def review(model_version: int, by: str, reason: str, dossier: str) -> RegisteredModel:
    """Ask a person to approve a version, on a terminal or in Flyte's console; then record the approval, and promote.

    Args:
        model_version: The registered version.
        by: Who answers for it.
        reason: Why it may become champion.
        dossier: At least the first 12 digits of the sha256 sum of its dossier.json: the evidence that was read.
    """
    presented = registry.present(model_version=model_version, by=by, reason=reason, dossier=dossier)
    approved = approve(presented, "approval", timeout=registry.APPROVAL_TIME)
    recorded = registry.record_approval(presented=approved, model_version=model_version, by=by, reason=reason, dossier=dossier)
    return registry.promote(model_version=recorded.version)
