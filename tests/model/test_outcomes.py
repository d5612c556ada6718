"""What the network learns beside the label: it helps, it is left away afterwards, and where it is not known it has no say."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import polars as pl
import pytest
import torch

from tasks.artifacts.settings import NetworkConfig, Outcome
from tasks.model.loss import log_loss
from tasks.model.network import predict
from tasks.training import network, rows
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = NetworkConfig(
    k=4, width=24, blocks=1, embedding_width=4, bins=8, epochs=40, batch_rows=32, learning_rate=0.005, averaging_decay=0.9
)
OUTCOMES = [Outcome(column="late", thresholds=[-1.0, 0.5, 1.5])]


def delayed(count: int, seed: int) -> pl.DataFrame:
    """Rows whose label says only whether a number, mostly noise, is above 0."""
    frame, generator = toy.rows(count, seed), np.random.default_rng(100 + seed)  # a stream of its own
    kind = frame.get_column("kind").str.slice(1).cast(pl.Float64)
    late = 0.4 * frame.get_column("signal") + 0.3 * (kind - 1) + pl.Series(generator.normal(size=count))
    return frame.with_columns(late=late, label=(late > 0).cast(pl.Int8))


def fitted(frame: pl.DataFrame, outcomes: list[Outcome], most: int | None = None, **changed: float) -> network.Fitted:
    encoding, train = rows.gather(frame.lazy(), toy.NUMERIC, toy.CATEGORICAL, most, outcomes=outcomes)
    with closing(train):
        return network.fit_rows(CONFIG.model_copy(update=changed), train, encoding.cardinalities)


def weights(found: network.Fitted) -> list[torch.Tensor]:
    return [tensor for name, tensor in sorted(found.network.state_dict().items()) if name != "temperature"]


def equal(a: network.Fitted, b: network.Fitted) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_the_network_is_the_same_kind_with_and_without() -> None:
    frame = delayed(400, 0)
    plain, taught = fitted(frame, []), fitted(frame, OUTCOMES)
    assert plain.network.state_dict().keys() == taught.network.state_dict().keys()
    assert not equal(plain, taught)


def test_what_came_of_a_row_tells_more_than_its_label() -> None:
    test = delayed(4_000, 9)

    def loss(outcomes: list[Outcome], seed: int) -> float:
        frame = delayed(300, seed)
        found = fitted(frame, outcomes, seed=seed)
        numbers, codes = toy.fitted(frame).encode(test)
        return log_loss(
            test.get_column("label").to_numpy(), predict(found.network, torch.from_numpy(numbers), torch.from_numpy(codes)).numpy()
        )

    gains = [loss([], seed) - loss(OUTCOMES, seed) for seed in range(3)]
    assert min(gains) > 0


def test_an_outcome_that_is_not_known_has_no_say() -> None:
    frame = delayed(400, 1)
    unknown = frame.with_columns(late=pl.lit(None, pl.Float64))
    assert equal(fitted(unknown, OUTCOMES), fitted(frame, OUTCOMES, outcome_weight=0.0))
    half = frame.with_columns(late=pl.when(pl.int_range(pl.len()) % 2 == 0).then("late"))
    assert np.isfinite(fitted(half, OUTCOMES).losses).all()


def test_on_disk_they_are_the_same() -> None:
    frame = delayed(700, 2)
    assert equal(fitted(frame, OUTCOMES), fitted(frame, OUTCOMES, most=96))


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.errors import TrainingError

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert network.pick_device("auto") == network.pick_device("cpu") == "cpu"
    with pytest.raises(TrainingError, match=r"device is cuda; got none .*set device to"):
        network.pick_device("cuda")
