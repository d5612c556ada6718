"""Models on disk: what is loaded predicts what was saved, and a bundle that was touched is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tasks.artifacts.settings import BaselineConfig, NetworkConfig
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.network import Network, fit_bins
from tasks.model.trained import BINS, LIGHTGBM, PREPROCESSING, WEIGHTS, NetworkModel, PriorModel, load_baselines, load_network
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = NetworkConfig(k=2, width=8, blocks=1, embedding_width=2, bins=4)
FRAME = toy.rows(400)
ENCODING = toy.fitted(FRAME)


@pytest.fixture(scope="module")
def network() -> NetworkModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        bins = fit_bins(torch.from_numpy(ENCODING.encode(FRAME)[0]), CONFIG.bins)
        return NetworkModel(Network(CONFIG, bins, ENCODING.cardinalities).eval(), ENCODING, CONFIG, [len(edges) for edges in bins])


@pytest.fixture
def saved(network: NetworkModel, tmp_path: Path) -> Path:
    bundle.write(tmp_path / "network", network.save)
    return tmp_path / "network"


def test_a_network_loaded_predicts_what_it_did(network: NetworkModel, saved: Path) -> None:
    again = load_network(saved, bundle.digest(saved))
    np.testing.assert_array_equal(again.predict(FRAME), network.predict(FRAME))
    assert (again.config, again.preprocessing, again.bin_edges) == (CONFIG, ENCODING, network.bin_edges)
    assert again.predict(FRAME).dtype == np.float64


def test_a_network_saved_again_is_the_same_bundle(saved: Path, tmp_path: Path) -> None:
    assert bundle.write(tmp_path / "again", load_network(saved).save) == bundle.digest(saved)


def test_no_file_of_a_bundle_is_a_pickle(saved: Path) -> None:
    files = [path for path in saved.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert not [path.name for path in files if path.read_bytes()[:1] == b"\x80" and path.suffix != ".safetensors"]


def _flip(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def _drop(folder: Path) -> None:
    (folder / BINS).unlink()


def _other_bins(folder: Path) -> None:
    (folder / BINS).write_text("[2, 2, 2, 2]")
    bundle.seal(folder)  # sealed again: whole, and yet not the bins of these weights


@pytest.mark.parametrize(
    ("change", "message"),
    [(_flip, "weights.safetensors is altered"), (_drop, "bins.json is missing"), (_other_bins, "must hold weights of its network")],
)
def test_a_network_that_was_touched_is_refused(saved: Path, change: Callable[[Path], None], message: str) -> None:
    change(saved)
    with pytest.raises(BundleError, match=message):
        load_network(saved)


def test_another_bundle_than_the_one_asked_for_is_refused(saved: Path) -> None:
    with pytest.raises(BundleError, match="must have the sum"):
        load_network(saved, "0" * 64)


def test_baselines_loaded_predict_what_they_did(tmp_path: Path) -> None:
    config = BaselineConfig(lightgbm_rounds=20, lightgbm_leaves=4, threads=1)
    rows = Encoded.of(FRAME, ENCODING)
    booster, _ = baselines.fit_lightgbm(rows, ENCODING, config, [(rows, rows)])
    logistic = baselines.fit_logistic(rows, ENCODING, config)

    def fill(folder: Path) -> None:
        booster.save(folder)
        logistic.save(folder)
        PriorModel(0.3).save(folder)
        (folder / PREPROCESSING).write_text(ENCODING.model_dump_json())

    bundle.write(tmp_path / "baselines", fill)
    loaded = load_baselines(tmp_path / "baselines")
    assert set(loaded) == {"lightgbm", "logistic", "prior"}
    strange = FRAME.head(2).with_columns(kind=pl.lit(None, dtype=pl.String))
    for frame in (FRAME, strange):
        np.testing.assert_array_equal(loaded["lightgbm"].predict(frame), booster.predict(frame))
        assert loaded["prior"].predict(frame).tolist() == [0.3] * frame.height
        np.testing.assert_allclose(loaded["logistic"].predict(frame), logistic.predict(frame), rtol=0, atol=1e-15)

    (tmp_path / "baselines" / LIGHTGBM).write_text("tree")
    with pytest.raises(BundleError, match=f"{LIGHTGBM} is altered"):
        load_baselines(tmp_path / "baselines")
