"""The temperature: found where it was applied, kept within bounds, and the same in the network and in its numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.model.loss import log_loss
from tasks.model.network import Network, fit_bins, predict
from tasks.training.calibration import soften, temperature
from tests.model import killed

pytestmark = pytest.mark.model


def drawn(rows: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    p = 1 / (1 + np.exp(-generator.normal(-1, 1.5, rows)))
    return (generator.random(rows) < p).astype(np.float32), p


@pytest.mark.parametrize("applied", [0.7, 1.0, 1.4])
def test_a_temperature_is_found_again(applied: float) -> None:
    labels, p = drawn()
    too_sure = soften(p, 1 / applied)
    found = temperature(labels, too_sure)
    assert found == pytest.approx(applied, rel=0.03)
    assert log_loss(labels, soften(too_sure, found)) <= log_loss(labels, too_sure)


def test_a_broken_model_is_not_hidden() -> None:
    labels, p = drawn(5_000)
    assert temperature(labels, soften(p, 0.05)) == pytest.approx(2, rel=0.01)
    assert temperature(labels, soften(p, 20)) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("degrees", [0.8, 1.0, 1.3])
def test_the_network_applies_what_was_fitted(degrees: float) -> None:
    numbers, codes, _, sizes = killed.inputs()
    inputs = torch.from_numpy(numbers), torch.from_numpy(codes)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Network(killed.CONFIG, fit_bins(inputs[0], 8), sizes)
    plain = predict(network, *inputs).numpy()
    network.temperature.fill_(degrees)
    found = predict(network, *inputs).numpy()
    np.testing.assert_allclose(found, soften(plain, degrees), atol=1e-6)
    assert (np.argsort(found, kind="stable") == np.argsort(plain, kind="stable")).mean() > 0.99
