"""What all tests share: a repeatable hypothesis, a small folder of real flights, and who of two workers runs what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from _pytest.junitxml import xml_key
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tasks import provenance
from tasks.readiness.report import CODE
from tasks.usecase import source
from tasks.usecase.contract import TABLES
from tests.e2e.harness import Project

settings.register_profile("evergreen", derandomize=True, deadline=None, max_examples=25, database=None)
settings.load_profile("evergreen")

_DAYS = 110
_EVERY = 6

_FINISHED = (
    *(
        f"tests/e2e/test_{name}.py"
        for name in (
            "retrain",
            "governance",
            "lineage",
            "ml_test_score",
            "new_feature",
            "sensitive",
            "search",
            "serve",
            "batch_scoring",
            "monitor",
        )
    ),
    "tests/flyte/pods/test_pods.py",
)
"""Files whose tests look at one finished run, or go on from it."""
_FIRST = (*_FINISHED, "tests/e2e/", "tests/flyte/test_package.py", "tests/model/", "tests/data/")
"""The longest first, so that two workers come to their end together."""


class _Files(LoadScopeScheduling):
    """Gives a file to one worker, since its tests share what is slow to make; `_FINISHED` are one file in this."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _FINISHED[0] if file in _FINISHED else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Files | None:
    """Stand in for xdist's own groups, which the pinned pytest passes over in silence (pytest-xdist, issue 1386)."""
    if config.getoption("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False  # the order is that of the tests, below
    return _Files(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a report of the tests say of which code it is: before they run, as files may change while they do."""
    xml = session.config.stash.get(xml_key, None)
    if xml is not None:
        xml.add_global_property(CODE, provenance.code_hash())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(_FIRST) if item.nodeid.startswith(start)), len(_FIRST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with every sixth flight of the first 110 days, the weather of the same days, all planes and airports."""
    folder = tmp_path_factory.mktemp("small_source")
    # New York's New Year is 05Z; a month and a day of two digits sort as text.
    until = (pl.date(2013, 1, 1) + pl.duration(days=_DAYS)).cast(pl.Date)
    day = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), pl.col("day").cast(pl.Int32))
    for table in TABLES:
        raw = source.read(source.PACKAGED, table)
        if table.is_daily:
            raw = raw.filter(day < until)
        if table.name == "flights":
            raw = raw.sort("time_hour", maintain_order=True).gather_every(_EVERY)
        raw.write_csv(Path(folder) / f"{table.name}.csv", null_value="NA")
    return str(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_source: str) -> Project:
    """A project whose retrain has finished; not to be changed."""
    project = Project(tmp_path_factory.mktemp("finished") / "home", small_source)
    result = project.run("retrain")
    assert result.status == 0, result.output
    project.first, project.output = project.outcome(), result.output
    return project
