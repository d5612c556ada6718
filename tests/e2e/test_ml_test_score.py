"""`make ml-test-score`: what a finished run has on record gives points, and what it has not is told with the command that earns it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta

import polars as pl
import pytest

from tasks.artifacts.readiness import MLTestScore
from tests.e2e.harness import Project
from tests.unit.reporting.documents import require_sound

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def scored(finished: Project) -> tuple[MLTestScore, str]:
    result = finished.ask("ml_test_score", "ml_test_score")
    assert result.status == 0, result.output
    (file,) = (finished.home / "ml-test-score").glob("*.json")
    return MLTestScore.model_validate_json(file.read_text()), result.output


def test_what_a_retraining_proves_has_points_with_its_day(scored: tuple[MLTestScore, str]) -> None:
    found, _ = scored
    of = {one.item.id: one for one in found.items}
    for item in ("data 1", "model 6", "monitoring 3"):  # for the others this small model is too poor
        assert of[item].points >= 0.5, of[item]
        assert timedelta(0) < found.at - of[item].found[0].at < timedelta(days=1)
    assert "contract" in of["data 1"].found[0].what
    assert found.final == min(part.points for part in found.sections)


def test_what_nothing_proves_has_none_and_says_what_to_run(scored: tuple[MLTestScore, str]) -> None:
    found, output = scored
    of = {one.item.id: one for one in found.items}
    for item, command in {"data 6": "make test", "model 2": "make serve", "infrastructure 6": "make rollout"}.items():
        assert of[item].points == 0, of[item]
        assert command in of[item].earn[0]
        assert of[item].earn[0] in output
    assert "missing: no report of the tests" in output
    assert re.search(r"ML Test Score [\d.]+ of 7, the least of", output)


def test_a_report_of_some_tests_is_read_and_the_others_are_named(finished: Project, scored: tuple[MLTestScore, str]) -> None:
    """The report that `make test` leaves: here of two of the tests, made by pytest itself."""
    wanted = ["tests/unit/model/test_preprocessing.py", "tests/unit/usecase/test_contract.py"]
    report = finished.home / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", *wanted, f"--junitxml={report}"]
    done = subprocess.run(command, cwd=finished.root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    try:
        result = finished.ask("ml_test_score", "ml_test_score")
        assert result.status == 0, result.output
        assert "has none of tests/data/test_leak.py" in " ".join(result.output.split())
        assert "no report of the tests" not in result.output
    finally:
        report.unlink()


def test_the_score_is_a_page_and_is_kept(finished: Project, scored: tuple[MLTestScore, str]) -> None:
    page = (finished.home / "ml-test-score" / "index.html").read_text()
    require_sound(page)
    assert page.count("<h3>") == 28
    rows = pl.read_delta(str(finished.home / "lake" / "proofs")).filter(pl.col("kind") == "ml test score")
    assert rows.height >= 1
    assert json.loads(rows.item(0, "record"))["final"] == scored[0].final
