"""The shape of the project: its tree, what importing it does, and that its dependencies are those it uses."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from images import closures, lock

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("tasks", "workflows", "launchplans", "images")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

TOP_LEVEL = {
    *(*PACKAGES, "tests", "docs", "deploy"),
    *(
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "mkdocs.yml",
    ),
    *(".ci", ".github", ".gitignore", ".flyteignore"),
}


def tracked() -> list[Path]:
    """Return the project's files, relative to its root: what git holds or would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def sources(*packages: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in packages]


# --- the tree ---------------------------------------------------------------------------------------------------------


def test_the_top_level_holds_what_it_may() -> None:
    assert {path.parts[0] for path in tracked()} - TOP_LEVEL == set()


def test_every_package_is_one_and_the_root_is_none() -> None:
    """Flyte names a task by its module: without an `__init__.py` somewhere between it would be another name."""
    folders = {folder for path in sources(*PACKAGES, "tests") for folder in path.parents} - {Path()}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").is_file()] == []
    assert not (ROOT / "__init__.py").exists()


@pytest.mark.parametrize("package", ["tasks", "workflows", "launchplans"])
def test_a_package_imports_nothing_by_itself(package: str) -> None:
    """So that a container imports only its own stage."""
    assert (ROOT / package / "__init__.py").read_text().strip() == ""


def test_stages_are_empty_packages() -> None:
    held = {path: (ROOT / path).read_text() for path in sources("tasks") if path.name == "__init__.py"}
    busy = [str(path) for path, text in held.items() if any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(ast.parse(text)))]
    assert busy == []


FREE = {"flyte", "e2e", "conventions", "data", "model", "gpu", "benchmarks", "usecases"}
"""Folders of tests that look at more than one module."""


def test_unit_tests_mirror_the_sources() -> None:
    strangers = []
    for path in sources("tests"):
        if not path.name.startswith("test_") or path.parts[1] in FREE:
            continue
        module = Path(*path.parts[2:-1]) / path.name.removeprefix("test_")
        homes = (ROOT / "tasks" / module, ROOT / module)
        if path.parts[1] != "unit" or not any(home.is_file() for home in homes):
            strangers.append(str(path))
    assert strangers == []


def test_a_test_file_says_what_it_is() -> None:
    """Each is marked, so that `make test-quick` and the like leave nothing out."""
    files = [path for path in sources("tests") if path.name.startswith("test_")]
    assert [str(path) for path in files if not re.search(r"^pytestmark = [\s\[(]*pytest\.mark\.", (ROOT / path).read_text(), re.M)] == []


# --- what importing does ----------------------------------------------------------------------------------------------

HEAVY = (
    *("torch", "lightning", "pytorch_lightning", "tabm", "rtdl_num_embeddings", "sklearn", "lightgbm", "mlflow", "bentoml"),
    *("deepchecks", "matplotlib", "onnx", "onnxruntime", "onnxscript", "deltalake", "safetensors"),
)
OURS = ("EVERGREEN", "MLFLOW", "BENTOML", "DEEPCHECKS")
"""Beginnings of the environment variables that the project reads, once something runs."""

IMPORT_ALL = """
import importlib, json, os, sys
from pathlib import Path

read, get = [], os._Environ.__getitem__
os._Environ.__getitem__ = lambda self, key: (read.append(str(key)), get(self, key))[1]
root = Path(sys.argv[1])
for package in ("workflows", "launchplans", "images"):
    for path in sorted((root / package).glob("*.py")):
        importlib.import_module(f"{package}.{path.stem}" if path.stem != "__init__" else package)
ours = [name for name in sys.modules if name.split(".")[0] == "tasks"]
print(json.dumps({"modules": sorted({name.split(".")[0] for name in sys.modules}), "tasks": ours, "read": read}))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a fresh process has, once it has imported all workflows, launch plans and images, in empty folders."""
    cwd, home = tmp_path_factory.mktemp("cwd"), tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(ROOT)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list(cwd.iterdir()) == [], "importing must write nothing"
    assert list(home.iterdir()) == [], "importing must write nothing"
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_importing_imports_nothing_heavy(imported: dict[str, list[str]]) -> None:
    assert "flytekit" in imported["modules"]
    assert set(imported["modules"]) & set(HEAVY) == set()


