"""Records of data: snapshots, what was set aside, and the verdict on a batch."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Record, SuiteCondition, Window


class TableVersion(Record):
    """One version of one Delta table, as the clock saw it."""

    name: str
    uri: str
    version: int
    rows: int
    content_hash: str


class TableDay(Record):
    """One day of one version of a Delta table: a reference by which another pod reads its rows."""

    uri: str
    version: int
    day: date
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
    manifest: str = Field(description="URI of the file that names every day of every table")
    quarantined: list[QuarantineCount]
    rows_read: int = Field(description="Rows that the source has of these days: accepted, quarantined or not yet known")
    rows_not_yet_known: int
    content_hash: str

    def table(self, name: str) -> TableVersion:
        """Return one table's version."""
        return next(table for table in self.tables if table.name == name)


class FilledBlock(Record):
    """What one of several processes brought to the lake."""

    block: Window
    days: int = Field(description="Days, of each table, that were missing or stale and were brought")
    rows: int = Field(description="That these days have now")


class Severity(StrEnum):
    """What a finding, or all findings together, mean for the batch."""

    PASS = "PASS"
    WARN = "WARN"
    STOP = "STOP"


class Finding(Record):
    """One rule about a batch: what was expected and what was found, on one day or (None) on all together."""

    rule: str
    severity: Severity
    expected: str
    found: str
    day: date | None = None


class Override(Record):
    """A person lets a batch pass although a rule stops it, on one day or (None) wherever it does."""

    rule: str
    day: date | None
    by: str
    reason: str
    at: datetime


class ValidationReport(Record):
    """The verdict on a snapshot."""

    snapshot_hash: str
    verdict: Severity
    findings: list[Finding]
    rows_by_day: dict[str, int]
    overrides: list[Override] = Field([], description="Those that turned a STOP into a WARN")
    integrity: list[SuiteCondition] = Field([], description="What deepchecks says of a sample; it informs and does not decide")
