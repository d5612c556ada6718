"""Trained models as files: the network, a blend with LightGBM, and the baselines, saved to a bundle and loaded to predict.

Each model is a `Predictor`: rows of features in, probabilities out. The network keeps its weights as safetensors, the
baselines their own text forms; the preprocessing is JSON and is shared by all of a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.settings import NetworkConfig
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.preprocessing import Codes, Floats, Preprocessing

Probabilities = npt.NDArray[np.float64]

WEIGHTS, BINS, PREPROCESSING, CONFIG = "weights.safetensors", "bins.json", "preprocessing.json", "network.json"
LIGHTGBM, LOGISTIC, PRIOR, BLEND = "lightgbm.txt", "logistic.json", "prior.json", "blend.json"


class Predictor(Protocol):
    """Anything that gives probabilities for rows of features."""

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""


class NetworkModel:
    """The trained network with its preprocessing, for torch on a CPU."""

    def __init__(self, network: Any, preprocessing: Preprocessing, config: NetworkConfig, bin_edges: list[int]) -> None:
        self.network, self.preprocessing, self.config, self.bin_edges = network, preprocessing, config, bin_edges

    def save(self, folder: Path) -> None:
        """Write weights, numbers of bin edges, preprocessing and sizes as files."""
        from safetensors.torch import save_file

        weights = {name: tensor.contiguous().clone() for name, tensor in self.network.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        (folder / PREPROCESSING).write_text(self.preprocessing.model_dump_json(indent=1))
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=1))
        (folder / BINS).write_text(json.dumps(self.bin_edges))

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""
        return self.predict_encoded(*self.preprocessing.encode(frame))

    def predict_encoded(self, numbers: Floats, codes: Codes) -> Probabilities:
        """Return the probabilities of encoded rows, shape (n,), on the device that the network is on."""
        import torch

        from tasks.model.network import predict

        return predict(self.network, torch.from_numpy(numbers), torch.from_numpy(codes)).numpy().astype(np.float64)


class BlendModel(NetworkModel):
    """The network with LightGBM on the same inputs beside it: the mean of both probabilities, by shares.

    Args:
        model: The network.
        trees: LightGBM, of the same encoding.
        lightgbm_share: How much of the mean is LightGBM's, above 0 and below 1.
    """

    def __init__(self, model: NetworkModel, trees: LightgbmModel, lightgbm_share: float) -> None:
        super().__init__(model.network, model.preprocessing, model.config, model.bin_edges)
        self.trees, self.lightgbm_share = trees, lightgbm_share

    def save(self, folder: Path) -> None:
        """Write the network's files, the trees as text, and the share."""
        super().save(folder)
        self.trees.save(folder)
        (folder / BLEND).write_text(json.dumps({"lightgbm_share": self.lightgbm_share}))

    def predict_encoded(self, numbers: Floats, codes: Codes) -> Probabilities:
        """Return the probabilities of encoded rows, shape (n,)."""
        network, lightgbm = super().predict_encoded(numbers, codes), self.trees.predict_encoded(numbers, codes)
        return blended(network, lightgbm, self.lightgbm_share)


def blended(network: Probabilities, lightgbm: Probabilities, lightgbm_share: float) -> Probabilities:
    """Return the mean of the probabilities of both, by LightGBM's share."""
    return (1 - lightgbm_share) * network + lightgbm_share * lightgbm


def load_network(folder: Path, digest: str | None = None) -> NetworkModel:
    """Load a network from its bundle, checked first, with LightGBM beside it if the bundle has it.

    Args:
        folder: The bundle, or a package that contains its files.
        digest: The digest that it must have, if known.

    Raises:
        BundleError: If the bundle is incomplete, altered or of another format.
    """
    import torch
    from safetensors.torch import load_file

    from tasks.model.network import Network

    bundle.verify(folder, digest)
    preprocessing = Preprocessing.model_validate_json((folder / PREPROCESSING).read_bytes())
    config = NetworkConfig.model_validate_json((folder / CONFIG).read_bytes())
    weights = {"temperature": torch.ones(()), **load_file(folder / WEIGHTS)}  # earlier bundles have none
    # The embedding layer keeps the edges of the bins in its weights; their number gives the shapes.
    counts: list[int] = json.loads((folder / BINS).read_text())
    network = Network(config, [torch.linspace(0, 1, n) for n in counts], preprocessing.cardinalities)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BundleError(f"{folder} must hold weights of its network", str(error).split("\n")[0], "train again") from error
    model = NetworkModel(network.eval(), preprocessing, config, counts)
    if not (folder / BLEND).is_file():
        return model
    booster = import_lightgbm().Booster(model_str=(folder / LIGHTGBM).read_text())
    return BlendModel(model, LightgbmModel(preprocessing, booster), **json.loads((folder / BLEND).read_text()))


