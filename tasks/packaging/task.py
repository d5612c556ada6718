"""Package: a bundle without pickle that says all that is known of its model, and the Bento that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.compression import Compression
from tasks.artifacts.training import Split, TrainedModel
from tasks.edges import Bundle, local_path, scratch
from tasks.execution import LIGHT, publish, stage
from tasks.frames import LazyFrame
from tasks.usecase.features import Features

if TYPE_CHECKING:
    from tasks.packaging.package import Papers


class Package(NamedTuple):
    """The package, its Bento, and the Bento's tag."""

    package: Bundle
    bento: Bundle
    tag: str


_SERVED = ("tasks.serving.service",)


@stage(also=_SERVED)
def build_package(network: FlyteDirectory, model: TrainedModel) -> Package:
    """Package the trained network with all that is known of it, and build a Bento of that.

    Args:
        network: Bundle of the trained network.
        model: What is known of it.
    """
    from tasks import caching
    from tasks.model.trained import load_network
    from tasks.packaging import package
    from tasks.reporting import sections
    from tasks.usecase import policy

    trained = local_path(network)
    folder, bento = scratch("package"), scratch("bento")
    loaded = load_network(trained, model.bundle_digest)
    digest = package.write_package(trained, loaded, model, policy.MODEL_NAME, _papers(model), folder)
    lock = caching.ROOT / "images" / "serving.lock"
    tag = package.build_bento(folder, policy.SERVICE, digest[:12], caching.files(*_SERVED), caching.ROOT, lock, bento)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    publish("package", sections.package(tag, digest, sizes))
    return Package(Bundle(str(folder)), Bundle(str(bento)), tag)


def _papers(model: TrainedModel) -> Papers:
    """Return what the use case says of a model: its contract, its features, what a client sends, and its card."""
    from tasks.artifacts.serving import ClientRow
    from tasks.contracts import key_of, main_table
    from tasks.packaging.package import Papers, feature_fields
    from tasks.reporting import model_card
    from tasks.schemas import request_fields
    from tasks.usecase import contract, online, policy
    from tasks.usecase.card import CARD

    main = main_table(contract.TABLES)
    return Papers(
        tables=contract.TABLES,
        features=feature_fields(Features, model.numeric_features, model.categorical_features),
        request=ClientRow(names=policy.NAMES, key=key_of(Features), fields=request_fields(main.schema, online.CLIENT, online.OPTIONAL)),
        model_card=model_card.of_model(policy.USE_CASE, CARD, model, policy.COSTS),
    )


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
        loaded = load_network(trained, record.bundle_digest)
        package.write_package(trained, loaded, record, policy.MODEL_NAME, _papers(record), folders[name])
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
