"""Rows on disk: their batches, bins and weights are those of rows in memory to the bit, and no more are held than may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from tasks.errors import StorageError
from tasks.training import checkpoints, files, network
from tasks.training.baselines import Encoded
from tasks.training.checkpoints import Checkpoints, Part
from tasks.training.rows import InMemory, OnDisk, Rows, gather
from tests.model import killed, toy

pytestmark = pytest.mark.model


def encoded(count: int = 1_200, categories: int = 1) -> Encoded:
    """Return the first rows of those that `killed` trains on."""
    numbers, codes, labels, _ = killed.inputs()
    return Encoded(numbers[:count], codes[:count, :categories], labels[:count])


def with_outcomes(rows: Encoded) -> Encoded:
    """Return the same rows with two outcomes, the second not known of every third row."""
    outcomes = np.stack([rows.labels, 1 - rows.labels], 1)
    outcomes[::3, 1] = np.nan
    return replace(rows, outcomes=outcomes)


def on_disk(rows: Encoded, rows_in_memory: int, folder: Path) -> OnDisk:
    columns = [*rows.numbers.T, *rows.codes.T.astype(np.int32), *rows.targets.T]
    return OnDisk(columns, (rows.numbers.shape[1], rows.codes.shape[1], rows.targets.shape[1]), len(rows), rows_in_memory, folder)


@pytest.mark.parametrize(("rows", "count"), [(10, 3), (2, 4)])  # the second leaves some without a row
def test_the_shares_of_processes_make_up_the_batch(rows: int, count: int) -> None:
    (batch, *_) = InMemory.of(encoded()).batches(torch.arange(1_200, dtype=torch.int32), rows)
    shares = [batch.share(number, count) for number in range(count)]
    assert torch.cat([share.index for share in shares if share.weight]).equal(batch.index)
    assert sum(share.weight * len(share) for share in shares) == rows
    assert all(len(share) for share in shares), "each takes part in the step"


def taken(rows: Rows, order: torch.Tensor, batch_rows: int, first: int) -> list[list[torch.Tensor]]:
    return [list(part) for batch in rows.batches(order, batch_rows, first) for part, _ in batch.split(len(batch))]


@pytest.mark.parametrize("rows_in_memory", [1, 32, 100, 320, 599, 1_199])  # less than a batch, one, no multiple of one, ...
@pytest.mark.parametrize(("batch_rows", "first"), [(32, 0), (32, 5), (32, 37), (100, 0), (100, 7), (1_200, 0), (5_000, 0)])
def test_batches_are_those_of_rows_in_memory(rows_in_memory: int, batch_rows: int, first: int, tmp_path: Path) -> None:
    rows = encoded()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(3), dtype=torch.int32)
    expected = taken(InMemory.of(rows), order, batch_rows, first)
    disk = on_disk(rows, rows_in_memory, tmp_path)
    found = taken(disk, order, batch_rows, first)
    disk.close()
    assert len(found) == len(expected) == -(-len(rows) // batch_rows) - first
    for a, b in zip(found, expected, strict=True):
        assert all(x.dtype == y.dtype and torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("rows_in_memory", "most"), [(1, 32), (100, 96), (599, 576)])
def test_no_more_rows_are_held_than_may_be_and_at_least_a_batch(rows_in_memory: int, most: int, tmp_path: Path) -> None:
    disk, order = on_disk(encoded(), rows_in_memory, tmp_path), torch.arange(1_200, dtype=torch.int32)
    held = [batch.held for batch in disk.batches(order, 32)]
    disk.close()
    assert {len(rows.targets) for rows in held} == {most}
    assert len({rows.numbers.data_ptr() for rows in held}) == 1, "a bucket takes the place of the one before it"


def test_rows_without_categories_or_numbers_and_with_outcomes(tmp_path: Path) -> None:
    rows, order = encoded(categories=0), torch.arange(1_199, -1, -1, dtype=torch.int32)
    for some in (rows, Encoded(rows.numbers[:, :0], encoded().codes, rows.labels), with_outcomes(rows)):
        disk = on_disk(some, 300, tmp_path)
        for a, b in zip(taken(disk, order, 50, 0), taken(InMemory.of(some), order, 50, 0), strict=True):
            assert all(torch.equal(x.nan_to_num(-1), y.nan_to_num(-1)) for x, y in zip(a, b, strict=True))
        disk.close()


@pytest.mark.parametrize("count", [1_200, 150_000])  # all rows stand for themselves, or some for all
def test_bins_are_those_of_rows_in_memory(count: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    numbers = np.stack([generator.normal(size=count), np.arange(count) == 1_003, generator.integers(0, 2, count)], 1).astype(np.float32)
    rows = Encoded(numbers, np.zeros((count, 0), np.int64), np.zeros(count, np.float32))
    disk = on_disk(rows, 700, tmp_path)
    for a, b in zip(disk.bins(8), InMemory.of(rows).bins(8), strict=True):
        assert torch.equal(a, b)
    disk.close()


def weights(fitted: network.Fitted) -> list[Any]:
    return [fitted.losses, fitted.bin_edges, *(tensor.tolist() for tensor in fitted.network.state_dict().values())]


@pytest.fixture(scope="module")
def undisturbed() -> list[Any]:
    return weights(network.fit(killed.CONFIG, *killed.inputs()))


@pytest.mark.parametrize("rows_in_memory", [1, 100, 320, 1_199])
def test_the_weights_are_those_of_rows_in_memory(rows_in_memory: int, undisturbed: list[Any], tmp_path: Path) -> None:
    disk = on_disk(encoded(), rows_in_memory, tmp_path)
    assert weights(network.fit_rows(killed.CONFIG, disk, [4])) == undisturbed
    assert list(tmp_path.iterdir()) == []
    disk.close()


class _Killed(Exception):
    pass


@pytest.mark.parametrize(("steps", "began_on_disk"), [(1, True), (17, False), (38, True), (61, True), (113, False)])  # of 38 an epoch
def test_a_training_that_was_killed_goes_on_in_the_middle_of_an_epoch(
    steps: int, began_on_disk: bool, undisturbed: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = []

    def kill(path: Path) -> None:
        written.append(path)
        if len(written) == steps:
            raise _Killed

    monkeypatch.setattr(checkpoints.os, "fsync", lambda _: None)  # hundreds of them take a minute
    for begun in (True, False):
        rows = on_disk(encoded(), 200, tmp_path) if begun == began_on_disk else InMemory.of(encoded())
        part = Part(Checkpoints(tmp_path, "this one", every_seconds=0 if begun else 60, keep=kill), "all")
        if begun:
            with pytest.raises(_Killed):
                network.fit_rows(killed.CONFIG, rows, [4], part)
        else:
            assert weights(network.fit_rows(killed.CONFIG, rows, [4], part)) == undisturbed
        rows.close()


def _full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.tempfile, "TemporaryFile", lambda dir: open("/dev/full", "w+b"))  # noqa: SIM115


def test_a_full_disk_is_told_while_rows_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _full(monkeypatch)
    with pytest.raises(StorageError, match=r"must have room for two copies of the encoded training rows; got .*No space left"):
        on_disk(encoded(), 300, tmp_path)


def test_a_full_disk_is_told_while_they_are_put_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    disk = on_disk(encoded(), 300, tmp_path)
    _full(monkeypatch)
    with pytest.raises(StorageError, match="No space left"):
        network.fit_rows(killed.CONFIG, disk, [4])
    disk.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(StorageError, match="mend permissions"):
        on_disk(encoded(), 300, tmp_path / "folder")


@pytest.mark.parametrize("rows_in_memory", [1, 333, 999])
def test_rows_gathered_from_parquet_are_those_gathered_at_once(rows_in_memory: int, tmp_path: Path) -> None:
    """Of a frame with filters and row groups that they cut anywhere."""
    toy.rows(3_000).with_row_index("n").write_parquet(tmp_path / "rows.parquet", row_group_size=257)
    frame = pl.scan_parquet(tmp_path / "rows.parquet").filter(pl.col("n") % 3 != 1, pl.col("n") > 400)
    encoding, expected = gather(frame, toy.NUMERIC, toy.CATEGORICAL, None)
    again, found = gather(frame, toy.NUMERIC, toy.CATEGORICAL, rows_in_memory, tmp_path)
    assert (type(expected), type(found)) == (InMemory, OnDisk)
    assert again == encoding
    assert len(found) == len(expected) == 1_733
    for a, b in zip(found.bins(8), expected.bins(8), strict=True):
        assert torch.equal(a, b)
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    for x, y in zip(taken(found, order, 128, 0), taken(expected, order, 128, 0), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(x, y, strict=True))
    found.close()


def test_as_many_rows_as_may_be_stay_in_memory() -> None:
    frame = toy.rows(200).lazy()
    assert isinstance(gather(frame, toy.NUMERIC, toy.CATEGORICAL, 200)[1], InMemory)
    rows = gather(frame, toy.NUMERIC, toy.CATEGORICAL, 199)[1]
    assert isinstance(rows, OnDisk)
    rows.close()
