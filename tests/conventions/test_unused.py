"""What nobody uses is found: dead code and columns are planted in a small product, an unused dependency in the project's own list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandera.polars as pa
import pytest

from tasks.contracts import Table, column
from tests.conventions import unused

pytestmark = pytest.mark.unit

ROOT = unused.ROOT

ALIVE = '''
"""A module."""

from functools import cache

import pandera.polars as pa

LIMIT = 3


class Columns(pa.DataFrameModel):
    """Columns are not looked at here."""

    first: int

    class Config:
        strict = True


class More(Columns):
    second: int


@cache
def used(count: int) -> int:
    return min(count, LIMIT)
'''

FLOW = """
from tasks.alive import More, used


@workflow
def flow() -> int:
    return used(len(More.empty()))
"""


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A product of two modules, of which nothing is dead."""
    for name, text in (("tasks/alive.py", ALIVE), ("workflows/flow.py", FLOW), ("launchplans/plans.py", "every_day = 1\n")):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    return tmp_path


def test_what_is_used_is_not_found(product: Path) -> None:
    assert unused.dead(product, {}) == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("def lost() -> int:\n    return 1\n", "unused function 'lost'"),
        ("LOST = 4\n", "unused variable 'LOST'"),
        ("class Lost:\n    pass\n", "unused class 'Lost'"),
        ("class _Part:\n    def lost(self) -> int:\n        return 1\n\n\nPART = _Part()\nprint(PART)\n", "unused method 'lost'"),
        ("import json\n", "unused import 'json'"),
        ("def _end() -> int:\n    return 1\n    print()\n\n\n_end()\n", "unreachable code after 'return'"),
        ("used.lost = 1\n", "unused attribute 'lost'"),
        ("@stage()\ndef lost() -> int:\n    return 1\n", "unused function 'lost'"),  # a task that no workflow calls
    ],
)
def test_what_is_dead_is_found(product: Path, planted: str, found: str) -> None:
    path = product / "tasks" / "alive.py"
    path.write_text(f"{path.read_text()}\n\n{planted}")
    (line,) = unused.dead(product, {})
    assert line.startswith("tasks/alive.py:")
    assert found in line


def test_what_is_kept_must_be_unused(product: Path) -> None:
    path = product / "tasks" / "alive.py"
    path.write_text(f"{path.read_text()}\n\nLOST = 4\n")
    assert unused.dead(product, {"LOST": "a reason"}) == []
    (line,) = unused.dead(product, {"LOST": "a reason", "used": "another"})
    assert "'used' is kept as unused (another), and is not unused" in line


class Raw(pa.DataFrameModel):
    number: int = column("Read", role="feature")
    lost: int = column("Not read", role="feature")
    other: int = column("Not read, and does not say so", role="other")


class Made(pa.DataFrameModel):
    name: str = pa.Field(metadata={"role": "key"})
    size: float = pa.Field(metadata={"role": "numeric"})
    left: float = pa.Field(metadata={"role": "other"})


def test_columns_that_nothing_comes_of_are_found() -> None:
    found = unused.unused_columns(Made, [Table("raw", Raw, ("number",))], frozenset({"number", "other"}))
    assert [line.split(" ")[0] for line in found] == ["Made.left", "raw.lost"]


def test_texts_are_those_of_a_module_and_of_what_it_imports_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "tasks/__init__.py": "",
        "tasks/toy/__init__.py": "",
        "tasks/toy/features.py": "from tasks.toy import contract, helper\nfrom tasks import far\nA = 'read'\n",
        "tasks/toy/contract.py": "B = 'declared'\n",
        "tasks/toy/helper.py": "C = 'read by a helper'\n",
        "tasks/far.py": "D = 'far'\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(unused.caching, "ROOT", tmp_path)
    for memo in (unused.caching._path, unused.caching._read):
        memo.cache_clear()
    try:
        assert unused.texts("tasks.toy.features", "tasks.toy.contract") == {"read", "read by a helper"}
    finally:
        for memo in (unused.caching._path, unused.caching._read):
            memo.cache_clear()


DEPTRY = str(Path(sys.executable).parent / "deptry")


def deptry(folder: Path, project: str) -> str:
    """Return what deptry says of the product with another list of dependencies."""
    (folder / "pyproject.toml").write_text(project)
    command = [
        DEPTRY,
        *unused.PACKAGES,
        "--no-ansi",
        "--optional-dependencies-dev-groups",
        "dev",
        "--config",
        str(folder / "pyproject.toml"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return done.stderr + done.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('    "polars>=2.1,<3"', '    "httpx",\n    "polars>=2.1,<3"', "DEP002 'httpx' defined as a dependency but not used"),
        ('    "polars>=2.1,<3", ', "    ", "DEP003 'polars' imported but it is a transitive dependency"),
        ("[project]", "[project]", "Success"),
    ],
    ids=["unused", "not listed", "as it is"],
)
def test_dependencies_are_those_that_are_imported(tmp_path: Path, old: str, new: str, told: str) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert old in project
    assert told in deptry(tmp_path, project.replace(old, new))
