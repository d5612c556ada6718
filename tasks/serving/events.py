"""Brings what the service did by itself into the audit trail: canaries it sent back, revisions it refused, what administrators asked for.

The service has no lake within reach: it writes these acts to segments of their own. Each is a row of the trail once, known by its
segment and line; a segment is removed when all its rows are there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.artifacts.audit import Act, AuditEntry
from tasks.errors import StorageError
from tasks.lake import audit
from tasks.lake.audit import Draft
from tasks.serving import journal

DAMAGED = "damaged"

_SERVICE = "the service"
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


def _draft(line: dict[str, Any], place: str, name: str) -> Draft | None:
    """Return the row of an event; None if it has no form that is known."""
    try:
        kind, at = line["kind"], datetime.fromisoformat(line["at"])
        said = _WORDS[kind].format(line.get("reason") or line.get("act") or kind)
        by = str(line.get("by") or line.get("key") or _SERVICE)
        evidence = json.dumps(line | {"logged": place}, sort_keys=True)
    except (KeyError, TypeError, ValueError):
        return None
    return Draft(Act.ROUTING, by, f"{name} routing {line.get('revision', '')}".strip(), said, evidence, at) if at.tzinfo else None


def _add(lake: str, wanted: Draft) -> bool:
    def draft(trail: Sequence[AuditEntry]) -> Draft | None:
        return None if any(entry.evidence == wanted.evidence for entry in trail) else wanted

    return audit.record(lake, draft) is not None


def _settle(folder: Path, path: Path, is_damaged: bool) -> None:
    try:
        if is_damaged:
            (folder / DAMAGED).mkdir(exist_ok=True)
            path.replace(folder / DAMAGED / path.name)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "mend permissions, then run again: nothing counts twice") from error
