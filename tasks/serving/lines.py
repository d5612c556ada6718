"""Lines of the prediction log as rows of tables: a row a prediction, a row a score of another model.

A line of an older or newer service is read as far as its columns are known; what no column takes is counted. A line that is not of
the form at all counts as damaged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.lake.predictions import HEAD, INSTANT, SHADOW

_MOST = int(np.finfo(np.float32).max)
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, pl.exceptions.PolarsError)


@dataclass(frozen=True)
class Columns:
    """What of a request's row becomes a column.

    Attributes:
        numeric: Numeric features.
        categorical: Categorical features.
        key: What names who is asked about; empty for nothing.
    """

    numeric: Sequence[str]
    categorical: Sequence[str]
    key: str

    def predictions(self) -> pl.Schema:
        """Return the columns of the table of predictions."""
        named = {self.key: pl.String()} if self.key else {}
        features = {**dict.fromkeys(self.categorical, pl.String()), **dict.fromkeys(self.numeric, pl.Float32())}
        return pl.Schema({**HEAD, "key": pl.String(), **named, "segment": pl.String(), **features})


@dataclass(frozen=True)
class Rows:
    """What the lines of a segment hold.

    Attributes:
        answers: Lines that are answers.
        predictions: A row a prediction, of `Columns.predictions`.
        shadows: A row a score, of the lake's `SHADOW`.
        damaged: Lines that are of no form that is known.
        unknown: What no column takes, with the number of rows.
    """

    answers: int
    predictions: pl.DataFrame
    shadows: pl.DataFrame
    damaged: int
    unknown: Counter[str]


def parsed(lines: Sequence[dict[str, Any]], columns: Columns, segment: str) -> Rows:
    """Return the rows of a segment's lines.

    Args:
        lines: The lines, in their order.
        columns: What of a request becomes a column.
        segment: The segment's name.
    """
    answers = [line for line in lines if line.get("kind") == "answer"]
    shadows = [line for line in lines if line.get("kind") == "shadow"]
    unknown = Counter(f"lines of the kind {line.get('kind')!r}"[:80] for line in lines if line.get("kind") not in ("answer", "shadow"))
    asked, bad = _rows(answers, lambda some: _predictions(some, columns, segment, unknown))
    scored, bad_too = _rows(shadows, lambda some: _shadows(some, segment))
    return Rows(
        answers=len(answers) - bad,
        predictions=asked if asked is not None else pl.DataFrame(schema=columns.predictions()),
        shadows=scored if scored is not None else pl.DataFrame(schema=SHADOW),
        damaged=bad + bad_too,
        unknown=unknown,
    )


def _rows(lines: Sequence[dict[str, Any]], make: Any) -> tuple[pl.DataFrame | None, int]:
    """Return what a function makes of lines, all at once if it can, else one by one; and how many it cannot read."""
    if not lines:
        return None, 0
    try:
        return make(lines), 0
    except _UNREADABLE:
        if len(lines) == 1:
            return None, 1
    half = len(lines) // 2  # the few bad ones are found in few steps
    (first, bad), (second, bad_too) = _rows(lines[:half], make), _rows(lines[half:], make)
    found = [frame for frame in (first, second) if frame is not None]
    return (pl.concat(found) if found else None), bad + bad_too


def _predictions(lines: Sequence[dict[str, Any]], columns: Columns, segment: str, unknown: Counter[str]) -> pl.DataFrame:
    predictions = [(line, told) for line in lines for told in line["predictions"]]
    rows: list[Mapping[str, Any]] = [row for line in lines for row in line["request"]["rows"]]
    if any(len(line["predictions"]) != len(line["request"]["rows"]) for line in lines):
        raise ValueError("a line must have a prediction a row")
    numbers, beyond = _numbers(rows, columns.numeric)
    texts = [*columns.categorical, *([columns.key] if columns.key else [])]
    made = {
        "prediction_id": [told["prediction_id"] for _, told in predictions],
        "at": [line["at"] for line, _ in predictions],
        "revision": [line["revision"] for line, _ in predictions],
        "arm": [told["arm"] for _, told in predictions],
        "model_version": [told["version"] for _, told in predictions],
        "package": [told["package"] for _, told in predictions],
        "probability": [float(told["probability"]) for _, told in predictions],
        "flagged": [told["flagged"] for _, told in predictions],
        "predicted_at": [told["predicted_at"] for _, told in predictions],
        "key": [line["key"] for line, _ in predictions],
        **{name: [row.get(name) for row in rows] for name in texts},
    }
    schema = columns.predictions()
    read = {name: _read_as(schema[name]) for name in made}
    features = [pl.Series(name, numbers[:, i]).fill_nan(None) for i, name in enumerate(columns.numeric)]
    frame = pl.DataFrame(made, schema=read).with_columns(pl.lit(segment).alias("segment"), *features)
    found = _with_instants(frame).select(schema.names())
    known = frozenset(schema.names())
    # Last: lines that are looked at again, one by one, must not count twice.
    unknown.update(f"the feature {name!r}"[:80] for row in rows if not row.keys() <= known for name in row.keys() - known)
    unknown.update(beyond)
    return found


def _numbers(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[NDArray[np.float32], Counter[str]]:
    """Return the numbers of rows (n, columns), NaN where there is none; and how many no column takes, which become NaN."""
    held = [[row.get(name) for name in names] for row in rows]
    with np.errstate(over="ignore"):
        try:
            numbers = np.array(held, np.float32)
        except OverflowError:  # an integer that not even a double takes; a service that does not read the feature lets it pass
            numbers = np.array([[_cut(value) for value in row] for row in held], np.float32)
    numbers = numbers.reshape(len(rows), len(names))
    beyond = np.isinf(numbers)
    numbers[beyond] = np.nan
    return numbers, Counter({f"a number beyond all bounds of {names[i]!r}"[:80]: int(n) for i, n in enumerate(beyond.sum(axis=0)) if n})


def _cut(value: Any) -> Any:
    return math.inf if isinstance(value, int) and abs(value) > _MOST else value


def _shadows(lines: Sequence[dict[str, Any]], segment: str) -> pl.DataFrame:
    scores = [(line, id, float(probability)) for line in lines for id, probability in line["scores"]]
    made = {
        "prediction_id": [id for _, id, _ in scores],
        "at": [line["at"] for line, _, _ in scores],
        "revision": [line["revision"] for line, _, _ in scores],
        "model_version": [line["version"] for line, _, _ in scores],
        "package": [line["package"] for line, _, _ in scores],
        "probability": [probability for _, _, probability in scores],
    }
    frame = pl.DataFrame(made, schema={name: _read_as(SHADOW[name]) for name in made})
    return _with_instants(frame.with_columns(segment=pl.lit(segment))).select(SHADOW.names())


def _read_as(dtype: pl.DataType) -> pl.DataType:
    return pl.String() if dtype == INSTANT else dtype


def _with_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """Read the instants of a frame, and append the day of `at`."""
    texts = [name for name in ("at", "predicted_at") if name in frame.columns]
    return frame.with_columns(
        pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=True) for name in texts
    ).with_columns(batch_day=pl.col("at").dt.date())
