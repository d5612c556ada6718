"""Typed frames cross a task edge whole, with their types; a wrong one is refused fast and with a short report."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.polars as pa
import polars as pl
import pytest
from flytekit import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.models.types import SimpleType

from tasks import frames
from tasks.contracts import Instant
from tasks.errors import ContractViolation, StorageError
from tasks.frames import DataFrame, LazyFrame, Scored, rows_hash

pytestmark = pytest.mark.unit

ROWS = 300_000


class Toy(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    small: pl.Float32 = pa.Field(ge=0, le=1, nullable=True)
    name: str = pa.Field(isin=["a", "b"])
    seen: Instant
    day: pl.Date
    flag: bool

    class Config:
        strict = True


def toy(rows: int = 3) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "small": pl.Series(np.linspace(0, 1, rows), dtype=pl.Float32),
            "name": ["a"] * rows,
            "seen": [datetime(2013, 3, 10, 7, tzinfo=UTC)] * rows,
            "day": [date(2013, 3, 10)] * rows,
            "flag": [True] * rows,
        },
        schema_overrides={"seen": pl.Datetime("us", "UTC")},
    )


@pytest.fixture(autouse=True)
def edge(tmp_path: Path) -> Any:
    """Let frames be written below the test's own folder."""
    TypeEngine._LITERAL_CACHE.clear()  # flytekit gives an equal value the literal that it made before
    context = FlyteContextManager.current_context()
    access = context.file_access.__class__(local_sandbox_dir=str(tmp_path / "local"), raw_output_prefix=str(tmp_path / "raw"))
    with FlyteContextManager.with_context(context.with_file_access(access)) as inner:
        yield inner


def cross(context: Any, value: Any, written: Any, read: Any = None) -> Any:
    literal = TypeEngine.to_literal(context, value, written, TypeEngine.to_literal_type(written))
    return TypeEngine.to_python_value(context, literal, read or written)


@pytest.mark.parametrize(
    ("given", "written", "read", "kind"),
    [
        (toy(), DataFrame[Toy], DataFrame[Toy], pl.DataFrame),
        (toy().lazy(), LazyFrame[Toy], LazyFrame[Toy], pl.LazyFrame),
        (toy(), DataFrame[Toy], LazyFrame[Toy], pl.LazyFrame),  # the consumer chooses to read lazily
        (toy().lazy(), LazyFrame[Toy], DataFrame[Toy], pl.DataFrame),
        (toy().head(0), DataFrame[Toy], DataFrame[Toy], pl.DataFrame),  # no rows, yet all types
    ],
)
def test_a_round_trip_keeps_rows_types_and_kind(edge: Any, given: Any, written: Any, read: Any, kind: type) -> None:
    found = cross(edge, given, written, read)
    assert isinstance(found, kind)
    assert found.lazy().collect_schema() == given.lazy().collect_schema()
    assert found.lazy().collect().equals(given.lazy().collect())


def test_nulls_and_times_survive(edge: Any) -> None:
    given = toy().with_columns(small=pl.Series([None, 0.25, None], dtype=pl.Float32))
    assert cross(edge, given, DataFrame[Toy]).equals(given)


def test_the_literal_type_names_columns_and_types() -> None:
    columns = TypeEngine.to_literal_type(DataFrame[Toy]).structured_dataset_type.columns
    assert {c.name: c.literal_type.simple for c in columns} == {
        "id": SimpleType.INTEGER,
        "small": SimpleType.FLOAT,
        "name": SimpleType.STRING,
        "seen": SimpleType.DATETIME,
        "day": SimpleType.DATETIME,
        "flag": SimpleType.BOOLEAN,
    }


def test_every_frame_has_a_file_of_its_own(edge: Any) -> None:
    kind = TypeEngine.to_literal_type(DataFrame[Toy])
    uris = {TypeEngine.to_literal(edge, toy(rows), DataFrame[Toy], kind).scalar.structured_dataset.uri for rows in (2, 3, 4)}
    assert len(uris) == 3


@pytest.mark.parametrize("value", [pd.DataFrame({"id": [1]}), {"id": [1]}], ids=["pandas", "dict"])
def test_what_is_no_polars_frame_is_refused(edge: Any, value: Any) -> None:
    with pytest.raises(ContractViolation, match="must be a polars frame"):
        cross(edge, value, DataFrame[Toy])


