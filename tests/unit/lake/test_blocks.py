"""Blocks of days: every day once, no more blocks than needed, and a predicate by which writers of other days do not conflict."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.record import Window
from tasks.lake import blocks, tables

pytestmark = pytest.mark.unit

FIRST = date(2013, 1, 1)
DAYS = st.sets(st.integers(0, 400)).map(lambda found: [FIRST + timedelta(days=n) for n in found])


@given(DAYS, st.integers(1, 100))
def test_every_day_lies_in_one_block(days: list[date], most: int) -> None:
    found = blocks.cover(days, most)
    assert sorted(day for block in found for day in blocks.within(days, block)) == sorted(days)
    assert all(block.first_day in days and block.last_day in days for block in found)
    assert all((block.last_day - block.first_day).days < most for block in found)


@given(DAYS, st.integers(1, 100))
def test_there_are_no_more_blocks_than_needed(days: list[date], most: int) -> None:
    """The first days of blocks are too far apart for any two of them to share one."""
    starts = [block.first_day for block in blocks.cover(days, most)]
    assert all((later - before).days >= most for before, later in pairwise(starts))


@given(DAYS, st.integers(1, 40))
def test_runs_are_days_without_a_gap(days: list[date], most: int) -> None:
    found = list(blocks.runs(sorted(days), most))
    assert [day for run in found for day in run] == sorted(days)
    assert all((run[-1] - run[0]).days == len(run) - 1 < most for run in found)


def test_blocks_of_a_month() -> None:
    days = [FIRST + timedelta(days=n) for n in (0, 1, 30, 31, 200)]
    assert blocks.cover(days, 31) == [
        Window(first_day=FIRST, last_day=date(2013, 1, 31)),
        Window(first_day=date(2013, 2, 1), last_day=date(2013, 2, 1)),
        Window(first_day=days[-1], last_day=days[-1]),
    ]


# --- as a predicate ---------------------------------------------------------------------------------------------------


def rows(days: list[date], x: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [x] * len(days), "batch_day": days}, schema={"x": pl.Int64, "batch_day": pl.Date})


@given(DAYS)
def test_it_holds_for_the_days_and_no_others(days: list[date]) -> None:
    every = pl.SQLContext(t=rows([FIRST + timedelta(days=n) for n in range(-1, 402)], 1).lazy())
    found = every.execute(f"SELECT batch_day FROM t WHERE {tables.where(days)}").collect()
    assert sorted(found.to_series()) == sorted(days)


@pytest.mark.parametrize("step", [1, 2], ids=["months", "every other day of them"])
@pytest.mark.parametrize("partition", [["batch_day"], None], ids=["days apart", "small"])
def test_a_writer_of_other_days_is_no_conflict(tmp_path: Path, step: int, partition: list[str] | None) -> None:
    """Delta calls it one where it cannot tell: a list of more than 20 values is too long for it."""
    uri, months = str(tmp_path), [[FIRST + timedelta(days=100 * n + i * step) for i in range(31)] for n in range(3)]
    tables._write(uri, rows(months[2], 0), tables.where(months[2]), partition)
    late = tables.open_table(uri)
    assert late is not None
    tables._write(uri, rows(months[0], 1), tables.where(months[0]), partition)
    write_deltalake(late, rows(months[1], 2).to_arrow(), mode="overwrite", predicate=tables.where(months[1]))
    held = tables.read(uri)
    assert held is not None
    assert dict(held.group_by("x").len().iter_rows()) == {0: 31, 1: 31, 2: 31}
