"""Where the code comes from: its hash is that of code and tests, whatever else lies beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks import provenance

pytestmark = pytest.mark.unit


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tasks/a.py", "tests/unit/test_a.py", "pyproject.toml", "requirements.lock", "docs/page.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def change(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text("other") and None


def move(root: Path) -> None:
    (root / "tasks" / "a.py").rename(root / "tasks" / "b.py")


def add(root: Path) -> None:
    (root / "tests" / "conftest.py").write_text("")


@pytest.mark.parametrize(
    "edit",
    [change("tasks/a.py"), change("tests/unit/test_a.py"), change("requirements.lock"), change("pyproject.toml"), move, add],
    ids=["code", "test", "lock", "settings", "moved", "added"],
)
def test_another_code_has_another_hash(root: Path, edit: Callable[[Path], None]) -> None:
    before = provenance.code_hash()
    edit(root)
    assert provenance.code_hash() != before


def test_documents_and_what_runs_leave_change_nothing(root: Path) -> None:
    before = provenance.code_hash()
    (root / "docs" / "page.md").write_text("other")
    (root / "tasks" / "__pycache__").mkdir()
    (root / "tasks" / "__pycache__" / "a.pyc").write_text("other")
    assert provenance.code_hash() == before
    shutil.rmtree(root / "tests")  # as in a pod
    assert provenance.code_hash() != before


def test_a_file_was_committed_and_a_stranger_was_not(tmp_path: Path) -> None:
    found = provenance.committed_at("pyproject.toml")
    if found is None:
        pytest.skip("this is no checkout")
    assert found.tzinfo is not None
    assert found < datetime.now(UTC) + timedelta(days=1)
    assert provenance.committed_at(str(tmp_path / "nowhere")) is None


def test_without_a_checkout_the_commit_is_what_was_registered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERGREEN_COMMIT", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    assert provenance.commit() == provenance.UNKNOWN
    monkeypatch.setenv("EVERGREEN_COMMIT", "1a2b")
    assert provenance.commit() == "1a2b"
