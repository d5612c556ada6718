"""A small training in a process that can be killed. Not a test itself."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from tasks.artifacts.settings import NetworkConfig
from tasks.model.preprocessing import Codes, Floats
from tasks.training import network
from tasks.training.checkpoints import Checkpoints, Part

CONFIG = NetworkConfig(
    k=2, width=16, blocks=1, embedding_width=4, bins=8, epochs=3, batch_rows=32, dropout=0.2, averaging_decay=0.9, learning_rate=0.003
)


def inputs() -> tuple[Floats, Codes, Floats, list[int]]:
    """Return 1,200 rows: 38 steps an epoch, the last one smaller."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(1_200, 3)).astype(np.float32)
    codes = generator.integers(0, 4, size=(1_200, 1))
    labels = (generator.random(1_200) < 1 / (1 + np.exp(-2 * numbers[:, 0] - codes[:, 0] + 2))).astype(np.float32)
    return numbers, codes, labels, [4]


def train(folder: Path, told: Connection) -> None:
    """Train, tell of each checkpoint, and leave the weights as a file."""
    checkpoints = Checkpoints(folder, "this one", every_seconds=0, keep=lambda _: told.send("kept"))
    fitted = network.fit(CONFIG, *inputs(), part=Part(checkpoints, "all"))
    torch.save({"weights": fitted.network.state_dict(), "losses": list(fitted.losses)}, folder / "result")
