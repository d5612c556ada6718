"""What bad input gets: one clear message, a non-zero exit, nothing half-written, the champion untouched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.harness import Project, Result

pytestmark = pytest.mark.e2e


def _without_file(folder: Path) -> None:
    (folder / "weather.csv").unlink()


def _truncated(folder: Path) -> None:
    path = folder / "flights.csv"
    path.write_bytes(path.read_bytes()[:-7])


def _truncated_zip(folder: Path) -> None:
    import zipfile

    path = folder / "flights.csv"
    with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "flights.csv")
    path.unlink()
    whole = (folder / "flights.csv.zip").read_bytes()
    (folder / "flights.csv.zip").write_bytes(whole[: len(whole) // 2])


def _without_column(folder: Path) -> None:
    pl.read_csv(folder / "flights.csv", infer_schema=False).drop("carrier").write_csv(folder / "flights.csv")


def _few_rows(folder: Path) -> None:
    pl.read_csv(folder / "flights.csv", infer_schema=False).gather_every(40).write_csv(folder / "flights.csv")


def _missing_days(folder: Path) -> None:
    rows = pl.read_csv(folder / "flights.csv", infer_schema=False)
    rows.filter(~((pl.col("month") == "2") & pl.col("day").is_in(["3", "4", "5", "6"]))).write_csv(folder / "flights.csv", null_value="NA")


@pytest.fixture
def damaged(small_source: str, tmp_path: Path) -> Callable[[Callable[[Path], None]], str]:
    def make(damage: Callable[[Path], None]) -> str:
        folder = tmp_path / "source"
        shutil.copytree(small_source, folder)
        damage(folder)
        return str(folder)

    return make


def _assert_clear(result: Result, *words: str) -> None:
    assert result.status != 0
    flat = " ".join(result.output.replace("│", " ").split())
    for word in words:
        assert word in flat, result.output
    assert "Traceback" not in result.output, result.output
    assert "To mend" in flat


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without_file, ("weather.csv", "no such file")),
        (_truncated, ("flights", "cut off")),
        (_truncated_zip, ("flights.csv.zip", "whole zip")),
        (_without_column, ("column carrier",)),
        (_few_rows, ("must be at least 200", "got 52")),
        (_missing_days, ("must pass validation", "4 missing, such as 2013-02-03")),
    ],
)
def test_a_damaged_source(
    tmp_path: Path,
    small_source: str,
    damaged: Callable[[Callable[[Path], None]], str],
    damage: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    project = Project(tmp_path / "home", small_source)
    _assert_clear(project.run("training", source=damaged(damage)), *words)


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        ("2012-12-31", ("as_of must lie within the data", "2012-12-31")),
        ("2014-06-01", ("as_of must lie within the data", "2014-06-01")),
        ("2013-01-01", ("must hold rows", "none known")),  # midnight UTC: no flight has left yet
    ],
)
def test_a_clock_outside_the_data(tmp_path: Path, small_source: str, as_of: str, words: tuple[str, ...]) -> None:
    project = Project(tmp_path / "home", small_source)
    _assert_clear(project.run("ingest", as_of=as_of), *words)


def test_a_source_that_is_nowhere(tmp_path: Path, small_source: str) -> None:
    project = Project(tmp_path / "home", small_source)
    _assert_clear(project.run("ingest", source=str(tmp_path / "nowhere")), "nowhere", "must hold planes.csv")


def test_too_few_days_name_how_many(tmp_path: Path, small_source: str) -> None:
    project = Project(tmp_path / "home", small_source, config={"evaluation_days": 28, "folds": 4, "fold_days": 28})
    _assert_clear(project.run("training"), "training needs 168 labelled days", "98")


def test_one_class_only(tmp_path: Path, small_source: str) -> None:
    folder = tmp_path / "source"
    shutil.copytree(small_source, folder)
    rows = pl.read_csv(folder / "flights.csv", infer_schema=False)
    late = pl.col("arr_delay").str.contains("^[0-9]")
    punctual = {"dep_time": "sched_dep_time", "arr_time": "sched_arr_time"}
    rows.with_columns(
        *(pl.when(late).then(pl.lit("0")).otherwise(name).alias(name) for name in ("dep_delay", "arr_delay")),
        *(pl.when(late).then(planned).otherwise(name).alias(name) for name, planned in punctual.items()),
    ).write_csv(folder / "flights.csv", null_value="NA")
    project = Project(tmp_path / "home", str(folder))
    _assert_clear(project.run("training"), "labels of both classes", "0 positive")


def test_an_unknown_setting_is_refused(tmp_path: Path, small_source: str) -> None:
    project = Project(tmp_path / "home", small_source, config={"folds": 1, "fold_dayz": 7})
    result = project.run("training")
    assert result.status != 0
    assert "fold_dayz" in result.output


def test_a_damaged_table_and_then_its_mending(tmp_path: Path, small_source: str) -> None:
    project = Project(tmp_path / "home", small_source)
    assert project.run("ingest").status == 0
    next((project.home / "lake" / "flights").rglob("*.parquet")).unlink()
    _assert_clear(project.run("ingest"), "must be a readable Delta table", "remove it")
    shutil.rmtree(project.home / "lake" / "flights")  # as the message says
    assert project.run("ingest").status == 0


def test_a_full_disk(tmp_path: Path, small_source: str) -> None:
    """A file-size limit stands in for a full disk: writes fail with an OSError in the middle of a file."""
    import subprocess

    project = Project(tmp_path / "home", small_source)
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; trap "" XFSZ; exec "$@"', "-", *project.command("training")],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "must be writable" in " ".join(output.replace("│", " ").split()), output
    assert project.run("ingest").status == 0  # and with room again it goes on


def test_a_setting_that_there_is_not(tmp_path: Path, small_source: str) -> None:
    project = Project(tmp_path / "home", small_source, config={"network": {"widht": 64}, "folds": 0})
    _assert_clear(project.run("training"), "network.widht: no such setting; did you mean width?", "folds = 0", "settings.py")
    assert not (project.home / "lake").exists()
