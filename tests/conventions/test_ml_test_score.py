"""The page of the ML Test Score says what the rubric says, and a report of tests says of which code it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import provenance
from tasks.readiness import report
from tasks.readiness.rubric import RUBRIC
from tests.conventions.ml_test_score import PAGE, text

pytestmark = pytest.mark.unit


def test_the_page_is_what_the_rubric_says() -> None:
    assert PAGE.read_text() == text(), "write it anew: python -m tests.conventions.ml_test_score"


def test_the_page_has_all_tests_with_what_earns_them() -> None:
    page = PAGE.read_text()
    for entry in RUBRIC:
        assert entry.item.title in page
        assert all(f"`{step}`" in page for need in entry.item.needs for step in need.earn.split("; ") if step.startswith("make "))


def test_a_report_of_pytest_names_the_code_and_each_test(tmp_path: Path) -> None:
    """As `make test` writes it: by the hook of tests/conftest.py, which only the process that writes the report may use."""
    path = tmp_path / "tests.xml"
    wanted = "tests/unit/test_errors.py"
    command = [sys.executable, "-m", "pytest", "-q", wanted, "--numprocesses", "2", "--dist", "loadgroup", f"--junitxml={path}"]
    done = subprocess.run(command, cwd=provenance.ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    found = report.read(path)
    assert found is not None
    assert found.code == provenance.code_hash()
    assert found.of(wanted)
    assert found.failed(wanted) == []
