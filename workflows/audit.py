"""Audit: who decided, approved, let pass, promoted and rolled back what; and whether that record is whole."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.audit import AuditReport
from tasks.registry import task as registry


@workflow
def audit() -> AuditReport:
    """Verify the audit trail from its first row, hold it to the registry, and show its newest rows; fail if it is broken."""
    return registry.require_whole(report=registry.audit())
