"""Brings what the service did by itself into the audit trail: canaries it sent back, revisions it refused, what administrators asked for.

The service has no lake within reach: it writes these acts to segments of their own. Each is a row of the trail once, known by its
segment and line; a segment is removed when all its rows are there. The pointer moves before its event is written, as what harms goes
first; a worker that is killed between writes none, so that the pointer and its history are compared with the trail too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.audit import Act, AuditEntry
from tasks.artifacts.serving import Routing
from tasks.errors import StorageError
from tasks.lake import audit
from tasks.lake.audit import Draft
from tasks.serving import journal, routing

DAMAGED = "damaged"

_SERVICE = "the service"
_MOVED = ("rolled back", "admin")  # kinds that tell of a new revision
_WORDS = {"rolled back": "rolled back: {}", "refused": "refused a revision: {}", "admin": "{}"}


def record(lake: str, folder: Path, name: str) -> int:
    """Record the service's own acts in the audit trail; again it adds only what came since.

    Args:
        lake: Folder or URI of the lake.
        folder: The folder of the events.
        name: The model.

    Returns:
        How many rows were added.

    Raises:
        LakeError: If the trail is broken or damaged, or stays in conflict with other writers.
        StorageError: If the trail or the folder cannot be written.
    """
    added = 0
    for path in journal.closed(folder):
        try:
            segment = journal.read(path)
        except FileNotFoundError:  # another run was faster, and has recorded it
            continue
        drafts = [_draft(line, f"{path.stem} {number}", name) for number, line in enumerate(segment.lines)]
        for draft in drafts:
            if draft is not None:
                added += _add(lake, draft)
        _settle(folder, path, is_damaged=segment.damaged > 0 or None in drafts)
    return added


def reconcile(lake: str, folder: Path, name: str) -> int:
    """Record the routings that the pointer and its history hold and the audit trail does not; again it adds nothing.

    Args:
        lake: Folder or URI of the lake.
        folder: The service's folder.
        name: The model.

    Returns:
        How many rows were added.

    Raises:
        LakeError: If the trail is broken or damaged, or stays in conflict with other writers.
        ServingError: If the pointer is broken.
        StorageError: If the trail cannot be written, or the pointer not read.
    """
    standing = routing.read(folder)
    held = {made.revision: made for made in [*routing.earlier(folder), *([] if standing is None else [standing])]}

    def draft(trail: Sequence[AuditEntry]) -> Draft | None:
        missing = (held[revision] for revision in sorted(held) if not is_told(trail, name, held[revision]))
        return next((drafted(name, made, made.model_dump_json()) for made in missing), None)

    added = 0
    while held and audit.record(lake, draft) is not None:
        added += 1
    return added


def is_told(trail: Sequence[AuditEntry], name: str, made: Routing) -> bool:
    """Return whether a trail has a row on a routing, whoever wrote it.

    A row that is older is about a pointer that was lost since, or a step that was not done. That a revision was refused is another
    thing than that it was made.
    """
    subject = _subject(name, made.revision)
    rows = [entry for entry in trail if entry.act is Act.ROUTING and entry.subject == subject and entry.at >= _instant(made)]
    return any(_evidence(entry).get("kind") != "refused" for entry in rows)


def drafted(name: str, made: Routing, evidence: str) -> Draft:
    """Return the row on a routing."""
    return Draft(Act.ROUTING, made.by, _subject(name, made.revision), made.reason, evidence, _instant(made))


def _subject(name: str, revision: object) -> str:
    return f"{name} routing {revision}".strip()


def _instant(made: Routing) -> datetime:
    return made.changed_at if made.changed_at.tzinfo else made.changed_at.replace(tzinfo=UTC)  # of a file mended by hand


def _evidence(entry: AuditEntry) -> dict[str, Any]:
    try:
        found = json.loads(entry.evidence)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _draft(line: dict[str, Any], place: str, name: str) -> Draft | None:
    """Return the row of an event; None if it has no form that is known."""
    try:
        kind, at = line["kind"], datetime.fromisoformat(line["at"])
        said = _WORDS[kind].format(line.get("reason") or line.get("act") or kind)
        by = str(line.get("by") or line.get("key") or _SERVICE)
        evidence = json.dumps(line | {"logged": place}, sort_keys=True)
    except (KeyError, TypeError, ValueError):
        return None
    return Draft(Act.ROUTING, by, _subject(name, line.get("revision", "")), said, evidence, at) if at.tzinfo else None


def _add(lake: str, wanted: Draft) -> bool:
    def draft(trail: Sequence[AuditEntry]) -> Draft | None:
        return None if any(_is_same(entry, wanted) for entry in trail) else wanted

    return audit.record(lake, draft) is not None


def _is_same(entry: AuditEntry, wanted: Draft) -> bool:
    """Return whether a row has an event already, or what `reconcile` took from the pointer before the event was there to be read."""
    if entry.evidence == wanted.evidence:
        return True
    if entry.act is not Act.ROUTING or entry.subject != wanted.subject or entry.at > wanted.at:
        return False
    event, held = json.loads(wanted.evidence), _evidence(entry)
    return event["kind"] in _MOVED and "changed_at" in held and held.get("reason") == event.get("reason")


def _settle(folder: Path, path: Path, is_damaged: bool) -> None:
    try:
        if is_damaged:
            (folder / DAMAGED).mkdir(exist_ok=True)
            path.replace(folder / DAMAGED / path.name)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "mend permissions, then run again: nothing counts twice") from error
