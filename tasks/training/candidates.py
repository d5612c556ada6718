"""From features and a split to trained, saved models: the network and its baselines, each with its folds."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tasks.artifacts.fairness import FairnessRules, Grouping
from tasks.artifacts.record import Window
from tasks.artifacts.search import FoldScore
from tasks.artifacts.settings import Outcome, TrainingConfig
from tasks.artifacts.training import FoldResult, Split, TrainedModel
from tasks.clock import labelled_before, labelled_in
from tasks.model import bundle, groups, preprocessing
from tasks.model.loss import log_loss
from tasks.model.preprocessing import Preprocessing
from tasks.model.trained import PREPROCESSING, BlendModel, LightgbmModel, NetworkModel, PriorModel, Probabilities, blended
from tasks.training import baselines, calibration, group_thresholds, threshold
from tasks.training.baselines import Encoded
from tasks.training.reweighing import WEIGHT, weighed

if TYPE_CHECKING:
    from tasks.training.checkpoints import Checkpoints, Part
    from tasks.training.network import Fitted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What to learn: rows, their columns, the split, the costs of wrong decisions, and what the network learns beside the label.

    And between which groups the network may be asked to differ less, with the rules that say which of these are large enough.
    """

    features: pl.LazyFrame
    features_hash: str
    numeric: list[str]
    categorical: list[str]
    split: Split
    zone: str
    missed_cost: float
    needless_cost: float
    outcomes: Sequence[Outcome] = ()
    sensitive: Sequence[Grouping] = ()
    fairness: FairnessRules | None = None


@dataclass(frozen=True)
class _Fit:
    """How one model learned: from how many rows and, if these are an even sample, of how many; and what it is tested on."""

    window: Window
    encoding: Preprocessing
    rows: int
    sampled_from: int | None
    test: Encoded


@dataclass(frozen=True)
class _Learned:
    """A network that was trained, and how."""

    fit: _Fit
    fitted: Fitted
    model: NetworkModel


def _rows_each(config: TrainingConfig, together: int) -> int | None:
    """Return how many training rows each of so many windows may have in memory, if they are there together; None for all."""
    return None if config.rows_in_memory is None else config.rows_in_memory // together


def _prepare(task: Task, window: Window, most: int | None) -> tuple[_Fit, Encoded]:
    """Return the training rows of a baseline, encoded, and what it is tested on."""
    rows, sampled_from = _in_memory(task, window, most)
    encoding = preprocessing.fit(rows, task.numeric, task.categorical)
    return _Fit(window, encoding, rows.height, sampled_from, _held_out(task, window, encoding)), Encoded.of(rows, encoding)


def _in_memory(task: Task, window: Window, most: int | None, reweigh: str = "") -> tuple[pl.DataFrame, int | None]:
    """Return the training rows of a baseline, which holds them all: an even sample if they are more than may be; and of how many."""
    train = _known(task, window, reweigh=reweigh)
    count = 0 if most is None else train.select(pl.len()).collect(engine="streaming").item()
    is_sample = most is not None and count > most
    if most is not None and is_sample:
        log.info("baselines: %s rows, evenly taken from %s: they need all in memory at once", f"{most:,}", f"{count:,}")
        train = baselines.evenly(train, count, most)
    return train.collect(engine="streaming"), count if is_sample else None


def _known(task: Task, window: Window, outcomes: Sequence[Outcome] = (), reweigh: str = "") -> pl.LazyFrame:
    needed = [*task.numeric, *task.categorical, "label", *(outcome.column for outcome in outcomes)]
    rows = labelled_before(task.features, window.first_day, task.zone)
    if grouping := groups.named(reweigh, task.sensitive):
        return weighed(rows, grouping).select(*needed, WEIGHT)
    return rows.select(needed)


def _held_out(task: Task, window: Window, encoding: Preprocessing) -> Encoded:
    """Return the rows of a window, a few weeks: these are in memory however many are trained on."""
    return Encoded.of(labelled_in(task.features, window.first_day, window.last_day).select(*encoding.columns, "label").collect(), encoding)


