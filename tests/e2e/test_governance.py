"""What a reviewer does after a run: reads the dossier, asks the trail, asks why a flight was flagged, and goes back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.dossier import Dossier
from tests.e2e.harness import Project
from tests.unit.reporting.documents import require_sound

pytestmark = pytest.mark.e2e


def test_the_dossier_is_beside_the_report_and_has_the_sum_that_is_registered(finished: Project) -> None:
    folder, summary = finished.home / "runs" / "latest", finished.summary()
    document = (folder / "dossier.html").read_text()
    assert len(document.encode()) < 2_000_000
    require_sound(document, 2_000_000)
    digest = summary["registered"]["dossier_digest"]
    there = (finished.home / "mlartifacts").rglob("dossier.json")  # copies of the project keep theirs here, too
    kept = next(path for path in there if hashlib.sha256(path.read_bytes()).hexdigest() == digest)
    assert digest[:12] in (folder / "index.html").read_text()
    dossier = Dossier.model_validate_json(kept.read_text())
    assert dossier.decision.model_dump(mode="json") == summary["decision"]
    assert dossier.package_digest == summary["registered"]["package_digest"]
    assert json.loads((kept.parent / "bom.json").read_text())["bomFormat"] == "CycloneDX"


def test_the_trail_of_a_run_is_whole_and_says_what_was_decided(finished: Project) -> None:
    result = finished.ask("audit", "audit")
    assert result.status == 0, result.output
    assert "whole" in result.output
    assert f"{finished.summary()['decision']['verdict']}: " in result.output


def test_a_flight_is_explained_in_words_and_on_a_page(finished: Project) -> None:
    frames = sorted((finished.home / "outputs").rglob("Features.parquet"))
    flight = pl.read_parquet(frames[-1]).filter(pl.col("batch_day") == pl.date(2013, 4, 5)).get_column("flight_id")[0]
    options = ["--as_of", "2013-04-10", "--source", finished.source]
    result = finished.ask("explain", "explain", "--row", flight, "--model_version", "1", *options)
    assert result.status == 0, result.output
    assert f"{flight}: " in result.output
    assert "the risk" in result.output
    require_sound((finished.home / "explanations" / f"{flight}-version-1.html").read_text())


def test_a_flight_that_is_not_there_is_told_with_its_neighbours(finished: Project) -> None:
    options = ["--as_of", "2013-04-10", "--source", finished.source]
    result = finished.ask("explain", "explain", "--row", "2013-04-05-XX-1-JFK", "--model_version", "1", *options)
    assert result.status == 1
    assert "2013-04-05-" in result.output.replace("2013-04-05-XX-1-JFK", "")
    assert "Traceback" not in result.output


def test_a_rollback_to_a_version_that_is_not_there_leaves_the_champion(finished: Project, tmp_path: Path) -> None:
    project = finished.copied(tmp_path / "home", finished.source)
    before = project.ask("audit", "audit").output
    result = project.ask("rollback", "rollback", "--to", "9")
    assert result.status == 1
    assert "must have version 9" in result.output
    assert project.ask("audit", "audit").output.splitlines()[-3:] == before.splitlines()[-3:]
