"""A wrong frame given to a real task fails at its edge: at once, with a short report, before the task's body runs.

That holds for 300,000 rows of which every one is wrong: a bound that the product promises, where pandera's own report
takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from flytekit import FlyteContextManager
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.core.local_cache import LocalTaskCache
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import Literal, Scalar, StructuredDataset, StructuredDatasetMetadata

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.record import Window
from tasks.artifacts.registry import Incumbent
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.contracts import types
from tasks.errors import ContractViolation
from tasks.evaluation.task import evaluate, score
from tasks.frames import Checked, Scored, ScoredRows
from tasks.training.task import DEFAULT_CONFIG, plan_split
from tasks.usecase.features import Features

pytestmark = pytest.mark.flyte

ROWS = 300_000
MOST_SECONDS = 2.0
MOST_CHARACTERS = 2_000

SNAPSHOT = DataSnapshot(
    source="toy",
    as_of=datetime(2013, 5, 1, tzinfo=UTC),
    first_day=date(2013, 1, 1),
    last_day=date(2013, 4, 29),
    tables=[],
    quarantined=[],
    rows_read=ROWS,
    rows_not_yet_known=0,
    manifest="lake/manifests/1.parquet",
    content_hash="0",
)
SPLIT = Split(
    training=Window(first_day=date(2013, 1, 1), last_day=date(2013, 3, 1)),
    evaluation=Window(first_day=date(2013, 3, 2), last_day=date(2013, 4, 1)),
    folds=[],
)
MODEL = TrainedModel(
    config=TrainingConfig(),
    name="network",
    bundle_digest="0",
    features_hash="0",
    split=SPLIT,
    training_rows=1,
    numeric_features=[],
    categorical_features=[],
    threshold=0.5,
    folds=[],
    losses=[],
    device="cpu",
    precision="32",
    train_seconds=1.0,
    seed=1,
)
NO_INCUMBENT = Incumbent(version=None, bundle_uri=None, bundle_digest=None, threshold=None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home, a cache and a Flyte context of the test's own."""
    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(LocalTaskCache, "_initialized", False)
    monkeypatch.setattr(LocalTaskCache, "_cache", None, raising=False)
    context = FlyteContextManager.current_context()
    access = FileAccessProvider(local_sandbox_dir=str(tmp_path / "sandbox"), raw_output_prefix=str(tmp_path / "outputs"))
    with FlyteContextManager.with_context(context.with_file_access(access)):
        yield
    if LocalTaskCache._cache is not None:
        LocalTaskCache._cache.close()


def features(rows: int) -> pl.DataFrame:
    """Return rows that keep the contract."""

    def value(dtype: pl.DataType) -> pl.Expr:
        if dtype == pl.String:
            return pl.lit("a")
        if dtype == pl.Date:
            return pl.lit(date(2013, 3, 1))
        return pl.lit(datetime(2013, 3, 1, tzinfo=UTC) if dtype.is_temporal() else 1).cast(dtype)

    columns = [value(dtype).alias(name) for name, dtype in types(Features).items()]
    return pl.DataFrame({"i": np.arange(rows)}).with_columns(columns).drop("i")


def scored(rows: int) -> pd.DataFrame:
    """Return rows that keep the contract."""
    frame = pd.DataFrame({"row": np.arange(rows), "batch_day": np.datetime64("2013-04-01", "ns"), "label": 0})
    return frame.assign(network=0.5, lightgbm=0.5, logistic=0.5, prior=0.5, incumbent=0.5)


def split(frame: pl.DataFrame) -> Any:
    return plan_split(features=frame.lazy(), snapshot=SNAPSHOT, config=DEFAULT_CONFIG)


def judge(frame: pd.DataFrame) -> Any:
    return evaluate(scored=frame, features=features(3).lazy(), split=SPLIT, candidate=MODEL, baselines=[MODEL], incumbent=NO_INCUMBENT)


def refused(call: Any, frame: Any) -> str:
    """Return the report of the refusal, which must come fast and be short."""
    started = time.perf_counter()
    with pytest.raises(ContractViolation) as caught:
        call(frame)
    assert time.perf_counter() - started < MOST_SECONDS
    report = str(caught.value)
    assert len(report) < MOST_CHARACTERS
    assert "To mend: " in report
    return report


# --- polars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda f: f.drop("dest"), "dest: must be there"),
        (lambda f: f.with_columns(surprise=1), "surprise: must not be there"),
        (
            lambda f: f.with_columns(pl.col("distance").cast(pl.Float64)),
            "distance: must be of type Float32, broken by 1 rows (such as Float64)",
        ),
        (lambda f: f.with_columns(distance=pl.lit("far")), "distance: must be of type Float32"),
        (
            lambda f: f.with_columns(distance=pl.lit(float("nan"), dtype=pl.Float32)),
            "distance: must be finite, broken by 300,000 rows (such as nan, nan, nan)",
        ),
        (
            lambda f: f.with_columns(humid=pl.lit(float("-inf"), dtype=pl.Float32)),
            "humid: must be finite, broken by 300,000 rows (such as -inf, -inf, -inf)",
        ),
        (
            lambda f: f.with_columns(carrier=pl.lit(None, dtype=pl.String)),
            "carrier: must not be null, broken by 300,000 rows (such as None, None, None)",
        ),
        (
            lambda f: f.with_columns(label=(pl.int_range(pl.len()) % 100 + 2).cast(pl.Int8)),
            "label: must be one of 0, 1, broken by 300,000 rows (such as 2, 3, 4)",
        ),
    ],
    ids=["missing", "foreign", "wider-type", "other-type", "nan", "infinite", "null", "value"],
)
def test_wrong_features_are_refused(wrong: Any, expected: str) -> None:
    assert expected in refused(split, wrong(features(ROWS)))