def test_a_frame_without_a_schema_is_refused() -> None:
    with pytest.raises(ContractViolation, match="must name its schema"):
        TypeEngine.to_literal_type(DataFrame)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (toy().drop("flag"), "flag: must be there"),
        (toy().with_columns(extra=1), "extra: must not be there"),
        (toy().with_columns(pl.col("small").cast(pl.Float64)), "small: must be of type Float32"),
        (toy().with_columns(pl.col("seen").dt.replace_time_zone(None)), "seen: must be of type"),
        (toy().with_columns(name=pl.lit("c")), "name: must be one of a, b, broken by 3 rows"),
    ],
    ids=["missing", "foreign", "type", "zone", "value"],
)
def test_a_frame_that_breaks_its_schema_is_refused(edge: Any, frame: pl.DataFrame, expected: str) -> None:
    with pytest.raises(ContractViolation, match=expected):
        cross(edge, frame, DataFrame[Toy])


def test_a_large_frame_of_which_every_row_is_wrong_is_refused_in_time(edge: Any) -> None:
    """A bound that the product promises: 2 s where pandera's own report takes minutes."""
    wrong = toy(ROWS).with_columns(id=-1 - pl.col("id"), small=pl.col("small") + 2, name=pl.lit("miles"))
    started = time.perf_counter()
    with pytest.raises(ContractViolation) as caught:
        cross(edge, wrong, DataFrame[Toy])
    assert time.perf_counter() - started < 2
    report = str(caught.value)
    assert "id: must be at least 0, broken by 300,000 rows (such as -1, -2, -3)" in report
    assert "small: must be at most 1, broken by 300,000 rows" in report
    assert "name: must be one of a, b, broken by 300,000 rows (such as miles, miles, miles)" in report
    assert len(report) < 2_000


def test_another_schema_reads_nothing_of_a_frame(edge: Any) -> None:
    class Other(pa.DataFrameModel):
        id: str

    with pytest.raises(ContractViolation, match="id: must be of type String"):
        cross(edge, toy(), DataFrame[Toy], DataFrame[Other])


def test_a_disk_that_cannot_be_written_is_a_storage_error(edge: Any, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="must be writable"):
        cross(edge, toy(), DataFrame[Toy])


# --- hashes -----------------------------------------------------------------------------------------------------------


def test_rows_hash_is_the_same_for_equal_rows_however_they_come() -> None:
    once = rows_hash(toy())
    assert rows_hash(toy().lazy()) == once
    assert rows_hash(pl.concat([toy().head(1), toy().tail(2)], rechunk=False)) == once


def test_rows_hash_is_the_same_in_every_process() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    code = "import polars as pl; from tasks.frames import rows_hash; print(rows_hash(pl.DataFrame({'a': [1, 2], 'b': ['x', None]})))"
    # Another hash seed: nothing may lean on Python's own `hash`.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."}, timeout=60
    )
    assert done.stdout.strip() == rows_hash(frame)


@pytest.mark.parametrize(
    "other",
    [
        toy().reverse(),  # another order
        toy().head(2),  # a row less
        toy().with_columns(small=pl.lit(0.5, dtype=pl.Float32)),  # another value
        toy().with_columns(small=pl.lit(None, dtype=pl.Float32)),  # none
        toy().with_columns(pl.col("small").cast(pl.Float64)),  # another type
        toy().rename({"id": "key"}),  # another name
    ],
    ids=["order", "rows", "value", "null", "type", "name"],
)
def test_rows_hash_differs_with(other: pl.DataFrame) -> None:
    assert rows_hash(other) != rows_hash(toy())


def test_frames_without_rows_differ_by_their_columns() -> None:
    assert rows_hash(toy().head(0)) != rows_hash(toy().head(0).drop("id"))


# --- small pandas frames ----------------------------------------------------------------------------------------------


def scored(**columns: Any) -> pd.DataFrame:
    base = {
        "row": [0, 1],
        "batch_day": pd.to_datetime(["2013-11-01", "2013-11-02"]),
        "label": [0, 1],
        **{name: [0.25, 0.5] for name in ("network", "lightgbm", "logistic", "prior")},
        "incumbent": [None, 0.5],
    }
    return pd.DataFrame(base | columns).astype({"incumbent": "float64"})


def test_scored_rows_cross_an_edge(edge: Any) -> None:
    found = cross(edge, scored(), Scored)
    pd.testing.assert_frame_equal(found, scored(), check_dtype=False)
    assert list(found.columns) == list(frames.ScoredRows.to_schema().columns)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (scored(network=[0.5, 1.5]), "network: must be at most 1, broken by 1 rows"),
        (scored(label=[0, 2]), "label: must be one of 0, 1, broken by 1 rows"),
        (scored().drop(columns="logistic"), "logistic: must be there"),
    ],
    ids=["range", "label", "missing"],
)
def test_scored_rows_that_break_their_schema_are_refused(edge: Any, frame: pd.DataFrame, expected: str) -> None:
    with pytest.raises(ContractViolation, match=expected):
        cross(edge, frame, Scored)
