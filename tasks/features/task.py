"""Build features: every row of a snapshot, as of its own prediction instant."""

from __future__ import annotations

from typing import Annotated

from flytekit import HashMethod

from tasks.artifacts.data import DataSnapshot, FilledBlock, TableVersion
from tasks.artifacts.record import Window
from tasks.edges import Day
from tasks.execution import lake_uri, publish, stage
from tasks.frames import LazyFrame, rows_hash
from tasks.usecase.features import Features


@stage()
def build_features(snapshot: DataSnapshot) -> Annotated[LazyFrame[Features], HashMethod(rows_hash)]:
    """Build the features of every row of the main table, each from what was known at its prediction instant.

    Days that the lake has already are taken from there, if nothing changed that they rest on.

    Args:
        snapshot: Validated data.
    """
    from tasks.contracts import columns, key_of
    from tasks.features import store
    from tasks.lake import tables
    from tasks.reporting import sections

    version, days, _ = store.bring_up(snapshot, lake_uri(), _definition())
    stored = tables.scan(f"{lake_uri()}/{store.FEATURES}", version, days).select(list(Features.to_schema().columns))
    rows = stored.sort("predicted_at", key_of(Features)).collect()
    publish("features", sections.features(rows.height, columns(Features, "numeric"), columns(Features, "categorical")))
    return rows.lazy()  # type: ignore[return-value]  # the edge gives it its schema


@stage(cached=False)
def add_features(snapshot: DataSnapshot) -> TableVersion:
    """Add the features of the days that are new or changed to the lake, and of no others.

    Args:
        snapshot: Validated data.
    """
    from tasks.features import store

    version, days, _ = store.bring_up(snapshot, lake_uri(), _definition())
    return store.table_version(lake_uri(), version, days)


@stage(cached=False)
def pick_days(snapshot: DataSnapshot, first_day: str, last_day: str) -> list[Day]:
    """Add the features of days that are new or changed to the lake, and return where those of each day of a window lie.

    Args:
        snapshot: Validated data.
        first_day: The first day, such as 2024-06-01.
        last_day: The last day, included.
    """
    from tasks.features import store

    version, days, _ = store.bring_up(snapshot, lake_uri(), _definition())
    return store.days_of(lake_uri(), version, days, first_day, last_day)


@stage(cached=False)
def plan_features(snapshot: DataSnapshot, block_days: int) -> list[Window]:
    """Return the blocks of days whose features are missing in the lake or stale.

    Args:
        snapshot: Validated data.
        block_days: The most days of a block.
    """
    from tasks.features import store

    return store.plan(snapshot, lake_uri(), _definition(), block_days)


@stage(cached=False)
def build_block(block: Window, snapshot: DataSnapshot) -> FilledBlock:
    """Build the features of one block of days into the lake, beside others who build other blocks.

    Args:
        block: The days.
        snapshot: Validated data.
    """
    from tasks.features import store

    return store.fill(snapshot, lake_uri(), _definition(), block)


def _definition():  # type: ignore[no-untyped-def]  # a plain module's record, imported when a task runs
    from tasks.caching import version_of
    from tasks.features.store import Definition
    from tasks.usecase import features, source

    return Definition(
        build=features.build,
        known_by=source.known_by,
        lookback=features.LOOKBACK,
        version=version_of(features.__name__),
    )
