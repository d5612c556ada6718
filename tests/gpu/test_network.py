"""The network on a device: bf16 mixed precision learns what float32 on a CPU learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.settings import NetworkConfig
from tasks.model.network import predict
from tasks.training import network
from tasks.training.rows import OnDisk

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")]

CONFIG = NetworkConfig(k=4, width=64, blocks=2, embedding_width=4, bins=16, epochs=3, batch_rows=128)


def test_trains_in_mixed_precision_to_the_same_probabilities() -> None:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(8_000, 6)).astype(np.float32)
    codes = generator.integers(0, 5, size=(8_000, 2))
    labels = (generator.random(8_000) < 1 / (1 + np.exp(-2 * numbers[:, 0] - codes[:, 0] + 2))).astype(np.float32)
    on_device = network.fit(CONFIG, numbers, codes, labels, [5, 5])
    assert (on_device.device, on_device.precision) == ("cuda", "bf16-mixed")
    on_cpu = network.fit(CONFIG, numbers, codes, labels, [5, 5], device="cpu")
    inputs = torch.from_numpy(numbers), torch.from_numpy(codes)
    difference = (predict(on_device.network, *inputs) - predict(on_cpu.network, *inputs)).abs()
    assert difference.mean() < 0.02


def test_rows_on_disk_give_the_weights_of_rows_in_memory(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(8_000, 6)).astype(np.float32)
    codes = generator.integers(0, 5, size=(8_000, 2))
    labels = (generator.random(8_000) < 0.3).astype(np.float32)
    in_memory = network.fit(CONFIG, numbers, codes, labels, [5, 5])
    rows = OnDisk([*numbers.T, *codes.T.astype(np.int32), labels], (6, 2, 1), len(labels), 1_500, tmp_path)
    on_disk = network.fit_rows(CONFIG, rows, [5, 5])
    rows.close()
    assert on_disk.losses == in_memory.losses
    assert all(torch.equal(a, b) for a, b in zip(on_disk.network.parameters(), in_memory.network.parameters(), strict=True))
