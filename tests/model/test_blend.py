"""The blend of network and LightGBM: trained on the same folds, kept whole, and served as one ONNX model without LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.compression import Ranges
from tasks.artifacts.settings import BaselineConfig, NetworkConfig
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.network import Network, fit_bins
from tasks.model.trained import LIGHTGBM, BlendModel, NetworkModel, load_network
from tasks.packaging import onnx_model, quantisation
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tests.model import toy

pytestmark = pytest.mark.model

CONFIG = NetworkConfig(k=2, width=16, blocks=1, embedding_width=4, bins=8)
FRAME = toy.rows(2_000).with_columns(kind=pl.concat_str(pl.lit("k"), pl.int_range(pl.len()) * 7 % 23))
ENCODING = toy.fitted(FRAME)
ROWS = Encoded.of(FRAME, ENCODING)


@pytest.fixture(scope="module")
def blend() -> BlendModel:
    """A network as it is before it is trained, and trees that split by numbers and by sets of categories."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        bins = fit_bins(torch.from_numpy(ROWS.numbers), CONFIG.bins)
        network = Network(CONFIG, bins, ENCODING.cardinalities).eval()
    model = NetworkModel(network, ENCODING, CONFIG, [len(edges) for edges in bins])
    config = BaselineConfig(lightgbm_rounds=60, lightgbm_leaves=15, threads=1)
    trees, _ = baselines.fit_lightgbm(ROWS, ENCODING, config, [(ROWS, ROWS)])
    assert "==" in trees.booster.trees_to_dataframe()["decision_type"].to_list()
    return BlendModel(model, trees, 0.3)


@pytest.fixture(scope="module")
def session(blend: BlendModel, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("blend") / "model.onnx"
    onnx_model.export(blend, path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def served(session: Any, numbers: Any, codes: Any) -> Any:
    assert [output.name for output in session.get_outputs()] == ["probability"]
    return session.run(["probability"], {"numbers": numbers, "codes": codes})[0]


def test_it_is_the_mean_by_shares(blend: BlendModel) -> None:
    alone = NetworkModel(blend.network, ENCODING, CONFIG, blend.bin_edges).predict(FRAME)
    trees = blend.trees.predict(FRAME)
    np.testing.assert_allclose(blend.predict(FRAME), 0.7 * alone + 0.3 * trees, atol=1e-12)
    assert np.abs(trees - alone).max() > 0.2


def test_loaded_it_predicts_what_it_did_and_is_the_same_bundle(blend: BlendModel, tmp_path: Path) -> None:
    digest = bundle.write(tmp_path / "blend", blend.save)
    again = load_network(tmp_path / "blend", digest)
    np.testing.assert_array_equal(again.predict(FRAME), blend.predict(FRAME))
    assert bundle.write(tmp_path / "again", again.save) == digest
    (tmp_path / "blend" / LIGHTGBM).unlink()
    with pytest.raises(BundleError, match=f"{LIGHTGBM} is missing"):
        load_network(tmp_path / "blend")


@pytest.mark.parametrize("rows", [1, 7, 2_000])
def test_its_onnx_model_predicts_what_training_does(rows: int, blend: BlendModel, session: Any) -> None:
    numbers, codes = ROWS.numbers[:rows], ROWS.codes[:rows]
    np.testing.assert_allclose(served(session, numbers, codes), blend.predict_encoded(numbers, codes), atol=1e-5)


@given(data=st.data())
def test_so_it_does_at_the_thresholds_of_the_trees(data: st.DataObject, blend: BlendModel, session: Any) -> None:
    """There, rounding to float32 could send a row to the other side."""
    trees = blend.trees.booster.trees_to_dataframe()
    numeric = trees[trees["decision_type"] == "<="]
    drawn = st.sampled_from(sorted(zip(numeric["split_feature"], numeric["threshold"].astype(float), strict=True)))
    numbers, codes = ROWS.numbers[:5].copy(), ROWS.codes[:5].copy()
    codes[:, 0] = data.draw(st.integers(0, ENCODING.cardinalities[0] - 1))
    feature, threshold = data.draw(drawn)
    at = np.float32(threshold)
    around = [at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf)), np.float32(1e6), np.float32(-1e6)]
    numbers[:, int(feature.removeprefix("Column_"))] = around
    np.testing.assert_allclose(served(session, numbers, codes), blend.predict_encoded(numbers, codes), atol=1e-5)


@pytest.mark.parametrize("ranges", list(Ranges))
def test_in_int8_its_trees_are_what_they_were(ranges: Ranges, blend: BlendModel, tmp_path: Path) -> None:
    onnx_model.export(blend, tmp_path / "float32.onnx")
    quantisation.quantise(tmp_path / "float32.onnx", tmp_path / "int8.onnx", ranges, ROWS.numbers, ROWS.codes)
    smaller = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx"), providers=["CPUExecutionProvider"])
    found = served(smaller, ROWS.numbers, ROWS.codes)
    np.testing.assert_allclose(found, blend.predict(FRAME), atol=0.05)
    assert (found != served(onnxruntime.InferenceSession(str(tmp_path / "float32.onnx")), ROWS.numbers, ROWS.codes)).any()
