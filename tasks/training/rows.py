"""Where training rows lie while the network is fitted: in the memory of the device, or on disk where there are too many.

Batches are the same rows in the same order either way. Of rows on disk, an epoch first puts them into buckets by their
place in its order, so that a bucket holds the rows of some batches in a row; then one bucket at a time is in memory.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from tasks.artifacts.settings import Outcome
from tasks.model import preprocessing
from tasks.model.network import bins_of, fit_bins, sample_for_bins
from tasks.model.preprocessing import Preprocessing
from tasks.training.baselines import Encoded, thresholds
from tasks.training.files import RowFile, Values
from tasks.training.reweighing import WEIGHT

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 32_768
"""Rows that are put into buckets at once, or fewer where fewer may be in memory."""


@dataclass(frozen=True)
class Held:
    """Rows in the memory of a device."""

    numbers: Tensor
    codes: Tensor
    targets: Tensor

    def at(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (numbers, codes, targets) of some rows; the first target is the label, behind the last may be its weight."""
        return self.numbers[index], self.codes[index].long(), self.targets[index]


@dataclass(frozen=True)
class Batch:
    """The rows of one step: some of those held. Good until the next batch is asked for."""

    held: Held
    index: Tensor
    weight: float = 1.0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def share(self, number: int, count: int) -> Batch:
        """Return one of so many parts; where there are fewer rows, some get a row that does not count."""
        mine = self.index.tensor_split(count)[number]
        return Batch(self.held, mine) if len(mine) else Batch(self.held, self.index[:1], 0.0)

    def split(self, rows: int) -> Iterator[tuple[tuple[Tensor, Tensor, Tensor], bool]]:
        """Yield (numbers, codes, targets) of at most so many rows at a time, and whether these are the last."""
        for start in range(0, len(self), rows):
            yield self.held.at(self.index[start : start + rows]), start + rows >= len(self)


class Rows(ABC):
    """A training set; each row has the label, then the outcomes that are learned beside it, then its weight if rows are weighted."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    @abstractmethod
    def outcomes(self) -> int:
        """The number of outcomes that are learned beside the label."""

    @abstractmethod
    def bins(self, count: int) -> list[Tensor]:
        """Return the quantile bins of each numeric input."""

    @abstractmethod
    def on(self, device: str) -> Rows:
        """Return the same rows, of which batches come to lie on a device."""

    @abstractmethod
    def batches(self, order: Tensor, batch_rows: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Args:
            order: The numbers of all rows; batch n has those from `n * batch_rows` on.
            batch_rows: Rows of a batch; the last one may have fewer.
            first: Number of the first batch to yield.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up what the rows take beside memory."""


