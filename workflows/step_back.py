"""Step back: a rollback as the monitor calls it, ending in one line that its conditional can return."""

from __future__ import annotations

from flytekit import workflow

from tasks.retraining.task import stepped_back
from workflows.rollback import rollback

BY = "tasks.retraining.task.trigger"
"""Who answers for it in the audit trail."""


@workflow
def step_back(to: int, reason: str) -> str:
    """Make the version before champion again, in the registry and in what is served.

    Args:
        to: The version.
        reason: Why, for the audit trail.
    """
    return stepped_back(registered=rollback(to=to, by=BY, reason=reason), reason=reason)
