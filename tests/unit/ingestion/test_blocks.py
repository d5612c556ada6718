"""Blocks of a feed: brought in any order they give what one ingest gives, and what is there is not brought again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.record import Window
from tasks.errors import ClockError
from tasks.ingestion import blocks, days
from tasks.ingestion.feed import Source
from tasks.lake import ledger, manifest, tables
from tests.unit.ingestion.test_days import READ, at, feed, files, lake, parcels, source  # noqa: F401 - a fixture among them

pytestmark = pytest.mark.unit


def block(first: int, last: int) -> Window:
    return Window(first_day=date(2013, 1, first), last_day=date(2013, 1, last))


def same(snapshot: DataSnapshot) -> dict[str, object]:
    """Return what does not depend on the place of the lake and the number of commits."""
    told = snapshot.model_dump(exclude={"tables", "manifest"})
    return told | {"tables": [(t.name, t.rows, t.content_hash) for t in snapshot.tables]}


@settings(max_examples=8)  # each fills two lakes
@given(order=st.permutations(range(6)), most=st.integers(1, 6), hour=st.integers(0, 23))
def test_blocks_in_any_order_give_what_one_ingest_gives(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], most: int, hour: int
) -> None:
    folder = tmp_path_factory.mktemp("lakes")
    heavy = parcels().with_columns(weight=pl.when(pl.col("id") == "4").then(pl.lit("51")).otherwise("weight"))
    bound, as_of = feed(heavy), at(5, hour)
    whole, mine = days.ingest(bound, f"{folder}/whole", as_of), f"{folder}/blocks"
    planned = blocks.plan(bound, mine, as_of, most)
    for n in order:
        if n < len(planned):
            blocks.fill(bound, mine, as_of, planned[n])
    versions = {name: tables.version_of(f"{mine}/{name}") for name in ("parcels", "scans", "depots", "quarantine", ledger.LEDGER)}
    closed = days.ingest(bound, mine, as_of)
    assert same(closed) == same(whole)
    assert manifest.read(closed).equals(manifest.read(whole))
    assert ledger.read(mine) == ledger.read(f"{folder}/whole")
    assert {name: tables.version_of(f"{mine}/{name}") for name in versions} == versions, "nothing was left to do"
    for name in ("parcels", "scans"):
        held, wanted = tables.read(f"{mine}/{name}"), tables.read(f"{folder}/whole/{name}")
        assert held is not None
        assert wanted is not None
        assert held.sort("id").equals(wanted.sort("id"))


def test_what_is_there_is_not_planned_again(lake: str) -> None:  # noqa: F811
    bound = feed(parcels())
    planned = blocks.plan(bound, lake, at(6, 12), 2)
    assert planned == [block(1, 2), block(3, 4), block(5, 6)]
    done = blocks.fill(bound, lake, at(6, 12), planned[1])
    assert (done.block, done.days, done.rows) == (block(3, 4), 4, 16)  # of parcels and scans two days each
    assert blocks.plan(bound, lake, at(6, 12), 2) == [block(1, 2), block(5, 6)]
    assert blocks.fill(bound, lake, at(6, 12), planned[1]).days == 0
    for one in (planned[0], planned[2]):
        blocks.fill(bound, lake, at(6, 12), one)
    READ.clear()
    assert [found for found in blocks.plan(bound, lake, at(6, 12), 2) if found.first_day.day < 6] == []
    assert "parcels/2013-01-02.csv" not in READ


def test_a_block_reads_its_own_days_alone(lake: str) -> None:  # noqa: F811
    bound = feed(parcels())
    blocks.plan(bound, lake, at(6), 2)
    READ.clear()
    blocks.fill(bound, lake, at(6), block(3, 4))
    assert READ == ["parcels/2013-01-03.csv", "parcels/2013-01-04.csv", "scans/2013-01-03.csv", "scans/2013-01-04.csv"]


def test_a_corrected_file_is_a_block_of_its_own(lake: str) -> None:  # noqa: F811
    days.ingest(feed(parcels()), lake, at(6, 12))
    mended = feed(parcels().with_columns(weight=pl.when(pl.col("id") == "8").then(pl.lit("9")).otherwise("weight")))
    settled = [found for found in blocks.plan(mended, lake, at(6, 12), 31) if found.first_day.day < 5]
    assert [found.first_day for found in settled] == [date(2013, 1, 3)]


def test_a_block_that_was_killed_costs_itself(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    bound = feed(parcels())
    planned = blocks.plan(bound, lake, at(6), 2)
    blocks.fill(bound, lake, at(6), planned[0])
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", _dies)
        with pytest.raises(KeyboardInterrupt):
            blocks.fill(bound, lake, at(6), planned[1])  # its rows are there, and the ledger does not know
    assert blocks.plan(bound, lake, at(6), 2) == planned[1:]
    for one in planned[1:]:
        blocks.fill(bound, lake, at(6), one)
    assert same(days.ingest(bound, lake, at(6))) == same(days.ingest(bound, f"{lake}-whole", at(6)))


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_file_with_all_days_is_left_to_ingest(lake: str) -> None:  # noqa: F811
    assert blocks.plan(source(), lake, at(6), 2) == []
    assert not Path(lake).exists()


@pytest.mark.parametrize("made", [feed, source], ids=["a file a day", "one file"])
def test_a_clock_outside_the_data_writes_nothing(lake: str, made: object) -> None:  # noqa: F811
    bound: Source = replace(feed(parcels()) if made is feed else source())
    if made is feed:
        with pytest.raises(ClockError, match="as_of must lie within the data"):
            blocks.plan(bound, lake, at(20), 2)
    else:
        blocks.plan(bound, lake, at(20), 2)  # told by the ingest that reads the file
    assert not Path(lake).exists()