class InMemory(Rows):
    """A training set in the memory of a device: an index slice delivers millions of rows a second.

    Args:
        held: The rows.
        is_weighted: Whether the last of their targets is the label's weight.
    """

    def __init__(self, held: Held, is_weighted: bool = False) -> None:
        self._held, self._is_weighted = held, is_weighted

    @classmethod
    def of(cls, rows: Encoded) -> InMemory:
        """Take arrays."""
        held = Held(torch.from_numpy(rows.numbers), torch.from_numpy(rows.codes), torch.from_numpy(rows.targets))
        return cls(held, rows.weights is not None)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._held.targets)

    @property
    def outcomes(self) -> int:
        """The number of outcomes that are learned beside the label."""
        return self._held.targets.shape[1] - 1 - self._is_weighted

    def bins(self, count: int) -> list[Tensor]:
        """Return the quantile bins of each numeric input."""
        return fit_bins(self._held.numbers, count)

    def on(self, device: str) -> InMemory:
        """Return the same rows on a device."""
        held = self._held
        return InMemory(Held(held.numbers.to(device), held.codes.to(device), held.targets.to(device)), self._is_weighted)

    def batches(self, order: Tensor, batch_rows: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        index = order.to(self._held.targets.device, torch.int64)
        for start in range(first * batch_rows, len(self), batch_rows):
            yield Batch(self._held, index[start : start + batch_rows])

    def close(self) -> None:
        """Do nothing: they take nothing else."""


class OnDisk(Rows):
    """A training set in files without a name, most of which is never in memory.

    In memory are at most `rows_in_memory` rows (with a GPU, so many there too) and, of every row of the set, two small
    numbers: its place in the order, and its bucket. On disk the rows lie twice, as columns and in buckets.

    Args:
        columns: All rows, column by column: numeric inputs, categorical ones, targets; each of four-byte numbers.
        widths: Numeric inputs of a row, categorical ones, and targets, of which the first is the label.
        rows: Number of rows.
        rows_in_memory: Most rows held at once, though never fewer than a batch.
        folder: Where the files lie; None for the system's folder of temporary files.
        is_weighted: Whether the last target is the label's weight.

    Raises:
        StorageError: If the rows cannot be written.
    """

    def __init__(
        self,
        columns: Iterable[Values],
        widths: tuple[int, int, int],
        rows: int,
        rows_in_memory: int,
        folder: Path | None = None,
        is_weighted: bool = False,
    ) -> None:
        self._widths, self._rows, self._most, self._folder, self._device = widths, rows, rows_in_memory, folder, "cpu"
        self._is_weighted = is_weighted
        self._columns = RowFile(folder)
        try:
            self._take(columns)
        except BaseException:
            self.close()
            raise

    def _take(self, columns: Iterable[Values]) -> None:
        """Write the columns, and keep of the numeric ones what bins need."""
        started, sampled = time.perf_counter(), sample_for_bins(len(self)).numpy()
        kept = list[Tensor]()
        for number, column in enumerate(columns):
            self._columns.write(number * len(self), column)
            if number < self._widths[0]:
                kept.append(torch.from_numpy(np.concatenate([column[sampled], [column.min(), column.max()]])))
        self._sample = torch.stack(kept, 1) if kept else torch.empty(len(sampled) + 2, 0)
        took = time.perf_counter() - started
        log.info("%s rows encoded to disk in %.0f s; at most %s are in memory", f"{len(self):,}", took, f"{self._most:,}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    @property
    def outcomes(self) -> int:
        """The number of outcomes that are learned beside the label."""
        return self._widths[2] - 1 - self._is_weighted

    def bins(self, count: int) -> list[Tensor]:
        """Return the quantile bins of each numeric input."""
        return bins_of(self._sample[:-2], self._sample[-2], self._sample[-1], count)

    def on(self, device: str) -> OnDisk:
        """Return the same rows in the same files, of which batches come to lie on a device."""
        other = copy(self)
        other._device = device
        return other

    def batches(self, order: Tensor, batch_rows: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Raises:
            StorageError: If the rows cannot be written in this order.
        """
        rows, begun = order.numpy(), first * batch_rows
        size = min(max(1, self._most // batch_rows) * batch_rows, len(self))  # a bucket holds whole batches
        is_gpu = self._device == "cuda"
        with closing(self._in_buckets(rows, size)) as buckets:
            host = torch.empty((size, self._width), pin_memory=is_gpu)
            there = torch.empty_like(host, device=self._device) if is_gpu else host
            held = self._held(there)
            for start in range(begun // size * size, len(self), size):
                count = min(size, len(self) - start)
                if is_gpu:
                    torch.cuda.current_stream().synchronize()  # what is overwritten now may still be on its way
                buckets.read(start * self._width, host[:count].numpy())
                if is_gpu:
                    there.copy_(host, non_blocking=True)
                place = np.empty(count, np.int64)
                place[np.argsort(rows[start : start + count])] = np.arange(count)  # a bucket's rows lie as they came
                index = torch.from_numpy(place).to(self._device)
                for at in range(max(start, begun) - start, count, batch_rows):
                    yield Batch(held, index[at : at + batch_rows])

    @property
    def _width(self) -> int:
        return sum(self._widths)

    def _held(self, rows: Tensor) -> Held:
        """See rows of four-byte numbers as what they are."""
        numbers, codes, targets = self._widths
        return Held(rows[:, :numbers], rows.view(torch.int32)[:, numbers : numbers + codes], rows[:, -targets:])

    def _in_buckets(self, order: npt.NDArray[Any], size: int) -> RowFile:
        """Write the rows anew, row by row: bucket n has those of the places from `n * size` on."""
        started, starts = time.perf_counter(), range(0, len(self), size)
        bucket = np.empty(len(self), np.min_scalar_type(len(starts)))
        for number, start in enumerate(starts):
            bucket[order[start : start + size]] = number
        ends = np.array(starts)
        at_once = min(_ROWS_AT_ONCE, size)
        read = np.empty((self._width, at_once), np.float32)
        file = RowFile(self._folder)
        try:
            for start in range(0, len(self), at_once):
                buckets = bucket[start : start + at_once]
                for number in range(self._width):
                    self._columns.read(number * len(self) + start, read[number, : len(buckets)])
                by_bucket = np.argsort(buckets, kind="stable")
                rows = read.T[by_bucket]
                numbers, counts = np.unique(buckets, return_counts=True)
                for number, part in zip(numbers, np.split(rows, np.cumsum(counts)[:-1]), strict=True):
                    file.write(ends[number] * self._width, part)
                    ends[number] += len(part)
        except BaseException:
            file.close()
            raise
        log.info("%s rows put in order on disk in %.0f s", f"{len(self):,}", time.perf_counter() - started)
        return file

    def close(self) -> None:
        """Remove the files."""
        self._columns.close()


def gather(
    rows: pl.LazyFrame,
    numeric: list[str],
    categorical: list[str],
    rows_in_memory: int | None,
    folder: Path | None = None,
    outcomes: Sequence[Outcome] = (),
) -> tuple[Preprocessing, Rows]:
    """Fit the encoding on training rows and encode them; column by column to disk if there are more than may be in memory.

    Args:
        rows: Training rows, with a `label` of 0 or 1, the columns of the outcomes and perhaps that of weights; in the same order
            whenever they are read.
        numeric: Names of the numeric columns.
        categorical: Names of the categorical columns.
        rows_in_memory: Most rows held at once; None for all.
        folder: Where files lie, if they are needed; None for the system's folder of temporary files.
        outcomes: What is learned beside the label.

    Raises:
        StorageError: If the rows cannot be written.
    """
    weight = [WEIGHT] if WEIGHT in rows.collect_schema() else []
    needed = rows.select(*numeric, *categorical, "label", *(outcome.column for outcome in outcomes), *weight)
    count = 0 if rows_in_memory is None else needed.select(pl.len()).collect(engine="streaming").item()
    if rows_in_memory is None or count <= rows_in_memory:
        frame = needed.collect()
        encoding = preprocessing.fit(frame, numeric, categorical)
        return encoding, InMemory.of(Encoded.of(frame, encoding, outcomes))
    encoding = preprocessing.fit(needed, numeric, categorical)
    beside = [*thresholds(outcomes), *map(pl.col, weight)]
    widths = encoding.width, len(encoding.categorical), 1 + len(beside)
    return encoding, OnDisk(_columns(needed, encoding, beside), widths, count, rows_in_memory, folder, bool(weight))


def _columns(rows: pl.LazyFrame, encoding: Preprocessing, beside: Sequence[pl.Expr]) -> Iterator[Values]:
    """Encode rows column by column, in the order of `Preprocessing.encode`, then their targets.

    Not row group by row group: what polars 2.1 offers for that (`collect_batches`, `sink_batches`) reads on while its
    caller is busy, so that in the end all rows are in memory.
    """
    numbers = [Preprocessing(numeric=[column], categorical=[]) for column in encoding.numeric]
    codes = [Preprocessing(numeric=[], categorical=[column]) for column in encoding.categorical]
    for of, kind, place in ((numbers, 0, 0), ([one for one in numbers if one.width == 2], 0, 1), (codes, 1, 0)):
        for one in of:
            frame = rows.select(one.columns).collect(engine="streaming")
            parts = [one.encode(part)[kind][:, place] for part in frame.iter_slices(8 * _ROWS_AT_ONCE)]
            yield np.concatenate(parts, dtype=(np.float32, np.int32)[kind], casting="same_kind")
    for target in (pl.col("label").cast(pl.Float32), *beside):
        yield rows.select(target).collect(engine="streaming").to_series().to_numpy()
