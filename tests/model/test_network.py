"""The network: shapes, an ensemble whose mean is its answer, and bins for every kind of column."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.artifacts.settings import NetworkConfig
from tasks.model.network import Dropout, Network, Probability, fit_bins, predict, sample_for_bins
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = NetworkConfig(k=3, width=16, blocks=1, embedding_width=4, bins=8)
FRAME = toy.rows(400)
ENCODING = toy.fitted(FRAME)
NUMBERS, CODES = map(torch.from_numpy, ENCODING.encode(FRAME))


@pytest.fixture
def network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Network(CONFIG, fit_bins(NUMBERS, CONFIG.bins), ENCODING.cardinalities).eval()


def test_members_and_their_mean(network: Network) -> None:
    with torch.no_grad():
        logits = network(NUMBERS, CODES)
        assert logits.shape == (400, 3)
        assert logits.std(dim=1).min() > 0  # members differ
        torch.testing.assert_close(Probability(network)(NUMBERS, CODES), torch.sigmoid(logits).mean(1))


@pytest.mark.parametrize("rows_at_once", [1, 7, 30, 8192])
def test_predicting_in_parts_is_predicting_at_once(network: Network, rows_at_once: int) -> None:
    whole = predict(network, NUMBERS, CODES)[:30]
    found = predict(network, NUMBERS[:30], CODES[:30], rows_at_once)
    assert found.shape == (30,)
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=0)


def test_no_rows_give_no_probabilities(network: Network) -> None:
    assert predict(network, NUMBERS[:0], CODES[:0]).shape == (0,)


def test_dropout_does_not_disturb_predictions(network: Network) -> None:
    network.train()
    torch.testing.assert_close(predict(network, NUMBERS, CODES), predict(network, NUMBERS, CODES), atol=0, rtol=0)


def test_extreme_inputs_give_probabilities(network: Network) -> None:
    found = predict(network, torch.full((2, NUMBERS.shape[1]), 1e6), CODES[:2])
    assert torch.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_bins_cover_the_range_and_rise() -> None:
    for column, edges in zip(NUMBERS.T, fit_bins(NUMBERS, 8), strict=True):
        assert 2 <= len(edges) <= 9
        assert (edges.diff() > 0).all()
        assert edges[0] == column.min()
        assert edges[-1] == column.max()


def test_a_rare_value_has_a_bin() -> None:
    """One row in a hundred and fifty thousand is not in the sample of the quantiles."""
    rare = torch.zeros(150_000, 1)
    rare[100_003] = 1
    assert fit_bins(rare, 8)[0].tolist() == [0, 1]


@pytest.mark.parametrize("rows", [1, 2, 99_999, 100_001, 16_777_220, 100_000_007])  # the last two are not float32's
def test_the_sample_for_bins_lies_within_the_rows_in_their_order(rows: int) -> None:
    sample = sample_for_bins(rows)
    assert len(sample) == min(rows, 100_000)
    assert (sample[0], (sample.diff() < 0).sum()) == (0, 0)
    assert rows - 8 <= sample[-1] < rows


def test_without_categories_there_is_a_network_too() -> None:
    network = Network(CONFIG, fit_bins(NUMBERS, 4), [])
    found = predict(network, NUMBERS, torch.empty((400, 0), dtype=torch.int64))
    assert np.isfinite(found.numpy()).all()


@pytest.mark.parametrize("rate", [0.0, 0.15, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(rate: float) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = Dropout(rate)(torch.ones(400, 801))
    assert (found == 0).float().mean() == pytest.approx(rate, abs=0.003)
    assert found.mean() == pytest.approx(1, abs=0.02)
    assert len(found.unique()) <= 2
    # Each value is drawn by itself: neighbours in a word and in memory are not alike.
    zeros = (found == 0).float()
    if rate:
        assert (zeros[:, 1:] * zeros[:, :-1]).mean() == pytest.approx(rate**2, abs=0.006)


def test_dropout_is_the_network_s_own_and_rests_in_evaluation(network: Network) -> None:
    assert [type(m) for m in network.modules() if "Dropout" in type(m).__name__] == [Dropout] * CONFIG.blocks
    values = torch.randn(5, 7)
    assert Dropout(0.5).eval()(values) is values
