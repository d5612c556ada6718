"""Cache versions follow what can change a result: code and pins that are used, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from flytekit.core.cache import VersionParameters

from tasks import caching

pytestmark = pytest.mark.unit

TASK = '''"""A task."""
import polars as pl
from tasks.toy import helper
from tasks.toy.deep import constant


def run(x: int) -> int:
    """Do it."""
    return helper.double(x) + constant.ONE  # add
'''
FILES = {
    "tasks/__init__.py": "",
    "tasks/toy/__init__.py": "",
    "tasks/toy/task.py": TASK,
    "tasks/toy/helper.py": "from tasks.toy.deep import further\n\n\ndef double(x):\n    return further.TWO * x\n",
    "tasks/toy/stranger.py": "THREE = 3\n",
    "tasks/toy/deep/__init__.py": "",
    "tasks/toy/deep/constant.py": "ONE = 1\n",
    "tasks/toy/deep/further.py": "import sklearn\n\nTWO = 2\n",
    "tasks/execution.py": "CPU = 2\n",
    "requirements.lock": "numpy==1.26.4\npolars==2.1.0\nscikit-learn==1.7.2 ; python_version > '3'\n",
}


class Project:
    """A small project on disk, and the version of its task."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def version(self, salt: str = "") -> str:
        _forget()
        return caching.version_of("tasks.toy.task", salt)


def _forget() -> None:
    caching._path.cache_clear()
    caching._read.cache_clear()
    caching._pins.cache_clear()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr(caching, "ROOT", tmp_path)
    yield Project(tmp_path)
    monkeypatch.undo()
    _forget()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tasks/toy/task.py", "  # add", "  # add one"),  # a comment
        ("tasks/toy/task.py", "Do it.", "Do it well."),  # a docstring
        ("tasks/toy/task.py", '"""A task."""\n', ""),  # the module's docstring, gone
        ("tasks/toy/task.py", "(x) + constant", "(x)  +  constant"),  # layout
        ("tasks/toy/stranger.py", "3", "4"),  # a module that nobody imports
        ("tasks/execution.py", "2", "4"),  # resources do not change a result
        ("requirements.lock", "numpy==1.26.4", "numpy==1.26.3"),  # a package that it does not use
    ],
)
def test_what_keeps_the_version(project: Project, name: str, old: str, new: str) -> None:
    before = project.version()
    assert old in FILES[name]
    project.write(name, FILES[name].replace(old, new))
    assert project.version() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tasks/toy/task.py", "+ constant", "- constant"),  # its own code
        ("tasks/toy/helper.py", "further.TWO * x", "further.TWO + x"),  # a helper
        ("tasks/toy/deep/further.py", "TWO = 2", "TWO = 3"),  # a helper's helper
        ("tasks/toy/deep/constant.py", "1", "2"),  # imported by `from package import module`
        ("tasks/toy/__init__.py", "", "import this"),  # a package on the way
        ("requirements.lock", "polars==2.1.0", "polars==2.1.1"),  # a pin that it uses
        ("requirements.lock", "scikit-learn==1.7.2", "scikit-learn==1.7.1"),  # used by a helper, under another name
    ],
)
def test_what_changes_the_version(project: Project, name: str, old: str, new: str) -> None:
    before = project.version()
    project.write(name, FILES[name].replace(old, new, 1) if old else new)
    assert project.version() != before


def test_the_salt_changes_the_version(project: Project) -> None:
    assert project.version("a") != project.version("b")


def test_the_version_does_not_depend_on_where_the_project_lies(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.version()
    monkeypatch.setattr(caching, "ROOT", tmp_path / "elsewhere")
    assert Project(tmp_path / "elsewhere").version() == before


def test_without_a_lock_there_is_still_a_version(project: Project) -> None:
    (project.root / "requirements.lock").unlink()
    assert re.fullmatch("[0-9a-f]{20}", project.version())


def test_closure_holds_what_is_imported_and_ends_with_cycles(project: Project) -> None:
    project.write("tasks/toy/deep/further.py", "import tasks.toy.task\nimport tasks.execution\n")
    _forget()
    assert caching.closure("tasks.toy.helper") == {
        "tasks",
        "tasks.toy",
        "tasks.toy.helper",
        "tasks.toy.task",
        "tasks.toy.deep",
        "tasks.toy.deep.further",
        "tasks.toy.deep.constant",
    }


def test_third_party_imports_leave_out_the_project_and_the_standard_library(project: Project) -> None:
    project.write("tasks/toy/helper.py", "import json\nfrom os import path\nimport numpy.linalg\nfrom tasks.toy import stranger\n")
    _forget()
    assert caching.third_party_imports("tasks.toy.helper") == {"numpy"}


def test_the_policy_looks_at_the_module_that_defines_the_function(project: Project) -> None:
    def run() -> None: ...

    run.__module__ = "tasks.toy.task"
    parameters: VersionParameters[..., None] = VersionParameters(func=run, container_image="any")
    assert caching.SourceVersion().get_version("", parameters) == caching.SourceVersion().get_version("", parameters)
    before = caching.SourceVersion().get_version("", parameters)
    project.write("tasks/toy/helper.py", "def double(x):\n    return 0\n")
    _forget()
    assert caching.SourceVersion().get_version("", parameters) != before


def test_modules_used_without_an_import_count_where_they_are_named(project: Project) -> None:
    def run() -> None: ...

    run.__module__ = "tasks.toy.task"
    parameters: VersionParameters[..., None] = VersionParameters(func=run, container_image="any")
    policy = caching.SourceVersion(also=("tasks.toy.stranger",))
    before = policy.get_version("", parameters)
    project.write("tasks/toy/stranger.py", "THREE = 4\n")
    _forget()
    assert policy.get_version("", parameters) != before


# --- the project itself -----------------------------------------------------------------------------------------------


def _imported() -> dict[str, str]:
    """Return every third-party package that a module of the project imports, with one module that does."""
    found: dict[str, str] = {}
    for top in caching.PROJECT:
        for path in sorted((caching.ROOT / top).rglob("*.py")):
            module = ".".join(path.relative_to(caching.ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.update(dict.fromkeys(caching.third_party_imports(module), module))
    return found


def test_every_import_of_the_project_has_a_pin() -> None:
    lock = caching.ROOT / "requirements.lock"
    assert lock.is_file(), "requirements.lock must be there (`make lock` writes it): cache versions hold the pins of what a task imports"
    _forget()
    pins = caching._pins()
    imported = _imported()
    assert len(imported) > 10
    lacking = {name: where for name, where in imported.items() if caching._pin_name(name) not in pins}
    # A namespace (flytekitplugins) is many packages of one name, and a name may differ from its package's: the metadata know.
    provided = packages_distributions() if lacking else {}
    lacking = {name: where for name, where in lacking.items() if not {caching._normal(p) for p in provided.get(name, [])} & pins.keys()}
    assert not lacking, f"imported, but without a line in {lock}: {lacking}"


def test_the_pin_that_a_version_uses_is_the_one_of_the_installed_package() -> None:
    """A wrong or missing entry in `_PINNED_AS` would let an upgrade go unnoticed by the cache."""
    pins = caching._pins()
    unseen = {name: where for name, where in _imported().items() if caching._pin_name(name) not in pins}
    assert not unseen, f"imports whose pin is not part of a version: {unseen}; add them to tasks/caching.py"
