"""Typed frames on task edges: `DataFrame[Schema]` and `LazyFrame[Schema]` of polars, and small ones of pandas.

flytekit has no transformer for pandera's polars types and would pickle them. This one writes Parquet under a unique
name, puts the columns and their types into the literal type (the console and the compiler see the schema), checks a
frame once, when it enters an edge, with a capped report, and reads lazily. Equal frames hit the cache wherever they
came from if the producer's output is annotated with `HashMethod(rows_hash)`.

Pandas frames go through flytekitplugins-pandera, with the same capped check in front (`Checked`): its own report
takes minutes where most rows fail.
"""

from __future__ import annotations

import hashlib
import typing
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars as pa
import pandera.typing as pandas_typing
import pandera.typing.polars as polars_typing
import polars as pl
from flytekit import FlyteContext, HashMethod
from flytekit.core.type_engine import TypeEngine, TypeTransformer
from flytekit.models.literals import Literal, Scalar, StructuredDataset, StructuredDatasetMetadata
from flytekit.models.types import LiteralType, SimpleType, StructuredDatasetType
from flytekitplugins.pandera.pandas_transformer import PanderaPandasTransformer

from tasks import contracts
from tasks.errors import ContractViolation, StorageError
from tasks.rows import require

DataFrame = polars_typing.DataFrame
LazyFrame = polars_typing.LazyFrame
PandasFrame = pandas_typing.DataFrame


def rows_hash(frame: pl.LazyFrame | pl.DataFrame) -> str:
    """Return the hash of a frame's columns, types and rows in their order; the same in every process."""
    rows = frame.lazy().collect()
    digest = hashlib.sha256(str(list(rows.schema.items())).encode())
    digest.update(rows.hash_rows(seed=2013).to_numpy().tobytes() if rows.height else b"")
    return digest.hexdigest()


def _schema_of(python_type: Any) -> type[pa.DataFrameModel]:
    if typing.get_origin(python_type) is typing.Annotated:
        python_type = typing.get_args(python_type)[0]
    arguments = typing.get_args(python_type)
    if not arguments:
        raise ContractViolation("a frame on a task edge must name its schema", f"{python_type}", "write DataFrame[Schema]")
    schema: type[pa.DataFrameModel] = arguments[0]
    return schema


def _simple(dtype: pl.DataType) -> LiteralType:
    if dtype.is_integer():
        return LiteralType(simple=SimpleType.INTEGER)
    if dtype.is_float():
        return LiteralType(simple=SimpleType.FLOAT)
    if dtype == pl.Boolean:
        return LiteralType(simple=SimpleType.BOOLEAN)
    if dtype.is_temporal():
        return LiteralType(simple=SimpleType.DATETIME)
    return LiteralType(simple=SimpleType.STRING)


def _structured(schema: type[pa.DataFrameModel]) -> StructuredDatasetType:
    columns = [
        StructuredDatasetType.DatasetColumn(name=name, literal_type=_simple(dtype)) for name, dtype in contracts.types(schema).items()
    ]
    return StructuredDatasetType(columns=columns, format="parquet")


class PolarsTransformer(TypeTransformer):  # type: ignore[type-arg]
    """Carries `DataFrame[Schema]` or `LazyFrame[Schema]` of polars across a task edge."""

    def __init__(self, python_type: Any, is_lazy: bool) -> None:
        super().__init__(f"polars {python_type.__name__} with a schema", python_type)
        self._is_lazy = is_lazy

    def get_literal_type(self, t: Any) -> LiteralType:
        """Return the type with the schema's columns."""
        return LiteralType(structured_dataset_type=_structured(_schema_of(t)))

    def assert_type(self, t: Any, v: Any) -> None:
        """Accept polars frames; `to_literal` checks the rest."""

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        """Check a frame against its schema and write it as Parquet.

        Raises:
            ContractViolation: If it is not a polars frame or breaks its schema.
            StorageError: If it cannot be written.
        """
        schema = _schema_of(python_type)
        if not isinstance(python_val, (pl.DataFrame, pl.LazyFrame)):
            raise ContractViolation(f"a frame of {schema.__name__} must be a polars frame", f"{type(python_val)}", "convert it first")
        rows = python_val.lazy().collect()
        require(rows.lazy(), schema, "a frame on a task edge")
        uri = ctx.file_access.get_random_remote_path(f"{schema.__name__}.parquet")
        remote = ctx.file_access.is_remote(uri)
        path = ctx.file_access.get_random_local_path(f"{schema.__name__}.parquet") if remote else uri
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            rows.write_parquet(path, compression="zstd", row_group_size=65_536)
            if remote:
                ctx.file_access.put_data(path, uri, is_multipart=False)
        except OSError as error:
            raise StorageError(f"{uri} must be writable", f"{error}", "free space or mend permissions, then run again") from error
        metadata = StructuredDatasetMetadata(structured_dataset_type=_structured(schema))
        return Literal(scalar=Scalar(structured_dataset=StructuredDataset(uri=uri, metadata=metadata)))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        """Read a frame that was checked when it was written; only its columns and types are compared again."""
        schema = _schema_of(expected_python_type)
        uri = lv.scalar.structured_dataset.uri
        if ctx.file_access.is_remote(uri):
            path = ctx.file_access.get_random_local_path(f"{schema.__name__}.parquet")
            ctx.file_access.get_data(uri, path)
        else:
            path = uri
        frame = pl.scan_parquet(path)
        if dict(frame.collect_schema()) != contracts.types(schema):
            require(frame, schema, f"the frame at {uri}")
        return frame if self._is_lazy else frame.collect()


