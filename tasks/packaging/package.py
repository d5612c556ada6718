"""From a trained bundle to a package and a Bento, and the proof that the Bento predicts what the training code does."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tasks.artifacts.registry import PackageCheck
from tasks.artifacts.training import TrainedModel
from tasks.errors import PackagingError
from tasks.model import bundle
from tasks.model.trained import NetworkModel
from tasks.packaging import onnx_model

log = logging.getLogger(__name__)

SERVICE = "tasks.serving.service:Evergreen"
_START_LIMIT_SECONDS = 120  # a process that has not answered by then hangs


def write_package(trained: Path, model: NetworkModel, record: TrainedModel, name: str, folder: Path) -> str:
    """Write the package: what was trained, its ONNX form and its card, sealed by a manifest.

    Args:
        trained: The trained bundle; its files are taken over unaltered.
        model: The same, loaded.
        record: What is known of it.
        name: Name of the model.
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
        (path / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True))

    return bundle.write(folder, fill)


def build_bento(package: Path, version: str, sources: Sequence[Path], root: Path, requirements: Path, folder: Path) -> str:
    """Build a Bento of the package and the few project modules that serve it.

    Args:
        package: The package.
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


def check_bento(bento: Path, tag: str, model: NetworkModel, golden: pl.DataFrame, tolerance: float) -> PackageCheck:
    """Load a Bento in a fresh process, from its own files alone, and compare it with the training code on golden rows.

    Args:
        bento: The Bento.
        tag: Its tag.
        model: The model as the training code loads it.
        golden: Rows of features.
        tolerance: Largest difference in probability that is allowed.

    Raises:
        PackagingError: If it does not start, predicts otherwise, or imports torch.
    """
    expected = model.predict(golden)
    with tempfile.TemporaryDirectory() as scratch:
        rows, answer = Path(scratch) / "golden.parquet", Path(scratch) / "answer.json"
        golden.select(model.preprocessing.columns).write_parquet(rows)
        command = [sys.executable, "-m", "tasks.serving.check", str(rows), str(answer)]
        source = bento / "src"
        try:
            done = subprocess.run(
                command,
                env=_environment(Path(scratch) / "home", source),
                cwd=source,
                capture_output=True,
                text=True,
                check=False,
                timeout=_START_LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise PackagingError(
                f"{tag} must answer within {_START_LIMIT_SECONDS} s", "no answer", "run `make serve` to see why"
            ) from error
        if done.returncode or not answer.is_file():
            raise PackagingError(f"{tag} must load in a fresh process", done.stderr.strip()[-600:], "read its message above")
        facts = json.loads(answer.read_text())
    difference = float(np.abs(np.asarray(facts["exact"]) - expected).max())
    check = PackageCheck(
        bento_tag=tag,
        golden_rows=golden.height,
        largest_difference=difference,
        tolerance=tolerance,
        start_seconds=facts["start_seconds"],
        imported_torch=facts["imported_torch"],
    )
    if not difference <= tolerance:
        raise PackagingError(
            f"{tag} must predict within {tolerance:g} of the training code", f"{difference:g}", "compare the exported model"
        )
    if check.imported_torch:
        raise PackagingError(f"{tag} must serve without torch", "torch was imported", "look at the imports of tasks/serving")
    log.info("%s: %d golden rows within %.1e of the training code", tag, golden.height, difference)
    return check


def _environment(home: Path, path: Path) -> dict[str, str]:
    """Return the environment of a process that sees only a Bento's files and BentoML's own folder."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML", "FLYTE", "MLFLOW"))}
    return keep | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
