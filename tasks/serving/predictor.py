"""The served model: preprocessing and ONNX from a package, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.fairness import Grouping
from tasks.model import bundle
from tasks.model.groups import row_thresholds
from tasks.model.preprocessing import Preprocessing

ONNX, PREPROCESSING, CARD = "model.onnx", "preprocessing.json", "card.json"


class BadRequest(ValueError):
    """The rows of a request are not what the model reads; the message says what and where."""


class Predictor:
    """A package, loaded and verified.

    Args:
        folder: The package: a bundle with `model.onnx`, `preprocessing.json` and `card.json`.

    Raises:
        BundleError: If the package is incomplete or altered.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        bundle.verify(folder)
        self.preprocessing = Preprocessing.model_validate_json((folder / PREPROCESSING).read_bytes())
        self.digest = bundle.digest(folder)
        self.card: dict[str, Any] = json.loads((folder / CARD).read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
        self._numeric = {column.name for column in self.preprocessing.numeric}
        self._categorical = {column.name for column in self.preprocessing.categorical}
        self._optional = set(self.card["numeric_features"])
        grouping = self.card.get("grouping")
        self._grouping = Grouping.model_validate(grouping) if grouping else None

    def predict(self, frame: pl.DataFrame) -> npt.NDArray[np.float32]:
        """Return the probability of the positive class of each row, shape (n,)."""
        numbers, codes = self.preprocessing.encode(frame)
        result: npt.NDArray[np.float32] = self._session.run(["probability"], {"numbers": numbers, "codes": codes})[0]
        return result

    def flag(self, frame: pl.DataFrame, probabilities: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether each row is flagged, shape (n,): from the threshold of its group upwards, or from the one of all."""
        thresholds = row_thresholds(frame, self.card["threshold"], self._grouping, self.card.get("group_thresholds"))
        flagged: npt.NDArray[np.bool_] = np.asarray(probabilities, np.float64) >= thresholds
        return flagged

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Check the rows of a request and make a frame of them.

        Args:
            rows: Each with a string for every categorical feature and a number or null for any numeric one; a numeric
                feature left out is null.

        Raises:
            BadRequest: Naming the row, the field, what was expected and what was found.
        """
        for number, row in enumerate(rows):
            unknown = sorted(set(row) - self._optional - self._categorical)
            if unknown:
                raise BadRequest(f"rows[{number}]: no feature is named {unknown[0]!r}")
            for name in sorted(self._categorical):
                if not isinstance(row.get(name), str):
                    raise BadRequest(f"rows[{number}].{name} must be a string; got {type(row.get(name)).__name__}")
            for name in sorted(row.keys() & self._optional):
                value = row[name]
                is_number = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
                if value is not None and not is_number:
                    raise BadRequest(f"rows[{number}].{name} must be a finite number or null; got {type(value).__name__}")
        schema = dict.fromkeys(self._numeric, pl.Float32) | dict.fromkeys(self._categorical, pl.String)
        return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)

    def warnings(self, row: Mapping[str, Any]) -> list[str]:
        """Return what a caller should know of one row: categories never seen, features left out."""
        found = [
            f"{c.name} {row[c.name]!r} was never seen in training" for c in self.preprocessing.categorical if row[c.name] not in c.values
        ]
        absent = sum(row.get(name) is None for name in self._numeric)
        if absent:
            found.append(f"{absent} of {len(self._numeric)} numeric features are missing: typical values stand in")
        return found
