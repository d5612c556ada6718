"""Train: the split by time, the baselines and the network."""

from __future__ import annotations

from typing import NamedTuple

from flytekit.types.directory import FlyteDirectory

import images
from tasks.artifacts.backtest import BacktestRules, Start
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.data_value import HistoryScores
from tasks.artifacts.search import Fit, FoldScore, Search, SearchConfig
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import Bundle, Model, Models, local_path, scratch
from tasks.execution import GPU, LIGHT, checkpoint_place, publish, stage
from tasks.frames import DataFrame, LazyFrame, StartScores
from tasks.usecase import policy, segments
from tasks.usecase.features import Features

DEFAULT_CONFIG = policy.TRAINING
SEARCH = policy.SEARCH
SEARCH_STEPS = SEARCH.steps(DEFAULT_CONFIG.folds)
"""The steps that the graph of a search has; those that are not needed train nothing."""


class Baselines(NamedTuple):
    """LightGBM, logistic regression and the prior, in one bundle."""

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
    from tasks.contracts import inputs
    from tasks.model.groups import named, require_servable
    from tasks.training.split import plan
    from tasks.usecase import source

    named(config.reweigh, segments.SENSITIVE)  # one that is not declared is told here, before anything is trained
    require_servable(named(config.group_thresholds, segments.SENSITIVE), inputs(Features))
    last_day = last_labelled_day(snapshot.as_of, source.LOCAL_ZONE, policy.LABELS_COMPLETE_AFTER_HOURS)
    return plan(features, last_day, config, source.LOCAL_ZONE)


