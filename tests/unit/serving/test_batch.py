"""Batch scores: all flights of a day, the service's own probabilities, written once a day and version."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.contracts import types
from tasks.errors import ServingError
from tasks.frames import Scores
from tasks.lake import tables
from tasks.serving import batch
from tasks.serving.batch import SCORES, days_of, score_day, write
from tasks.serving.predictor import Predictor, rounded
from tests.unit.serving import toy

pytestmark = pytest.mark.unit

DAY = date(2013, 10, 1)
KEY = "flight_id"


def rows(day: date = DAY, count: int = 23) -> pl.DataFrame:
    rng = np.random.default_rng(day.day)
    wind = [None if n % 5 == 0 else float(v) for n, v in enumerate(rng.uniform(0, 40, count))]
    return pl.DataFrame(
        {
            "batch_day": [day] * count,
            KEY: [f"{day}-{n}" for n in range(count)],
            "predicted_at": [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=n) for n in range(count)],
            "label": [None if n % 3 == 0 else n % 2 for n in range(count)],  # cancelled, or not yet landed
            "distance": rng.uniform(80, 5_000, count),
            "wind": wind,
            "carrier": rng.choice(["B6", "DL", "ZZ"], count),
            "origin": rng.choice(["EWR", "JFK"], count),
            "dest": rng.choice(["LAX", "MCO"], count),
        },
        schema_overrides={"label": pl.Int64, "distance": pl.Float32, "wind": pl.Float32, "predicted_at": pl.Datetime("us", "UTC")},
    )


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("package") / "package"
    toy.package(folder, bias=-0.3)
    return Predictor(folder)


def test_each_flight_is_scored_as_the_service_does(predictor: Predictor) -> None:
    day = rows()
    scored = score_day(day, predictor, 3, KEY)
    assert dict(scored.schema) == types(Scores)
    assert scored.get_column("row_id").to_list() == day.get_column(KEY).to_list()
    assert scored.select(pl.col("model_version").unique(), pl.col("package").unique()).rows() == [(3, predictor.digest[:12])]
    asked = day.select(*toy.NUMERIC, *toy.CATEGORICAL).to_dicts()
    for size in (1, 2, 3, 7, 23):
        found = [rounded(predictor.probabilities(predictor.encode(asked[i : i + size]))) for i in range(0, len(asked), size)]
        assert np.array_equal(np.concatenate(found), scored.get_column("probability").to_numpy())
    assert scored.get_column("flagged").to_list() == predictor.flag(asked, scored.get_column("probability").to_numpy()).tolist()
    assert 0 < scored.get_column("flagged").sum() < scored.height


def test_features_that_the_package_reads_must_be_there(predictor: Predictor) -> None:
    with pytest.raises(ServingError, match="what version 3 reads; got none named distance, carrier"):
        score_day(rows().drop("distance", "carrier"), predictor, 3, KEY)


# --- days -------------------------------------------------------------------------------------------------------------


def test_days_come_apart_in_their_order() -> None:
    days = [rows(DAY + timedelta(days=n), n + 1) for n in range(4)]
    found = days_of(pl.concat(days).lazy(), "2013-10-02", "2013-10-03")
    assert len(found) == 2
    assert all(one.equals(other) for one, other in zip(found, days[1:3], strict=True))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2013-10-02", "2013-10-01", "last_day must not come before first_day; got 2013-10-02 to 2013-10-01"),
        ("2013-09-30", "2013-10-01", "within the data, 2013-10-01 to 2013-10-03; got no rows on 2013-09-30"),
        ("2013-10-03", "2013-11-01", "2013-10-08 and 24 more"),  # capped
        ("2013-10-02", "2013-10-02", "no rows on 2013-10-02"),  # a day that was never delivered
        ("1 October", "2013-10-01", "first_day must be a date such as 2013-10-01; got '1 October'"),
        ("2013-10-01", "2013-10-32", "last_day must be a date"),
    ],
)
def test_days_that_cannot_be_scored(first: str, last: str, words: str) -> None:
    there = pl.concat([rows(DAY), rows(DAY + timedelta(days=2))]).lazy()
    with pytest.raises(ServingError) as raised:
        days_of(there, first, last)
    assert words in str(raised.value)


# --- the table --------------------------------------------------------------------------------------------------------


def held(lake: Path) -> list[tuple[Any, ...]]:
    stored = tables.read(f"{lake}/{SCORES}")
    assert stored is not None
    assert dict(stored.schema) == types(Scores)
    return stored.sort("model_version", "row_id").rows()


def test_a_day_and_version_is_there_once(predictor: Predictor, tmp_path: Path) -> None:
    days = [rows(DAY), rows(DAY + timedelta(days=1), 5)]
    scored = {version: [score_day(day, predictor, version, KEY) for day in days] for version in (1, 2)}
    first = write(str(tmp_path), scored[1], 1, predictor.digest)
    assert [(r.day.first_day, r.rows, r.version, r.flagged) for r in first] == [
        (frame["batch_day"][0], frame.height, 1, frame["flagged"].sum()) for frame in scored[1]
    ]
    write(str(tmp_path), scored[2], 2, predictor.digest)
    before = held(tmp_path)
    assert before == sorted(pl.concat([*scored[1], *scored[2]]).rows(), key=lambda row: (row[3], row[1]))
    write(str(tmp_path), scored[1], 1, predictor.digest)  # done again
    write(str(tmp_path), scored[1][:1], 1, predictor.digest)  # and of one day
    assert held(tmp_path) == before
    fewer = [scored[2][1].head(2)]  # the source has taken flights back
    write(str(tmp_path), fewer, 2, predictor.digest)
    assert len(held(tmp_path)) == len(before) - 3
    assert [row for row in held(tmp_path) if row[3] == 1] == [row for row in before if row[3] == 1]


def test_nothing_heavy_at_import() -> None:
    """`task.py` imports it for the schema of its edges."""
    assert not hasattr(batch, "tables")
