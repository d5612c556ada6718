"""The store of features: days that hold are left alone, and the rows are those of one build of everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import Instant, SourceFile, Table
from tasks.errors import ConfigError, LakeError
from tasks.features import store
from tasks.ingestion.days import ingest
from tasks.ingestion.feed import Source
from tasks.lake import derived, tables
from tasks.lake.snapshots import read_day

pytestmark = pytest.mark.unit

DAYS = [date(2013, 1, 1) + timedelta(days=n) for n in range(12)]
LOOKBACK = timedelta(days=2)


class Sales(pa.DataFrameModel):
    sold: Instant
    amount: int


SALES = Table("sales", Sales, ("sold",))


def source(amounts: Mapping[date, int]) -> Source:
    def read(table: Table, file: SourceFile) -> pl.DataFrame:
        assert file.day is not None
        return pl.DataFrame({"sold": [f"{file.day}T12:00:00Z"], "amount": [str(amounts[file.day])]})

    return Source(
        "toy",
        (SALES,),
        lambda table: [SourceFile(f"{day}.csv", str(amount), day) for day, amount in amounts.items()],
        read,
        lambda table: pl.col("sold").dt.date(),
        known_by,
        "UTC",
        timedelta(hours=1),
    )


def known_by(frames: Mapping[str, pl.LazyFrame], as_of: datetime) -> dict[str, pl.LazyFrame]:
    return {"sales": frames["sales"].filter(pl.col("sold") <= as_of)}


BUILT: list[tuple[date, date]] = []


def build(raw: Mapping[str, pl.LazyFrame], days: tuple[date, date]) -> pl.LazyFrame:
    """Return of each day the sum of its sales and those of the two days before."""
    BUILT.append(days)
    daily = raw["sales"].select(pl.col("sold").dt.date().alias("batch_day"), "amount").sort("batch_day")
    summed = daily.with_columns(total=pl.col("amount").rolling_sum_by("batch_day", "3d"))
    return summed.filter(pl.col("batch_day").is_between(*days)).drop("amount")


DEFINITION = store.Definition(build, known_by, LOOKBACK, "1")
AMOUNTS = {day: 10 + n for n, day in enumerate(DAYS)}


@pytest.fixture(autouse=True)
def _nothing_built_yet() -> None:
    BUILT.clear()


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def snapshot(lake: str, day: date, amounts: Mapping[date, int] = AMOUNTS) -> DataSnapshot:
    return ingest(source(amounts), lake, datetime(day.year, day.month, day.day, 13, tzinfo=UTC))


def totals(lake: str, version: int, days: list[date]) -> list[int]:
    rows = tables.scan(f"{lake}/{store.FEATURES}", version, days).sort("batch_day").collect()
    return rows.get_column("total").to_list()


def expected(amounts: Mapping[date, int], last: int) -> list[int]:
    values = [amounts[day] for day in DAYS]
    return [sum(values[max(0, n - 2) : n + 1]) for n in range(last)]


def test_the_rows_are_those_of_one_build(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "_LONGEST_STRETCH", 4)
    version, days, built = store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    assert (days, built) == (DAYS[:10], 10)
    assert [(DAYS[0], DAYS[3]), (DAYS[4], DAYS[7]), (DAYS[8], DAYS[9])] == BUILT
    assert totals(lake, version, days) == expected(AMOUNTS, 10)


def test_a_night_builds_its_day_alone(lake: str) -> None:
    store.bring_up(snapshot(lake, DAYS[8]), lake, DEFINITION)
    BUILT.clear()
    version, days, built = store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    assert (BUILT, built) == ([(DAYS[9], DAYS[9])], 1)
    assert totals(lake, version, days) == expected(AMOUNTS, 10)


def test_nothing_changed_builds_nothing(lake: str) -> None:
    first = store.bring_up(snapshot(lake, DAYS[8]), lake, DEFINITION)
    BUILT.clear()
    again = store.bring_up(snapshot(lake, DAYS[8]), lake, DEFINITION)
    assert BUILT == []
    assert again[:2] == first[:2]


def test_a_corrected_day_builds_what_looks_back_on_it(lake: str) -> None:
    store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    BUILT.clear()
    mended = AMOUNTS | {DAYS[3]: 1_000}
    version, days, _ = store.bring_up(snapshot(lake, DAYS[9], mended), lake, DEFINITION)
    assert [(DAYS[3], DAYS[5])] == BUILT
    assert totals(lake, version, days) == expected(mended, 10)


def test_changed_code_builds_every_day_again(lake: str) -> None:
    store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    BUILT.clear()
    store.bring_up(snapshot(lake, DAYS[9]), lake, replace(DEFINITION, version="2"))
    assert [(DAYS[0], DAYS[9])] == BUILT


def test_an_earlier_instant_has_its_own_days(lake: str) -> None:
    store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    version, days, built = store.bring_up(snapshot(lake, DAYS[5]), lake, DEFINITION)
    assert (days, built) == (DAYS[:6], 0)
    assert totals(lake, version, days) == expected(AMOUNTS, 6)


def test_a_store_that_was_removed_is_filled_again(lake: str) -> None:
    import shutil

    store.bring_up(snapshot(lake, DAYS[4]), lake, DEFINITION)
    shutil.rmtree(f"{lake}/{store.FEATURES}")
    _, _, built = store.bring_up(snapshot(lake, DAYS[4]), lake, DEFINITION)
    assert built == 5


def test_blocks_read_no_further_back_than_they_must_and_give_the_same(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[tuple[date, date]]()
    real = store.read_snapshot
    monkeypatch.setattr(store, "read_snapshot", lambda taken, known, days: (read.append(days), real(taken, known, days))[1])
    taken = snapshot(lake, DAYS[9])
    planned = store.plan(taken, lake, DEFINITION, 4)
    assert [(found.first_day, found.last_day) for found in planned] == [(DAYS[1], DAYS[4]), (DAYS[5], DAYS[8]), (DAYS[9], DAYS[9])]
    assert [store.fill(taken, lake, DEFINITION, one).days for one in reversed(planned)] == [1, 4, 4]
    assert read == [(first - LOOKBACK, last) for first, last in BUILT]
    version, days, built = store.bring_up(taken, lake, DEFINITION)
    assert (built, store.plan(taken, lake, DEFINITION, 4)) == (0, [])
    assert totals(lake, version, days) == expected(AMOUNTS, 10)


# --- days as references -----------------------------------------------------------------------------------------------


def test_a_day_is_read_by_its_reference(lake: str) -> None:
    version, days, _ = store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    found = store.days_of(lake, version, days, "2013-01-03", "2013-01-05")
    assert [(one.day, one.rows) for one in found] == [(day, 1) for day in DAYS[2:5]]
    assert [read_day(one)["total"].item() for one in found] == expected(AMOUNTS, 10)[2:5]
    mended = AMOUNTS | {DAYS[3]: 1_000}
    version, days, _ = store.bring_up(snapshot(lake, DAYS[9], mended), lake, DEFINITION)
    later = store.days_of(lake, version, days, "2013-01-03", "2013-01-05")
    assert [a.content_hash == b.content_hash for a, b in zip(found, later, strict=True)] == [True, False, False]
    assert [read_day(one)["total"].item() for one in found] == expected(AMOUNTS, 10)[2:5]  # of its version, whatever came since


def test_a_reference_that_its_version_does_not_hold_is_refused(lake: str) -> None:
    version, days, _ = store.bring_up(snapshot(lake, DAYS[4]), lake, DEFINITION)
    (one,) = store.days_of(lake, version, days, "2013-01-03", "2013-01-03")
    for other in (one.model_copy(update={"content_hash": "0" * 16}), one.model_copy(update={"day": DAYS[9]})):
        with pytest.raises(LakeError, match="another run wrote meanwhile"):
            read_day(other)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2013-01-04", "2013-01-03", "last_day must not come before first_day; got 2013-01-04 to 2013-01-03"),
        ("2012-12-31", "2013-01-01", "within the data, 2013-01-01 to 2013-01-05; got no rows on 2012-12-31"),
        ("2013-01-05", "2013-02-01", "2013-01-10 and 22 more"),  # capped
        ("2013-01-06", "2013-01-06", "no rows on 2013-01-06"),  # the lake knows it, the clock does not
        ("1 October", "2013-01-01", "first_day must be a date such as 2013-10-01; got '1 October'"),
        ("2013-01-01", "2013-01-32", "last_day must be a date"),
    ],
)
def test_days_that_are_not_there(lake: str, first: str, last: str, words: str) -> None:
    store.bring_up(snapshot(lake, DAYS[9]), lake, DEFINITION)
    version, days, _ = store.bring_up(snapshot(lake, DAYS[4]), lake, DEFINITION)
    with pytest.raises(ConfigError) as raised:
        store.days_of(lake, version, days, first, last)
    assert words in str(raised.value)
