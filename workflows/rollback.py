"""Rollback: an earlier version becomes champion again, in the registry and in what is served, in one command."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.registry import RegisteredModel
from tasks.artifacts.serving import Mode
from tasks.registry import task as registry
from tasks.serving import task as serving


@workflow
def rollback(to: int, by: str = "", reason: str = "rolled back by hand") -> RegisteredModel:
    """Make a registered version champion again, once its package is known to be whole; what was champion becomes `previous`.

    Where a service routes by a pointer, the version answers all from then on, and canary and shadow are dropped.

    Args:
        to: The version.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why, for the audit trail.
    """
    champion = registry.roll_back(to=to, by=by, reason=reason)
    found = registry.deployable(model_version=champion.version, mode=Mode.FULL, share=0.0)
    return serving.follow(registered=champion, deployable=found, by=by, reason=reason)
