"""Package: a bundle without pickle, a Bento built from it, and the check that it is the model that was evaluated."""

from __future__ import annotations

from typing import NamedTuple

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.registry import PackageCheck
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import Bundle, local_path, scratch
from tasks.execution import publish, stage
from tasks.frames import LazyFrame
from tasks.usecase.features import Features


class Package(NamedTuple):
    """The package, its Bento, and the check of the one against the other."""

    package: Bundle
    bento: Bundle
    check: PackageCheck


_SERVED = ("tasks.serving.service", "tasks.serving.check")


@stage(also=_SERVED)
def build_package(network: FlyteDirectory, model: TrainedModel, features: LazyFrame[Features], split: Split) -> Package:
    """Package the trained network, build a Bento of it, and compare that with the training code on golden rows.

    Args:
        network: Bundle of the trained network.
        model: What is known of it.
        features: Where the golden rows come from.
        split: Names the evaluation days, from which they are taken.
    """
    from tasks import caching
    from tasks.clock import labelled_in
    from tasks.model.trained import load_network
    from tasks.packaging import package
    from tasks.reporting import sections
    from tasks.usecase import policy

    trained = local_path(network)
    loaded = load_network(trained)
    folder, bento = scratch("package"), scratch("bento")
    digest = package.write_package(trained, loaded, model, policy.MODEL_NAME, folder)
    sources = caching.files(*_SERVED)
    tag = package.build_bento(folder, digest[:12], sources, caching.ROOT, caching.ROOT / "images" / "serving.lock", bento)
    rows = labelled_in(features, split.evaluation.first_day, split.evaluation.last_day).collect()
    golden = rows.sample(min(policy.GOLDEN_ROWS, rows.height), seed=policy.TRAINING.network.seed)
    check = package.check_bento(bento, tag, loaded, golden, policy.PACKAGE_TOLERANCE)
    publish("package", sections.package(check))
    return Package(Bundle(str(folder)), Bundle(str(bento)), check)
