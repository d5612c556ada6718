"""What the audit trail says of a version: its decision, what stands against it, and whether a person's approval holds.

Pure functions of the trail's rows; nothing here reads the lake or the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tasks.artifacts.audit import Act, Approval, AuditEntry
from tasks.artifacts.evaluation import Decision, Verdict
from tasks.errors import PromotionRefused

DIGITS = 12
"""Of a dossier's sum, that a person must give: as many as reports show."""
MOVES = (Act.PROMOTION, Act.ROLLBACK)
"""Acts that make a champion."""

_NEW = "train a new candidate (`make retrain`): it is judged against the champion of its time"
_AGAIN = "do the run of this candidate again, which judges it against the champion of now, or train a new one (`make retrain`)"
_TOLD = 3  # approvals that do not hold, newest first

Trail = Sequence[AuditEntry]


class Fault(NamedTuple):
    """Why a version may not become champion, and what to do about it."""

    found: str
    mend: str


def subject(name: str, number: int) -> str:
    """Return how the trail names a version of a model."""
    return f"{name} version {number}"


def newest(trail: Trail, about: str | None, *acts: Act) -> AuditEntry | None:
    """Return the newest row of some acts, on one subject or (None) any; None if there is none."""
    return next((row for row in reversed(trail) if row.act in acts and about in (None, row.subject)), None)


def decision(trail: Trail, about: str) -> tuple[AuditEntry, Decision]:
    """Return the newest decision on a version, with its row.

    Raises:
        PromotionRefused: If there is none.
    """
    row = newest(trail, about, Act.DECISION)
    if row is None:
        raise PromotionRefused(f"{about} must have a decision in the audit trail", "none", _NEW)
    return row, Decision.model_validate_json(row.evidence)


def faults(decision: Decision, number: int, candidate_digest: str, champion: int | None) -> list[Fault]:
    """Return what stands against a version that no approval could help.

    Args:
        decision: The newest verdict on it.
        number: The version.
        candidate_digest: Of the model that it holds.
        champion: The version that is champion now, or None.
    """
    found = _unfit(decision, candidate_digest)
    if champion not in (decision.incumbent_version, number):
        now, then = ("none" if version is None else f"version {version}" for version in (champion, decision.incumbent_version))
        found.append(Fault(f"a decision from before the champion changed: it compared with {then}, the champion is {now}", _AGAIN))
    return found


def held_back(trail: Trail, about: str) -> list[Fault]:
    """Return what stands against a rollback to a version: that it was held back, and never was champion."""
    row = newest(trail, about, Act.DECISION)
    if row is None or newest(trail, about, *MOVES) is not None:
        return []
    return _hard(Decision.model_validate_json(row.evidence))


def untried(trail: Trail, name: str, number: int, candidate_digest: str, dossier_digest: str, at: datetime) -> tuple[list[Fault], bool]:
    """Return what stands against a version that is to answer anybody at all, as canary.

    It needs what a champion needs, but that the champion may have changed since: a decision on what it holds, no limit that nobody
    can approve, and an approval if the decision is REVIEW. One that was champion has had all that.

    Args:
        trail: All rows.
        name: The model.
        number: The version.
        candidate_digest: Of the model that it holds.
        dossier_digest: The sum of its dossier as it is now.
        at: When an approval must hold (UTC).

    Returns:
        The faults, and whether an approval is all that is missing.
    """
    about = subject(name, number)
    if newest(trail, about, *MOVES) is not None:
        return [], False
    row = newest(trail, about, Act.DECISION)
    if row is None:
        return [Fault("no decision in the audit trail", _NEW)], False
    decision = Decision.model_validate_json(row.evidence)
    found = _unfit(decision, candidate_digest)
    if found or decision.verdict == Verdict.PROMOTE:
        return found, False
    held = approval(trail, row, name, number, dossier_digest, at)
    return ([held], True) if isinstance(held, Fault) else ([], False)


def _unfit(decision: Decision, candidate_digest: str) -> list[Fault]:
    found = _hard(decision)
    if decision.candidate_digest != candidate_digest:
        found.append(Fault("a decision on another candidate", _NEW))
    return found


def _hard(decision: Decision) -> list[Fault]:
    """Return the limits that a decision found broken, and that nobody can approve."""
    hard = [c.reason for c in decision.criteria if not c.holds and c.decides == Verdict.HOLD]
    if decision.verdict != Verdict.HOLD and not hard:
        return []
    return [Fault(f"{Verdict.HOLD}: {'; '.join(hard or decision.reasons)}", _NEW)]


def approval(trail: Trail, decided: AuditEntry, name: str, number: int, dossier_digest: str, at: datetime) -> AuditEntry | Fault:
    """Return the row of the newest approval that holds, or why none does.

    It must be for this model, version and dossier, from after the newest decision, and not expired.

    Args:
        trail: All rows.
        decided: The row of the newest decision.
        name: The model.
        number: The version.
        dossier_digest: The sum of the version's dossier as it is now.
        at: When it must hold (UTC).
    """
    told = []
    for row in reversed([row for row in trail if row.act == Act.APPROVAL and row.subject == decided.subject]):
        given = Approval.model_validate_json(row.evidence)
        if row.number < decided.number:
            told.append(f"that of row {row.number} is from before the newest decision")
        elif (given.model, given.version) != (name, number):
            told.append(f"that of row {row.number} is for {subject(given.model, given.version)}")
        elif given.dossier_digest != dossier_digest:
            told.append(f"that of row {row.number} is for another dossier, {given.dossier_digest[:DIGITS]}")
        elif given.expires_at <= at:
            told.append(f"that of row {row.number} expired at {given.expires_at:%Y-%m-%d %H:%M} UTC")
        else:
            return row
    found = f"{Verdict.REVIEW} without a valid approval"
    command = f'make approve VERSION={number} BY="your name" REASON="why" DOSSIER="the first {DIGITS} digits of its sum"'
    return Fault(f"{found}: {'; '.join(told[:_TOLD])}" if told else found, f"read the dossier, then `{command}`")


def refuse(about: str, found: Sequence[Fault]) -> None:
    """Raise if anything stands against a version.

    Raises:
        PromotionRefused: With all of it, and what to do.
    """
    if found:
        mends = "; ".join(dict.fromkeys(fault.mend for fault in found))
        raise PromotionRefused(f"{about} must be fit to be champion", "; ".join(fault.found for fault in found), mends)
