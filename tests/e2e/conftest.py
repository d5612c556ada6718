"""What tests of commands share, beside the finished run of `tests/conftest.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copy_of_code(tmp_path: Path) -> Path:
    """The project's code, to be edited."""
    from tests.e2e.harness import ROOT

    root = tmp_path / "code"
    for folder in ("tasks", "workflows", "launchplans", "images"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "requirements.lock", root / "requirements.lock")
    return root
