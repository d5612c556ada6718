"""Validate: is the snapshot fit to train on?"""

from __future__ import annotations

from tasks.artifacts.data import DataSnapshot, Severity, ValidationReport
from tasks.edges import Snapshot
from tasks.errors import BatchAnomaly
from tasks.execution import LIGHT, publish, stage


@stage()
def validate(snapshot: DataSnapshot) -> ValidationReport:
    """Check a snapshot against the contract and the batch rules.

    Args:
        snapshot: What was ingested.
    """
    from tasks.lake.snapshots import read_snapshot
    from tasks.reporting import sections
    from tasks.usecase import contract, policy, source
    from tasks.validation import batch

    frames = read_snapshot(snapshot, source.known_by)
    days = {table.name: source.day_of(table) for table in contract.TABLES if table.is_daily}
    report = batch.validate(snapshot, frames, contract.TABLES, days, policy.BATCH)
    publish("validation", sections.validation(report))
    return report


@stage(cached=False, resources=LIGHT)
def admit(snapshot: DataSnapshot, report: ValidationReport) -> Snapshot:
    """Let a snapshot pass unless its verdict is STOP.

    Args:
        snapshot: What was validated.
        report: The verdict on it.
    """
    if report.verdict == Severity.STOP:
        stops = [f"{f.rule}: expected {f.expected}, found {f.found}" for f in report.findings if f.severity == Severity.STOP]
        raise BatchAnomaly(
            "the data must pass validation",
            f"STOP, {len(stops)} finding{'s'[: len(stops) != 1]}:\n  " + "\n  ".join(stops) + "\n",
            "mend the source and ingest again, or change BATCH in tasks/usecase/policy.py",
        )
    return snapshot
