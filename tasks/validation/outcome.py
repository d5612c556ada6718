"""What one rule about days has found, before it becomes findings: how it is told, sorted and kept short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.artifacts.data import Finding, Severity

_MOST = 20
"""Findings of one rule that are told one by one: more are an outage, which their number tells better."""

TOO_FEW = "too few days to compare"


@dataclass(frozen=True)
class Event:
    """A day on which a rule warns or stops; without a day it is about all of them."""

    day: date | None
    severity: Severity
    found: str


@dataclass(frozen=True)
class Outcome:
    """All that one rule found; without events it passes and says `sound`."""

    rule: str
    expected: str
    sound: str
    events: Sequence[Event] = ()

    def findings(self) -> list[Finding]:
        """Return one finding an event, or one that passes."""
        if not self.events:
            return [Finding(rule=self.rule, severity=Severity.PASS, expected=self.expected, found=self.sound)]
        return [Finding(rule=self.rule, severity=e.severity, expected=self.expected, found=e.found, day=e.day) for e in self.events]


def shortened(findings: Sequence[Finding]) -> list[Finding]:
    """Keep the worst findings of one rule, the newest first among equals, and tell the number of the others in one more."""
    ranks = list(reversed(Severity))  # STOP, WARN, PASS
    ordered = sorted(findings, key=lambda f: (ranks.index(f.severity), -(f.day or date.max).toordinal()))
    kept, rest = ordered[:_MOST], ordered[_MOST:]
    if not rest:
        return kept
    days = [f.day for f in rest if f.day]
    span = f", {min(days)} to {max(days)}" if days else ""
    return [*kept, rest[0].model_copy(update={"day": None, "found": f"{len(rest)} more{span}"})]


def graded(value: float, warn: float, stop: float) -> Severity:
    """Return STOP or WARN for a value at or above its threshold."""
    return Severity.STOP if value >= stop else Severity.WARN if value >= warn else Severity.PASS


def of_all(severity: Severity, found: str) -> list[Event]:
    """Return the event of a rule about all days together, none if it passes."""
    return [] if severity == Severity.PASS else [Event(None, severity, found)]


def by_day(frame: pl.DataFrame, day: str) -> list[Event]:
    """Join what a rule says of several columns of a day into one event of the worst severity.

    Args:
        frame: A row a day and column, with `is_stop` and `found`.
        day: Name of the column of days.
    """
    joined = frame.sort(day, "is_stop", "found", descending=[False, True, False]).group_by(day, maintain_order=True)
    told = joined.agg(pl.col("is_stop").any(), pl.col("found").str.join("; "))
    return [Event(d, Severity.STOP if stop else Severity.WARN, found) for d, stop, found in told.iter_rows()]
