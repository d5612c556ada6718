"""The floor of coverage: which modules have one, and that one below it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conventions import covered
from tests.conventions.covered import Covered

pytestmark = pytest.mark.unit


def measured(lines: int, of: int, branches: int = 0, of_branches: int = 0) -> dict[str, object]:
    counts = {"covered_lines": lines, "num_statements": of, "covered_branches": branches, "num_branches": of_branches}
    return {"summary": counts}


REPORT = {
    "files": {
        "tasks/good/plain.py": measured(90, 100),
        "tasks/good/task.py": measured(1, 100),  # binds
        "tasks/bad/lines.py": measured(89, 100),
        "tasks/bad/branches.py": measured(100, 100, 1, 20),
        "tasks/bad/__init__.py": measured(0, 0),
        "workflows/flow.py": measured(0, 10),
    }
}


def test_a_plain_module_below_the_floor_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(REPORT))
    assert covered.main([str(path)]) == 1
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines() if "must be" in line] == ["tasks/bad/branches.py", "tasks/bad/lines.py"]
    assert "tasks/bad/branches.py: 84.2 %" in told


def test_all_above_it_pass(tmp_path: Path) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps({"files": {name: found for name, found in REPORT["files"].items() if "/bad/" not in name}}))
    assert covered.main([str(path)]) == 0


def test_packages_sum_their_modules() -> None:
    found = covered.packages(covered.modules(REPORT))
    assert found["tasks/good"] == (Covered(90, 100), Covered(1, 100))
    assert found["tasks/bad"][0] == Covered(190, 220)
    assert found["workflows"][0].percent == 100.0, "nothing of nothing is missing"
