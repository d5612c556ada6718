"""Build features: every flight of a snapshot, as of its own prediction instant."""

from __future__ import annotations

from typing import Annotated

from flytekit import HashMethod

from tasks.artifacts.data import DataSnapshot
from tasks.execution import publish, stage
from tasks.frames import LazyFrame, rows_hash
from tasks.usecase.features import Features


@stage()
def build_features(snapshot: DataSnapshot) -> Annotated[LazyFrame[Features], HashMethod(rows_hash)]:
    """Build the features of every flight, each from what was known two hours before scheduled departure.

    Args:
        snapshot: Validated data.
    """
    from tasks.contracts import columns
    from tasks.lake.snapshots import read_snapshot
    from tasks.reporting import sections
    from tasks.usecase import features, source

    rows = features.build(read_snapshot(snapshot, source.known_by)).collect()
    publish("features", sections.features(rows.height, columns(Features, "numeric"), columns(Features, "categorical")))
    return rows.lazy()  # type: ignore[return-value]  # the edge gives it its schema