@stage()
def train_baselines(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Baselines:
    """Train LightGBM and logistic regression, and take the prior.

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


@stage(resources=GPU, image=images.GPU, hours=6, interruptible=True, processes=policy.PROCESSES)
def train_network(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Candidate:
    """Train the network: bf16 mixed precision on a GPU, float32 on a CPU. A training that was killed goes on where it was.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Sizes and schedule.
    """
    return _train_network(features, split, config, "first")


@stage(cached=False, resources=GPU, image=images.GPU, hours=6, interruptible=True, processes=policy.PROCESSES)
def train_network_again(features: LazyFrame[Features], split: Split, config: TrainingConfig) -> Candidate:
    """Train the network though the cache may have it: to see whether it comes out the same.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        config: Sizes and schedule.
    """
    return _train_network(features, split, config, "again")


class Mitigated(NamedTuple):
    """Settings of two trainings that mitigate differences between the groups of an attribute, each in another way."""

    group_thresholds: TrainingConfig
    reweighing: TrainingConfig


@stage(resources=LIGHT)
def mitigated(config: TrainingConfig, attribute: str) -> Mitigated:
    """Return the settings that train the same network with thresholds by group, and one on reweighed rows.

    Args:
        config: The settings; a mitigation in them is left away.
        attribute: Name of the sensitive attribute.
    """
    from tasks.model.groups import required

    required(attribute, segments.SENSITIVE)
    return Mitigated(
        config.model_copy(update={"group_thresholds": attribute, "reweigh": ""}),
        config.model_copy(update={"group_thresholds": "", "reweigh": attribute}),
    )


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


class Step(NamedTuple):
    """A search as far as it is, and what is to be trained next."""

    search: Search
    fits: list[Fit]


@stage()
def begin_search(features: LazyFrame[Features], split: Split, config: TrainingConfig, rules: SearchConfig) -> Step:
    """Begin a search for the network's settings, with the first ones to try.

    Args:
        features: Rows with their label, where known.
        split: The folds on which settings are compared; its evaluation days stay unseen.
        config: Where the search starts, and what it does not vary.
        rules: How many settings are tried, side by side, and from which values.
    """
    from tasks.caching import version_of
    from tasks.training import candidates, search
    from tasks.training.checkpoints import identify

    search.require_steps(rules, config.folds, SEARCH_STEPS)
    learned = _task(features, split)
    records = (split, config, rules, *learned.outcomes)
    code = (version_of(module.__name__) for module in (search, candidates))
    identity = identify(learned.features_hash, *(record.model_dump_json() for record in records), *code)
    begun = Search(identity=identity, features_hash=learned.features_hash, split=split, base=config, rules=rules, trials=[])
    found = search.advance(begun, [])
    return Step(found, found.to_train)


@stage(resources=GPU, image=images.GPU, hours=6, interruptible=True)
def score_fold(features: LazyFrame[Features], split: Split, fit: Fit) -> FoldScore:
    """Train the network with some settings for one fold, and score it there.

    Args:
        features: Rows with their label, where known.
        split: The folds.
        fit: The settings, and which fold.
    """
    from tasks.training import candidates

    return candidates.score_fold(_task(features, split), fit.config, fit.fold)


@stage()
def advance_search(search: Search, scores: list[FoldScore]) -> Step:
    """Take scores, give up the settings that fall behind, and say what is to be trained next.

    Args:
        search: As far as it was.
        scores: One for each network that was to be trained, in that order.
    """
    from tasks.reporting import search as section
    from tasks.training.search import advance

    found = advance(search, scores)
    publish("search", section.search(found))
    return Step(found, found.to_train)


@stage(cached=False, resources=LIGHT)
def conclude_search(search: Search) -> TrainingConfig:
    """Say what a search has found, keep its record as a file, and return the settings.

    Args:
        search: As far as it came.
    """
    from rich.console import Console

    from tasks import local
    from tasks.reporting import search as section

    record = local.home() / "searches" / f"{search.identity}.json"
    if not local.is_pod():  # whose disk goes with it; there, the record is the workflow's output
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(search.model_dump_json(indent=1) + "\n")
        Console().print(section.closing(search, str(record)))
    publish("search", section.search(search))
    return search.config


@stage(resources=GPU, image=images.GPU, interruptible=True)
def distil_network(features: LazyFrame[Features], split: Split, network: FlyteDirectory, model: TrainedModel) -> Candidate:
    """Train a small network on the probabilities of the trained one.

    Args:
        features: Rows with their label, where known.
        split: Training days, folds, evaluation days.
        network: Bundle of the trained network.
        model: What is known of it.
    """
    from tasks.model.trained import load_network
    from tasks.reporting import sections
    from tasks.training import distillation

    folder = scratch("distilled")
    teacher = load_network(local_path(network), model.bundle_digest)
    small = distillation.distil(_task(features, split), teacher, model, policy.SMALLER, folder)
    publish("distilled network", sections.training([small]))
    return Candidate(Bundle(str(folder)), small)


@stage(resources=LIGHT)
def plan_starts(features: LazyFrame[Features], config: TrainingConfig, rules: BacktestRules) -> list[Start]:
    """Plan the days on which a backtest may train a model, each with its split by time.

    Args:
        features: Rows with their label, where known.
        config: Lengths of the windows.
        rules: Days between starts, and who learns.
    """
    from tasks.training import starts
    from tasks.usecase import source

    return starts.plan_starts(features, config, rules, source.LOCAL_ZONE)


@stage(hours=6, interruptible=True)
def score_start(features: LazyFrame[Features], config: TrainingConfig, start: Start) -> DataFrame[StartScores]:
    """Train the model of one start, and score every day from its evaluation on.

    Args:
        features: Rows with their label, where known.
        config: Settings of training.
        start: When, and by whom.
    """
    from tasks.training import starts

    return starts.score_start(_task(features, start.split), start, config, scratch("start"))  # type: ignore[return-value]  # the edge gives it its schema


def _train_network(features: LazyFrame[Features], split: Split, config: TrainingConfig, purpose: str) -> Candidate:
    import shutil

    from tasks.caching import version_of
    from tasks.reporting import sections
    from tasks.training import candidates, network, processes
    from tasks.training.checkpoints import Checkpoints, identify

    arithmetic = network.arithmetic(config.device)  # a device that is not there is told before any row is read
    learned = _task(features, split)
    records = (split, config, *learned.outcomes)
    learned_from = (learned.features_hash, *(record.model_dump_json() for record in records))
    identity = identify(purpose, *learned_from, version_of(candidates.__name__))
    place, keep = checkpoint_place(identity)
    folder = scratch("network")
    model = candidates.train_network(learned, config, folder, Checkpoints(place, identity, keep=keep, arithmetic=arithmetic))
    if processes.rank() == 0:
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
        outcomes=policy.OUTCOMES,
        sensitive=segments.SENSITIVE,
        fairness=policy.FAIRNESS,
    )
