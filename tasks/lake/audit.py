"""The audit trail: an append-only Delta table in the lake, of which each row is bound to the one before by its hash.

What the chain proves: no row was changed, removed, put in between or moved, other than by someone who wrote all rows after it anew.
What it cannot prove by itself: that the last rows were not cut off, or that nobody made a whole new chain. For both there are
`anchors`, hashes of rows that are known from elsewhere: the registry keeps them with the versions that the rows are about. Rows
may be newer than the anchors, so these are taken before the trail is read.

After Haber and Stornetta, "How to time-stamp a digital document" (1991), section 5.1: linking.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from pydantic import ValidationError

from tasks.artifacts.audit import Act, AuditEntry, AuditReport
from tasks.errors import LakeError
from tasks.lake import tables

AUDIT = "audit"
"""Name of the table."""
FIRST = "0" * 64
"""What stands for the hash before the first row."""

_SHOWN = 20  # newest rows of a report: what a person reads at a glance
_SCHEMA = pl.Schema(
    {
        "number": pl.Int64(),
        "at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("act", "by", "subject", "reason", "evidence", "previous", "hash"), pl.String()),
    }
)
_SETTINGS = tables.SETTINGS | {"delta.appendOnly": "true"}  # Delta itself then refuses to overwrite and to delete
_MEND = "find out who changed it (`make audit` shows the rows); bring the folder `audit` of the lake back from a backup"


@dataclass(frozen=True)
class Draft:
    """A row before it has its place.

    Attributes:
        act: What was done.
        by: A person's name, or the task that acted.
        subject: What it is about.
        reason: Why.
        evidence: JSON of the record that it rests on.
        at: When (an instant with its zone).
    """

    act: Act
    by: str
    subject: str
    reason: str
    evidence: str
    at: datetime


def append(
    lake: str, act: Act, by: str, subject: str, reason: str, evidence: str, at: datetime, anchors: Mapping[int, str] | None = None
) -> AuditEntry:
    """Add one row at the end of the trail.

    Args:
        lake: Folder or URI of the lake.
        act: What was done.
        by: A person's name, or the task that acted.
        subject: What it is about.
        reason: Why.
        evidence: JSON of the record that it rests on.
        at: When.
        anchors: Number of a row to the hash that it must have.

    Raises:
        LakeError: If the trail is broken, damaged or not as anchored, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    entry = record(lake, lambda trail: Draft(act, by, subject, reason, evidence, at), anchors)
    assert entry is not None
    return entry


