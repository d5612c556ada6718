"""What the trigger decides, on what evidence, and who retrains."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Record


class Action(StrEnum):
    """What a night asks for, the gravest last."""

    NONE = "NONE"
    ALERT = "ALERT"
    CHALLENGE = "CHALLENGE"
    ROLL_BACK = "ROLL BACK"


class Evidence(Record):
    """What one rule says."""

    rule: str = Field(description="schedule, new labelled days, drift, decay, staleness, rollback, cool-down, retraining under way, ...")
    action: Action
    told: str
    runbook: str = Field(description="Page and section below docs/")


class TriggerDecision(Record):
    """What to do, and on what evidence."""

    night: date
    action: Action
    champion_version: int
    evidence: list[Evidence]
    retrain: bool
    roll_back_to: int | None = None

    @property
    def reasons(self) -> list[str]:
        """What the rules say, a line each."""
        return [evidence.told for evidence in self.evidence]


class Lease(Record):
    """Who retrains: at most one at a time."""

    night: date
    holder: str = Field(description="The execution, and where it runs")
    taken_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
