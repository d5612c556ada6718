"""The served model: preprocessing and ONNX from a package, without torch; the same in the service and in batch scoring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import TypeAdapter, ValidationError

from tasks.artifacts.fairness import Grouping
from tasks.artifacts.serving import ClientRow, RequestField
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.groups import row_thresholds
from tasks.model.preprocessing import Codes, Floats, Preprocessing

ONNX, PREPROCESSING, CARD, FEATURES, CLIENT = "model.onnx", "preprocessing.json", "card.json", "features.json", "request.json"

_TILE = 4
"""Rows are computed by fours, the last ones filled up. The runtime's kernels take four rows at once and treat a remainder in
another way: filled up, a row's probability is the same to the bit whatever rows come with it."""
_AT_ONCE = 512
"""Rows of one pass of the network, whole tiles: few, so that a CPU's caches hold what a pass makes of them. A day of 9,000 rows in one
pass took a quarter more time, and 395 MB instead of 34."""
_WARM_UPS = 3

_FIELDS = TypeAdapter(list[RequestField])


@dataclass(frozen=True)
class Encoded:
    """Rows as arrays: `values` float32 of shape (n, numeric), NaN where missing, and `codes` int64 of shape (n, categorical)."""

    values: Floats
    codes: Codes

    def __len__(self) -> int:
        return len(self.values)

    def digests(self) -> list[bytes]:
        """Return a short digest of each row: equal rows, equal digests."""
        rows = zip(self.values, self.codes, strict=True)
        return [blake2b(values.tobytes() + codes.tobytes(), digest_size=8).digest() for values, codes in rows]

    def __getitem__(self, rows: npt.NDArray[np.bool_] | slice) -> Encoded:
        return Encoded(self.values[rows], self.codes[rows])


class Predictor:
    """A package, loaded and verified.

    Args:
        folder: The package: a bundle with `model.onnx`, `preprocessing.json` and `card.json`.
        digest: The sum that its manifest must have, if known.

    Raises:
        BundleError: If the package is incomplete, altered or another one.
    """

    def __init__(self, folder: Path, digest: str | None = None) -> None:
        import onnxruntime

        bundle.verify(folder, digest)
        self.digest = bundle.digest(folder)
        self.preprocessing = Preprocessing.model_validate_json((folder / PREPROCESSING).read_bytes())
        self.card: dict[str, Any] = json.loads((folder / CARD).read_text())
        self.name = str(self.card["name"])
        self.features = _fields(folder / FEATURES)
        self.client = _client(folder / CLIENT)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
        self.numeric = [column.name for column in self.preprocessing.numeric]
        self.categorical = [column.name for column in self.preprocessing.categorical]
        self._standard, self._known = self.preprocessing.standard, list(zip(self.categorical, self.preprocessing.known, strict=True))
        self.accepted = frozenset(self.card["numeric_features"])
        """Numeric features that a row may hold: also those that training found without spread, which are not read."""
        grouping = self.card.get("grouping")
        self._grouping = Grouping.model_validate(grouping) if grouping else None

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Return the rows of a request as arrays.

        Args:
            rows: Each with a number or None (or nothing) for every numeric feature and a string for every categorical one.

        Raises:
            OverflowError: If an integer is beyond any float; other numbers that float32 cannot hold are infinite.
        """
        with np.errstate(over="ignore"):  # it becomes infinite
            values = np.array([list(map(row.get, self.numeric)) for row in rows], np.float32).reshape(len(rows), len(self.numeric))
        codes = np.array([[known.get(row[name], 0) for name, known in self._known] for row in rows], np.int64)
        return Encoded(values, codes.reshape(len(rows), len(self._known)))

    def probabilities(self, encoded: Encoded) -> Floats:
        """Return the probability of the positive class of each row, shape (n,)."""
        return self._run(self._standard.encode(encoded.values), encoded.codes)

    def predict(self, frame: pl.DataFrame) -> Floats:
        """Return the probability of the positive class of each row of a frame, shape (n,): those of a request, to the bit."""
        return self._run(*self.preprocessing.encode(frame))

    def _run(self, numbers: Floats, codes: Codes) -> Floats:
        rows = len(numbers)
        missing = -rows % _TILE
        if missing:
            numbers = np.concatenate([numbers, np.zeros((missing, numbers.shape[1]), np.float32)])
            codes = np.concatenate([codes, np.zeros((missing, codes.shape[1]), np.int64)])
        found = [
            self._session.run(["probability"], {"numbers": numbers[start : start + _AT_ONCE], "codes": codes[start : start + _AT_ONCE]})[0]
            for start in range(0, max(len(numbers), 1), _AT_ONCE)
        ]
        return np.concatenate(found)[:rows] if len(found) > 1 else found[0][:rows]

    def flag(self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, probabilities: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether each row is flagged, shape (n,): from the threshold of its group upwards, or from the one of all.

        Args:
            rows: The rows, of which the column of the groups is read, if there are groups.
            probabilities: Their probabilities, shape (n,), as they are answered.
        """
        found = np.asarray(probabilities, np.float64)
        if self._grouping is None:
            return found >= self.card["threshold"]
        column, dtype = self._grouping.column, pl.String() if self._grouping.cut is None else pl.Float64()
        if isinstance(rows, pl.DataFrame):
            frame = rows
        else:  # 200 and 200.5 are both numbers
            frame = pl.DataFrame({column: pl.Series([row.get(column) for row in rows], dtype=dtype, strict=False)})
        return found >= row_thresholds(frame, self.card["threshold"], self._grouping, self.card.get("group_thresholds"))

    def typical(self) -> Encoded:
        """Return one row of medians, with categories that no value has."""
        medians = [[column.fill for column in self.preprocessing.numeric]]
        return Encoded(np.array(medians, np.float32), np.zeros((1, len(self.categorical)), np.int64))

    def warm(self) -> None:
        """Predict a few rows, so that the first request does not wait for what the runtime does once.

        Raises:
            BundleError: If the model gives no probability.
        """
        for _ in range(_WARM_UPS):
            found = self.probabilities(self.typical())
        if not (np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()):
            raise BundleError("a model must give probabilities", f"{found[0]}", "train again")


def _fields(file: Path) -> list[RequestField]:
    return _FIELDS.validate_json(file.read_bytes()) if file.is_file() else []


def _client(file: Path) -> ClientRow | None:
    """Return what a client sends of a row; None of a package that takes features alone.

    Raises:
        BundleError: If the file is of another form, as packages had before it named the rows.
    """
    if not file.is_file():
        return None
    try:
        return ClientRow.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise BundleError(
            f"{file.name} must say names, key and fields of what clients send", f"{error.errors()[0]['msg']}", "package the model again"
        ) from error


def rounded(probabilities: Floats) -> npt.NDArray[np.float64]:
    """Return probabilities as they are answered, decided on and kept, to six digits: in the service and in batch scoring."""
    found: npt.NDArray[np.float64] = np.rint(probabilities.astype(np.float64) * 1e6) / 1e6
    return found
