"""Where a model comes from, as tags of its version: data, code, environment; and the way back from a version or a prediction."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import polars as pl
from pydantic import ValidationError

from tasks import provenance
from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.lineage import Lineage, NamedData, Recipe, Reproduction, SourceUse
from tasks.artifacts.record import Window
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.errors import RegistryError
from tasks.lake import manifest
from tasks.lake.ledger import UNDATED

log = logging.getLogger(__name__)

_PREDICTION = re.compile(r"([0-9a-f]{12})-[0-9A-Za-z_-]+")
_MEND_ID = "give the prediction_id of the service's answer, <12 digits of the package's digest>-<anything>, or a --model_version"

Tags = Mapping[str, str]


def tags(snapshot: DataSnapshot, owner: str, model: TrainedModel) -> dict[str, str]:
    """Return the tags: owner; the snapshot's content, clock, versions and manifest; settings and split; code commit; lock."""
    return {
        "owner": owner,
        "snapshot_hash": snapshot.content_hash,
        "as_of": snapshot.as_of.isoformat(),
        "source": snapshot.source,
        "tables": ", ".join(f"{table.name}@{table.version}" for table in snapshot.tables),
        "manifest": snapshot.manifest,
        # As it has to be to be read again. Its reasons have no bound, a tag has one: the manifest counts what was set aside.
        "snapshot": snapshot.model_copy(update={"quarantined": []}).model_dump_json(),
        "config": model.config.model_dump_json(),
        "split": model.split.model_dump_json(),
        "device": model.device,
        "precision": model.precision,
        "code_commit": provenance.commit(),
        "lock_hash": provenance.lock_hash(),
    }


def recall(name: str, versions: Mapping[int, Tags], number: int) -> tuple[DataSnapshot, Recipe]:
    """Return what a version was trained on and by.

    Raises:
        RegistryError: If there is no such version, or it does not say.
    """
    held = _held(name, versions, number)
    with _named(name, number):
        recipe = Recipe(
            version=number,
            config=_config(held["config"]),
            split=Split.model_validate_json(held["split"]),
            features_hash=held["features_hash"],
            bundle_digest=held["candidate_digest"],
            device=held["device"],
            precision=held["precision"],
            code_commit=held["code_commit"],
            lock_hash=held["lock_hash"],
        )
        return DataSnapshot.model_validate_json(held["snapshot"]), recipe


def _config(text: str) -> TrainingConfig:
    """Read the settings of a version; those from before there were outcomes learned none."""
    config = json.loads(text)
    config["network"].setdefault("outcome_weight", 0.0)
    return TrainingConfig.model_validate(config)


def compare(recipe: Recipe, split: Split, again: TrainedModel) -> Reproduction:
    """Say whether a training done again gave the same weights, and what was not as it was.

    Args:
        recipe: What the version was trained by.
        split: The split made again.
        again: The model trained again.
    """
    pairs = {
        "features": (recipe.features_hash, again.features_hash),
        "split": (str(recipe.split), str(split)),
        "device": (f"{recipe.device}, {recipe.precision}", f"{again.device}, {again.precision}"),
        "code commit": (recipe.code_commit, provenance.commit()),
        "lock": (recipe.lock_hash, provenance.lock_hash()),
    }
    return Reproduction(
        version=recipe.version,
        bundle_digest=recipe.bundle_digest,
        again_digest=again.bundle_digest,
        differs=[f"{name} {then}, now {now}" for name, (then, now) in pairs.items() if then != now or then == provenance.UNKNOWN],
    )


