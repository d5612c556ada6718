"""Fitting the network: one loop over in-memory batches, which a checkpoint stops and resumes to the bit.

The training set lives on the device and a batch is a slice of shuffled row numbers, which delivers millions of rows a
second where a `DataLoader` over a `TensorDataset` delivers a tenth of one. bf16 autocast on a GPU, float32 on a CPU,
both by Lightning Fabric.
"""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
from tasks.training.checkpoints import Part, State

log = logging.getLogger(__name__)

_FEWEST_ROWS = 16
"""A micro-batch is not halved below this: memory that is short of so little is short of everything."""

_LOOKED_AT_EVERY = 50
"""Steps between two looks at the loss: each waits for the device."""

_EXPLODED = 5.0
"""Nats: a constant probability has less than 0.7, so that a mean of several steps above this has left the data behind."""

_FEWEST_LOSSES = 10
"""Steps whose mean loss tells that it has exploded: one batch may be odd."""

_TOLD_EVERY = 30.0  # seconds


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


def arithmetic() -> str:
    """Return what decides on the order in which numbers are added: the kind of device and, on a CPU, its threads."""
    device = pick_device()
    return torch.cuda.get_device_name() if device == "cuda" else f"{device}, {torch.get_num_threads()} threads"


def fit(config: NetworkConfig, numbers: Floats, codes: Codes, labels: Floats, cardinalities: list[int], part: Part | None = None) -> Fitted:
    """Train the network; the same inputs on the same kind of device give the same weights, however often it was killed.

    Args:
        config: Sizes and schedule.
        numbers: Numeric inputs, shape (n, width).
        codes: Categorical inputs, shape (n, categories).
        labels: 0 or 1, shape (n,).
        cardinalities: Number of codes of each categorical input.
        part: Where its states are kept and found again; None to keep none.

    Raises:
        TrainingError: If the loss is not finite or explodes, or if the device's memory is too small for any batch.
    """
    device = pick_device()
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if device == "cuda" else "32-true"
    with torch.random.fork_rng(), _deterministic(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        torch.manual_seed(config.seed)
        fabric = lightning.Fabric(accelerator=device, devices=1, precision=precision)
        inputs = torch.from_numpy(numbers)
        bins = fit_bins(inputs, config.bins)
        rows = Rows(inputs.to(device), torch.from_numpy(codes).to(device), torch.from_numpy(labels).to(device))
        training = _Training(fabric, config, Network(config, bins, cardinalities), rows)
        if part and (state := part.state):
            training.load(state)
        training.run(part)
    return Fitted(training.network_to_keep(), tuple(training.losses), device, precision, [len(edges) for edges in bins])


@dataclass(frozen=True)
class Rows:
    """A training set in the memory of a device."""

    numbers: Tensor
    codes: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def at(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (numbers, codes, labels) of some rows."""
        return self.numbers[index], self.codes[index], self.labels[index]


class _Training:
    """Network, average of its weights, optimiser, schedule and order of rows, as they are after a number of steps."""

    def __init__(self, fabric: Any, config: NetworkConfig, network: Network, rows: Rows) -> None:
        self.fabric, self.config, self.network, self.rows = fabric, config, network, rows
        self.step, self.losses, self.micro_rows = 0, list[float](), config.batch_rows
        self._epoch_losses: list[Tensor] = []
        self._order = torch.Generator().manual_seed(config.seed)
        self._epoch_began = self._order.get_state()
        self.steps_an_epoch = math.ceil(len(rows) / config.batch_rows)
        self.steps = self.steps_an_epoch * config.epochs
        optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        self._forward, self.optimizer = fabric.setup(network, optimizer)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging_decay)) if config.averaging_decay else None
        self._schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share_of_rate)

    def network_to_keep(self) -> Network:
        """Return the network on the CPU: the moving average if there is one."""
        network = self.network if self.average is None else cast(Network, self.average.module)
        return network.cpu().eval()

    def run(self, part: Part | None) -> None:
        """Take the steps that are left, keeping a state whenever one is due and at the end."""
        self.network.train()
        started, told, first = time.perf_counter(), time.perf_counter(), self.step
        if first:
            log.info("goes on at step %d of %d", first, self.steps)
        for index in self._batches():
            self._epoch_losses.append(self._take(index))
            self.step += 1
            is_last = self.step % self.steps_an_epoch == 0
            is_due = part is not None and (part.is_due() or self.step == self.steps)
            if is_last or is_due or self.step % _LOOKED_AT_EVERY == 0:
                self._require_sound()
            if is_last:
                self.losses.append(torch.stack(self._epoch_losses).mean().item())
                self._epoch_losses.clear()
            if part and is_due:
                part.save(self.state())
            now = time.perf_counter()
            if is_last or now - told > _TOLD_EVERY:
                told = now
                speed = (self.step - first) * self.config.batch_rows / (now - started)
                loss = self.losses[-1] if is_last else torch.stack(self._epoch_losses[-_LOOKED_AT_EVERY:]).mean().item()
                epoch, share = divmod(self.step / self.steps_an_epoch, 1)
                where = f"epoch {int(epoch)} of {self.config.epochs}" if is_last else f"epoch {int(epoch) + 1}, {share:.0%}"
                log.info("%s: log-loss %.4f, %s rows a second", where, loss, f"{speed:,.0f}")

    def _batches(self) -> Iterator[Tensor]:
        """Yield the row numbers of each step that is left; each epoch has its own order."""
        while self.step < self.steps:
            self._epoch_began = self._order.get_state()
            order = torch.randperm(len(self.rows), generator=self._order).to(self.rows.labels.device)
            for number in range(self.step % self.steps_an_epoch, self.steps_an_epoch):
                yield order[number * self.config.batch_rows : (number + 1) * self.config.batch_rows]

    def _take(self, index: Tensor) -> Tensor:
        """Take one step; of a batch that the device cannot hold, in halves and halves of these. Return its loss."""
        while True:
            try:
                loss = self._loss(index)
                break
            except torch.OutOfMemoryError as error:
                self.optimizer.zero_grad()
                torch.cuda.empty_cache()
                if self.micro_rows <= _FEWEST_ROWS:
                    found, mend = f"none for {self.micro_rows} rows", "choose a smaller k, width or embedding_width, or a larger device"
                    raise TrainingError("the device must have memory for a batch", found, mend) from error
                self.micro_rows = max(_FEWEST_ROWS, self.micro_rows // 2)
                log.warning("out of memory: batches of %d go in parts of %d rows", self.config.batch_rows, self.micro_rows)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss

    def _loss(self, index: Tensor) -> Tensor:
        """Return the mean log-loss of the members, each trained on its own, with its gradients added up."""
        total = torch.zeros((), device=index.device)
        for micro in index.split(self.micro_rows):
            numbers, codes, labels = self.rows.at(micro)
            logits = self._forward(numbers, codes)
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[:, None].expand_as(logits))
            share = loss * (len(micro) / len(index))
            self.fabric.backward(share)
            total += share.detach()
        return total

    def _require_sound(self) -> None:
        mean = torch.stack(self._epoch_losses[-_LOOKED_AT_EVERY:]).mean().item()
        is_told_by_several = len(self._epoch_losses) >= min(_FEWEST_LOSSES, self.steps_an_epoch)
        if not math.isfinite(mean) or (is_told_by_several and mean > _EXPLODED):
            raise TrainingError(
                f"the training loss must be finite and below {_EXPLODED:.0f}",
                f"{mean:.4g} at step {self.step} of {self.steps}",
                "lower learning_rate in tasks/usecase/policy.py, or look for extreme values in the features",
            )

    def _share_of_rate(self, step: int) -> float:
        """A linear warm-up, then a cosine decay to nothing."""
        warmup = max(1, int(self.config.warmup_share * self.steps))
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, self.steps - warmup)))

    def state(self) -> State:
        """Return all that the next step depends on."""
        return {
            "step": self.step,
            "losses": list(self.losses),
            "epoch_losses": torch.stack(self._epoch_losses).cpu() if self._epoch_losses else torch.empty(0),
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "order": self._epoch_began if self.step % self.steps_an_epoch else self._order.get_state(),
            "micro_rows": self.micro_rows,
            "random": torch.get_rng_state(),
            "random_on_device": torch.cuda.get_rng_state() if self.fabric.device.type == "cuda" else None,
        }

    def load(self, state: State) -> None:
        """Go back to a state."""
        self.step, self.losses, self.micro_rows = state["step"], list(state["losses"]), state["micro_rows"]
        self._epoch_losses = list(state["epoch_losses"].to(self.fabric.device))
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._order.set_state(state["order"])
        torch.set_rng_state(state["random"])
        if state["random_on_device"] is not None:
            torch.cuda.set_rng_state(state["random_on_device"])


@contextmanager
def _deterministic() -> Iterator[None]:
    """Choose kernels that give the same result every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
