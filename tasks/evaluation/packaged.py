"""A package as the service runs it: its ONNX file on one thread. What it predicts, what it weighs and how long it takes."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from tasks.artifacts.compression import Cost
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.preprocessing import Codes, Floats, Preprocessing
from tasks.model.trained import Probabilities

_ROWS_AT_ONCE = 512
_ROUNDS, _SINGLE_ROWS, _BATCH_ROWS = 15, 100, 2_048
"""Every form has its share of each round, so that a machine that grows hot or busy does so for all of them."""


class Packaged:
    """A package, loaded and verified.

    Args:
        folder: The package.

    Raises:
        BundleError: If it is incomplete or altered.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        bundle.verify(folder)
        self.digest = bundle.digest(folder)
        self.preprocessing = Preprocessing.model_validate_json((folder / "preprocessing.json").read_bytes())
        self.onnx_bytes = (folder / "model.onnx").stat().st_size
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,).

        Raises:
            BundleError: If one is no number.
        """
        numbers, codes = self.preprocessing.encode(frame)
        parts = [self.run(numbers[i : i + _ROWS_AT_ONCE], codes[i : i + _ROWS_AT_ONCE]) for i in range(0, len(numbers), _ROWS_AT_ONCE)]
        found: Probabilities = np.concatenate(parts).astype(np.float64)
        wrong = int((~np.isfinite(found)).sum())
        if wrong:
            raise BundleError("a package must give every row a probability", f"none for {wrong} of {len(found)} rows", "train again")
        return found

    def run(self, numbers: Floats, codes: Codes) -> Floats:
        """Return the probabilities of encoded rows, shape (n,)."""
        result: Floats = self._session.run(["probability"], {"numbers": numbers, "codes": codes})[0]
        return result


def measure(packages: Mapping[str, Packaged], rows: pl.DataFrame) -> dict[str, Cost]:
    """Take the processor's time for packages, in turn on the same rows: one at a time and in batches, read and encoded before.

    Args:
        packages: Name to package.
        rows: At least one; they are repeated where there are too few.
    """
    encoded = {name: _repeated(*package.preprocessing.encode(rows.head(_BATCH_ROWS))) for name, package in packages.items()}
    single: dict[str, list[float]] = {name: [] for name in packages}
    batch: dict[str, list[float]] = {name: [] for name in packages}
    for _ in range(_ROUNDS):
        for name, package in packages.items():
            numbers, codes = encoded[name]
            single[name].append(_seconds(package.run, numbers[:_SINGLE_ROWS], codes[:_SINGLE_ROWS], 1) / _SINGLE_ROWS)
            batch[name].append(_BATCH_ROWS / _seconds(package.run, numbers, codes, _ROWS_AT_ONCE))
    return {
        name: Cost(
            onnx_bytes=package.onnx_bytes,
            microseconds_a_row=float(np.median(single[name])) * 1e6,
            rows_per_second=float(np.median(batch[name])),
        )
        for name, package in packages.items()
    }


def machine() -> str:
    """Return what the times were taken on."""
    return f"{platform.machine()}, one thread"


def _repeated(numbers: Floats, codes: Codes) -> tuple[Floats, Codes]:
    index = np.arange(_BATCH_ROWS) % len(numbers)
    return numbers[index], codes[index]


def _seconds(run: Callable[[Floats, Codes], Floats], numbers: Floats, codes: Codes, rows_at_once: int) -> float:
    started = time.thread_time()  # of the processor: what else the machine does must not count
    for i in range(0, len(numbers), rows_at_once):
        run(numbers[i : i + rows_at_once], codes[i : i + rows_at_once])
    return time.thread_time() - started
