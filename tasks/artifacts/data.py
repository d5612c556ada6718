"""Records of data: snapshots, what was set aside, and the verdict on a batch."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from tasks.artifacts.record import Record


class TableVersion(Record):
    """One version of one Delta table, as the clock saw it."""

    name: str
    uri: str
    version: int
    rows: int
    content_hash: str


class QuarantineCount(Record):
    """Rows of one table set aside, by reason; a row may have several."""

    table: str
    rows: int
    reasons: dict[str, int]


class DataSnapshot(Record):
    """All data known at an instant: reading it again gives the same rows, whatever was ingested since."""

    source: str
    as_of: datetime
    first_day: date
    last_day: date
    tables: list[TableVersion]
    quarantined: list[QuarantineCount]
    rows_read: int
    content_hash: str

    def table(self, name: str) -> TableVersion:
        """Return one table's version."""
        return next(table for table in self.tables if table.name == name)


class Severity(StrEnum):
    """What a finding, or all findings together, mean for the batch."""

    PASS = "PASS"
    WARN = "WARN"
    STOP = "STOP"


class Finding(Record):
    """One rule about a batch: what was expected and what was found."""

    rule: str
    severity: Severity
    expected: str
    found: str


class ValidationReport(Record):
    """The verdict on a snapshot."""

    snapshot_hash: str
    verdict: Severity
    findings: list[Finding]
    rows_by_day: dict[str, int]
