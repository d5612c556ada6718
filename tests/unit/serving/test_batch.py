"""Batch scores: all flights of a day, the service's own probabilities, written once a day and version."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
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
from tasks.serving.batch import SCORES, score_day, write
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


# --- the table --------------------------------------------------------------------------------------------------------


def held(lake: Path) -> list[tuple[Any, ...]]:
    stored = tables.read(f"{lake}/{SCORES}")
    assert stored is not None
    assert dict(stored.schema) == types(Scores)
    return stored.sort("model_version", "row_id").rows()


def test_a_day_and_version_is_there_once(predictor: Predictor, tmp_path: Path) -> None:
    days = [rows(DAY), rows(DAY + timedelta(days=1), 5)]
    scored = {version: [score_day(day, predictor, version, KEY) for day in days] for version in (1, 2)}
    for version in (1, 2):
        for frame in reversed(scored[version]):  # in whatever order
            told = write(str(tmp_path), frame, version, predictor.digest)
            assert (told.day.first_day, told.day.last_day) == (frame["batch_day"][0], frame["batch_day"][0])
            assert (told.rows, told.version, told.flagged) == (frame.height, version, frame["flagged"].sum())
    before = held(tmp_path)
    assert before == sorted(pl.concat([*scored[1], *scored[2]]).rows(), key=lambda row: (row[3], row[1]))
    write(str(tmp_path), scored[1][0], 1, predictor.digest)  # done again
    assert held(tmp_path) == before
    write(str(tmp_path), scored[2][1].head(2), 2, predictor.digest)  # the source has taken rows back
    assert len(held(tmp_path)) == len(before) - 3
    assert [row for row in held(tmp_path) if row[3] == 1] == [row for row in before if row[3] == 1]


def test_a_day_is_a_part_of_the_table(predictor: Predictor, tmp_path: Path) -> None:
    write(str(tmp_path), score_day(rows(), predictor, 1, KEY), 1, predictor.digest)
    table = tables.open_table(f"{tmp_path}/{SCORES}")
    assert table is not None
    assert table.metadata().partition_columns == [tables.DAY]


def test_a_table_of_before_days_were_parts_is_written_on(predictor: Predictor, tmp_path: Path) -> None:
    frames = [score_day(rows(DAY + timedelta(days=n)), predictor, 1, KEY) for n in range(2)]
    tables.replace(f"{tmp_path}/{SCORES}", pl.concat(frames), "true")
    write(str(tmp_path), frames[1].head(3), 1, predictor.digest)
    assert len(held(tmp_path)) == frames[0].height + 3


def test_writers_of_other_days_and_versions_are_no_conflict(predictor: Predictor, tmp_path: Path) -> None:
    write(str(tmp_path), score_day(rows(), predictor, 1, KEY), 1, predictor.digest)
    frames = [score_day(rows(DAY + timedelta(days=n)), predictor, version, KEY) for n in range(4) for version in (1, 2)]
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(write, str(tmp_path), frame, frame["model_version"][0], predictor.digest) for frame in frames]
        assert sum(future.result().rows for future in told) == len(held(tmp_path)) == 8 * 23


def test_nothing_heavy_at_import() -> None:
    """`task.py` imports it for the schema of its edges."""
    assert not hasattr(batch, "tables")
