"""The table of predictions that are worth a label: what each night has queued, once, and what came of those drawn at random.

A row a queued prediction, with the chance that it was drawn. Which predictions are queued is decided elsewhere. Outcomes come back
by `prediction_id`, through the service's feedback or from the source, into the table of outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tasks.artifacts.monitoring import LabelQueue, QueuedLabel
from tasks.lake import exclusive, predictions, tables
from tasks.lake.exclusive import Change
from tasks.lake.predictions import CAME, HEAD, OUTCOMES, PREDICTIONS, SOURCE
from tasks.lake.tables import DAY

LABELLING = "labelling"
"""Name of the table."""
RANDOM = "random"
"""Why a prediction was drawn whose label stays unbiased."""

SCHEMA = pl.Schema(
    {
        "prediction_id": pl.String(),
        "night": pl.Date(),
        "reason": pl.String(),
        "score": pl.Float64(),
        "propensity": pl.Float64(),
        "candidates": pl.Int64(),  # that the night chose from
        DAY: pl.Date(),  # of the prediction, in UTC
    }
)


def of_night(lake: str, night: date) -> LabelQueue | None:
    """Return what a night has queued, in its order; None if it has queued nothing.

    Raises:
        LakeError: If the table is damaged.
    """
    return _queue(predictions.scan(lake, LABELLING, SCHEMA).filter(pl.col("night") == night).collect(), night)


def candidates(lake: str, first: date, last: date, columns: list[str]) -> pl.DataFrame:
    """Return the predictions of a window of days that have no outcome and were never queued.

    Args:
        lake: Folder or URI of the lake.
        first: First day, in UTC, on which they were asked for.
        last: Last day, included.
        columns: Further columns: the features, and the one that names what was asked about; null of a table that has none such.

    Returns:
        Columns `prediction_id`, `batch_day`, `at`, `probability`, and those, sorted by `prediction_id`.

    Raises:
        LakeError: If a table is damaged.
    """
    asked = predictions.scan(lake, PREDICTIONS, HEAD).filter(pl.col(DAY).is_between(first, last))
    there = asked.collect_schema()
    more = [pl.col(name) if name in there else pl.lit(None).alias(name) for name in columns]
    for table, schema in ((OUTCOMES, CAME), (LABELLING, SCHEMA)):
        known = predictions.scan(lake, table, schema).select("prediction_id")
        asked = asked.join(known, on="prediction_id", how="anti")
    return asked.select("prediction_id", DAY, "at", "probability", *more).sort("prediction_id").collect()


def record(lake: str, queue: LabelQueue, days: Mapping[str, date]) -> LabelQueue:
    """Record what a night has queued, once: if the night has a queue already, that one stays, and is returned.

    What another night queued in the meantime is left out. The commit counts only if nobody else wrote since the table was looked at.

    Args:
        lake: Folder or URI of the lake.
        queue: What to queue.
        days: Id of each prediction to the day, in UTC, on which it was asked for.

    Returns:
        What the table now holds of the night.

    Raises:
        LakeError: If the table is damaged, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    uri = f"{lake}/{LABELLING}"
    if not queue.queued and not tables.exists(uri):
        return queue

    def draft(stored: pl.LazyFrame) -> Change[LabelQueue]:
        held = stored.collect()
        before = _queue(held.filter(pl.col("night") == queue.night), queue.night)
        if before is not None:
            return Change(before)
        taken = set(held.get_column("prediction_id"))
        kept = queue.model_copy(update={"queued": [one for one in queue.queued if one.prediction_id not in taken]})
        more = {"night": queue.night, "candidates": queue.candidates}
        rows = [one.model_dump() | more | {DAY: days[one.prediction_id]} for one in kept.queued]
        return Change(kept, pl.DataFrame(rows, schema=SCHEMA) if rows else None, f"night = '{queue.night}'")

    return exclusive.change(uri, SCHEMA, draft)


def explored(lake: str, first: date | None = None, last: date | None = None) -> pl.DataFrame:
    """Return the predictions that were drawn at random, with what came of them.

    Args:
        lake: Folder or URI of the lake.
        first: First day, in UTC, on which they were asked for; by default all.
        last: Last day, included.

    Returns:
        Columns `prediction_id`, `night`, `propensity`, `batch_day`, `predicted_at`, `probability`, `outcome` (0 or 1, null where none
        is known; the source's where a client said otherwise), sorted by `night` and `prediction_id`.

    Raises:
        LakeError: If a table is damaged.
    """
    within = pl.col(DAY).is_between(first or date.min, last or date.max)
    drawn = predictions.scan(lake, LABELLING, SCHEMA).filter(pl.col("reason") == RANDOM, within)
    asked = predictions.scan(lake, PREDICTIONS, HEAD).filter(within).select("prediction_id", "predicted_at", "probability")
    came = (
        predictions.scan(lake, OUTCOMES, CAME)
        .sort(pl.col("source") != SOURCE, maintain_order=True)
        .unique("prediction_id", keep="first")
        .select("prediction_id", "outcome")
    )
    rows = drawn.join(asked, on="prediction_id").join(came, on="prediction_id", how="left")
    columns = ["prediction_id", "night", "propensity", DAY, "predicted_at", "probability", "outcome"]
    return rows.select(columns).sort("night", "prediction_id").collect()


def _queue(rows: pl.DataFrame, night: date) -> LabelQueue | None:
    if not rows.height:
        return None
    queued = [QueuedLabel(**row) for row in rows.select(*QueuedLabel.model_fields).iter_rows(named=True)]
    return LabelQueue(night=night, candidates=rows.item(0, "candidates"), queued=queued)
