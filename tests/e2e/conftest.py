"""One small run, made once, that the tests of its folder look at or copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_source: str) -> Project:
    """A project whose retrain has finished; not to be changed."""
    project = Project(tmp_path_factory.mktemp("finished") / "home", small_source)
    result = project.run("retrain")
    assert result.status == 0, result.output
    project.first, project.output = project.outcome(), result.output
    return project


@pytest.fixture
def copy_of_code(tmp_path: Path) -> Path:
    """The project's code, to be edited."""
    from tests.e2e.harness import ROOT

    root = tmp_path / "code"
    for folder in ("tasks", "workflows", "launchplans", "images"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "requirements.lock", root / "requirements.lock")
    return root
