"""Scoring of whole days from the package that serves: the service's own probabilities, to the bit.

Every row of a day that the lake knows is scored, whether or not its label is known or ever will be. Equal input gives equal rows:
nothing in them tells when they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tasks.artifacts.record import Window
from tasks.artifacts.serving import BatchScores
from tasks.errors import ServingError
from tasks.serving.identifiers import PACKAGE_DIGITS
from tasks.serving.predictor import Predictor, rounded

SCORES = "scores"
"""Name of the table."""

_SHOWN = 5  # days of an error


def days_of(features: pl.LazyFrame, first_day: str, last_day: str) -> list[pl.DataFrame]:
    """Return the rows of each day of a window.

    Args:
        features: Rows with `batch_day`, in the order in which each day's shall be.
        first_day: The first day (2013-10-01).
        last_day: The last day, included.

    Raises:
        ServingError: If a day is no date, the last comes before the first, or a day has no rows.
    """
    first, last = _day("first_day", first_day), _day("last_day", last_day)
    if last < first:
        raise ServingError("last_day must not come before first_day", f"{first} to {last}", "exchange them")
    rows = features.filter(pl.col("batch_day").is_between(first, last)).collect()
    found = {day: part for (day,), part in rows.partition_by("batch_day", as_dict=True).items()}
    wanted = pl.date_range(first, last, eager=True).to_list()
    empty = [day for day in wanted if day not in found]
    if empty:
        known = features.select(first=pl.col("batch_day").min(), last=pl.col("batch_day").max()).collect().row(0)
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        raise ServingError(
            f"each day must lie within the data, {known[0]} to {known[1]}",
            f"no rows on {', '.join(map(str, empty[:_SHOWN]))}{more}",
            "choose other days, or a later as_of",
        )
    return [found[day] for day in wanted]


def score_day(rows: pl.DataFrame, predictor: Predictor, version: int, key: str) -> pl.DataFrame:
    """Score all rows of a day.

    Args:
        rows: The day's features, n rows.
        predictor: The package.
        version: Its registered version.
        key: The column that names a row.

    Returns:
        n rows with the columns of the edge `Scores`, in the order of `rows`.

    Raises:
        ServingError: If the rows lack a feature that the package reads.
    """
    missing = [name for name in predictor.preprocessing.columns if name not in rows.columns]
    if missing:
        raise ServingError(
            f"the features must hold what version {version} reads",
            f"none named {', '.join(missing)}",
            "score with a version trained on them",
        )
    probabilities = rounded(predictor.predict(rows))
    return rows.select(
        "batch_day",
        pl.col(key).alias("row_id"),
        "predicted_at",
        pl.lit(version, pl.Int64).alias("model_version"),
        pl.lit(predictor.digest[:PACKAGE_DIGITS]).alias("package"),
        pl.Series("probability", probabilities),
        pl.Series("flagged", predictor.flag(rows, probabilities)),
    )


def write(lake: str, scores: Sequence[pl.DataFrame], version: int, package_digest: str) -> list[BatchScores]:
    """Write scored days in one commit, in the place of what the same version had for these days; other versions' rows stay.

    Args:
        lake: Folder or URI of the lake.
        scores: Rows as `score_day` returns them, a frame a day.
        version: The registered version.
        package_digest: Of its package.

    Raises:
        LakeError: If the table is damaged or of another schema, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    from tasks.lake import tables

    uri, rows = f"{lake}/{SCORES}", pl.concat(scores)
    days = [frame.get_column("batch_day")[0] for frame in scores]
    written = tables.replace(uri, rows, f"{tables.where(days)} AND model_version = {version}")
    return [
        BatchScores(
            day=Window(first_day=day, last_day=day),
            version=version,
            package_digest=package_digest,
            rows=frame.height,
            flagged=int(frame.get_column("flagged").sum()),
            table=uri,
            table_version=written,
        )
        for day, frame in zip(days, scores, strict=True)
    ]


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ServingError(f"{name} must be a date such as 2013-10-01", repr(text[:40]), "write it so") from error
