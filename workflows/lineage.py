"""Lineage: from a version or a prediction back to the files of the source."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.lineage import Lineage
from tasks.registry import task as registry


@workflow
def trace(model_version: int = 0, prediction_id: str = "") -> Lineage:
    """Walk back: prediction, version, code commit, lock, snapshot, source files. Give one of the two.

    Args:
        model_version: The registered version; 0 for that behind the prediction.
        prediction_id: The id of a prediction as the service gave it; empty for none.
    """
    return registry.trace(model_version=model_version, prediction_id=prediction_id)
