"""Records of the audit trail: who decided what, when, on which evidence; each row bound to the one before by its hash."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Record


class Act(StrEnum):
    """What is recorded."""

    DECISION = "decision"
    APPROVAL = "approval"
    OVERRIDE = "override"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ROUTING = "routing"
    KEY = "key"


class AuditEntry(Record):
    """One row of the trail."""

    number: int = Field(ge=1, description="From 1, without gaps")
    at: datetime
    act: Act
    by: str = Field(description="A person's name, or the task that acted")
    subject: str = Field(description="What it is about: model and version, or rule and day")
    reason: str
    evidence: str = Field(description="JSON of the record that it rests on")
    previous: str = Field(description="Hash of the row before; of the first, 64 zeros")
    hash: str = Field(description="sha256 over all of the above")


class Approval(Record):
    """A person approves one version on the evidence of one dossier, for a limited time."""

    model: str
    version: int
    by: str
    reason: str
    at: datetime
    expires_at: datetime
    dossier_digest: str


class ChampionChange(Record):
    """Who is champion from a promotion or a rollback on, and who was until then."""

    model: str
    version: int
    before: int | None = Field(description="The champion until then")
    package_digest: str
    decision: int | None = Field(None, description="Number of the row with the decision that it rests on; None for a rollback")
    approval: int | None = Field(None, description="Number of the row with a person's approval, if one was needed")


class AuditReport(Record):
    """Whether the trail is whole, and where it breaks."""

    rows: int
    is_whole: bool
    broken_at: int | None = Field(description="Number of the first row that does not fit")
    problem: str = Field(description="What is wrong there; empty if whole")
    newest: list[AuditEntry]

    def __repr__(self) -> str:
        """Return the verdict and the newest rows."""
        verdict = "whole" if self.is_whole else f"BROKEN at row {self.broken_at}: {self.problem}"
        lines = [f"  {e.number:>5}  {e.at:%Y-%m-%d %H:%M}  {e.act.value:<10}{e.subject}  by {e.by}: {e.reason}" for e in self.newest]
        return "\n".join(["", f"  audit trail of {self.rows:,} rows: {verdict}", *lines])

    __str__ = __repr__
