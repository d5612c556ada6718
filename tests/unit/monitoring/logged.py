"""A lake of logged predictions, filled as the service and the collection fill it: journal, segments, outcomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tasks.artifacts.serving import RequestField
from tasks.serving.collect import collect
from tasks.serving.journal import Journal
from tasks.serving.lines import Columns
from tasks.serving.outcomes import FILE, Outcome, Outcomes

FIRST = date(2026, 2, 1)
"""The day of the first prediction."""

COLUMNS = Columns(["distance", "wind"], ["carrier"], "flight_id")

FIELDS = [
    RequestField(name="distance", kind="number", meaning="Miles", minimum=50, maximum=5_000),
    RequestField(name="wind", kind="number", meaning="Miles an hour", is_nullable=True, is_required=False, minimum=0),
    RequestField(name="carrier", kind="string", meaning="Carrier", allowed=["B6", "DL", "UA"], pattern=r"[A-Z0-9]{2}$"),
]


def rows(days: int, per_day: int = 20, first: date = FIRST, seed: int = 0) -> pl.DataFrame:
    """Return predictions with what was asked; labels come with the probabilities' own chances."""
    generator = np.random.default_rng(seed)
    count = days * per_day
    day = np.repeat(np.arange(days), per_day)
    noon = datetime.combine(first, time(12), UTC)
    at = [noon + timedelta(days=int(d), minutes=int(n)) for d, n in zip(day, np.tile(np.arange(per_day), days), strict=True)]
    probability = generator.beta(2, 6, count).round(6)
    return pl.DataFrame(
        {
            "prediction_id": [f"{at_:%m%d}-{n:05d}" for n, at_ in enumerate(at)],
            "at": at,
            "arm": ["champion"] * count,
            "probability": probability,
            "predicted_at": [instant + timedelta(hours=2) for instant in at],
            "flight_id": [f"flight-{at_:%m%d}-{n:05d}" for n, at_ in enumerate(at)],
            "distance": generator.integers(100, 2_500, count).astype(np.float32),
            "wind": np.where(generator.random(count) < 0.1, np.nan, generator.gamma(4.0, 3.0, count)).astype(np.float32),
            "carrier": generator.choice(["B6", "DL", "UA"], count),
            "label": (generator.random(count) < probability).astype(np.int8),
        }
    ).with_columns(pl.col("wind").fill_nan(None))


def labels(asked: pl.DataFrame) -> pl.LazyFrame:
    """Return what the source says of predictions, half a day after the instants that they are for."""
    known = (pl.col("predicted_at") + timedelta(hours=12)).alias("label_known_at")
    return asked.lazy().select("flight_id", pl.col("label").cast(pl.Int8), known)


def write(folder: Path, asked: pl.DataFrame, known: pl.LazyFrame, told: Mapping[str, bool] | None = None) -> str:
    """Log predictions, collect them with their outcomes, and return the lake.

    Args:
        folder: The service's folder; the lake lies in it.
        asked: Predictions as `rows` returns them; without any, outcomes alone are collected.
        known: What the source says, as `labels` returns it.
        told: Prediction to what a client says came of it.
    """
    journal = Journal(folder / "log", 10**9, 10**9)
    for row in asked.iter_rows(named=True):
        answer = {
            "prediction_id": row["prediction_id"],
            "arm": row["arm"],
            "version": 3,
            "package": "a" * 12,
            "probability": row["probability"],
            "flagged": row["probability"] >= 0.3,
            "predicted_at": _text(row["predicted_at"]),
        }
        request = {name: row[name] for name in ("flight_id", "distance", "wind", "carrier")}
        head = {"kind": "answer", "at": _text(row["at"]), "revision": 1, "key": "k1"}
        journal.write(json.dumps(head | {"predictions": [answer], "request": {"rows": [request]}}).encode())
    journal.close()
    if told:
        database = Outcomes(folder / FILE)
        now = datetime(2026, 6, 1, tzinfo=UTC)
        database.add([Outcome(id, outcome, now) for id, outcome in told.items()], "k1", now)
        database.close()
    collect(str(folder / "lake"), folder, COLUMNS, known)
    return str(folder / "lake")


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
