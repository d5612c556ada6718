"""Rollback: an earlier version becomes champion again, in one command."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.registry import RegisteredModel
from tasks.registry import task as registry


@workflow
def rollback(to: int, by: str = "", reason: str = "rolled back by hand") -> RegisteredModel:
    """Make a registered version champion again, once its package is known to be whole; what was champion becomes `previous`.

    Args:
        to: The version.
        by: Who answers for it; empty for the name of the operating system's user.
        reason: Why, for the audit trail.
    """
    return registry.roll_back(to=to, by=by, reason=reason)
