"""Override: a person lets a batch pass that validation stops, by name and with a reason."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.data import Override
from tasks.validation import task as validating


@workflow
def override(rule: str, by: str, reason: str, day: str = "") -> Override:
    """Record that a batch may pass; the next run turns that STOP into a WARN which names the person.

    Args:
        rule: Name of the rule that stops it, as the finding has it, such as "volume of orders".
        by: Who answers for it.
        reason: Why the batch may pass.
        day: The day that is let pass, such as 2024-07-04; empty for wherever the rule stops.
    """
    return validating.record_override(rule=rule, day=day, by=by, reason=reason)
