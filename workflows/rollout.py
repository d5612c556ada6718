"""Rollout: a registered version is let in step by step: shadow, canary, full; or what is tried is sent back."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.serving import Mode, Routing
from tasks.registry import task as registry
from tasks.serving import task as serving


@workflow
def rollout(mode: Mode, model_version: int = 0, share: float = 0.0, by: str = "", reason: str = "by hand") -> Routing:
    """Take one step: shadow (scores what others answer), canary (answers a share), full (answers all), or abort (drops both).

    Only the registry's champion may answer all, and a canary needs a decision that lets it (for REVIEW with an approval): there is no
    way around the gate.

    Args:
        mode: The step: shadow, canary, full or abort.
        model_version: The registered version; an abort needs none.
        share: Of the entities that a canary answers, such as 0.1; a larger share keeps who was there. Other steps take none.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why, for the audit trail.
    """
    found = registry.deployable(model_version=model_version, mode=mode, share=share)
    return serving.roll_out(deployable=found, mode=mode, share=share, by=by, reason=reason)
