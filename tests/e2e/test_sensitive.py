"""Restricted values stay in the lake's tables: nothing else that a run writes or prints has them."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tasks.contracts import sensitive
from tasks.usecase.contract import TABLES
from tests.e2e.harness import Project

pytestmark = pytest.mark.e2e

TAIL = "N0M4RK"
MAKER = "MARKED AIRCRAFT WORKS"
_WORD = re.compile(rb"[\w-]+")


def _texts(path: Path) -> Iterator[bytes]:
    """Return what a file says, unpacked: compression hides a value from a search and not from a reader."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet" or data[:4] == b"PAR1":
        frame = pl.read_parquet(path)
        yield "\n".join(frame.select(pl.col(pl.String).unique().implode()).unpivot()["value"].explode().drop_nulls()).encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def _has(text: bytes, values: set[bytes]) -> bool:
    """Return whether a text has a value, as words of its own; of thousands, those are looked for whose first word it has."""
    words = {found.group() for found in _WORD.finditer(text)}
    near = (value for value in values if not (first := _WORD.match(value)) or first.group() in words)
    return any(re.search(rb"(?<![\w-])" + re.escape(value) + rb"(?![\w-])", text) for value in near)


def _leaks(home: Path, values: set[bytes]) -> set[str]:
    """Return the files with a value, other than the tables whose contract has it."""
    tables = [home / "lake" / table.name for table in TABLES if sensitive(table.schema)]
    files = (path for path in home.rglob("*") if path.is_file() and not any(path.is_relative_to(table) for table in tables))
    return {str(path.relative_to(home)) for path in files if any(_has(text, values) for text in _texts(path))}


def test_a_value_is_found_as_words_of_its_own() -> None:
    values = {b"N10", b"MARKED WORKS", b"(X) 7"}
    for text in (b"N10", b"of N10, late", b"a\xff\x00N10\x00", b"by MARKED WORKS.", b"MARKED MARKED WORKS", b"no. (X) 7"):
        assert _has(text, values)
    for text in (b"", b"N102", b"AN10", b"N10-7", b"-N10", b"MARKED", b"MARKED  WORKS", b"MARKED WORKSHOP", b"7"):
        assert not _has(text, values)


def test_no_file_of_a_finished_run_has_a_restricted_value(finished: Project) -> None:
    values: set[bytes] = set()
    for table in TABLES:
        rows = pl.read_delta(str(finished.home / "lake" / table.name))
        values |= {value.encode() for name in sensitive(table.schema) for value in rows.get_column(name).drop_nulls()}
    assert len(values) > 1_000
    # Makers that are also words of the report would be no leak: none is.
    assert _leaks(finished.home, values) == set()
    assert not _has(finished.output.encode(), values)


def test_neither_has_a_run_that_sets_their_rows_aside_and_stops(finished: Project, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    shutil.copytree(finished.source, folder)
    flights = pl.read_csv(folder / "flights.csv", infer_schema=False)
    is_bad = pl.int_range(pl.len()) % 3 == 0  # so many that the batch stops, with examples
    flights.with_columns(
        pl.lit(TAIL).alias("tailnum"), pl.when(is_bad).then(pl.lit("9999")).otherwise("dep_time").alias("dep_time")
    ).write_csv(folder / "flights.csv")
    planes = pl.read_csv(folder / "planes.csv", infer_schema=False)
    planes.with_columns(pl.lit(MAKER).alias("manufacturer"), pl.lit("a word").alias("seats")).write_csv(folder / "planes.csv")
    project = Project(tmp_path / "home", str(folder))
    result = project.run("validation")
    assert result.status != 0
    assert "quarantine of flights" in result.output
    assert TAIL not in result.output
    assert MAKER not in result.output
    quarantine = pl.read_delta(str(project.home / "lake" / "quarantine"))
    assert quarantine.height > 1_000
    assert set(pl.read_delta(str(project.home / "lake" / "flights"))["tailnum"]) == {TAIL}  # it went through
    assert _leaks(project.home, {TAIL.encode(), MAKER.encode()}) == set()
