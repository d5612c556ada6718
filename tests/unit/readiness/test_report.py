"""The report of the tests: all cases of a test must pass, a skipped one proves nothing, and what is no report is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.errors import StorageError
from tasks.readiness import report
from tests.unit.readiness import house

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
FILES = ["tests/a/test_x.py", "tests/a/test_xy.py::test_one"]


def test_no_report_is_none(tmp_path: Path) -> None:
    assert report.read(tmp_path / "tests.xml") is None


def test_cases_of_a_test_are_one_and_names_do_not_run_into_each_other(tmp_path: Path) -> None:
    house.report(tmp_path / "tests.xml", AT, FILES)
    found = report.read(tmp_path / "tests.xml")
    assert found is not None
    assert (found.at, found.code) == (AT, house.OF_NOW)
    assert found.passed == {"tests/a/test_x.py::test_it": True, "tests/a/test_xy.py::test_one": True}
    assert found.of("tests/a/test_x.py") == ["tests/a/test_x.py::test_it"]
    assert found.of("tests/a/test_xy.py::test_on") == []
    assert report.missing(found, [*FILES, "tests/a/test_z.py"]) == ["tests/a/test_z.py"]


@pytest.mark.parametrize("how", ["failed", "skipped"])
def test_one_case_that_did_not_pass_is_enough(tmp_path: Path, how: str) -> None:
    house.report(tmp_path / "tests.xml", AT, FILES, **{how: (FILES[0],)})  # type: ignore[arg-type]
    found = report.read(tmp_path / "tests.xml")
    assert found is not None
    assert found.failed(FILES[0]) == ["tests/a/test_x.py::test_it"]
    assert found.failed(FILES[1]) == []


@pytest.mark.parametrize("text", ["", "no xml", "<testsuites/>", '<testsuites><testsuite name="x"/></testsuites>'])
def test_what_is_no_report_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "tests.xml").write_text(text)
    with pytest.raises(StorageError, match="must be a report of tests in JUnit's form") as error:
        report.read(tmp_path / "tests.xml")
    assert "make test" in error.value.mend


def test_a_time_without_a_zone_is_the_machine_s(tmp_path: Path) -> None:
    house.report(tmp_path / "tests.xml", datetime(2026, 11, 30, 12), [])
    found = report.read(tmp_path / "tests.xml")
    assert found is not None
    assert found.at == datetime(2026, 11, 30, 12).astimezone(UTC)
    assert found.passed == {}
