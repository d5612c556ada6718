"""The loop over batches that fits a network: what a step does, and all that the next one depends on.

A loop draws from generators of its own and never from those of torch, so that several go on side by side in one process.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any, cast

import tabm
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tasks.artifacts.settings import NetworkConfig
from tasks.errors import TrainingError
from tasks.model.network import Dropout, Network
from tasks.training import processes
from tasks.training.checkpoints import Part, State
from tasks.training.rows import Batch, Rows

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


class Stopped(Exception):
    """A fit was told to end before its last step, as one beside it failed."""


class Learner(nn.Module):
    """The network with the outcomes that it learns beside the label, from the same members: they are left away afterwards.

    Args:
        network: The network.
        config: Its sizes.
        outcomes: How many there are.
    """

    def __init__(self, network: Network, config: NetworkConfig, outcomes: int) -> None:
        super().__init__()
        self.network = network
        self.outcomes = tabm.LinearEnsemble(config.width, outcomes, k=config.k) if outcomes else None

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """Return the logits of the members, shape (n, k, 1 + outcomes), the label's first."""
        hidden = self.network.hidden(numbers, codes)
        logits: Tensor = self.network.output(hidden)
        return logits if self.outcomes is None else torch.cat([logits, self.outcomes(hidden)], dim=-1)


