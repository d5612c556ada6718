"""The report that `make test` leaves: which tests passed, when, and of which code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tasks.errors import StorageError

FILE = "tests.xml"
"""Its name, below the home."""
CODE = "evergreen_code"
"""The property of the report that has the hash of the code it is of."""


@dataclass(frozen=True)
class Report:
    """What a run of tests gave.

    Attributes:
        at: When it began (UTC).
        code: Hash of the code it ran on; empty if it does not say.
        passed: Test function, as `tests/data/test_leak.py::test_name`, to whether all of its cases passed.
        where: The file.
    """

    at: datetime
    code: str
    passed: Mapping[str, bool]
    where: str

    def failed(self, wanted: str) -> list[str]:
        """Return the tests of a file, or the one test, that did not pass."""
        return [name for name in self.of(wanted) if not self.passed[name]]

    def of(self, wanted: str) -> list[str]:
        """Return the tests that a file, or a single test, has in the report."""
        return [name for name in self.passed if name == wanted or name.startswith(f"{wanted}::")]


def read(path: Path) -> Report | None:
    """Read a report in JUnit's form, None if there is none.

    A case that was skipped has not passed: it proves nothing.

    Raises:
        StorageError: If it is no such report.
    """
    if not path.is_file():
        return None
    try:
        root = ElementTree.parse(path).getroot()
        suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
        at = datetime.fromisoformat(suites[0].attrib["timestamp"])
    except (ElementTree.ParseError, OSError, LookupError, ValueError) as error:
        found = str(error) or type(error).__name__
        raise StorageError(f"{path} must be a report of tests in JUnit's form", found, "run `make test`, which writes it anew") from error
    code = next((p.attrib["value"] for s in suites for p in s.iter("property") if p.attrib.get("name") == CODE), "")
    passed: dict[str, bool] = {}
    for case in (case for suite in suites for case in suite.iter("testcase")):
        name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"
        passed[name] = passed.get(name, True) and not any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
    return Report(at if at.tzinfo else at.astimezone(UTC), code, passed, str(path))


def missing(report: Report, wanted: Sequence[str]) -> list[str]:
    """Return those of some files and tests of which the report has none."""
    return [name for name in wanted if not report.of(name)]
