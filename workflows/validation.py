"""Validation: is the data fit to train on?"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow

from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.validation import task as validating
from workflows.defaults import AS_OF, SOURCE
from workflows.ingest import ingest


class Validated(NamedTuple):
    """A snapshot that may be trained on, and why."""

    snapshot: DataSnapshot
    report: ValidationReport


@workflow
def validation(as_of: datetime = AS_OF, source: str = SOURCE) -> Validated:
    """Ingest up to an instant and check the snapshot; STOP ends the run with the reasons.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    snapshot = ingest(as_of=as_of, source=source)
    report = validating.validate(
        snapshot=snapshot, overrides=validating.find_overrides(snapshot=snapshot), integrity=validating.inspect(snapshot=snapshot)
    )
    return Validated(snapshot=validating.admit(snapshot=snapshot, report=report), report=report)