def train_baselines(task: Task, config: TrainingConfig, folder: Path) -> list[TrainedModel]:
    """Train LightGBM and logistic regression, take the prior, and save all as one bundle.

    Args:
        task: What to learn.
        config: How.
        folder: Where the bundle shall stand.

    Returns:
        A record of each, LightGBM first.
    """
    started = time.perf_counter()
    most = _rows_each(config, 1 + len(task.split.folds))
    parts = [_prepare(task, window, most) for window in task.split.folds]
    folds = [fold for fold, _ in parts]
    final, learned = _prepare(task, task.split.evaluation, most)
    prepared = time.perf_counter()
    booster, boosted = baselines.fit_lightgbm(learned, final.encoding, config.baselines, [(train, fold.test) for fold, train in parts])
    fit_seconds = time.perf_counter() - prepared
    lightgbm_seconds = time.perf_counter() - started
    started = time.perf_counter()
    regressed = [
        baselines.fit_logistic(train, fold.encoding, config.baselines).predict_encoded(fold.test.numbers, fold.test.codes)
        for fold, train in parts
    ]
    logistic = baselines.fit_logistic(learned, final.encoding, config.baselines)
    logistic_seconds = time.perf_counter() - started
    prior, shares = PriorModel(float(learned.labels.mean())), [np.full(len(fold.test), train.labels.mean()) for fold, train in parts]
    log.info("baselines: trained on %s rows", f"{final.rows:,}")

    def fill(path: Path) -> None:
        booster.save(path)
        logistic.save(path)
        prior.save(path)
        (path / PREPROCESSING).write_text(final.encoding.model_dump_json(indent=1))

    digest = bundle.write(folder, fill)
    seed, rows = config.baselines.seed, sum(f.rows for f in (*folds, final))
    return [
        _record("lightgbm", task, digest, final, folds, boosted, lightgbm_seconds, rows / fit_seconds, config, seed),
        _record("logistic", task, digest, final, folds, regressed, logistic_seconds, rows / logistic_seconds, config, seed),
        _record("prior", task, digest, final, folds, shares, 0.0, 0.0, config, seed),
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
        StorageError: If there are more rows than may be in memory, and they cannot be written to disk.
        ConfigError: If a mitigation is asked for by an attribute that is not declared, or that the model does not read.
        SplitError: If groups are to have thresholds and fewer than two are large enough on the folds.
    """
    from tasks.training import network

    by_group = _by_group(task, config)  # what cannot be mitigated is told before hours of training

    def learn(name: str, window: Window, stop: Event) -> _Learned:
        return _fit_network(task, window, bounded, checkpoints.part(name), folder.parent, stop)

    windows = {f"fold {number}": window for number, window in enumerate(task.split.folds, start=1)} | {"all rows": task.split.evaluation}
    together = network.at_once(config.network, len(windows), config.device)
    bounded = config.model_copy(update={"rows_in_memory": _rows_each(config, together)})
    log.info("network: %d trainings, %d at once", len(windows), together)
    started = time.perf_counter()
    fits = [partial(learn, *part) for part in reversed(windows.items())]  # the longest, that of all rows, first
    final, *learned = network.side_by_side(fits, together, config.network.threads)
    pace = sum(one.fitted.rows for one in (final, *learned)) / (time.perf_counter() - started)
    model, fitted = final.model, final.fitted
    folds = [one.fit for one in reversed(learned)]
    predicted = [one.model.predict_encoded(one.fit.test.numbers, one.fit.test.codes) for one in reversed(learned)]
    labels = np.concatenate([fold.test.labels for fold in folds])
    degrees = calibration.temperature(labels, np.concatenate(predicted))
    model.network.temperature.fill_(degrees)
    predicted = [calibration.soften(p, degrees) for p in predicted]
    log.info("network: temperature %.3f is best on the folds", degrees)
    if share := config.lightgbm_share:
        trees, boosted = _boost_beside(task, config, folds, final.fit)
        model = BlendModel(model, trees, share)
        predicted = [blended(p, b, share) for p, b in zip(predicted, boosted, strict=True)]
    digest = bundle.write(folder, model.save)
    seconds = time.perf_counter() - started
    record = _record("network", task, digest, final.fit, folds, predicted, seconds, pace, config, config.network.seed)
    decided = by_group.thresholds(labels, np.concatenate(predicted), record.threshold) if by_group else {}
    return record.model_copy(
        update={"losses": list(fitted.losses), "device": fitted.device, "precision": fitted.precision, "temperature": degrees}
        | decided
        | _device_use(fitted.device, seconds)
    )


def _by_group(task: Task, config: TrainingConfig) -> group_thresholds.ByGroup | None:
    """Return the groups that are to have thresholds of their own, None where all rows have the same."""
    groups.named(config.reweigh, task.sensitive)
    if (grouping := groups.named(config.group_thresholds, task.sensitive)) is None:
        return None
    columns = [*task.numeric, *task.categorical]
    return group_thresholds.on_folds(task.features, task.split.folds, columns, grouping, task.fairness)


def _device_use(device: str, seconds: float) -> dict[str, float]:
    """Return for how long a GPU was held and the peak of its memory in MB; nothing on a CPU."""
    if not device.startswith("cuda"):
        return {}
    import torch  # it has been imported by now: the training had it

    return {"device_seconds": seconds, "peak_device_mb": torch.cuda.max_memory_allocated() / 2**20}


def _boost_beside(task: Task, config: TrainingConfig, folds: Sequence[_Fit], final: _Fit) -> tuple[LightgbmModel, list[Probabilities]]:
    """Train LightGBM on the inputs of the networks, and return it with its probabilities on each fold."""
    most = _rows_each(config, 1 + len(folds))
    *parts, learned = [Encoded.of(_in_memory(task, fit.window, most, config.reweigh)[0], fit.encoding) for fit in (*folds, final)]
    tested = [(train, fold.test) for train, fold in zip(parts, folds, strict=True)]
    return baselines.fit_lightgbm(learned, final.encoding, config.baselines, tested)


def score_fold(task: Task, config: TrainingConfig, number: int) -> FoldScore:
    """Train the network for one fold, and score it there.

    Args:
        task: What to learn.
        config: How.
        number: Of the fold, from 0.
    """
    started = time.perf_counter()
    learned = _fit_network(task, task.split.folds[number], config)
    fitted, window, test = learned.fitted, learned.fit.window, learned.fit.test
    predicted = learned.model.predict_encoded(test.numbers, test.codes)
    result = FoldResult(window=window, rows=len(test.labels), log_loss=log_loss(test.labels, predicted))
    return FoldScore(result=result, losses=list(fitted.losses), device=fitted.device, seconds=time.perf_counter() - started)


def _fit_network(
    task: Task, window: Window, config: TrainingConfig, part: Part | None = None, folder: Path | None = None, stop: Event | None = None
) -> _Learned:
    from tasks.training import network, rows  # heavy, as is Lightning: the baselines need neither

    outcomes = task.outcomes if config.network.outcome_weight else ()
    known = _known(task, window, outcomes, config.reweigh)
    encoding, train = rows.gather(known, task.numeric, task.categorical, config.rows_in_memory, folder, outcomes)
    log.info("network: %s rows, to be tested on %s", f"{len(train):,}", window)
    with closing(train):
        fitted = network.fit_rows(config.network, train, encoding.cardinalities, part, config.device, stop)
    fit = _Fit(window, encoding, len(train), None, _held_out(task, window, encoding))
    return _Learned(fit, fitted, NetworkModel(fitted.network, encoding, config.network, fitted.bin_edges))


def _record(
    name: str,
    task: Task,
    digest: str,
    final: _Fit,
    folds: Sequence[_Fit],
    predicted: Sequence[Probabilities],
    seconds: float,
    rows_per_second: float,
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
        training_rows=final.rows,
        sampled_from=final.sampled_from,
        numeric_features=[column.name for column in final.encoding.numeric],
        categorical_features=[column.name for column in final.encoding.categorical],
        threshold=threshold.cheapest(labels, np.concatenate(predicted), task.missed_cost, task.needless_cost),
        folds=results,
        losses=[],
        device="cpu",
        precision="float64",
        train_seconds=seconds,
        rows_per_second=rows_per_second,
        seed=seed,
    )
