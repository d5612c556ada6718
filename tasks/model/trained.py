"""Trained models as files: the network and its baselines, saved to a bundle and loaded to predict.

Each model is a `Predictor`: rows of features in, probabilities out. The network keeps its weights as safetensors, the
baselines their own text forms; the preprocessing is JSON and is shared by all three.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts import NetworkConfig
from tasks.errors import BundleError
from tasks.model import bundle
from tasks.model.preprocessing import Codes, Floats, Preprocessing

Probabilities = npt.NDArray[np.float64]

WEIGHTS, BINS, PREPROCESSING, CONFIG = "weights.safetensors", "bins.safetensors", "preprocessing.json", "network.json"
LIGHTGBM, LOGISTIC = "lightgbm.txt", "logistic.json"


class Predictor(Protocol):
    """Anything that gives probabilities for rows of features."""

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""


class NetworkModel:
    """The trained network with its preprocessing, for torch on a CPU."""

    def __init__(self, network: Any, preprocessing: Preprocessing, config: NetworkConfig) -> None:
        self.network, self.preprocessing, self.config = network, preprocessing, config

    def save(self, folder: Path) -> None:
        """Write weights, bins, preprocessing and sizes as files."""
        from safetensors.torch import save_file

        weights = {name: tensor.contiguous().clone() for name, tensor in self.network.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        (folder / PREPROCESSING).write_text(self.preprocessing.model_dump_json(indent=1))
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=1))

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        """Return the probability of the positive class of each row, shape (n,)."""
        import torch

        from tasks.model.network import predict

        numbers, codes = self.preprocessing.encode(frame)
        return predict(self.network, torch.from_numpy(numbers), torch.from_numpy(codes)).numpy().astype(np.float64)
