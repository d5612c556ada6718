"""The tables of predictions in the lake, and what came of them: their columns, and how they are read together.

`predictions` has a row a prediction that the service gave, `shadow_scores` what another model gave the same row, `outcomes` what
came. The serving stage fills them from the prediction log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import polars as pl

from tasks.lake import tables
from tasks.lake.tables import DAY

PREDICTIONS, SHADOWS, OUTCOMES = "predictions", "shadow_scores", "outcomes"
CLIENT, SOURCE = "client", "source"

_SHOWN_DAYS = 30  # a month is what a person reads at a glance

INSTANT = pl.Datetime("us", "UTC")
HEAD = pl.Schema(
    {
        "prediction_id": pl.String(),
        "at": INSTANT,
        DAY: pl.Date(),  # of `at`, in UTC
        "revision": pl.Int64(),
        "arm": pl.String(),
        "model_version": pl.Int64(),
        "package": pl.String(),
        "probability": pl.Float64(),
        "flagged": pl.Boolean(),
        "predicted_at": INSTANT,
    }
)
"""What every prediction has; beside it the key that asked, the segment of the log, and the features."""

SHADOW = pl.Schema(
    {
        **{name: HEAD[name] for name in ("prediction_id", "at", DAY, "revision", "model_version", "package", "probability")},
        "segment": pl.String(),
    }
)
"""A score that another model gave the row of a prediction."""

CAME = pl.Schema(
    {
        "prediction_id": pl.String(),
        "outcome": pl.Int8(),
        "known_at": INSTANT,
        "source": pl.String(),
        "rowid": pl.Int64(),  # of the client's: in the service's database
        "received_at": INSTANT,
        "key": pl.String(),
        "taken_with": pl.String(),  # of the client's: the first of those that were taken together
        DAY: pl.Date(),  # of the source's: when it was predicted
    }
)
"""What came of a prediction, by a client or by the source."""


def joined(lake: str, first: date, last: date, features: Sequence[str] = (), *, both: bool = False) -> pl.DataFrame:
    """Return the predictions of a window of days, each with what another model gave the same row and with what came of it.

    Args:
        lake: Folder or URI of the lake.
        first: First day, in UTC, on which they were asked for.
        last: Last day, included.
        features: Further columns of the predictions.
        both: Whether only rows count that another model scored too, and whose outcome is known.

    Returns:
        Columns `prediction_id`, `at`, `batch_day`, `revision`, `arm`, `model_version`, `package`, `probability`, `flagged`,
        `predicted_at`, `other_version`, `other_package`, `other_probability`, `outcome` (0 or 1), `outcome_known_at`,
        `outcome_source` ("source", which counts where both are there, or "client"), and the features; those after
        `predicted_at` are null where there is none. A row a prediction; one that two others scored (a canary's, with a
        shadow beside it) has two.

    Raises:
        LakeError: If a table is damaged.
    """
    own = HEAD.names()
    empty = pl.Schema({**HEAD, **dict.fromkeys(features, pl.Null())})
    asked = scan(lake, PREDICTIONS, empty).filter(pl.col(DAY).is_between(first, last)).select(*own, *features)
    # A shadow scores a moment later, which may be the next day.
    others = (
        scan(lake, SHADOWS, SHADOW)
        .filter(pl.col(DAY).is_between(first, last + timedelta(days=1)))
        .select("prediction_id", other_version="model_version", other_package="package", other_probability="probability")
    )
    came = (
        scan(lake, OUTCOMES, CAME)
        .join(asked.select("prediction_id"), on="prediction_id", how="semi")
        .sort(pl.col("source") != SOURCE, maintain_order=True)
        .unique("prediction_id", keep="first")
        .select("prediction_id", "outcome", outcome_known_at="known_at", outcome_source="source")
    )
    how: Literal["inner", "left"] = "inner" if both else "left"
    rows = asked.join(others, on="prediction_id", how=how).join(came, on="prediction_id", how=how)
    order = [*own, "other_version", "other_package", "other_probability", "outcome", "outcome_known_at", "outcome_source", *features]
    return rows.select(order).sort("at", "prediction_id", "other_package").collect()


def newest_day(lake: str) -> date | None:
    """Return the last day, in UTC, on which something was asked, None if nothing was."""
    newest: date | None = scan(lake, PREDICTIONS, HEAD).select(pl.col(DAY).max()).collect().item()
    return newest


def days_about(lake: str, first: date, last: date) -> list[date]:
    """Return the local days, give or take one, that the predictions of a window (of days in UTC, both included) are about."""
    asked = scan(lake, PREDICTIONS, HEAD).filter(pl.col(DAY).is_between(first, last))
    days = asked.select(pl.col("predicted_at").dt.date().unique()).collect().to_series().drop_nulls().to_list()
    return sorted({day + timedelta(days=n) for day in days for n in (-1, 0, 1)})


def counts(lake: str) -> tuple[int, int]:
    """Return how many predictions have an outcome, and of how many client and source say otherwise."""
    ids = scan(lake, PREDICTIONS, HEAD).select("prediction_id")
    known = scan(lake, OUTCOMES, CAME).join(ids, on="prediction_id", how="semi")
    told = known.group_by("prediction_id").agg(pl.col("outcome").n_unique().alias("said"))
    return told.select(pl.len(), (pl.col("said") > 1).sum()).collect().row(0)  # type: ignore[return-value]


def by_day(lake: str) -> pl.DataFrame:
    """Return how much was predicted in the last days: `batch_day`, `arm`, `predictions`, and how many have `outcomes`."""
    asked = scan(lake, PREDICTIONS, HEAD).select("prediction_id", DAY, "arm")
    came = scan(lake, OUTCOMES, CAME).select("prediction_id").unique().with_columns(is_known=True)
    counted = (
        asked.filter(pl.col(DAY) > pl.col(DAY).max() - pl.duration(days=_SHOWN_DAYS))
        .join(came, on="prediction_id", how="left")
        .group_by(DAY, "arm")
        .agg(predictions=pl.len(), outcomes=pl.col("is_known").count())
    )
    return counted.sort(DAY, "arm").collect()


def scan(lake: str, table: str, schema: pl.Schema) -> pl.LazyFrame:
    """Return a table's rows, or none of its columns while there is no table."""
    uri = f"{lake}/{table}"
    return tables.scan(uri) if tables.exists(uri) else pl.LazyFrame(schema=schema)
