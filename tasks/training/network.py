"""Fitting the network: Lightning over in-memory batches.

The training set lives on the device and a batch is a slice of shuffled row numbers, which delivers millions of rows a
second where a `DataLoader` over a `TensorDataset` delivers a tenth of one. bf16 autocast on a GPU, float32 on a CPU.
"""

from __future__ import annotations

import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tasks.artifacts.settings import NetworkConfig
from tasks.errors import TrainingError
from tasks.model.network import Network, fit_bins
from tasks.model.preprocessing import Codes, Floats

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batches:
    """Batches of a training set held in memory, in a new order every epoch."""

    numbers: Tensor
    codes: Tensor
    labels: Tensor
    rows: int
    seed: int

    def __post_init__(self) -> None:
        self.__dict__["_generator"] = torch.Generator().manual_seed(self.seed)

    def __len__(self) -> int:
        """Return the number of batches of an epoch; the last may be smaller."""
        return math.ceil(len(self.labels) / self.rows)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (numbers, codes, labels) of each batch."""
        order = torch.randperm(len(self.labels), generator=self.__dict__["_generator"]).to(self.labels.device)
        for start in range(0, len(order), self.rows):
            index = order[start : start + self.rows]
            yield self.numbers[index], self.codes[index], self.labels[index]


class LateFlights(lightning.LightningModule):
    """Loss, optimiser and schedule around the network; keeps a moving average of the weights."""

    def __init__(self, network: Network, config: NetworkConfig, steps: int) -> None:
        super().__init__()
        self.network, self.config, self.steps = network, config, steps
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging_decay)) if config.averaging_decay else None
        self.losses: list[float] = []
        self._epoch_losses: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the mean log-loss of the members: each is trained on its own."""
        numbers, codes, labels = batch
        logits = self.network(numbers, codes)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[:, None].expand_as(logits))
        self._epoch_losses.append(loss.detach())
        return loss

    def on_train_batch_end(self, *args: object) -> None:
        """Move the average towards the weights of this step."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def on_train_epoch_start(self) -> None:
        """Start the clock of the epoch."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        """Keep and tell the mean loss of the epoch; stop at once if it is not finite."""
        mean = torch.stack(self._epoch_losses).mean().item()
        self._epoch_losses.clear()
        if not math.isfinite(mean):
            raise TrainingError(
                "the training loss must be finite",
                f"{mean} in epoch {self.current_epoch + 1}",
                "lower learning_rate in tasks/usecase/policy.py, or look for extreme values in the features",
            )
        self.losses.append(mean)
        seconds = time.perf_counter() - self._started
        log.info("epoch %d of %d: log-loss %.4f, %.1f s", self.current_epoch + 1, self.config.epochs, mean, seconds)

    def configure_optimizers(self) -> Any:
        """Return AdamW with a linear warm-up and a cosine decay, a step at a time."""
        config, steps = self.config, self.steps
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        warmup = max(1, int(config.warmup_share * steps))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def fitted(self) -> Network:
        """Return the network to keep, on the CPU: the moving average if there is one."""
        network = self.network if self.average is None else cast(Network, self.average.module)
        return network.cpu().eval()


@dataclass(frozen=True)
class Fitted:
    """A trained network with its loss by epoch and where and how fast it was trained."""

    network: Network
    losses: tuple[float, ...]
    device: str
    precision: str
    bin_edges: list[int]


def pick_device() -> str:
    """Return `cuda` if there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def fit(config: NetworkConfig, numbers: Floats, codes: Codes, labels: Floats, cardinalities: list[int]) -> Fitted:
    """Train the network; the same inputs on the same kind of device give the same weights.

    Args:
        config: Sizes and schedule.
        numbers: Numeric inputs, shape (n, width).
        codes: Categorical inputs, shape (n, categories).
        labels: 0 or 1, shape (n,).
        cardinalities: Number of codes of each categorical input.

    Raises:
        TrainingError: If the loss is not finite.
    """
    device = pick_device()
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if device == "cuda" else "32-true"
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with torch.random.fork_rng(), warnings.catch_warnings():
        # Lightning advises worker processes and logging intervals; batches are in memory and lines are ours.
        warnings.filterwarnings("ignore", module=r"lightning\.")
        torch.manual_seed(config.seed)
        inputs = torch.from_numpy(numbers)
        bins = fit_bins(inputs, config.bins)
        network = Network(config, bins, cardinalities)
        batches = Batches(
            inputs.to(device), torch.from_numpy(codes).to(device), torch.from_numpy(labels).to(device), config.batch_rows, config.seed
        )
        module = LateFlights(network, config, steps=len(batches) * config.epochs)
        on_terminal = sys.stderr.isatty()
        trainer = lightning.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=precision,
            max_epochs=config.epochs,
            deterministic=True,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=on_terminal,
        )
        trainer.fit(module, train_dataloaders=batches)
    return Fitted(module.fitted(), tuple(module.losses), device, precision, [len(edges) for edges in bins])
