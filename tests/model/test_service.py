"""A real Bento of a small network, tried as the task does it: by an interpreter that has the serving requirements alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from images import lock
from tasks import caching
from tasks.errors import PackagingError
from tasks.model.trained import NetworkModel
from tasks.packaging import package
from tasks.serving import probe, requirements
from tests.model import toy
from tests.model.test_package import PAPERS, trained
from tests.unit.reporting import factory

pytestmark = pytest.mark.model

GOLDEN = toy.rows(300, seed=5).select(toy.NUMERIC + toy.CATEGORICAL)
LOCK = caching.ROOT / "images" / "serving.lock"
RULES = factory.LIMITS.model_copy(update={"entity": ["kind"], "ready_seconds": 30.0, "p99_ms": 2_000.0})  # of a busy machine
NAMES = PAPERS.request.names


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[NetworkModel, Path, Path]:
    """The model, its Bento, and the interpreter."""
    folder = tmp_path_factory.mktemp("service")
    model, record = trained(folder / "network")
    package.write_package(folder / "network", model, record, "toy", PAPERS, folder / "package")
    sources = caching.files("tasks.serving.service")
    package.build_bento(folder / "package", RULES, "v1", sources, caching.ROOT, LOCK, folder / "bento")
    python = requirements.environment(folder / "bento" / "src" / "requirements.txt", folder / "environment")
    return model, folder / "bento", python


def test_it_answers_as_trained_refuses_what_is_bad_and_keeps_its_limits(made: tuple[NetworkModel, Path, Path]) -> None:
    model, bento, python = made
    found = probe.probe(bento, "evergreen:v1", python, GOLDEN, model.predict(GOLDEN), 1e-5, RULES, NAMES)
    assert [bad for bad in found.refusals if not bad.is_refused] == []
    assert [r.reason for r in found.requirements if not r.holds] == []
    assert found.packages == len(lock.read(LOCK.read_text()))
    assert found.golden_rows == 300


def test_another_model_s_probabilities_are_told_apart(made: tuple[NetworkModel, Path, Path]) -> None:
    model, bento, python = made
    other = model.predict(GOLDEN.with_columns(pl.col("signal") + 0.5))
    found = probe.probe(bento, "evergreen:v1", python, GOLDEN, other, 1e-5, RULES, NAMES)
    assert found.largest_difference > 1e-5
    assert [r.name for r in found.requirements if not r.holds] == ["service answers as trained"]


def test_a_bento_whose_package_was_altered_does_not_start(made: tuple[NetworkModel, Path, Path], tmp_path: Path) -> None:
    model, bento, python = made
    shutil.copytree(bento, tmp_path / "bento")
    file = tmp_path / "bento" / "src" / "model" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    quick = RULES.model_copy(update={"ready_seconds": 2.0})
    with pytest.raises(PackagingError, match="must be ready within 12 s"):
        probe.probe(tmp_path / "bento", "evergreen:v1", python, GOLDEN, model.predict(GOLDEN), 1e-5, quick, NAMES)
