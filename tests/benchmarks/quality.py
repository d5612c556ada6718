"""The network beside a tuned LightGBM, month by month: `make bench NAME=quality`.

Each month of October, November and December is predicted by models that were trained on the labels known before it, on the
same features and rows, with three seeds. LightGBM is tuned by 20 trials on rolling-origin folds that end before October;
the network is as it is committed. Beside it stand its mean with LightGBM (the blend) and the mean of its seeds. The interval
resamples days. `--quick` takes October, one seed and 3 trials.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date, timedelta
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import polars as pl
import torch
from sklearn.metrics import roc_auc_score

from tasks.artifacts.record import Window
from tasks.clock import labelled_before, labelled_in
from tasks.contracts import columns
from tasks.model import preprocessing
from tasks.model.loss import log_loss, row_log_loss
from tasks.model.network import predict
from tasks.model.trained import import_lightgbm
from tasks.training import baselines, calibration, network
from tasks.training.baselines import Encoded
from tasks.training.rows import InMemory
from tasks.training.split import plan
from tasks.usecase import features, policy, source
from tests.benchmarks.report import Figure, publish
from tests.feeds import accepted, packaged

Array = npt.NDArray[np.float64]
NUMERIC, CATEGORICAL = columns(features.Features, "numeric"), columns(features.Features, "categorical")
MONTHS = [date(2013, 10, 1), date(2013, 11, 1), date(2013, 12, 1)]
SEEDS = [2013, 2014, 2015]
_RESAMPLES = 1_000


class Fold:
    """Encoded rows to train on and to test on; a day for each of the latter."""

    def __init__(self, built: pl.LazyFrame, window: Window) -> None:
        needed = [*NUMERIC, *CATEGORICAL, "label", *(outcome.column for outcome in policy.OUTCOMES), "batch_day"]
        train = labelled_before(built, window.first_day, source.LOCAL_ZONE).select(needed).collect()
        test = labelled_in(built, window.first_day, window.last_day).select(needed).collect()
        self.encoding = preprocessing.fit(train, NUMERIC, CATEGORICAL)
        self.train, self.test = Encoded.of(train, self.encoding, policy.OUTCOMES), Encoded.of(test, self.encoding)
        self.days = test.get_column("batch_day").to_numpy()

    def network(self, seed: int, stop: Event) -> Array:
        """Return the network's probabilities of the test rows."""
        config = policy.TRAINING.network.model_copy(update={"seed": seed})
        fitted = network.fit_rows(config, InMemory.of(self.train), self.encoding.cardinalities, stop=stop)
        return predict(fitted.network, torch.from_numpy(self.test.numbers), torch.from_numpy(self.test.codes)).numpy().astype(np.float64)

    def lightgbm(self, parameters: dict[str, Any], rounds: int, seed: int) -> Any:
        """Return a booster."""
        lightgbm = import_lightgbm()
        inputs = np.hstack([self.train.numbers, self.train.codes])
        categorical = list(range(self.train.numbers.shape[1], inputs.shape[1]))
        data = lightgbm.Dataset(inputs, self.train.labels, categorical_feature=categorical)
        shared = baselines.lightgbm_parameters(policy.TRAINING.baselines)
        return lightgbm.train(shared | parameters | {"seed": seed}, data, num_boost_round=rounds)

    def boosted(self, booster: Any, rounds: int) -> Array:
        """Return a booster's probabilities of the test rows after some rounds."""
        found: Array = booster.predict(np.hstack([self.test.numbers, self.test.codes]), num_iteration=rounds)
        return found


def _tuned(folds: list[Fold], trials: int) -> tuple[dict[str, Any], int]:
    """Return LightGBM's best parameters and rounds over the folds together."""
    most = 600

    def objective(trial: optuna.Trial) -> float:
        parameters = {
            "num_leaves": trial.suggest_int("num_leaves", 15, 127, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 50, 1_000, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 0.9),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
            "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100, log=True),
            "cat_smooth": trial.suggest_float("cat_smooth", 10, 200, log=True),
        }
        boosters = [fold.lightgbm(parameters, most, 2013) for fold in folds]
        losses = {
            rounds: float(np.mean([log_loss(f.test.labels, f.boosted(b, rounds)) for f, b in zip(folds, boosters, strict=True)]))
            for rounds in range(50, most + 1, 50)
        }
        best = min(losses, key=lambda rounds: losses[rounds])
        trial.set_user_attr("rounds", best)
        print(f"  trial {trial.number}: {losses[best]:.4f} after {best} rounds", file=sys.stderr, flush=True)
        return losses[best]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=2013))
    study.optimize(objective, n_trials=trials)
    return study.best_params, study.best_trial.user_attrs["rounds"]


