"""Explain: why a row got its probability from the champion, or from another version."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.explanation import LocalExplanation
from tasks.evaluation.task import explain_row
from tasks.features.task import build_features
from tasks.registry.task import find_version
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def explain(row: str, as_of: datetime = AS_OF, source: str = SOURCE, model_version: int = 0) -> LocalExplanation:
    """Say what each feature did to a row's probability; print the reasons, and write a page with all of it.

    Args:
        row: The key of a row that was known by then, as the features have it.
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        model_version: The registered version; 0 for the champion.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    version = find_version(snapshot=validated.snapshot, model_version=model_version)
    return explain_row(features=features, version=version, row=row)
