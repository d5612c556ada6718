"""Fitting the network: one loop over batches, which a checkpoint stops and resumes to the bit.

A batch is a slice of shuffled row numbers, which delivers millions of rows a second where a `DataLoader` over a
`TensorDataset` delivers a tenth of one; `tasks/training/rows.py` knows where the rows lie, `tasks/training/loop.py` what a
step does. bf16 autocast on a GPU that computes in it, else float32, both by Lightning Fabric.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Literal, TypeVar

import lightning
import torch

from tasks.artifacts.settings import Device, NetworkConfig
from tasks.errors import TrainingError
from tasks.model.network import Network
from tasks.model.preprocessing import Codes, Floats
from tasks.training import processes
from tasks.training.baselines import Encoded
from tasks.training.checkpoints import Part
from tasks.training.loop import Learner, Loop
from tasks.training.rows import InMemory, Rows

_T = TypeVar("_T")

_BUILDING = Lock()
"""Held while a loop is made: that draws initial weights from torch's own generator and silences warnings, for all threads."""


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        network: On the CPU, in evaluation mode.
        losses: By epoch.
        device: `cpu` or `cuda`.
        precision: Lightning's name of it.
        bin_edges: How many edges the bins of each numeric input have.
        rows: How many rows the steps took, those before a checkpoint left out.
    """

    network: Network
    losses: tuple[float, ...]
    device: str
    precision: str
    bin_edges: list[int]
    rows: int


def pick_device(wanted: Device = "auto") -> str:
    """Return `cuda` or `cpu`: what is wanted, or a GPU if there is one.

    Raises:
        TrainingError: If a GPU is wanted and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        mend = 'set device to "auto" or "cpu" in config, or run where torch sees a GPU (python -c "import torch; torch.cuda.init()")'
        raise TrainingError("a GPU must be there if device is cuda", "none that torch can use", mend)
    return "cuda" if has_gpu and wanted != "cpu" else "cpu"


def arithmetic(device: Device = "auto") -> str:
    """Return what decides, beside the settings, on the order in which numbers are added: the device, and how many work together."""
    kind = torch.cuda.get_device_name() if pick_device(device) == "cuda" else "cpu"
    return kind if processes.count() == 1 else f"{kind}, {processes.count()} processes"


def at_once(config: NetworkConfig, fits: int, device: Device = "auto") -> int:
    """Return how many of some fits this machine does side by side: as many as its cores have threads for, or one on a GPU.

    Batches are small: two threads take no more rows a second than one, and two fits take twice as many.
    """
    if pick_device(device) == "cuda" or processes.count() > 1:
        return 1
    return max(1, min(fits, torch.get_num_threads() // config.threads))


def side_by_side(fits: Sequence[Callable[[Event], _T]], count: int, threads: int) -> list[_T]:
    """Do several fits and return what they return; the first error ends them all.

    Args:
        fits: The longest should come first. Each is given what it must hand to `fit_rows`.
        count: How many go on at once, as `at_once` says.
        threads: How many threads each takes.
    """
    stop = Event()
    if count == 1:
        return [fit(stop) for fit in fits]
    with _threads(threads), ThreadPoolExecutor(count) as pool:
        begun = [pool.submit(fit, stop) for fit in fits]
        try:
            for ended in as_completed(begun):
                ended.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [ended.result() for ended in begun]


def fit(
    config: NetworkConfig,
    numbers: Floats,
    codes: Codes,
    labels: Floats,
    cardinalities: list[int],
    part: Part | None = None,
    device: Device = "auto",
) -> Fitted:
    """Train the network on arrays, as `fit_rows` does.

    Args:
        config: Sizes and schedule.
        numbers: Numeric inputs, shape (n, width).
        codes: Categorical inputs, shape (n, categories).
        labels: 0 or 1, shape (n,).
        cardinalities: Number of codes of each categorical input.
        part: Where its states are kept and found again; None to keep none.
        device: Where to train.
    """
    return fit_rows(config, InMemory.of(Encoded(numbers, codes, labels)), cardinalities, part, device)


def fit_rows(
    config: NetworkConfig,
    rows: Rows,
    cardinalities: list[int],
    part: Part | None = None,
    device: Device = "auto",
    stop: Event | None = None,
) -> Fitted:
    """Train the network; the same rows on the same kind of device give the same weights, wherever they lie, however often it was killed.

    Of processes that train together each takes its share of every batch, so that they take the steps that one would take;
    what is random within the network (dropout) differs. The first reads and writes the states.

    Args:
        config: Sizes and schedule.
        rows: What to learn from.
        cardinalities: Number of codes of each categorical input.
        part: Where its states are kept and found again; None to keep none.
        device: Where to train.
        stop: Once it is set, the training ends before its next step.

    Raises:
        TrainingError: If the loss is not finite or explodes, if a GPU is wanted where there is none, or if the device's
            memory is too small for any batch.
        StorageError: If rows cannot be written to disk.
        Stopped: If it was told to stop.
    """
    kind = pick_device(device)
    precision = _precision(kind)
    with _threads(config.threads), _deterministic(kind):
        with _BUILDING, torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            torch.manual_seed(config.seed)
            fabric = _fabric(kind, precision)
            bins = rows.bins(config.bins)
            loop = Loop(fabric, config, Learner(Network(config, bins, cardinalities), config, rows.outcomes), rows.on(kind))
        if state := fabric.broadcast(part.state if part else None):
            loop.load(state)
        loop.run(part, stop or Event())
    return Fitted(loop.network_to_keep(), tuple(loop.losses), kind, precision, [len(edges) for edges in bins], loop.rows_taken)


Precision = Literal["bf16-mixed", "32-true"]


def _precision(device: str) -> Precision:
    """Return bf16 for GPUs that compute in it, which are those from Ampere on; a T4 only emulates it, slower than float32."""
    return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"


def _fabric(device: str, precision: Precision) -> Any:
    """Return Lightning's hold on the device, and on the processes that train together if torchrun began several."""
    here, all_of_them = processes.count_here(), processes.count()
    if all_of_them == 1:
        return lightning.Fabric(accelerator=device, devices=1, precision=precision)
    fabric = lightning.Fabric(accelerator=device, devices=here, num_nodes=all_of_them // here, strategy="ddp", precision=precision)
    fabric.launch()
    if processes.rank():
        logging.getLogger("tasks").setLevel(logging.WARNING)  # all tell the same
    return fabric


def _threads(count: int) -> AbstractContextManager[None]:
    """Let torch use so many threads in this thread, and in those that begin within."""
    return _held(torch.set_num_threads, count, torch.get_num_threads())


def _deterministic(device: str) -> AbstractContextManager[None]:
    """Choose kernels of a GPU that give the same result every time; it is a choice for all threads."""
    if device == "cpu":
        return nullcontext()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return _held(torch.use_deterministic_algorithms, True, torch.are_deterministic_algorithms_enabled())


@contextmanager
def _held(put: Callable[[_T], None], value: _T, before: _T) -> Iterator[None]:
    """Give a setting of torch a value, and afterwards the one before."""
    put(value)
    try:
        yield
    finally:
        put(before)
