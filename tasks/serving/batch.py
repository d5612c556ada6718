"""Scoring of whole days from the package that serves: the service's own probabilities, to the bit.

Every row of a day that the lake knows is scored, whether or not its label is known or ever will be. Equal input gives equal rows:
nothing in them tells when they were made.
"""

from __future__ import annotations

import polars as pl

from tasks.artifacts.record import Window
from tasks.artifacts.serving import BatchScores
from tasks.errors import ServingError
from tasks.serving.identifiers import PACKAGE_DIGITS
from tasks.serving.predictor import Predictor, rounded

SCORES = "scores"
"""Name of the table."""


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


def write(lake: str, scores: pl.DataFrame, version: int, package_digest: str) -> BatchScores:
    """Write a scored day, in the place of what the same version had for it; other versions' rows and other days stay.

    Others may write other days, and other versions the same day, at the same time.

    Args:
        lake: Folder or URI of the lake.
        scores: Rows as `score_day` returns them.
        version: The registered version.
        package_digest: Of its package.

    Raises:
        LakeError: If the table is damaged or of another schema, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    from tasks.lake import tables

    uri, day = f"{lake}/{SCORES}", scores.get_column("batch_day")[0]
    written = tables.overwrite_days(uri, scores, [day], only=f"model_version = {version}")
    return BatchScores(
        day=Window(first_day=day, last_day=day),
        version=version,
        package_digest=package_digest,
        rows=scores.height,
        flagged=int(scores.get_column("flagged").sum()),
        table=uri,
        table_version=written,
    )
