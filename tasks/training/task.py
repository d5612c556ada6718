"""Train: the split by time, the baselines and the network."""

from __future__ import annotations

from typing import NamedTuple

import images
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.data_value import HistoryScores
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split
from tasks.edges import Bundle, Model, Models, scratch
from tasks.execution import GPU, LIGHT, checkpoint_place, publish, stage
from tasks.frames import LazyFrame
from tasks.usecase import policy
from tasks.usecase.features import Features

DEFAULT_CONFIG = policy.TRAINING
ALERT_EMAILS = policy.ALERT_EMAILS


class Baselines(NamedTuple):
    """LightGBM and logistic regression, in one bundle."""

    bundle: Bundle
    models: Models


class Candidate(NamedTuple):
    """The trained network."""

    bundle: Bundle
    model: Model


@stage(resources=LIGHT)
def plan_split(features: LazyFrame[Features], snapshot: DataSnapshot, config: TrainingConfig) -> Split:
    """Split by time: the last labelled days for evaluation, rolling-origin folds before them.

    Args:
        features: Rows with their label, where known.
        snapshot: The data that they come from; its clock says which days are labelled.
        config: Lengths of the windows.
    """
    from tasks.clock import last_labelled_day
    from tasks.training.split import plan
    from tasks.usecase import source

    last_day = last_labelled_day(snapshot.as_of, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS)
    return plan(features, last_day, config, source.LOCAL_ZONE)


@stage()
def train_baselines(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Baselines:
    """Train logistic regression and LightGBM.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Settings of the baselines.
    """
    from tasks.reporting import sections
    from tasks.training import candidates

    folder = scratch("baselines")
    models = candidates.train_baselines(_task(features, split), config, folder)
    publish("baselines", sections.training(models))
    return Baselines(Bundle(str(folder)), models)


@stage(resources=GPU, image=images.GPU, hours=6, interruptible=True)
def train_network(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Candidate:
    """Train the network: bf16 mixed precision on a GPU, float32 on a CPU. A training that was killed goes on where it was.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Sizes and schedule.
    """
    return _train_network(features, split, config, "first")


@stage(cached=False, resources=GPU, image=images.GPU, hours=6, interruptible=True)
def train_network_again(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Candidate:
    """Train the network though the cache may have it: to see whether it comes out the same.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Sizes and schedule.
    """
    return _train_network(features, split, config, "again")


@stage()
def score_histories(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> HistoryScores:
    """Train LightGBM on growing shares of the newest history and score each on the evaluation days.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Settings of the baselines.
    """
    from tasks.training import learning_curve

    return learning_curve.score_histories(_task(features, split), config.baselines, policy.DATA_VALUE)


def _train_network(features: LazyFrame[Features], split: Split, config: TrainingConfig, purpose: str) -> Candidate:
    import shutil

    from tasks.caching import version_of
    from tasks.reporting import sections
    from tasks.training import candidates, network
    from tasks.training.checkpoints import Checkpoints, identify

    learned = _task(features, split)
    learned_from = (learned.features_hash, split.model_dump_json(), config.model_dump_json())
    identity = identify(purpose, *learned_from, version_of(candidates.__name__), network.arithmetic())
    place, keep = checkpoint_place(identity)
    folder = scratch("network")
    model = candidates.train_network(learned, config, folder, Checkpoints(place, identity, keep=keep))
    shutil.rmtree(place, ignore_errors=True)
    publish("network", sections.training([model]))
    return Candidate(Bundle(str(folder)), model)


def _task(features: LazyFrame[Features], split: Split):  # type: ignore[no-untyped-def]  # its type lives behind a heavy import
    from tasks.contracts import columns
    from tasks.frames import rows_hash
    from tasks.training.candidates import Task
    from tasks.usecase import source

    return Task(
        features=features,
        features_hash=rows_hash(features)[:16],
        numeric=columns(Features, "numeric"),
        categorical=columns(Features, "categorical"),
        split=split,
        zone=source.LOCAL_ZONE,
        missed_cost=policy.COSTS.missed,
        needless_cost=policy.COSTS.needless,
    )
