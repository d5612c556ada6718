"""Making of an override from what a person typed: a rule that exists, a day that is one, a name and a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from tasks.artifacts.data import Finding, Override
from tasks.errors import EvergreenError

_EXAMPLE = "pyflyte run workflows/override.py override"


def make(rule: str, day: str, by: str, reason: str, at: datetime, known: Sequence[str]) -> Override:
    """Return the override.

    Args:
        rule: Name of a rule, as a finding has it.
        day: A date (2024-07-04), or empty for wherever the rule stops.
        by: Who answers for it.
        reason: Why the batch may pass.
        at: The instant (UTC).
        known: Names of all rules.

    Raises:
        EvergreenError: If the rule is unknown, the day is no date, or nobody or nothing is named.
    """
    if rule not in known:
        raise EvergreenError("the rule must be one of " + ", ".join(known), repr(rule), "give --rule as the finding has it")
    for name, value in (("by", by), ("reason", reason)):
        if not value.strip():
            raise EvergreenError(f"an override must say --{name}", "an empty text", 'give --by "your name" and --reason "why it may pass"')
    try:
        on = date.fromisoformat(day) if day else None
    except ValueError as error:
        raise EvergreenError("the day must be a date such as 2024-07-04", repr(day), "give --day so, or leave it out") from error
    return Override(rule=rule, day=on, by=by.strip(), reason=reason.strip(), at=at)


def command(finding: Finding) -> str:
    """Return the command that overrides a finding."""
    day = f" --day {finding.day}" if finding.day else ""
    return f'{_EXAMPLE} --rule "{finding.rule}"{day} --by "your name" --reason "why it may pass"'