def record(lake: str, draft: Callable[[Sequence[AuditEntry]], Draft | None], anchors: Mapping[int, str] | None = None) -> AuditEntry | None:
    """Add what follows from the trail as it is, or nothing; no row can come between the look and the write.

    The commit counts only if the table is still in the version that was opened: else all of this is done again on the newest one.

    Args:
        lake: Folder or URI of the lake.
        draft: From all rows so far to the next one, or None for none. What it raises ends the attempt. It may be called again.
        anchors: Number of a row to the hash that it must have.

    Returns:
        The row, or None if there was none to add.

    Raises:
        LakeError: If the trail is broken, damaged or not as anchored, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    uri = _uri(lake)

    def work(table: DeltaTable | None) -> AuditEntry | None:
        table = table or DeltaTable.create(uri, pl.DataFrame(schema=_SCHEMA).to_arrow().schema, mode="ignore", configuration=_SETTINGS)
        # These rows may be newer than the table that was opened: the commit then fails.
        trail = read(lake, anchors)
        wanted = draft(trail)
        if wanted is None:
            return None
        entry = _next(trail, wanted)
        rows = pl.DataFrame([entry.model_dump() | {"act": entry.act.value}], schema=_SCHEMA)
        write_deltalake(table, rows.to_arrow(), mode="append", commit_properties=CommitProperties(max_commit_retries=0))
        return entry

    return tables.commit(uri, work)


def read(lake: str, anchors: Mapping[int, str] | None = None) -> list[AuditEntry]:
    """Return all rows, the oldest first; an empty list if there is no trail.

    Args:
        lake: Folder or URI of the lake.
        anchors: Number of a row to the hash that it must have. Without them it is not seen that the last rows were cut off.

    Raises:
        LakeError: If the chain is broken, naming the row, or an anchored row is gone or another one, or the table is damaged:
            nothing may rest on such a trail.
    """
    report, trail = examine(lake, anchors)
    if not report.is_whole:
        raise LakeError("the audit trail must be whole", f"row {report.broken_at}, which {report.problem}", _MEND)
    return trail


def verify(lake: str, anchors: Mapping[int, str] | None = None) -> AuditReport:
    """Follow the chain from its first row, and compare it with what is known from elsewhere; arguments and errors as `examine`."""
    return examine(lake, anchors)[0]


def examine(lake: str, anchors: Mapping[int, str] | None = None) -> tuple[AuditReport, list[AuditEntry]]:
    """Verify the trail, and return its rows as they were when it was verified.

    Args:
        lake: Folder or URI of the lake.
        anchors: Number of a row to the hash that it must have. Without them it is not seen that the last rows were cut off.

    Returns:
        What was found, and the rows, the oldest first; of a broken trail those that can be shown as such.

    Raises:
        LakeError: If the table is damaged.
    """
    rows = _rows(lake)
    found, trail = _break(rows, anchors or {}), _readable(rows)
    report = AuditReport(
        rows=len(rows),
        is_whole=found is None,
        broken_at=None if found is None else found[0],
        problem="" if found is None else found[1],
        newest=trail[-_SHOWN:],
    )
    return report, trail


def _next(trail: Sequence[AuditEntry], wanted: Draft) -> AuditEntry:
    """Return the row that follows the last one."""
    row = {
        "number": len(trail) + 1,
        "at": wanted.at.astimezone(UTC),
        "act": wanted.act,
        "by": wanted.by,
        "subject": wanted.subject,
        "reason": wanted.reason,
        "evidence": wanted.evidence,
        "previous": trail[-1].hash if trail else FIRST,
    }
    return AuditEntry.model_validate(row | {"hash": _hash(row)})


def _hash(row: Mapping[str, Any]) -> str:
    """Return the sum over a row: JSON with sorted keys, no spaces, ASCII, the instant in UTC to the microsecond."""
    held = {name: row[name] for name in _SCHEMA.names() if name != "hash"}
    held["at"] = None if row["at"] is None else row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(json.dumps(held, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _break(rows: Sequence[Mapping[str, Any]], anchors: Mapping[int, str]) -> tuple[int, str] | None:
    """Return the number of the first row that does not fit, and what is wrong with it."""
    before = FIRST
    for expected, row in enumerate(rows, start=1):
        number = row["number"]
        if number is None or number > expected:
            return expected, "is missing"
        if number < expected:
            return number, "stands there twice, or has no place there"
        if _hash(row) != row["hash"] or not _readable([row]):
            return number, "was changed after it was written"
        if row["previous"] != before:
            return number, "does not follow the row before it, which was changed, removed or replaced"
        if anchors.get(number, row["hash"]) != row["hash"]:
            return number, "is another one than the registry names: the trail was written anew"
        before = row["hash"]
    if any(number > len(rows) for number in anchors):
        return len(rows) + 1, f"is missing: the registry names rows up to {max(anchors)}"
    return None


def _rows(lake: str) -> list[dict[str, Any]]:
    """Return the rows as they stand there, by number."""
    try:
        stored = tables.read(_uri(lake))
    except LakeError as error:  # of other tables the advice is to remove them
        raise LakeError(error.expected, error.found, _MEND) from error
    if stored is None:
        return []
    if dict(stored.schema) != dict(_SCHEMA):
        raise LakeError("the audit trail must have its columns", f"{dict(stored.schema)}", _MEND)
    return stored.select(_SCHEMA.names()).sort("number", nulls_last=True).to_dicts()


def _readable(rows: Sequence[Mapping[str, Any]]) -> list[AuditEntry]:
    """Return the rows that can be shown as such: one that was tampered with may be of no form."""
    found = []
    for row in rows:
        try:
            found.append(AuditEntry.model_validate(row))
        except ValidationError:
            continue
    return found


def _uri(lake: str) -> str:
    return f"{lake}/{AUDIT}"
