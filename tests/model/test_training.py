"""The loop: repeatable, told when it goes wrong, and of a batch that is too large it takes parts."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from tasks.errors import TrainingError
from tasks.model.network import Network, predict
from tasks.training import loop, network, rows
from tests.model import killed

pytestmark = pytest.mark.model


def fit(**changed: Any) -> network.Fitted:
    return network.fit(killed.CONFIG.model_copy(update=changed), *killed.inputs())


def test_the_same_inputs_give_the_same_weights_and_it_learns() -> None:
    state = torch.get_rng_state()
    first, second = fit(), fit()
    assert torch.equal(torch.get_rng_state(), state), "the caller's random numbers are left alone"
    assert first.losses == second.losses
    assert len(first.losses) == killed.CONFIG.epochs
    assert first.losses[-1] < first.losses[0] < 1
    assert all(torch.equal(a, b) for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True))
    numbers, codes, labels, _ = killed.inputs()
    found = predict(first.network, torch.from_numpy(numbers), torch.from_numpy(codes)).numpy()
    assert found[labels == 1].mean() - found[labels == 0].mean() > 0.2


def test_another_seed_gives_other_weights() -> None:
    assert fit().losses != fit(seed=7).losses


@pytest.mark.parametrize(("rate", "found"), [(1.0, "at step"), (0.003, "nan at step")])
def test_a_loss_that_explodes_or_is_no_number_stops(rate: float, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, codes, labels, sizes = killed.inputs()
    if rate < 1:
        numbers = np.where(np.arange(len(numbers))[:, None] == 5, np.float32(np.nan), numbers)
        monkeypatch.setattr(rows, "fit_bins", lambda _, count: [torch.linspace(-3, 3, count)] * 3)
    else:
        monkeypatch.setattr(loop, "_EXPLODED", 0.3)  # nats: a small network is hard to make explode
    with pytest.raises(TrainingError, match=f"finite and below .*{found}.*lower learning_rate"):
        network.fit(killed.CONFIG.model_copy(update={"learning_rate": rate}), numbers, codes, labels, sizes)


def _short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    seen: list[int] = []
    hidden = Network.hidden

    def limited(self: Network, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        if len(numbers) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.append(len(numbers))
        return hidden(self, numbers, codes)

    monkeypatch.setattr(Network, "hidden", limited)
    return seen


def test_out_of_memory_takes_smaller_parts_of_the_same_batch(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    whole = fit(dropout=0.0, batch_rows=128)
    seen = _short_of_memory(monkeypatch, 40)
    with caplog.at_level(logging.WARNING):
        parts = fit(dropout=0.0, batch_rows=128)
    assert max(seen) == 32
    assert [record.message for record in caplog.records if "out of memory" in record.message] == [
        "out of memory: batches of 128 go in parts of 64 rows",
        "out of memory: batches of 128 go in parts of 32 rows",
    ]
    for a, b in zip(parts.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


def test_no_memory_for_any_batch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _short_of_memory(monkeypatch, 8)
    with pytest.raises(TrainingError, match="memory for a batch; got none for 16 rows"):
        fit(batch_rows=64)