def trace(name: str, versions: Mapping[int, Tags], model_version: int, prediction_id: str) -> Lineage:
    """Walk back from a version, or from a prediction to the version that made it, to the files of the source.

    Args:
        name: The model's name.
        versions: Version to its tags.
        model_version: The version, or 0.
        prediction_id: The id of a prediction, or empty.

    Raises:
        RegistryError: If not just one of the two is given, or there is no such version, or it has no lineage.
        LakeError: If the snapshot's manifest is gone.
    """
    if bool(model_version) == bool(prediction_id):
        found = "both" if prediction_id else "neither"
        raise RegistryError("one of --model_version and --prediction_id must be given", found, "give one of them")
    number = model_version or _version_behind(name, versions, prediction_id)
    held = _held(name, versions, number)
    with _named(name, number):
        snapshot = DataSnapshot.model_validate_json(held["snapshot"])
        return Lineage(
            prediction_id=prediction_id or None,
            name=name,
            version=number,
            verdict=held["verdict"],
            owner=held["owner"],
            package_digest=held["package_digest"],
            evaluation=Window.model_validate({key: held[f"evaluation_{key}"] for key in ("first_day", "last_day")}),
            code_commit=held["code_commit"],
            lock_hash=held["lock_hash"],
            snapshot=snapshot,
            files=files(snapshot),
        )


def _held(name: str, versions: Mapping[int, Tags], number: int) -> Tags:
    if number not in versions:
        listed = ", ".join(map(str, sorted(versions))) or "none; run `make retrain`"
        raise RegistryError(f"{name} must have version {number}", "none of that number", f"choose one of the versions there are: {listed}")
    return versions[number]


@contextmanager
def _named(name: str, number: int) -> Iterator[None]:
    """Turn a tag that is not there, or is of another form, into an error that says so."""
    try:
        yield
    except KeyError as error:
        found, mend = f"no tag {error}", "it was registered before the tag was there: retrain, and ask for the new version"
        raise RegistryError(f"version {number} of {name} must name its lineage", found, mend) from error
    except ValidationError as error:
        found, mend = "tags of another form", "ask with the code that registered it, which its tag code_commit names"
        raise RegistryError(f"version {number} of {name} must name its lineage", found, mend) from error


def files(snapshot: DataSnapshot) -> list[SourceUse]:
    """Return the files that a snapshot was read from, by table and name.

    Raises:
        LakeError: If its manifest is gone.
    """
    day = pl.col("batch_day")
    dated = pl.when(day != UNDATED).then(day)
    used = (
        manifest.read(snapshot)
        .group_by("table", "source", "file", "fingerprint")
        .agg(first_day=dated.min(), last_day=dated.max(), days=dated.n_unique() - dated.null_count().clip(0, 1), rows=pl.col("rows").sum())
        .sort("table", "source", "file", "first_day", "fingerprint")
    )
    return [SourceUse(**row) for row in used.iter_rows(named=True)]


def named(versions: Mapping[int, Tags]) -> NamedData:
    """Return the table versions and snapshots that registered versions name; of one without lineage nothing is known.

    Args:
        versions: Version to its tags.

    Raises:
        RegistryError: If a tag cannot be read: what is not understood must not be removed.
    """
    tables: dict[str, set[int]] = {}
    manifests = set()
    for number, held in sorted(versions.items()):
        if "snapshot_hash" not in held or "tables" not in held:
            log.warning("version %d names no snapshot: nothing is kept for it", number)
            continue
        manifests.add(held["snapshot_hash"])
        for part in held["tables"].split(", "):
            table, _, version = part.rpartition("@")
            if not table or not version.isdecimal():
                mend = "mend the tag in the registry, as `table@version, ...`"
                raise RegistryError(f"the tag tables of version {number} must name tables and versions", held["tables"], mend)
            tables.setdefault(table, set()).add(int(version))
    return NamedData(tables={table: sorted(found) for table, found in sorted(tables.items())}, manifests=sorted(manifests))


def _version_behind(name: str, versions: Mapping[int, Tags], prediction_id: str) -> int:
    """Return the version whose package made a prediction; its id begins with the package's digest."""
    form = _PREDICTION.fullmatch(prediction_id)
    if form is None:
        raise RegistryError("prediction_id must be of the form <12 digits of a digest>-<anything>", repr(prediction_id), _MEND_ID)
    found = [number for number, held in sorted(versions.items()) if held.get("package_digest", "").startswith(form[1])]
    if len(found) != 1:
        told = f"versions {', '.join(map(str, found))}" if found else "none"
        raise RegistryError(f"one version of {name} must have a package of digest {form[1]}...", told, _MEND_ID)
    return found[0]
