"""A load through the command: killed between blocks it goes on, a night finds nothing to do, and one file with all days loads too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.usecase import source
from tasks.usecase.contract import TABLES
from tests.e2e.harness import Project, Result
from tests.feeds import write_feed

pytestmark = pytest.mark.e2e

AS_OF = "2013-02-24T12:00:00"


@pytest.fixture(scope="module")
def feed(small_source: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("feed")
    write_feed(folder, {table.name: source.read(small_source, table) for table in TABLES})
    return str(folder)


def features_of(result: Result) -> tuple[str, str]:
    """Return rows and content of the features that a run ended with."""
    assert result.status == 0, result.output
    (found,) = re.findall(r'"rows":(\d+),"content_hash":"(\w+)"', result.output)
    return found


def test_killed_between_blocks_it_goes_on_and_a_night_finds_nothing_to_do(feed: str, tmp_path: Path) -> None:
    loaded, night = Project(tmp_path / "loaded", feed), Project(tmp_path / "night", feed)
    before = loaded.kill_when("features.build_block: started", "load", AS_OF)
    assert "days to bring, in 2 blocks" in before
    assert before.count("ingestion.ingest_block: done") == 2
    again = loaded.run("load", AS_OF)
    assert "0 days to bring, in 0 blocks" in again.output
    assert "ingestion.ingest_block" not in again.output
    assert "validation.profile_block" not in again.output
    assert again.output.count("features.build_block: done") == 1
    then, straight = loaded.run("night", AS_OF), night.run("night", AS_OF)
    assert "features: 0 of 55 days to make" in then.output
    assert features_of(again) == features_of(then) == features_of(straight)


def test_one_file_with_all_days_is_read_whole(small_source: str, feed: str, tmp_path: Path) -> None:
    whole = Project(tmp_path / "whole", small_source)
    result = whole.run("load", AS_OF)
    assert "one file with all days, which ingest reads whole" in result.output
    assert "ingestion.ingest_block" not in result.output
    assert "features.build_block: done" in result.output
    features_of(result)