def require_features(model: NetworkModel, there: Collection[str], called: str) -> None:
    """Raise unless all features are there that a model reads.

    Raises:
        BundleError: Naming those that they lack.
    """
    missing = [name for name in model.preprocessing.columns if name not in there]
    if missing:
        raise BundleError(
            f"{called} must read today's features",
            f"it needs {', '.join(missing[:5])}, which they lack",
            "restore these features, or give the new model another MODEL_NAME in tasks/usecase/policy.py",
        )


class LogisticModel:
    """Logistic regression as its coefficients: of the numeric inputs, and of each code of each categorical input."""

    def __init__(self, preprocessing: Preprocessing, intercept: float, numeric: list[float], categorical: list[list[float]]) -> None:
        self.preprocessing, self.intercept = preprocessing, intercept
        self.numeric, self.categorical = numeric, categorical

    def save(self, folder: Path) -> None:
        """Write the coefficients as JSON."""
        text = json.dumps({"intercept": self.intercept, "numeric": self.numeric, "categorical": self.categorical}, indent=1)
        (folder / LOGISTIC).write_text(text)

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""
        return self.predict_encoded(*self.preprocessing.encode(frame))

    def predict_encoded(self, numbers: Floats, codes: Codes) -> Probabilities:
        """Return the probabilities of encoded rows, shape (n,)."""
        logits = self.intercept + numbers.astype(np.float64) @ np.asarray(self.numeric)
        for i, weights in enumerate(self.categorical):
            logits += np.asarray(weights)[codes[:, i]]
        result: Probabilities = 1 / (1 + np.exp(-logits))
        return result


class LightgbmModel:
    """Gradient boosting by LightGBM, kept in its own text form."""

    def __init__(self, preprocessing: Preprocessing, booster: Any) -> None:
        self.preprocessing, self.booster = preprocessing, booster

    def save(self, folder: Path) -> None:
        """Write the trees as text."""
        (folder / LIGHTGBM).write_text(self.booster.model_to_string())

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""
        return self.predict_encoded(*self.preprocessing.encode(frame))

    def predict_encoded(self, numbers: Floats, codes: Codes) -> Probabilities:
        """Return the probabilities of encoded rows, shape (n,)."""
        result: Probabilities = self.booster.predict(np.hstack([numbers, codes]))
        return result


class PriorModel:
    """The share of positives among the training rows, for every row: what is known without looking."""

    def __init__(self, share: float) -> None:
        self.share = share

    def save(self, folder: Path) -> None:
        """Write the share as JSON."""
        (folder / PRIOR).write_text(json.dumps({"share": self.share}))

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the share for each row, shape (n,)."""
        return np.full(frame.height, self.share)


def import_lightgbm() -> Any:
    """Import LightGBM where the system has no OpenMP library: torch ships the one that it needs, so torch goes first."""
    import torch  # noqa: F401
    import lightgbm  # isort: skip

    return lightgbm


def load_baselines(folder: Path) -> dict[str, Predictor]:
    """Load the baselines from their bundle, checked first: `lightgbm`, `logistic` and `prior`.

    Raises:
        BundleError: If the bundle is incomplete, altered or of another format.
    """
    bundle.verify(folder)
    preprocessing = Preprocessing.model_validate_json((folder / PREPROCESSING).read_bytes())
    booster = import_lightgbm().Booster(model_str=(folder / LIGHTGBM).read_text())
    weights = json.loads((folder / LOGISTIC).read_text())
    prior = json.loads((folder / PRIOR).read_text())
    return {
        "lightgbm": LightgbmModel(preprocessing, booster),
        "logistic": LogisticModel(preprocessing, **weights),
        "prior": PriorModel(**prior),
    }
