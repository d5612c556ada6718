"""Who becomes champion: decisions, approvals, promotions and rollbacks, each a row of the audit trail.

A row is written first, the aliases are moved next, and the version keeps the row's hash last. So a kill between leaves an act
that is there and not done: the same call finishes it, unless a later act has come. What a row needs is looked up in the
trail as it is when the row is written: of two who promote at once, the second one sees the first.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tasks.artifacts.audit import Act, Approval, AuditEntry, AuditReport, ChampionChange
from tasks.artifacts.evaluation import Decision, Verdict
from tasks.artifacts.registry import RegisteredModel
from tasks.errors import BundleError, PromotionRefused
from tasks.lake import audit
from tasks.lake.audit import Draft
from tasks.model import bundle
from tasks.model.fetch import fetch
from tasks.registry import evidence
from tasks.registry.evidence import DIGITS, MOVES, Fault, Trail, newest, subject
from tasks.registry.versions import CHAMPION, DOSSIER, DOSSIER_URI, Registry

log = logging.getLogger(__name__)


class Review(NamedTuple):
    """What a person is asked to approve."""

    decision: Decision
    dossier_uri: str
    dossier_digest: str


def dossier_digest(folder: Path) -> str:
    """Return the sha256 sum of a dossier's `dossier.json`, once its folder is known to be unaltered.

    Raises:
        BundleError: If the folder is not sealed, or altered.
    """
    bundle.verify(folder)
    return hashlib.sha256((folder / "dossier.json").read_bytes()).hexdigest()


def record_decision(registry: Registry, lake: str, number: int, decision: Decision, by: str, at: datetime) -> AuditEntry:
    """Record the verdict on a version, unless its newest row says the same.

    Args:
        registry: Where the version is.
        lake: Folder or URI of the lake with the trail.
        number: The version.
        decision: The verdict.
        by: The task that acts.
        at: When (UTC).

    Raises:
        LakeError: If the trail is broken.
        RegistryError: If there is no such version.
    """
    about, said = subject(registry.name, number), decision.model_dump_json()
    wanted = Draft(Act.DECISION, by, about, f"{decision.verdict}: {'; '.join(decision.reasons)}", said, at)
    there: list[AuditEntry] = []

    def draft(trail: Trail) -> Draft | None:
        last = newest(trail, about, Act.DECISION)
        there[:] = [last] if last is not None and last.evidence == said else []
        return None if there else wanted

    row = audit.record(lake, draft, registry.anchors()) or there[0]
    registry.anchor(number, row)
    return row


def review(registry: Registry, lake: str, number: int, by: str, reason: str, dossier: str) -> Review:
    """Return what a person is asked to approve.

    Args:
        registry: Where the version is.
        lake: Folder or URI of the lake with the trail.
        number: The version.
        by: Who answers for it.
        reason: Why it may become champion.
        dossier: At least the first 12 digits of the dossier's sum: whoever gives them has opened it.

    Raises:
        PromotionRefused: If no approval could help: the decision is HOLD, or there is none, or it is out of date; or the person,
            the reason or the dossier is not named.
        LakeError: If the trail is broken.
        RegistryError: If there is no such version.
        BundleError: If the dossier is gone or altered.
    """
    trail = audit.read(lake, registry.anchors())
    version, about = registry.version(number), subject(registry.name, number)
    _, decision = evidence.decision(trail, about)
    digest = version.tags.get(DOSSIER, "")
    faults = [
        Fault(f"--{name} is empty", 'give --by "your name" and --reason "why it may become champion"')
        for name, value in (("by", by), ("reason", reason))
        if not value.strip()
    ]
    if not digest or len(dossier) < DIGITS or not digest.startswith(dossier):
        given = repr(dossier) if dossier else "nothing"
        faults.append(
            Fault(f"--dossier is {given}, not its dossier's", f"read {version.tags.get(DOSSIER_URI, 'its dossier')}, which has its sum")
        )
    if newest(trail, about, Act.PROMOTION) is not None:
        faults.append(Fault("it was champion before", f"bring it back: `make rollback TO={number}`"))
    faults += evidence.faults(decision, number, version.tags["candidate_digest"], _champion(registry, trail))
    evidence.refuse(about, faults)
    if dossier_digest(fetch(version.tags[DOSSIER_URI])) != digest:
        raise BundleError(f"the dossier of {about} must have the sum {digest[:DIGITS]}", "another", "bring the folder back from a backup")
    return Review(decision, version.tags[DOSSIER_URI], digest)


def approve(registry: Registry, lake: str, number: int, by: str, reason: str, dossier: str, at: datetime, hours: float) -> Approval:
    """Record that a person approves a version, on the evidence of its dossier, for some hours.

    Everything is looked at again: between the question and the answer days may pass.

    Args:
        registry: Where the version is.
        lake: Folder or URI of the lake with the trail.
        number: The version.
        by: Who answers for it.
        reason: Why it may become champion.
        dossier: At least the first 12 digits of the dossier's sum.
        at: When (UTC).
        hours: How long the approval holds.

    Raises:
        PromotionRefused, LakeError, RegistryError, BundleError: As `review`.
    """
    asked = review(registry, lake, number, by, reason, dossier)
    given = Approval(
        model=registry.name,
        version=number,
        by=by.strip(),
        reason=reason.strip(),
        at=at,
        expires_at=at + timedelta(hours=hours),
        dossier_digest=asked.dossier_digest,
    )
    about, said = subject(registry.name, number), given.model_dump_json()
    row = audit.append(lake, Act.APPROVAL, given.by, about, given.reason, said, at, registry.anchors())
    registry.anchor(number, row)
    return given


def promote(registry: Registry, lake: str, number: int, by: str, at: datetime) -> RegisteredModel:
    """Make a version champion: on a decision of PROMOTE, or one of REVIEW with a valid approval. Only once.

    A version that was champion stays where it is, so that a run done again does not undo a rollback by a person.

    Args:
        registry: Where the version is.
        lake: Folder or URI of the lake with the trail.
        number: The version.
        by: The task that acts.
        at: When (UTC).

    Raises:
        PromotionRefused: If the decision does not allow it, is out of date, or lacks an approval.
        BundleError: If its package or Bento is gone or altered.
        LakeError: If the trail is broken.
        RegistryError: If there is no such version.
    """
    digest, about = registry.require_whole(number), subject(registry.name, number)
    there: list[AuditEntry] = []

    def draft(trail: Trail) -> Draft | None:
        promoted = newest(trail, about, Act.PROMOTION)
        there[:] = [] if promoted is None else [promoted]
        if there or _champion(registry, trail) == number:
            log.info("%s was promoted before: nothing to do", about)
            return None
        change, reason = _permit(registry, trail, number, digest, at)
        return Draft(Act.PROMOTION, by, about, reason, change.model_dump_json(), at)

    for row in filter(None, [audit.record(lake, draft, registry.anchors()), *there]):
        _carry_out(registry, lake, row)
    return registry.registered(number)


def roll_back(registry: Registry, lake: str, number: int, by: str, reason: str, at: datetime) -> RegisteredModel:
    """Make a registered version champion again, and the champion until now `previous`.

    Any version whose package is whole will do, also one from before there was a trail; but one that was held back and never
    was champion is no earlier champion, and a rollback no way around the gate.

    Args:
        registry: Where the version is.
        lake: Folder or URI of the lake with the trail.
        number: The version.
        by: Who answers for it.
        reason: Why.
        at: When (UTC).

    Raises:
        PromotionRefused: If nobody or no reason is named, or the version was held back.
        BundleError: If its package or Bento is gone or altered.
        LakeError: If the trail is broken.
        RegistryError: If there is no such version.
    """
    if not by.strip() or not reason.strip():
        raise PromotionRefused(
            "a rollback must say who and why", f"--by {by!r}, --reason {reason!r}", 'give --by "your name" and --reason "why"'
        )
    digest, about = registry.require_whole(number), subject(registry.name, number)
    there: list[AuditEntry] = []

    def draft(trail: Trail) -> Draft | None:
        there.clear()
        champion, last = _champion(registry, trail), newest(trail, None, *MOVES)
        by_trail = champion if last is None else _made(last)
        if champion == number == by_trail:
            there.extend([] if last is None else [last])
            log.info("%s is champion already", about)
            return None
        evidence.refuse(about, evidence.held_back(trail, about))
        # An alias moved by hand may name the version already: then the champion until now is the trail's.
        before = by_trail if champion == number else champion
        change = ChampionChange(model=registry.name, version=number, before=before, package_digest=digest)
        return Draft(Act.ROLLBACK, by.strip(), about, reason.strip(), change.model_dump_json(), at)

    for row in filter(None, [audit.record(lake, draft, registry.anchors()), *there]):
        _carry_out(registry, lake, row)
    return registry.registered(number)


def inspect(registry: Registry, lake: str) -> AuditReport:
    """Verify the trail, and hold it to the registry: rows that versions name must be there, and the champion must be by an act.

    Raises:
        LakeError: If the table is damaged.
        RegistryError: If the registry is out of reach.
    """
    before = registry.version_of(CHAMPION)
    report, trail = audit.examine(lake, registry.anchors())
    if not report.is_whole:
        return report
    champion, last = registry.version_of(CHAMPION), newest(trail, None, *MOVES)
    if last is None:  # a champion from before there was a trail
        return report
    made = _made(last)
    if made in (before, champion):  # an act may be carried out between the looks
        return report
    found = f"makes version {made} champion, while the registry has {'none' if champion is None else f'version {champion}'}: "
    is_pending = registry.is_pending(made, last)
    cause = "the act is not finished: if no run is at it, run it again" if is_pending else "an alias was moved by hand"
    return report.model_copy(update={"is_whole": False, "broken_at": last.number, "problem": found + cause})


def _permit(registry: Registry, trail: Trail, number: int, digest: str, at: datetime) -> tuple[ChampionChange, str]:
    """Return the change that a decision allows, and why.

    Raises:
        PromotionRefused: With everything that stands against it.
    """
    about, tags, champion = subject(registry.name, number), registry.version(number).tags, _champion(registry, trail)
    row, decision = evidence.decision(trail, about)
    faults, approval = evidence.faults(decision, number, tags["candidate_digest"], champion), None
    reason = f"decision {decision.verdict} of row {row.number}"
    if decision.verdict == Verdict.REVIEW:
        found = evidence.approval(trail, row, registry.name, number, tags.get(DOSSIER, ""), at)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            approval, reason = found, f"{reason}, approved by {found.by} in row {found.number}: {found.reason}"
    evidence.refuse(about, faults)
    change = ChampionChange(
        model=registry.name,
        version=number,
        before=champion,
        package_digest=digest,
        decision=row.number,
        approval=None if approval is None else approval.number,
    )
    return change, reason


def _carry_out(registry: Registry, lake: str, row: AuditEntry) -> None:
    """Do what a row says, unless it is done or a later act has taken its place; the version keeps its hash last."""
    change = ChampionChange.model_validate_json(row.evidence)
    if not registry.is_pending(change.version, row):
        return
    if newest(audit.read(lake, registry.anchors()), None, *MOVES) == row:
        registry.make_champion(change.version, change.before)
    registry.anchor(change.version, row)


def _champion(registry: Registry, trail: Trail) -> int | None:
    """Return the champion: by the newest act if that is still to be done, else by the alias."""
    last = newest(trail, None, *MOVES)
    if last is not None and registry.is_pending(_made(last), last):
        return _made(last)
    return registry.version_of(CHAMPION)


def _made(row: AuditEntry) -> int:
    """Return the version that a promotion or a rollback makes champion."""
    return ChampionChange.model_validate_json(row.evidence).version
