"""Derived tables: the days whose inputs changed are made again, in stretches, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot
from tasks.artifacts.record import Window
from tasks.errors import LakeError
from tasks.lake import derived, tables
from tasks.lake.derived import Derived

pytestmark = pytest.mark.unit

DAYS = [date(2013, 1, 1) + timedelta(days=n) for n in range(10)]
SNAPSHOT = DataSnapshot.model_construct(source="toy", as_of=datetime(2013, 1, 11, tzinfo=UTC))


class Builder:
    """Two rows a day, of a value that may change; remembers what was asked."""

    def __init__(self, value: int = 1) -> None:
        self.value, self.asked = value, list[tuple[date, date]]()

    def __call__(self, first: date, last: date) -> pl.DataFrame:
        self.asked.append((first, last))
        days = [day for day in DAYS if first <= day <= last for _ in range(2)]
        return pl.DataFrame({"batch_day": days, "value": [self.value] * len(days)}, schema_overrides={"batch_day": pl.Date})


def inputs(changed: tuple[int, ...] = (), days: int = 10) -> dict[date, str]:
    return {day: "changed" if n in changed else "as it was" for n, day in enumerate(DAYS[:days])}


@pytest.fixture(params=[False, True], ids=["a file a day", "small"])
def is_small(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_only_changed_days_are_made_again_and_runs_of_them_at_once(is_small: bool, tmp_path: Path) -> None:
    lake, first, second = str(tmp_path), Builder(1), Builder(2)
    assert derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", first, is_small), inputs())[1] == 10
    version, made = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", second, is_small), inputs(changed=(2, 3, 4, 7)))
    assert (first.asked, second.asked) == ([(DAYS[0], DAYS[9])], [(DAYS[2], DAYS[4]), (DAYS[7], DAYS[7])])
    assert made == 4
    rows = tables.scan(f"{lake}/twice", version).collect().sort("batch_day")
    assert rows["value"].to_list() == [2 if n in (2, 3, 4, 7) else 1 for n in range(10) for _ in range(2)]


def test_nothing_new_writes_nothing(is_small: bool, tmp_path: Path) -> None:
    lake, builder = str(tmp_path), Builder()
    before = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", builder, is_small), inputs())
    builder.asked.clear()
    assert derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", builder, is_small), inputs()) == (before[0], 0)
    assert builder.asked == []


def test_a_run_that_was_killed_before_the_ledger_makes_its_days_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    lake = str(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(derived.ledger, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(1)), inputs())
    version, made = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(2)), inputs())
    assert made == 10
    assert tables.scan(f"{lake}/twice", version).collect()["value"].to_list() == [2] * 20


def test_another_run_between_makes_the_days_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writes its rows and its ledger between our rows and our ledger."""
    lake, builder = str(tmp_path), Builder(1)
    write = derived.ledger.write

    def late(*arguments: object) -> None:
        monkeypatch.setattr(derived.ledger, "write", write)
        derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(2)), inputs(changed=(3,)))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(derived.ledger, "write", late)
    version, made = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", builder), inputs())
    assert made == 10
    assert len(builder.asked) == 2
    assert tables.scan(f"{lake}/twice", version).collect()["value"].to_list() == [1] * 20
    assert derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(9)), inputs()) == (version, 0)


def test_other_columns_make_every_day_again_and_leave_old_versions(is_small: bool, tmp_path: Path) -> None:
    """Days of another clock, which are not asked for now, must not be taken for made later on."""
    lake, uri = str(tmp_path), f"{tmp_path}/twice"

    def more(first: date, last: date) -> pl.DataFrame:
        return Builder(2)(first, last).with_columns(added=pl.lit(1.5))

    before, _ = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(1), is_small), inputs())
    later = dict.fromkeys(DAYS[:4], "new code")
    version, made = derived.bring_up(lake, SNAPSHOT, Derived("twice", "2", more, is_small), later)
    assert made == 4
    rows = tables.scan(uri, version).collect()
    assert rows.columns == ["batch_day", "value", "added"]
    assert sorted(rows["batch_day"].unique()) == DAYS[:4]
    assert tables.scan(uri, before).collect().columns == ["batch_day", "value"]
    back, made = derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(1), is_small), inputs())
    assert made == 10
    assert tables.scan(uri, back).collect()["value"].to_list() == [1] * 20


# --- side by side -----------------------------------------------------------------------------------------------------


