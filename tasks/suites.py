"""deepchecks, kept quiet: no telemetry, no warnings and bars of its own, and a small table of conditions instead of megabytes."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.artifacts.record import SuiteCondition

_SHOWN = 300
_NOTEBOOKS = "nbformat"


@contextmanager
def quiet() -> Iterator[None]:
    """Import and use deepchecks within this: it warns of its own dependencies at import and on use."""
    os.environ["DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _without_notebooks():
            from deepchecks.utils.logger import set_verbosity

        set_verbosity(logging.ERROR)  # no bars of progress
        yield


@contextmanager
def _without_notebooks() -> Iterator[None]:
    """Let plotly, which deepchecks imports, not find what it draws with in notebooks: that compiles a grammar, for two seconds."""
    if _NOTEBOOKS in sys.modules:
        yield
        return
    sys.modules[_NOTEBOOKS] = None  # type: ignore[assignment]  # to Python it cannot be imported; plotly does without
    try:
        yield
    finally:
        del sys.modules[_NOTEBOOKS]


def conditions(result: Any) -> list[SuiteCondition]:
    """Return every condition of a suite's result with its outcome, checks that did not run among them."""
    found = [
        SuiteCondition(check=check.get_header(), condition=condition.name, passed=condition.is_pass(), details=condition.details[:_SHOWN])
        for check in result.results
        for condition in getattr(check, "conditions_results", [])
    ]
    for failure in result.get_not_ran_checks():
        found.append(
            SuiteCondition(check=failure.get_header(), condition="must run", passed=False, details=str(failure.exception)[:_SHOWN])
        )
    return found
