"""A new feature is two lines of one file: it is learned from, packaged and served, and a person is asked before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import Project
from tests.e2e.test_monitor import _promote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # mlflow's own, at import
]

NAME = "departures_origin_6h_n"
EDITS = {
    "    departures_origin_24h_delay: F32 =": f'    {NAME}: F32 = _state("Number of departures of the same origin in the last 6 hours")\n',
    '    _History("departures", ("origin",), (': '"1h", "3h", "6h", "24h"',
}


def test_a_new_feature_reaches_the_registry_by_an_edit_of_one_file(finished: Project, copy_of_code: Path, tmp_path: Path) -> None:
    file = copy_of_code / "tasks" / "usecase" / "features.py"
    text, (column, history) = file.read_text(), EDITS
    assert text.count(column) == 1
    text = text.replace(column, EDITS[column] + column)
    old = f'{history}"1h", "3h", "24h"'
    assert text.count(old) == 1
    file.write_text(text.replace(old, history + EDITS[history]))

    project = Project(tmp_path / "home", finished.source, root=copy_of_code)
    shutil.copytree(finished.home / "lake", project.home / "lake")
    shutil.copyfile(finished.home / "mlflow.db", project.home / "mlflow.db")
    _promote(project, 1)
    result = project.run("retrain")
    assert result.status == 0, result.output
    summary = project.summary()
    assert NAME in next(model for model in summary["models"] if model["name"] == "network")["numeric_features"]
    assert NAME in {effect["feature"] for effect in summary["explanation"]["features"]}
    assert summary["registered"]["version"] == 2
    assert summary["service"]["largest_difference"] < 1e-5
    assert all(bad["status"] == bad["expected_status"] for bad in summary["service"]["refusals"])
    (same,) = [c for c in summary["decision"]["criteria"] if c["name"] == "same features"]
    assert (same["holds"], same["decides"]) == (False, "REVIEW")