def block(first: int, last: int) -> Window:
    return Window(first_day=DAYS[first], last_day=DAYS[last])


def test_blocks_give_what_one_run_gives(is_small: bool, tmp_path: Path) -> None:
    lake, builder = str(tmp_path), Builder()
    table = Derived("twice", "1", builder, is_small)
    assert derived.begin(lake, SNAPSHOT, table, inputs()) == DAYS[1:]
    assert builder.asked == [(DAYS[0], DAYS[0])]  # so that the table is there, with its columns
    for one in (block(6, 9), block(1, 5)):
        done = derived.fill(lake, SNAPSHOT, table, inputs(), one)
        days = (one.last_day - one.first_day).days + 1
        assert (done.block, done.days, done.rows) == (one, days, 2 * days)
    assert derived.begin(lake, SNAPSHOT, table, inputs()) == []
    assert derived.bring_up(lake, SNAPSHOT, table, inputs())[1] == 0
    rows = tables.scan(f"{lake}/twice").collect().sort("batch_day")
    assert rows.equals(Builder()(DAYS[0], DAYS[9]))


def test_a_block_makes_its_due_days_alone(is_small: bool, tmp_path: Path) -> None:
    lake, builder = str(tmp_path), Builder()
    derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(), is_small), inputs())
    done = derived.fill(lake, SNAPSHOT, Derived("twice", "1", builder, is_small), inputs(changed=(1, 4, 5, 9)), block(3, 9))
    assert builder.asked == [(DAYS[4], DAYS[5]), (DAYS[9], DAYS[9])]
    assert done.days == 3


def test_other_columns_begin_the_table_anew_before_blocks_are_made(is_small: bool, tmp_path: Path) -> None:
    def more(first: date, last: date) -> pl.DataFrame:
        return Builder(2)(first, last).with_columns(added=pl.lit(1.5))

    lake = str(tmp_path)
    derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(1), is_small), inputs())
    later, table = dict.fromkeys(DAYS, "new code"), Derived("twice", "2", more, is_small)
    assert derived.begin(lake, SNAPSHOT, table, later) == DAYS[1:]
    derived.fill(lake, SNAPSHOT, table, later, block(1, 9))
    assert tables.scan(f"{lake}/twice").collect().columns == ["batch_day", "value", "added"]
    assert derived.bring_up(lake, SNAPSHOT, table, later)[1] == 0


@pytest.mark.parametrize("is_small", [False], indirect=True, ids=["a file a day"])
def test_a_block_of_other_columns_is_refused(is_small: bool, tmp_path: Path) -> None:
    """Of two that begin a table anew at once, one would empty what the other has made."""
    lake = str(tmp_path)
    derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(1)), inputs())
    other = Derived("twice", "2", lambda first, last: Builder()(first, last).with_columns(added=1))
    with pytest.raises(LakeError, match="must keep its schema"):
        derived.fill(lake, SNAPSHOT, other, dict.fromkeys(DAYS, "new code"), block(1, 9))
    assert tables.scan(f"{lake}/twice").collect().height == 20


def test_another_run_of_the_same_days_between_is_seen(is_small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writes its rows and its ledger between our rows and our ledger."""
    lake, uri, write = str(tmp_path), f"{tmp_path}/twice", derived.ledger.write
    derived.begin(lake, SNAPSHOT, Derived("twice", "1", Builder(1), is_small), inputs())

    def late(*arguments: object) -> None:
        monkeypatch.setattr(derived.ledger, "write", write)
        derived.bring_up(lake, SNAPSHOT, Derived("twice", "1", Builder(2), is_small), inputs(changed=(3,)))
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(derived.ledger, "write", late)
    derived.fill(lake, SNAPSHOT, Derived("twice", "1", Builder(1), is_small), inputs(), block(1, 9))
    assert tables.scan(uri).collect()["value"].to_list() == [1] * 20
    assert derived.due(lake, Derived("twice", "1", Builder(), is_small), inputs()) == []


def test_others_without_end_are_a_lake_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, table = str(tmp_path), Derived("twice", "1", Builder(1))
    derived.begin(lake, SNAPSHOT, table, inputs())
    monkeypatch.setattr(derived.content, "by_day", lambda rows: {DAYS[0]: (rows.height, str(next(counted)))})
    counted = iter(range(99))
    with pytest.raises(LakeError, match="one run at a time must make twice"):
        derived.fill(lake, SNAPSHOT, table, inputs(), block(1, 2))
