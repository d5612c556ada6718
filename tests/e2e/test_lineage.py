"""From a registered version, and from a prediction that it made, back to the files of the source; upkeep takes none of it."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.harness import Project

pytestmark = pytest.mark.e2e


def test_a_version_leads_to_its_files_and_so_does_a_prediction(finished: Project) -> None:
    snapshot = finished.summary()["snapshot"]
    by_version = finished.ask("lineage", "trace", "--model_version", "1")
    assert by_version.status == 0, by_version.output
    assert f"{snapshot['content_hash']}, as of 2013-04-10 00:00, source {finished.source}" in by_version.output
    for table in snapshot["tables"]:
        assert f"{finished.source}: {table['name']}.csv ({table['name']})" in by_version.output
        assert f"{table['uri']} version {table['version']}, {table['rows']:,} rows" in by_version.output
    digest = re.search(r"package (\w+)", by_version.output)
    assert digest
    prediction = f"{digest[1][:12]}-0d9c2b4e-6f1a-4c58-9e0b-7a3d5f8c1e24"
    by_prediction = finished.ask("lineage", "trace", "--prediction_id", prediction)
    assert by_prediction.status == 0, by_prediction.output
    assert all(line in by_prediction.output for line in by_version.output.splitlines() if "snapshot " in line or " file " in line)
    assert prediction in by_prediction.output


def test_upkeep_leaves_what_a_version_names(finished: Project, tmp_path: Path) -> None:
    project = finished.copied(tmp_path / "home", finished.source)
    assert project.run("ingest", as_of="2013-04-15").status == 0  # the lake goes on
    result = project.ask("upkeep", "upkeep", "--keep_days", "1")
    assert result.status == 0, result.output
    named = {table["name"]: table["version"] for table in finished.summary()["snapshot"]["tables"]}
    for table, version in named.items():
        assert pl.read_delta(str(project.home / "lake" / table), version=version).height > 0
        assert re.search(rf"{table} .*versions kept: .*{version}", result.output), result.output


def test_a_version_trained_again_has_the_same_weights_to_the_bit(finished: Project) -> None:
    result = finished.ask("reproduce", "reproduce", "--model_version", "1")
    assert result.status == 0, result.output
    assert "version 1: the same weights to the bit" in result.output
    assert "differs" not in result.output
    assert "training.train_network_again: done" in result.output
