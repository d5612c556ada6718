"""The registry: who is champion, and a new version beside it."""

from __future__ import annotations

from typing import NamedTuple

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.lineage import Lineage, NamedData, Recipe, Reproduction
from tasks.artifacts.registry import ChampionState, Incumbent, RegisteredModel
from tasks.artifacts.search import Search, Tracked
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import local_path
from tasks.execution import LIGHT, publish, stage, tracking_uri


@stage(cached=False, resources=LIGHT)
def find_incumbent(candidate: TrainedModel) -> Incumbent:
    """Find the champion that a candidate has to beat, or none.

    Args:
        candidate: The trained network; one that was judged before meets the same champion again.
    """
    from tasks.registry.versions import Registry
    from tasks.usecase import policy

    return Registry(tracking_uri(), policy.MODEL_NAME).incumbent(candidate.bundle_digest)


@stage(cached=False)
def register(
    package: FlyteDirectory,
    bento: FlyteDirectory,
    model: TrainedModel,
    baselines: list[TrainedModel],
    snapshot: DataSnapshot,
    evaluation: Evaluation,
    decision: Decision,
) -> RegisteredModel:
    """Register the package with its lineage: as champion if the decision says so, else as challenger.

    Args:
        package: The package.
        bento: The Bento built from it.
        model: What is known of the model.
        baselines: What is known of the baselines that it was judged beside.
        snapshot: The data that it was trained on.
        evaluation: Its metrics.
        decision: The verdict on it.
    """
    from tasks.model.bundle import digest
    from tasks.registry import lineage
    from tasks.registry.runs import Judged
    from tasks.registry.versions import Registry
    from tasks.reporting import sections
    from tasks.usecase import policy

    folder, tags = local_path(package), lineage.tags(snapshot, policy.OWNER, model)
    judged = Judged(model, baselines, evaluation, decision, folder, local_path(bento), digest(folder), tags)
    registered = Registry(tracking_uri(), policy.MODEL_NAME).register(judged)
    publish("registry", sections.registered(registered))
    return registered


@stage(cached=False, resources=LIGHT)
def track_search(search: Search) -> Tracked:
    """Track a search in MLflow: a run of it, and nested in it one of each trial. Done again it adds what has come since.

    Args:
        search: The search, as far as it is.
    """
    from tasks.registry.runs import log_search
    from tasks.registry.tracking import Tracker
    from tasks.usecase import policy

    return log_search(Tracker(tracking_uri(), policy.MODEL_NAME), policy.MODEL_NAME, search)


@stage(cached=False, resources=LIGHT)
def find_champion(snapshot: DataSnapshot) -> ChampionState:
    """Find the champion to watch.

    Args:
        snapshot: The newest data; the champion is looked up after it is there.
    """
    from tasks.registry.versions import Registry
    from tasks.usecase import policy

    return Registry(tracking_uri(), policy.MODEL_NAME).champion()


@stage(cached=False, resources=LIGHT)
def trace(model_version: int, prediction_id: str) -> Lineage:
    """Walk back from a version or a prediction to code, environment, snapshot and the files of the source.

    Args:
        model_version: The version, or 0 for that behind the prediction.
        prediction_id: The id of a prediction as the service gave it, or empty.
    """
    from tasks.registry import lineage
    from tasks.registry.versions import Registry
    from tasks.reporting import lineage as section
    from tasks.usecase import policy

    versions = Registry(tracking_uri(), policy.MODEL_NAME).tags()
    found = lineage.trace(policy.MODEL_NAME, versions, model_version, prediction_id)
    publish("lineage", section.trace(found))
    return found


class Recalled(NamedTuple):
    """What a version was trained on and by."""

    snapshot: DataSnapshot
    recipe: Recipe
    config: TrainingConfig


@stage(cached=False, resources=LIGHT)
def recall(model_version: int) -> Recalled:
    """Recall the data and the settings of a registered version.

    Args:
        model_version: The version.
    """
    from tasks.registry import lineage
    from tasks.registry.versions import Registry
    from tasks.usecase import policy

    snapshot, recipe = lineage.recall(policy.MODEL_NAME, Registry(tracking_uri(), policy.MODEL_NAME).tags(), model_version)
    return Recalled(snapshot, recipe, recipe.config)


@stage(cached=False, resources=LIGHT)
def compare(recipe: Recipe, split: Split, again: TrainedModel) -> Reproduction:
    """Say whether a training done again gave the same weights to the bit, and what was not as it was.

    Args:
        recipe: What the version was trained by.
        split: The split made again.
        again: The model trained again.
    """
    from tasks.registry import lineage
    from tasks.reporting import lineage as section

    found = lineage.compare(recipe, split, again)
    publish("reproduction", section.reproduction(found))
    return found


@stage(cached=False, resources=LIGHT)
def named_versions() -> NamedData:
    """Return the data that registered versions name, which upkeep must leave whole."""
    from tasks.registry import lineage
    from tasks.registry.versions import Registry
    from tasks.usecase import policy

    return lineage.named(Registry(tracking_uri(), policy.MODEL_NAME).tags())
