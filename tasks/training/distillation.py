"""A small network that learns from a large one: its labels are the large one's probabilities, mixed with what happened.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (NIPS workshop 2014). A probability says more of
a row than its label does, so that few weights are enough. It reads what the large one reads, encoded in the same way.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np

from tasks.artifacts.compression import CompressionConfig
from tasks.artifacts.training import TrainedModel
from tasks.clock import labelled_before
from tasks.model import bundle
from tasks.model.trained import NetworkModel
from tasks.training import network
from tasks.training.baselines import Encoded
from tasks.training.candidates import Task

log = logging.getLogger(__name__)

NAME = "distilled"


def distil(task: Task, teacher: NetworkModel, taught: TrainedModel, config: CompressionConfig, folder: Path) -> TrainedModel:
    """Train the small network on the large one's training rows and save it as a bundle like that one's.

    It takes over the large one's decision thresholds, as it learns that one's calibrated probabilities, in which a
    reweighing is, and has no folds of its own: the guard judges it on the evaluation days, which neither has seen.

    Args:
        task: What the large one has learnt.
        teacher: The large one.
        taught: What is known of it.
        config: Sizes and schedule of the small one, and how much it follows the large one.
        folder: Where the bundle shall stand.

    Raises:
        TrainingError: If a loss is not finite.
    """
    started = time.perf_counter()
    encoding = teacher.preprocessing
    needed = [*encoding.columns, "label"]
    frame = labelled_before(task.features, task.split.evaluation.first_day, task.zone).select(needed).collect()
    rows = Encoded.of(frame, encoding)
    teacher.network.to(network.pick_device(taught.config.device))
    told = teacher.predict_encoded(rows.numbers, rows.codes)
    labels = (config.teacher_share * told + (1 - config.teacher_share) * rows.labels).astype(np.float32)
    fitted = network.fit(config.network, rows.numbers, rows.codes, labels, encoding.cardinalities, device=taught.config.device)
    small = NetworkModel(fitted.network, encoding, config.network, fitted.bin_edges)
    digest = bundle.write(folder, small.save)
    log.info("distilled: %s weights from %s", f"{_weights(small):,}", f"{_weights(teacher):,}")
    return TrainedModel(
        name=NAME,
        bundle_digest=digest,
        features_hash=taught.features_hash,
        split=taught.split,
        config=taught.config.model_copy(update={"network": config.network, "lightgbm_share": 0.0}),
        training_rows=len(rows.labels),
        numeric_features=taught.numeric_features,
        categorical_features=taught.categorical_features,
        threshold=taught.threshold,
        grouping=taught.grouping,
        group_thresholds=taught.group_thresholds,
        folds=[],
        losses=list(fitted.losses),
        device=fitted.device,
        precision=fitted.precision,
        train_seconds=time.perf_counter() - started,
        seed=config.network.seed,
    )


def _weights(model: NetworkModel) -> int:
    return sum(weight.numel() for weight in model.network.parameters())