class Loop:
    """Network, average of its weights, optimiser, schedule and order of rows, as they are after a number of steps."""

    def __init__(self, fabric: Any, config: NetworkConfig, learner: Learner, rows: Rows) -> None:
        self.fabric, self.config, self.learner, self.rows = fabric, config, learner, rows
        network = learner.network
        self.step, self.losses, self.micro_rows, self.rows_taken = 0, list[float](), config.batch_rows, 0
        self._order = torch.Generator().manual_seed(config.seed)
        self._random = torch.Generator(fabric.device).manual_seed(config.seed + processes.rank())  # dropout is another in each process
        self._epoch_began = self._order.get_state()
        self.steps_an_epoch = math.ceil(len(rows) / config.batch_rows)
        self.steps = self.steps_an_epoch * config.epochs
        # One tensor: of small ones, kept between batches that come and go, the heap ends up as large as the whole epoch.
        self._epoch_losses, self._losses_known = torch.zeros(self.steps_an_epoch, device=fabric.device), 0
        optimizer = torch.optim.AdamW(learner.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        self._forward, self.optimizer = fabric.setup(learner, optimizer)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging_decay)) if config.averaging_decay else None
        self._schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_share_of_rate, self.steps, config.warmup_share))
        self._dropouts = [module for module in network.modules() if isinstance(module, Dropout)]
        for module in self._dropouts:
            module.generator = self._random

    def network_to_keep(self) -> Network:
        """Return the network on the CPU: the moving average if there is one."""
        network = self.learner.network if self.average is None else cast(Network, self.average.module)
        for module in self._dropouts:
            module.generator = None
        return network.cpu().eval()

    def run(self, part: Part | None, stop: Event) -> None:
        """Take the steps that are left, keeping a state whenever one is due and at the end.

        Raises:
            Stopped: If it is told to stop.
        """
        self.learner.train()
        started = told = time.perf_counter()
        called = f"{part.name}: " if part else ""  # it may not be the only one
        if self.step:
            log.info("%sgoes on at step %d of %d", called, self.step, self.steps)
        for batch in self._batches():
            if stop.is_set():
                raise Stopped
            self.rows_taken += len(batch)
            self._epoch_losses[self._losses_known] = self._take(batch)
            self._losses_known += 1
            self.step += 1
            is_last = self.step % self.steps_an_epoch == 0
            is_due = part is not None and self._is_due(part)
            if is_last or is_due or self.step % _LOOKED_AT_EVERY == 0:
                self._require_sound()
            if is_last:
                self.losses.append(self._epoch_losses.mean().item())
                self._losses_known = 0
            if part and is_due:
                state = self.state()  # to which all processes add
                if processes.rank() == 0:
                    part.save(state)
            now = time.perf_counter()
            if is_last or now - told > _TOLD_EVERY:
                told = now
                speed = self.rows_taken / (now - started)
                loss = self.losses[-1] if is_last else self._newest_loss()
                epoch, share = divmod(self.step / self.steps_an_epoch, 1)
                where = f"epoch {int(epoch)} of {self.config.epochs}" if is_last else f"epoch {int(epoch) + 1}, {share:.0%}"
                log.info("%s%s: log-loss %.4f, %s rows a second", called, where, loss, f"{speed:,.0f}")

    def _is_due(self, part: Part) -> bool:
        """Return whether a state is to be kept now; of several processes the first says so, now and then."""
        if processes.count() == 1 or self.step == self.steps:
            return self.step == self.steps or part.is_due()
        return self.step % _LOOKED_AT_EVERY == 0 and bool(self.fabric.broadcast(part.is_due()))

    def _batches(self) -> Iterator[Batch]:
        """Yield the batch of each step that is left; each epoch has its own order."""
        while self.step < self.steps:
            self._epoch_began = self._order.get_state()
            order = torch.randperm(len(self.rows), generator=self._order, dtype=torch.int32)  # half the memory; the same numbers
            yield from self.rows.batches(order, self.config.batch_rows, self.step % self.steps_an_epoch)

    def _take(self, batch: Batch) -> Tensor:
        """Take one step; of a batch that the device cannot hold, in halves and halves of these. Return its loss."""
        while True:
            try:
                loss = self._loss(batch)
                break
            except torch.OutOfMemoryError as error:
                self.optimizer.zero_grad()
                torch.cuda.empty_cache()
                if self.micro_rows <= _FEWEST_ROWS or processes.count() > 1:  # the others are within a step that this one left
                    found = f"none for {min(self.micro_rows, len(batch))} rows"
                    mend = "choose a smaller batch_rows, k, width or embedding_width, or a larger device"
                    raise TrainingError("the device must have memory for a batch", found, mend) from error
                self.micro_rows = max(_FEWEST_ROWS, self.micro_rows // 2)
                log.warning("out of memory: batches of %d go in parts of %d rows", self.config.batch_rows, self.micro_rows)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.learner.network)
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        """Return the mean (weighted) log-loss of the members on the label, each trained on its own; the gradients of all are added up."""
        total = torch.zeros((), device=batch.index.device)
        mine = batch.share(processes.rank(), processes.count())
        for (numbers, codes, targets), is_last in mine.split(self.micro_rows):
            with self.fabric.no_backward_sync(self._forward, enabled=not is_last):
                label, outcomes = self._losses(self._forward(numbers, codes), targets)
                share = mine.weight * len(targets) / len(batch)
                # Gradients of several processes are averaged, where the shares of a batch add up.
                self.fabric.backward((label + self.config.outcome_weight * outcomes) * (share * processes.count()))
            total += label.detach() * share
        return total if processes.count() == 1 else self.fabric.all_reduce(total, reduce_op="sum")

    @staticmethod
    def _losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-loss on the label and the mean of those on the outcomes, 0 without any; what is not known has none.

        A column of targets more than there are logits is the weight of the label, which its loss alone is multiplied by.
        """
        learned, weight = targets[:, : logits.shape[2]], targets[:, logits.shape[2] :]
        each = nn.functional.binary_cross_entropy_with_logits(
            logits.float(), learned.nan_to_num()[:, None].expand_as(logits), reduction="none"
        ).mean(1)
        by_row = each[:, 0] * weight[:, 0] if weight.shape[1] else each[:, 0]
        label, outcomes = by_row.mean(), each[:, 1:] * ~learned[:, 1:].isnan()
        return label, outcomes.mean() if outcomes.shape[1] else torch.zeros_like(label)

    def _newest_loss(self) -> float:
        return self._epoch_losses[max(0, self._losses_known - _LOOKED_AT_EVERY) : self._losses_known].mean().item()

    def _require_sound(self) -> None:
        mean = self._newest_loss()
        is_told_by_several = self._losses_known >= min(_FEWEST_LOSSES, self.steps_an_epoch)
        if not math.isfinite(mean) or (is_told_by_several and mean > _EXPLODED):
            raise TrainingError(
                f"the training loss must be finite and below {_EXPLODED:.0f}",
                f"{mean:.4g} at step {self.step} of {self.steps}",
                "lower learning_rate in tasks/usecase/policy.py, or look for extreme values in the features",
            )

    def state(self) -> State:
        """Return all that the next step depends on, as it is: `Checkpoints` copies it."""
        return {
            "step": self.step,
            "losses": self.losses,
            "epoch_losses": self._epoch_losses[: self._losses_known],
            "learner": self.learner.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "order": self._epoch_began if self.step % self.steps_an_epoch else self._order.get_state(),
            "micro_rows": self.micro_rows,
            "random": self._of_all(self._random.get_state()),
        }

    def load(self, state: State) -> None:
        """Go back to a state."""
        self.step, self.losses, self.micro_rows = state["step"], state["losses"], state["micro_rows"]
        self._losses_known = len(state["epoch_losses"])
        self._epoch_losses[: self._losses_known] = state["epoch_losses"].to(self.fabric.device)
        self.learner.load_state_dict(state["learner"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._order.set_state(state["order"])
        self._random.set_state(state["random"][processes.rank()].clone())  # torch reads from where the stack of them begins

    def _of_all(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all processes, stacked, on the CPU."""
        return tensor[None] if processes.count() == 1 else self.fabric.all_gather(tensor.to(self.fabric.device)).cpu()


def _share_of_rate(steps: int, warmup_share: float, step: int) -> float:
    """A linear warm-up, then a cosine decay to nothing."""
    warmup = max(1, int(warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
