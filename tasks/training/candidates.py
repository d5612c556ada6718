"""From features and a split to trained, saved models: the network and its baselines, each with its folds."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.artifacts.record import Window
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import FoldResult, Split, TrainedModel
from tasks.clock import labelled_before, labelled_in
from tasks.model import bundle, preprocessing
from tasks.model.loss import log_loss
from tasks.model.preprocessing import Preprocessing
from tasks.model.trained import PREPROCESSING, NetworkModel, Probabilities
from tasks.training import baselines, calibration, threshold
from tasks.training.baselines import Encoded

if TYPE_CHECKING:
    from tasks.training.checkpoints import Checkpoints
    from tasks.training.network import Fitted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What to learn: rows, their columns, the split, the costs of wrong decisions."""

    features: pl.LazyFrame
    features_hash: str
    numeric: list[str]
    categorical: list[str]
    split: Split
    zone: str
    missed_cost: float
    needless_cost: float


@dataclass(frozen=True)
class _Fit:
    """Training rows of one model with the encoding fitted on them, and the rows that it is tested on."""

    window: Window
    encoding: Preprocessing
    train: Encoded
    test: Encoded


def _prepare(task: Task, window: Window) -> _Fit:
    needed = [*task.numeric, *task.categorical, "label"]
    train = labelled_before(task.features, window.first_day, task.zone).select(needed).collect()
    encoding = preprocessing.fit(train, task.numeric, task.categorical)
    test = labelled_in(task.features, window.first_day, window.last_day).select(needed).collect()
    return _Fit(window, encoding, Encoded.of(train, encoding), Encoded.of(test, encoding))


def train_baselines(task: Task, config: TrainingConfig, folder: Path) -> list[TrainedModel]:
    """Train logistic regression and LightGBM and save both as one bundle.

    Args:
        task: What to learn.
        config: How.
        folder: Where the bundle shall stand.

    Returns:
        A record of each, LightGBM first.
    """
    started = time.perf_counter()
    folds = [_prepare(task, window) for window in task.split.folds]
    final = _prepare(task, task.split.evaluation)
    booster, boosted = baselines.fit_lightgbm(final.train, final.encoding, config.baselines, [(f.train, f.test) for f in folds])
    lightgbm_seconds = time.perf_counter() - started
    started = time.perf_counter()
    regressed = [baselines.fit_logistic(f.train, f.encoding, config.baselines).predict_encoded(f.test.numbers, f.test.codes) for f in folds]
    logistic = baselines.fit_logistic(final.train, final.encoding, config.baselines)
    logistic_seconds = time.perf_counter() - started
    log.info("baselines: trained on %s rows", f"{len(final.train.labels):,}")

    def fill(path: Path) -> None:
        booster.save(path)
        logistic.save(path)
        (path / PREPROCESSING).write_text(final.encoding.model_dump_json(indent=1))

    digest = bundle.write(folder, fill)
    seed = config.baselines.seed
    return [
        _record("lightgbm", task, digest, final, folds, boosted, lightgbm_seconds, config, seed),
        _record("logistic", task, digest, final, folds, regressed, logistic_seconds, config, seed),
    ]


def train_network(task: Task, config: TrainingConfig, folder: Path, checkpoints: Checkpoints) -> TrainedModel:
    """Train the network on each fold and on all training rows, and save the last as a bundle.

    Args:
        task: What to learn.
        config: How.
        folder: Where the bundle shall stand.
        checkpoints: Where a training that was killed goes on.

    Raises:
        TrainingError: If a loss is not finite.
    """
    started = time.perf_counter()
    folds = [_prepare(task, window) for window in task.split.folds]
    predicted = []
    for number, fold in enumerate(folds, start=1):
        log.info("network: fold %d of %d, %s rows, tested on %s", number, len(folds), f"{len(fold.train.labels):,}", fold.window)
        predicted.append(_fit_network(fold, config, checkpoints, f"fold {number}")[0])
    final = _prepare(task, task.split.evaluation)
    log.info("network: all %s training rows", f"{len(final.train.labels):,}")
    _, fitted, model = _fit_network(final, config, checkpoints, "all rows")
    labels = np.concatenate([fold.test.labels for fold in folds])
    degrees = calibration.temperature(labels, np.concatenate(predicted))
    model.network.temperature.fill_(degrees)
    predicted = [calibration.soften(p, degrees) for p in predicted]
    log.info("network: temperature %.3f is best on the folds", degrees)
    digest = bundle.write(folder, model.save)
    record = _record("network", task, digest, final, folds, predicted, time.perf_counter() - started, config, config.network.seed)
    return record.model_copy(
        update={"losses": list(fitted.losses), "device": fitted.device, "precision": fitted.precision, "temperature": degrees}
    )


def _fit_network(fit: _Fit, config: TrainingConfig, checkpoints: Checkpoints, part: str) -> tuple[Probabilities, Fitted, NetworkModel]:
    import torch  # heavy, as is Lightning: the baselines need neither

    from tasks.model.network import predict
    from tasks.training import network
    from tasks.training.checkpoints import Part

    rows = fit.train
    fitted = network.fit(config.network, rows.numbers, rows.codes, rows.labels, fit.encoding.cardinalities, Part(checkpoints, part))
    probabilities = predict(fitted.network, torch.from_numpy(fit.test.numbers), torch.from_numpy(fit.test.codes))
    return probabilities.numpy().astype(np.float64), fitted, NetworkModel(fitted.network, fit.encoding, config.network, fitted.bin_edges)


def _record(
    name: str,
    task: Task,
    digest: str,
    final: _Fit,
    folds: Sequence[_Fit],
    predicted: Sequence[Probabilities],
    seconds: float,
    config: TrainingConfig,
    seed: int,
) -> TrainedModel:
    labels = np.concatenate([fold.test.labels for fold in folds])
    results = [
        FoldResult(window=f.window, rows=len(f.test.labels), log_loss=log_loss(f.test.labels, p))
        for f, p in zip(folds, predicted, strict=True)
    ]
    log.info("%s: log-loss %s on the folds", name, ", ".join(f"{r.log_loss:.4f}" for r in results))
    return TrainedModel(
        name=name,
        bundle_digest=digest,
        features_hash=task.features_hash,
        split=task.split,
        config=config,
        training_rows=len(final.train.labels),
        numeric_features=[column.name for column in final.encoding.numeric],
        categorical_features=[column.name for column in final.encoding.categorical],
        threshold=threshold.cheapest(labels, np.concatenate(predicted), task.missed_cost, task.needless_cost),
        folds=results,
        losses=[],
        device="cpu",
        precision="float64",
        train_seconds=seconds,
        seed=seed,
    )