def _interval(days: npt.NDArray[Any], ours: Array, theirs: Array) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of mean log-losses over resampled days."""
    names, inverse = np.unique(days, return_inverse=True)
    sums = np.stack([np.bincount(inverse, losses, len(names)) for losses in (ours, theirs)])
    picks = np.random.default_rng(0).integers(0, len(names), (_RESAMPLES, len(names)))
    totals = sums[:, picks].sum(axis=2)
    low, high = np.quantile(totals[0] / totals[1], [0.025, 0.975])
    return float(low), float(high)


def _figures(built: pl.LazyFrame, months: list[date], seeds: list[int], trials: int) -> list[Figure]:
    split = plan(built, MONTHS[0] - timedelta(days=1), policy.TRAINING, source.LOCAL_ZONE)
    folds = [Fold(built, window) for window in (*split.folds, split.evaluation)]
    windows = [Window(first_day=month, last_day=(month + timedelta(days=31)).replace(day=1) - timedelta(days=1)) for month in months]
    tests = [Fold(built, window) for window in windows]
    asked = [*((fold, seed) for fold in reversed(tests) for seed in seeds), *((fold, SEEDS[0]) for fold in reversed(folds))]
    config = policy.TRAINING.network
    fits = [partial(fold.network, seed) for fold, seed in asked]
    found = network.side_by_side(fits, network.at_once(config, len(fits)), config.threads)
    networks = dict(zip(asked, found, strict=True))
    held = [networks[fold, SEEDS[0]] for fold in folds]
    degrees = calibration.temperature(np.concatenate([fold.test.labels for fold in folds]), np.concatenate(held))
    parameters, rounds = _tuned(folds, trials)
    by_model: dict[str, list[list[Array]]] = {"network": [], "calibrated": [], "lightgbm": [], "blend": [], "seeds together": []}
    for fold, month in zip(tests, months, strict=True):
        by_seed = {"network": [networks[fold, seed] for seed in seeds]}
        by_seed["lightgbm"] = [fold.boosted(fold.lightgbm(parameters, rounds, seed), rounds) for seed in seeds]
        by_seed["calibrated"] = [calibration.soften(p, degrees) for p in by_seed["network"]]
        by_seed["seeds together"] = [np.mean(by_seed["calibrated"], axis=0)] * len(seeds)
        by_seed["blend"] = [(a + b) / 2 for a, b in zip(by_seed["calibrated"], by_seed["lightgbm"], strict=True)]
        for name, predicted in by_seed.items():
            by_model[name].append(predicted)
            told = np.mean([log_loss(fold.test.labels, p) for p in predicted])
            print(f"{month:%B}, {name}: {told:.4f}", file=sys.stderr, flush=True)
    labels, days = [fold.test.labels for fold in tests], [fold.days for fold in tests]
    every, on = np.concatenate(labels), np.concatenate(days)
    pooled = {name: [np.concatenate([m[i] for m in by_month]) for i in range(len(seeds))] for name, by_month in by_model.items()}
    rows = {name: np.mean([row_log_loss(every, p) for p in predicted], axis=0) for name, predicted in pooled.items()}
    by_month = {
        name: np.mean([[log_loss(y, p) for p in predicted] for y, predicted in zip(labels, found, strict=True)])
        for name, found in by_model.items()
    }
    auc = {name: float(np.mean([roc_auc_score(every, p) for p in predicted])) for name, predicted in pooled.items()}
    figures = [Figure("temperature", degrees, "")]
    for name in pooled:
        figures += [Figure(f"{name}: mean log-loss", float(by_month[name]), "nats"), Figure(f"{name}: pooled AUC", auc[name], "")]
    for name, bar in (("network", None), ("calibrated", 0.99), ("blend", None), ("seeds together", None)):
        low, high = _interval(on, rows[name], rows["lightgbm"])
        figures.append(Figure(f"{name} / lightgbm, mean log-loss", float(by_month[name] / by_month["lightgbm"]), "ratio", bar))
        figures += [Figure("  interval over days, from", low, "ratio"), Figure("  to", high, "ratio")]
    figures.append(Figure("calibrated: AUC above lightgbm's by", auc["calibrated"] - auc["lightgbm"], "", 0, "higher"))
    return figures


def main() -> None:
    """Train all, publish the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="October, one seed, 3 trials")
    quick = parser.parse_args().quick
    built = features.build(accepted(packaged())).collect().lazy()
    publish("quality", _figures(built, MONTHS[:1] if quick else MONTHS, SEEDS[:1] if quick else SEEDS, 3 if quick else 20))


if __name__ == "__main__":
    main()