def test_every_rule_that_features_break_is_named_up_to_twenty() -> None:
    numbers = [name for name, dtype in types(Features).items() if dtype == pl.Float32]
    report = refused(split, features(ROWS).with_columns(pl.lit(float("nan"), dtype=pl.Float32).alias(name) for name in numbers))
    assert report.count("must be finite, broken by 300,000 rows (such as nan, nan, nan)") == 20
    assert "20 broken rules" in report


def test_one_wrong_row_is_enough() -> None:
    frame = features(ROWS).with_columns(hour=pl.when(pl.int_range(pl.len()) == 299_999).then(None).otherwise(pl.lit("07")))
    assert "hour: must not be null, broken by 1 rows" in refused(split, frame)


def test_right_features_cross() -> None:
    """Else the refusals above would prove nothing: these pass the edge and fail in the body, for want of days."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - flytekit adds to the error what it likes
        split(features(ROWS))
    assert not isinstance(caught.value, ContractViolation)


# --- pandas -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda f: f.drop(columns="logistic"), "logistic: must be there"),
        (lambda f: f.assign(surprise=1), "surprise: must not be there"),
        (lambda f: f.assign(network="high"), "network: must be of type Float64, broken by 1 rows (such as String)"),
        (lambda f: f.assign(network=np.float32(0.5)), "network: must be of type Float64, broken by 1 rows (such as Float32)"),
        (lambda f: f.assign(network=np.nan), "network: must not be null, broken by 300,000 rows (such as None, None, None)"),
        (lambda f: f.assign(lightgbm=np.inf), "lightgbm: must be at most 1, broken by 300,000 rows (such as inf, inf, inf)"),
        (lambda f: f.assign(logistic=f["row"] + 2.0), "logistic: must be at most 1, broken by 300,000 rows (such as 2.0, 3.0, 4.0)"),
        (lambda f: f.assign(label=f["row"] + 2), "label: must be one of 0, 1, broken by 300,000 rows (such as 2, 3, 4)"),
        (lambda f: f.assign(row=-1 - f["row"]), "row: must be at least 0, broken by 300,000 rows (such as -1, -2, -3)"),
    ],
    ids=["missing", "foreign", "text", "narrower-type", "nan", "infinite", "range", "value", "negative"],
)
def test_wrong_scores_are_refused(wrong: Any, expected: str) -> None:
    assert expected in refused(judge, wrong(scored(ROWS)))


def test_every_rule_that_scores_break_is_named() -> None:
    report = refused(judge, scored(ROWS).assign(label=7, network=-1.0, lightgbm=2.0, logistic=np.nan))
    assert [line.split(":")[0].strip() for line in report.splitlines()[1:-1]] == ["label", "network", "lightgbm", "logistic"]


def test_scores_from_elsewhere_are_checked_when_they_are_read(tmp_path: Path) -> None:
    """A pod, or a frame given in the console: nothing in this process has checked it."""
    (tmp_path / "given").mkdir()
    scored(ROWS).assign(network=7.0).to_parquet(tmp_path / "given" / "00000")
    kind = TypeEngine.to_literal_type(Scored)
    metadata = StructuredDatasetMetadata(structured_dataset_type=kind.structured_dataset_type)
    literal = Literal(scalar=Scalar(structured_dataset=StructuredDataset(uri=str(tmp_path / "given"), metadata=metadata)))
    context = FlyteContextManager.current_context()
    report = refused(lambda given: TypeEngine.to_python_value(context, given, Scored), literal)
    assert "network: must be at most 1, broken by 300,000 rows (such as 7.0, 7.0, 7.0)" in report


@pytest.mark.parametrize("incumbent", [0.5, np.nan], ids=["champion", "none"])
def test_right_scores_cross(incumbent: float) -> None:
    """Else the refusals above would prove nothing. Without a champion its column is NaN, as the contract allows."""
    context = FlyteContextManager.current_context()
    kind = TypeEngine.to_literal_type(Scored)
    assert kind == evaluate.interface.inputs["scored"].type == score.interface.outputs["o0"].type
    assert [column.name for column in kind.structured_dataset_type.columns] == list(ScoredRows.to_schema().columns)
    given = scored(10).assign(incumbent=incumbent)
    literal = TypeEngine.to_literal(context, given, Scored, kind)
    for _ in ("in the process that wrote it", "in another"):
        pd.testing.assert_frame_equal(TypeEngine.to_python_value(context, literal, Scored), given, check_dtype=False)
        Checked._VALIDATION_MEMO.clear()
