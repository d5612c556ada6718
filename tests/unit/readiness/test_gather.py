"""What is read is what is on record: of a store that is gone nothing is found, and the points that rest on it fall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.artifacts.readiness import Inventory, VersionFacts
from tasks.readiness import gather
from tasks.readiness.installation import Installation
from tasks.readiness.rubric import RUBRIC
from tasks.readiness.scoring import score
from tests.unit.backtest.toy import FIRST
from tests.unit.readiness.house import COMMIT, NIGHTS, RULES, House
from tests.unit.reporting import test_backtest

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def copy(furnished: House, tmp_path: Path) -> House:
    shutil.copytree(furnished.home, tmp_path / "home")
    return House(tmp_path / "home", furnished.now, furnished.terms)


def points(installation: Installation) -> dict[str, float]:
    return {scored.item.id: scored.points for scored in score(installation, RUBRIC, COMMIT).items}


def test_all_that_is_on_record_is_read(whole: Installation) -> None:
    assert len(whole.nights) == NIGHTS
    assert [(v.version, sorted(v.aliases)) for v in whole.inventory.versions] == [(1, ["previous"]), (2, ["champion"])]
    assert whole.newest is not None
    assert whole.newest.decision.candidate_digest == "b"
    assert whole.trail_report.is_whole
    assert whole.tests is not None
    assert set(whole.columns) >= {"flights", "features", "audit", "nights", "usage", "proofs"}
    assert {search.where.split()[0] for search in whole.inventory.searches} == {"MLflow"}


def test_nothing_is_read_of_nothing(furnished: House, tmp_path: Path) -> None:
    empty = Inventory(name="toy", versions=[], searches=[], anchors={})
    found = gather.gather(str(tmp_path / "lake"), tmp_path, empty, furnished.terms, RULES, furnished.now)
    assert (found.newest, found.trail, found.nights, found.proofs, found.tests) == (None, [], [], [], None)
    scored = score(found, RUBRIC, COMMIT)
    assert scored.final == 0
    assert all(one.missing for one in scored.items)


@pytest.mark.parametrize(
    ("gone", "fallen"),
    [
        ("tests.xml", {"data 4", "data 5", "data 6", "data 7", "infrastructure 2", "infrastructure 3"}),
        ("lake/nights", {"model 2", "model 4", "monitoring 1", "monitoring 2", "monitoring 4", "monitoring 5", "monitoring 7"}),
        ("lake/usage", {"data 3", "infrastructure 5", "infrastructure 6", "monitoring 2", "monitoring 6"}),
        ("lake/proofs", {"infrastructure 1"}),
        ("made", set()),  # what MLflow has a copy of
        ("mlartifacts", {"data 1", "data 2", "data 4", "monitoring 3", "monitoring 5"}),  # the dossiers
    ],
)
def test_without_a_store_the_points_that_rest_on_it_fall(copy: House, whole: Installation, gone: str, fallen: set[str]) -> None:
    before = points(whole)
    searched = copy.inventory()  # of whose runs the records go too
    path = copy.home / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    moved = [v.model_copy(update={"dossier_uri": str(copy.home / Path(v.dossier_uri).relative_to(_home_of(v)))}) for v in searched.versions]
    inventory = searched.model_copy(update={"versions": moved})
    after = points(gather.gather(copy.lake, copy.home, inventory, copy.terms, whole.rules, copy.now))
    assert {item for item in before if after[item] < before[item]} >= fallen
    if not fallen:
        assert after == before


def _home_of(version: VersionFacts) -> Path:
    path = Path(version.dossier_uri)
    return next(parent.parent for parent in path.parents if parent.name == "mlartifacts")


def _other_text(folder: Path) -> None:
    (folder / "dossier.json").write_text("{}")


@pytest.mark.parametrize("damage", [shutil.rmtree, _other_text], ids=["gone", "altered"])
def test_a_dossier_that_is_not_the_registered_one_proves_nothing(
    furnished: House, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    newest = furnished.inventory().newest
    assert newest is not None
    shutil.copytree(newest.dossier_uri, tmp_path / "dossier")
    moved = newest.model_copy(update={"dossier_uri": str(tmp_path / "dossier")})
    assert gather.dossier(moved) is not None
    assert gather.dossier(moved.model_copy(update={"dossier_digest": "another"})) is None
    damage(tmp_path / "dossier")
    assert gather.dossier(moved) is None
    assert "version 2" in caplog.text


def test_a_backtest_is_evidence_and_one_of_another_form_is_left_out(copy: House, caplog: pytest.LogCaptureFixture) -> None:
    folder = copy.home / "backtest"
    folder.mkdir()
    (folder / "backtest.json").write_text(test_backtest.found().model_dump_json())
    found = copy.read().backtest
    assert found is not None
    assert found[0].window.first_day == FIRST
    (folder / "backtest.json").write_text("{}")
    assert copy.read().backtest is None
    assert "another form" in caplog.text
