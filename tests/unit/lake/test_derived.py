"""Derived tables: the days whose inputs changed are made again, in stretches, and no others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot
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