TypeEngine.register(PolarsTransformer(polars_typing.DataFrame, is_lazy=False))
TypeEngine.register(PolarsTransformer(polars_typing.LazyFrame, is_lazy=True))


class Checked(PanderaPandasTransformer):  # type: ignore[misc]
    """flytekitplugins-pandera with a capped check in front; used as `Annotated[PandasFrame[S], Checked()]`."""

    def get_literal_type(self, t: Any) -> LiteralType:
        """Return the type with the schema's columns, which the plugin leaves out."""
        return LiteralType(structured_dataset_type=_structured(_schema_of(t)))

    def assert_type(self, t: Any, v: Any) -> None:
        """Accept any frame; `to_literal` checks the rest."""

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        """Check a frame, then let the plugin validate, report and store it.

        Raises:
            ContractViolation: If it breaks its schema.
        """
        schema = _schema_of(python_type)
        require(pl.from_pandas(python_val).lazy(), schema, "a frame on a task edge")
        return super().to_literal(ctx, python_val, _bare(python_type), expected)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        """Check a frame that was not written in this process, then let the plugin read and report it.

        Raises:
            ContractViolation: If it breaks its schema.
        """
        schema = _schema_of(expected_python_type)
        if (lv.scalar.structured_dataset.uri, schema.to_schema().name) not in self._VALIDATION_MEMO:
            frame = pl.from_pandas(self._sd_transformer.to_python_value(ctx, lv, pd.DataFrame)).lazy()
            # flytekit stores microseconds where pandas contracts say nanoseconds.
            frame = frame.with_columns(pl.selectors.datetime().dt.cast_time_unit("ns"))
            require(frame, schema, f"the frame at {lv.scalar.structured_dataset.uri}")
        return super().to_python_value(ctx, lv, _bare(expected_python_type))


def _bare(t: Any) -> Any:
    return typing.get_args(t)[0] if typing.get_origin(t) is typing.Annotated else t


class ScoredRows(pandera.pandas.DataFrameModel):
    """Probabilities of every model on the same rows. The incumbent's column is null without one."""

    row: int = pa.Field(ge=0, description="Row of the evaluation features, in their order")
    batch_day: pandera.pandas.DateTime = pa.Field(description="Local day of the row")
    label: int = pa.Field(isin=[0, 1], description="What came")
    network: float = pa.Field(ge=0, le=1, description="Probability by the candidate")
    lightgbm: float = pa.Field(ge=0, le=1, description="Probability by LightGBM")
    logistic: float = pa.Field(ge=0, le=1, description="Probability by logistic regression")
    prior: float = pa.Field(ge=0, le=1, description="Share of positives among the training rows")
    incumbent: float = pa.Field(ge=0, le=1, nullable=True, description="Probability by the champion, null without one")

    class Config:
        strict = True
        coerce = False


def _pandas_hash(frame: pd.DataFrame) -> str:
    return rows_hash(pl.from_pandas(frame))


Scored = typing.Annotated[PandasFrame[ScoredRows], Checked(), HashMethod(_pandas_hash)]
"""The type of scored rows on a task edge."""


class Scores(pa.DataFrameModel):
    """One row, scored by one version."""

    batch_day: pl.Date = pa.Field(description="Local day of the row")
    row_id: str = pa.Field(description="What names the row: its key among the features")
    predicted_at: contracts.Instant = pa.Field(description="Prediction instant, UTC")
    model_version: int = pa.Field(ge=1, description="The registered version")
    package: str = pa.Field(str_matches="^[0-9a-f]{12}$", description="First digits of the package's digest")
    probability: float = pa.Field(ge=0, le=1, description="As the service answers it")
    flagged: bool = pa.Field(description="Whether it is flagged, as the service answers it")

    class Config:
        strict = True


class StartScores(pa.DataFrameModel):
    """One row of the features, scored by the model of one start; what is known of that model stands in every row."""

    start: int = pa.Field(ge=0, description="Number of the start")
    row: int = pa.Field(ge=0, description="Position of the row in the features")
    probability: pl.Float32 = pa.Field(ge=0, le=1, description="Of the positive class")
    threshold: float = pa.Field(ge=0, description="From which the model flags")
    train_seconds: float = pa.Field(ge=0, description="That its training took")
    training_rows: int = pa.Field(ge=1, description="That it learned from")

    class Config:
        strict = True
