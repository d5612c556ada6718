"""Evidence from the report of the tests: a test proves an item only if it passed, lately, on the code of now."""

from __future__ import annotations

from tasks.readiness import report
from tasks.readiness.installation import Absent, Answer, Evidence, Installation, Look

_SHOWN = 3


def passed(*wanted: str) -> Look:
    """Return a look for files of tests, or single tests, that all passed.

    Args:
        wanted: Files, or files and test (`tests/data/test_leak.py::test_name`), relative to the root of the project.
    """

    def look(installation: Installation) -> Answer:
        tests = installation.tests
        if tests is None:
            return Absent("no report of the tests")
        if gone := report.missing(tests, wanted):
            return Absent(f"the report of the tests of {tests.at:%Y-%m-%d} has none of {_listed(gone)}")
        if failed := [name for some in wanted for name in tests.failed(some)]:
            return Absent(f"{len(failed)} of its tests did not pass on {tests.at:%Y-%m-%d}: {_listed(failed)}", is_against=True)
        count = len({name for some in wanted for name in tests.of(some)})
        stale = "" if tests.code == installation.terms.code else f"the report of {tests.at:%Y-%m-%d} is of other code than that of now"
        return Evidence(f"{count} tests passed: {_listed(list(wanted))}", tests.where, tests.at, lacks=stale)

    look.tests = wanted  # type: ignore[attr-defined]  # for the page of the rubric, and for the test that they are there
    return look


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
