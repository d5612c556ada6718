"""From a trained bundle to a package, which says all that is known of its model, and to a Bento that serves it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandera.polars as pa

from tasks.artifacts.serving import ClientRow, RequestField, ServiceRules
from tasks.artifacts.training import TrainedModel
from tasks.contracts import Table, types
from tasks.errors import PackagingError
from tasks.model import bundle
from tasks.model.trained import NetworkModel
from tasks.packaging import onnx_model
from tasks.schemas import request_fields

log = logging.getLogger(__name__)

SERVICE = "tasks.serving.service:Evergreen"
SAID = ("contract.json", "features.json", "request.json", "calibration.json", "model_card.md")
"""Files of a package that say what its model is; the same for every form of it."""


@dataclass(frozen=True)
class Papers:
    """What a package says beside its model.

    Attributes:
        tables: The contract of the data, by table.
        features: What the model reads, as a client may send it.
        request: What a client sends of what it asks about, where the service makes the features itself.
        model_card: In Markdown, as it was known when the model was trained.
    """

    tables: Sequence[Table]
    features: Sequence[RequestField]
    request: ClientRow
    model_card: str


def feature_fields(schema: type[pa.DataFrameModel], numeric: Collection[str], categorical: Collection[str]) -> list[RequestField]:
    """Return the features of a model as fields of a request: any number may be missing, as the model fills it; no category may."""
    fields = request_fields(schema, [*numeric, *categorical], optional=numeric)
    return [field.model_copy(update={"is_nullable": field.name in set(numeric)}) for field in fields]


def write_package(trained: Path, model: NetworkModel, record: TrainedModel, name: str, papers: Papers, folder: Path) -> str:
    """Write the package: what was trained, its ONNX form, its card, and all that is said of it, sealed by a manifest.

    Args:
        trained: The trained bundle; its files are taken over unaltered.
        model: The same, loaded.
        record: What is known of it.
        name: Name of the model.
        papers: What is said of it.
        folder: Where the package shall stand.

    Returns:
        The package's digest.
    """

    def fill(path: Path) -> None:
        for file in sorted(trained.iterdir()):
            if file.name != bundle.MANIFEST:
                shutil.copyfile(file, path / file.name)
        onnx_model.export(model, path / "model.onnx")
        card = {
            "name": name,
            "candidate_digest": record.bundle_digest,
            "threshold": record.threshold,
            "lightgbm_share": record.config.lightgbm_share,
            "numeric_features": record.numeric_features,
            "categorical_features": record.categorical_features,
            "training": str(record.split.training),
            "evaluation": str(record.split.evaluation),
            "features_hash": record.features_hash,
            "seed": record.seed,
        }
        if record.grouping is not None and record.group_thresholds:
            card |= {"grouping": record.grouping.model_dump(), "group_thresholds": record.group_thresholds}
        said = {
            "card.json": card,
            "contract.json": _contract(papers.tables),
            "features.json": [field.model_dump() for field in papers.features],
            "request.json": papers.request.model_dump(),
            "calibration.json": _calibration(record),
        }
        for file_name, value in said.items():
            (path / file_name).write_text(json.dumps(value, indent=1, sort_keys=True))
        (path / "model_card.md").write_text(papers.model_card)

    return bundle.write(folder, fill)


def _contract(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return every table with its columns and its rules, as they are declared; how a rule is told apart stands in the code alone."""
    return [
        {
            "name": table.name,
            "key": list(table.key),
            "is_daily": table.is_daily,
            "columns": [field.model_dump() for field in request_fields(table.schema, list(types(table.schema)))],
            "rules": [{"name": rule.name, "meaning": rule.meaning} for rule in table.rules],
        }
        for table in tables
    ]


def _calibration(record: TrainedModel) -> dict[str, Any]:
    """Return how probabilities were calibrated: by one temperature of the network's logits, on the folds; 1 changes nothing."""
    return {
        "method": "temperature",
        "source": "Guo et al., On calibration of modern neural networks, ICML 2017",
        "parameters": {"temperature": record.temperature},
        "applies_to": "the network's logits, in its weights and its ONNX form",
        "fitted_on": [str(fold.window) for fold in record.folds],
        "rows": sum(fold.rows for fold in record.folds),
    }


def build_bento(
    package: Path, rules: ServiceRules, version: str, sources: Sequence[Path], root: Path, requirements: Path, folder: Path
) -> str:
    """Build a Bento of the package, the service's rules, and the few project modules that serve it.

    Args:
        package: The package.
        rules: The service's limits, which stand beside the package as `service.json`.
        version: The Bento's version.
        sources: Files of the project that the service needs.
        root: The project, to which they are relative.
        requirements: Pins of the serving environment.
        folder: Where the Bento shall stand.

    Returns:
        The Bento's tag.

    Raises:
        PackagingError: If BentoML cannot build it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        context, home = Path(scratch) / "context", Path(scratch) / "home"
        for source in sources:
            target = context / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        shutil.copytree(package, context / "model")
        (context / "service.json").write_text(rules.model_dump_json(indent=1) + "\n")
        shutil.copyfile(requirements, context / "requirements.txt")
        (context / "bentofile.yaml").write_text(
            f"service: {SERVICE}\ninclude: ['**/*']\npython:\n  requirements_txt: requirements.txt\n  lock_packages: false\n"
        )
        command = [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag", str(context)]
        done = subprocess.run(command, env=_environment(home, context), cwd=context, capture_output=True, text=True, check=False)
        built = sorted((home / "bentos").glob("*/*/bento.yaml"))
        if done.returncode or len(built) != 1:
            raise PackagingError("BentoML must build the Bento", (done.stderr or done.stdout).strip()[-600:], "read its message above")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(built[0].parent, folder)
    bundle.seal(folder)
    tag = f"{built[0].parent.parent.name}:{version}"
    log.info("built the Bento %s", tag)
    return tag


def _environment(home: Path, path: Path) -> dict[str, str]:
    """Return the environment of a process that sees only a Bento's files and BentoML's own folder."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML", "FLYTE", "MLFLOW"))}
    return keep | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
