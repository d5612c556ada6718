"""The training loop beside a plain Lightning `DataLoader`, on the same network and rows: `make bench NAME=training`.

Both take the same rows in one run, in turns; the first turn of each does not count. `--quick` takes fewer. The peak of the
device is that of one large matrix product in the precision and on the threads that the loop uses.

On a CPU they are compared twice: one fit each on the threads of a fit; and as each uses all cores, Lightning by torch's own
threads, this loop by a fit for each core, as folds are trained.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import date
from threading import Event
from typing import Any

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from tasks.clock import labelled_before
from tasks.contracts import columns
from tasks.model import preprocessing
from tasks.model.network import Network, fit_bins
from tasks.training import network
from tasks.training.baselines import Encoded
from tasks.usecase import features, policy, source
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

CONFIG = policy.TRAINING.network
_ROUNDS = 3


class Plain(lightning.LightningModule):
    """What a tutorial writes: loss, AdamW, a `DataLoader`."""

    def __init__(self, inner: Network) -> None:
        super().__init__()
        self.inner = inner

    def training_step(self, batch: tuple[Any, Any, Any], _: int) -> Any:
        numbers, codes, labels = batch
        logits = self.inner(numbers, codes)
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[:, None].expand_as(logits))

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay)


def _rows() -> tuple[Encoded, list[int]]:
    """Return the labelled rows before October, encoded."""
    built = features.build(accepted(packaged())).collect().lazy()
    numeric, categorical = columns(features.Features, "numeric"), columns(features.Features, "categorical")
    train = labelled_before(built, date(2013, 10, 1), source.LOCAL_ZONE).select(*numeric, *categorical, "label").collect()
    encoding = preprocessing.fit(train, numeric, categorical)
    return Encoded.of(train, encoding), encoding.cardinalities


def _plain(rows: Encoded, sizes: list[int]) -> None:
    device = network.pick_device()
    inputs = torch.from_numpy(rows.numbers)
    torch.manual_seed(CONFIG.seed)
    module = Plain(Network(CONFIG, fit_bins(inputs, CONFIG.bins), sizes))
    data = TensorDataset(inputs, torch.from_numpy(rows.codes), torch.from_numpy(rows.labels))
    trainer = lightning.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed" if device == "cuda" else "32-true",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, DataLoader(data, batch_size=CONFIG.batch_rows, shuffle=True))


def _ours(rows: Encoded, sizes: list[int], count: int) -> None:
    def fit(_: Event) -> None:
        network.fit(CONFIG.model_copy(update={"epochs": 1}), rows.numbers, rows.codes, rows.labels, sizes)

    network.side_by_side([fit] * count, count, CONFIG.threads)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _operations_a_row(rows: Encoded, sizes: list[int]) -> float:
    """Count the floating-point operations of one row's step, forward and backward."""
    inputs = torch.from_numpy(rows.numbers[: CONFIG.batch_rows])
    inner = Network(CONFIG, fit_bins(torch.from_numpy(rows.numbers), CONFIG.bins), sizes)
    with FlopCounterMode(display=False) as counted:
        inner(inputs, torch.from_numpy(rows.codes[: CONFIG.batch_rows])).sum().backward()
    return counted.get_total_flops() / CONFIG.batch_rows


def _peak() -> float:
    """Return the operations a second of one large matrix product."""
    device = network.pick_device()
    size, dtype = (8192, torch.bfloat16) if device == "cuda" else (2048, torch.float32)
    a = torch.randn(size, size, device=device, dtype=dtype)
    a @ a
    return 2 * size**3 / min(_seconds(lambda: a @ a) for _ in range(5))


def main() -> None:
    """Run both in turns, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15,000 rows instead of 40,000")
    most = 15_000 if parser.parse_args().quick else 40_000
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"lightning\.")
    every, sizes = _rows()
    index = np.sort(np.random.default_rng(0).permutation(len(every.labels))[: most if not torch.cuda.is_available() else None])
    rows = Encoded(every.numbers[index], every.codes[index], every.labels[index])
    cores, on_gpu = torch.get_num_threads(), torch.cuda.is_available()
    count = network.at_once(CONFIG, cores)

    def in_turn() -> tuple[float, ...]:
        both = _seconds(lambda: _plain(rows, sizes)), _seconds(lambda: _ours(rows, sizes, count)) / count
        torch.set_num_threads(CONFIG.threads)
        one = _seconds(lambda: _plain(rows, sizes)), _seconds(lambda: _ours(rows, sizes, 1))
        torch.set_num_threads(cores)
        return *both, *one

    taken = [in_turn() for _ in range(_ROUNDS + 1)][1:]
    plain, ours, plain_one, ours_one = (len(rows.labels) / statistics.median(side) for side in zip(*taken, strict=True))
    torch.set_num_threads(CONFIG.threads)
    publish(
        "training",
        [
            Figure(f"this loop, {count} at once", ours, "rows/s"),
            Figure("Lightning with a DataLoader, torch's threads", plain, "rows/s"),
            Figure("  ratio", ours / plain, "ratio", 8 if on_gpu else 1.5, "higher"),
            Figure(f"this loop, {CONFIG.threads} thread", ours_one, "rows/s"),
            Figure(f"Lightning with a DataLoader, {CONFIG.threads} thread", plain_one, "rows/s"),
            Figure("  ratio", ours_one / plain_one, "ratio"),
            Figure("share of the device's peak, one fit", ours_one * _operations_a_row(rows, sizes) / _peak(), "of 1"),
        ],
    )


if __name__ == "__main__":
    main()