def test_importing_imports_no_plain_module(imported: dict[str, list[str]]) -> None:
    """They are imported in the bodies of tasks; a stage has its `task.py` alone."""
    stages = {path.parts[1] for path in sources("tasks") if path.name == "task.py"}
    loaded = {name for name in imported["tasks"] if name.count(".") == 2 and name.split(".")[1] in stages}
    assert loaded == {f"tasks.{stage}.task" for stage in stages}


def test_importing_reads_no_environment_variable_of_ours(imported: dict[str, list[str]]) -> None:
    assert [name for name in imported["read"] if name.startswith(OURS)] == []


def test_help_lists_every_input(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "240", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(Path(sys.executable).parent / "pyflyte"), "run", "workflows/retrain.py", "retrain", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {"--as_of", "--source", "--config"} <= set(re.findall(r"--\w+", done.stdout))
    for described in ("The clock, an instant in UTC", "Folder or s3:// URI", "Sizes and schedule of training"):
        assert described in done.stdout


# --- layers -----------------------------------------------------------------------------------------------------------


def test_the_import_rules_name_every_stage() -> None:
    """Layers are exhaustive by themselves; the rule on plain modules has to list the stages."""
    stages = {path.parts[1] for path in sources("tasks") if len(path.parts) == 3} - {
        "artifacts",
        "usecase",
        "model",
        "lake",
        "reporting",
        "evidence",
        "sources",
    }
    rules = {rule["name"]: rule for rule in PROJECT["tool"]["importlinter"]["contracts"]}
    plain = rules["A stage's plain modules know nothing of the use case and of Flyte"]
    assert set(plain["source_modules"]) == {f"tasks.{stage}" for stage in stages}
    assert PROJECT["tool"]["importlinter"]["root_packages"] == list(PACKAGES)


# --- dependencies -----------------------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(texts: list[str]) -> dict[str, Requirement]:
    return {normal(found.name): found for found in map(Requirement, texts)}


DEPENDENCIES = requirements(PROJECT["project"]["dependencies"])
USE_CASE = requirements(re.findall(r"^[^#\s]+", (ROOT / "tasks" / "usecase" / "requirements.txt").read_text(), re.M))
DEVELOPMENT = requirements(PROJECT["project"]["optional-dependencies"]["dev"])


def pins(path: str) -> dict[str, str]:
    return {normal(name): version for name, _, version in (found.partition("==") for found in lock.read((ROOT / path).read_text()))}


def test_the_lock_pins_every_dependency_within_its_range() -> None:
    locked = pins("requirements.lock")
    wrong = {
        name: locked.get(name)
        for name, wanted in (DEPENDENCIES | DEVELOPMENT | USE_CASE).items()
        if name not in locked or not wanted.specifier.contains(locked[name], prereleases=True)
    }
    assert wrong == {}


@pytest.mark.parametrize("kind", closures.KINDS)
def test_an_image_holds_pins_of_the_lock(kind: str) -> None:
    found = pins(f"images/{kind}.lock")
    assert found.items() <= pins("requirements.lock").items()
    assert {normal(name) for name in closures.KINDS[kind]} <= found.keys()


@pytest.mark.parametrize("kind", closures.KINDS)
def test_an_image_is_what_make_lock_writes(kind: str) -> None:
    assert (ROOT / "images" / f"{kind}.lock").read_text() == "\n".join(closures.closure(closures.KINDS[kind])) + "\n"


@pytest.mark.parametrize("path", ["requirements.lock", *(f"images/{kind}.lock" for kind in closures.KINDS)])
def test_every_pin_has_the_sum_of_its_file(path: str) -> None:
    """Without one for each, pip would install none at all."""
    assert [found for found, sums in lock.read((ROOT / path).read_text()).items() if not sums] == []


@pytest.mark.parametrize("kind", closures.KINDS)
def test_an_image_holds_nothing_of_development(kind: str) -> None:
    """What only tests and checks need; what a dependency needs as well (boto3, psutil) is no more development's."""
    assert {"pytest", "hypothesis", "moto", "ruff", "mypy", "import-linter"} & pins(f"images/{kind}.lock").keys() == set()


def test_the_service_needs_no_torch_and_no_flyte() -> None:
    foreign = {"torch", "lightning", "pytorch-lightning", "tabm", "scikit-learn", "lightgbm", "mlflow", "deepchecks"}
    assert {name for name in pins("images/serving.lock") if name in foreign or name.startswith("flyte")} == set()
