"""Package: a bundle without pickle, a Bento built from it, and the check that it is the model that was evaluated."""

from __future__ import annotations

from typing import NamedTuple

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.compression import Compression
from tasks.artifacts.registry import PackageCheck
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import Bundle, local_path, scratch
from tasks.execution import LIGHT, publish, stage
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


class Forms(NamedTuple):
    """Packages of one network: as it was trained, in int8, and of the small network that learnt from it."""

    original: Bundle
    int8: Bundle
    distilled: Bundle


@stage(also=_SERVED)
def package_forms(
    features: LazyFrame[Features],
    split: Split,
    network: FlyteDirectory,
    model: TrainedModel,
    distilled: FlyteDirectory,
    distilled_model: TrainedModel,
) -> Forms:
    """Package the trained network and its smaller forms, each as the service reads it.

    Args:
        features: Where the rows come from on which the ranges of int8 are fixed.
        split: Says which rows the network was trained on: the same.
        network: Bundle of the trained network.
        model: What is known of it.
        distilled: Bundle of the small network.
        distilled_model: What is known of that.
    """
    from tasks.clock import labelled_before
    from tasks.model.trained import load_network
    from tasks.packaging import package, quantisation
    from tasks.usecase import policy, source

    forms = {"original": (local_path(network), model), "distilled": (local_path(distilled), distilled_model)}
    folders = {name: scratch(name) for name in ("original", "int8", "distilled")}
    for name, (trained, record) in forms.items():
        package.write_package(trained, load_network(trained, record.bundle_digest), record, policy.MODEL_NAME, folders[name])
    rows = labelled_before(features, split.evaluation.first_day, source.LOCAL_ZONE).collect()
    known = rows.sample(min(policy.SMALLER.calibration_rows, rows.height), seed=policy.SMALLER.seed)
    encoded = load_network(forms["original"][0]).preprocessing.encode(known)
    quantisation.write_int8(folders["original"], policy.SMALLER.ranges, *encoded, folders["int8"])
    return Forms(*(Bundle(str(folder)) for folder in folders.values()))


@stage(also=_SERVED, resources=LIGHT)
def hand_on(compression: Compression, int8: FlyteDirectory, distilled: FlyteDirectory) -> list[FlyteDirectory]:
    """Hand on the packages of the forms that were accepted; one that was refused stays behind.

    Args:
        compression: The verdict on each form.
        int8: The package in int8.
        distilled: The package of the small network.
    """
    from tasks.artifacts.compression import Form
    from tasks.packaging import quantisation

    folders = {Form.INT8: int8, Form.DISTILLED: distilled}
    chosen = quantisation.accepted(compression, {form: local_path(folder) for form, folder in folders.items()})
    return [folders[form] for form in chosen]
