"""A day against the days before: every rule fires on its damage, stays silent on what is usual, and names the day."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
import pytest

from tasks.artifacts.data import Severity
from tasks.contracts import Table
from tasks.validation.change import changes
from tasks.validation.outcome import TOO_FEW, Outcome
from tests.unit.validation import toy

pytestmark = pytest.mark.unit

BAD = 50
NONE = pl.lit(None)
SHUFFLED = pl.col("late").shuffle(seed=1)


def judged(rows: pl.DataFrame) -> dict[str, Outcome]:
    return {outcome.rule.removesuffix(" of toy"): outcome for outcome in changes(toy.profiled(rows), toy.TOY, toy.RULES)}


def test_usual_days_pass() -> None:
    outcomes = judged(toy.events())
    assert set(outcomes) == {"volume", "nulls", "constants", "scale", "categories", "labels"}
    assert {rule: list(outcome.events) for rule, outcome in outcomes.items()} == {rule: [] for rule in outcomes}
    assert outcomes["volume"].sound == "none on 34 days"  # 63, less the 28 without four weekdays before them, less the newest


@pytest.mark.parametrize("days", [0, 1, 2, 28])
def test_without_history_there_is_nothing_to_compare(days: int) -> None:
    outcomes = judged(toy.events(days=days) if days else toy.events(days=1).clear())
    assert [list(outcome.events) for outcome in outcomes.values()] == [[]] * 6
    assert {outcome.sound for outcome in outcomes.values()} == {TOO_FEW}


@pytest.mark.parametrize(
    ("rows", "severity"),
    [
        (31, None),
        (30, "WARN"),  # three quarters
        (11, "WARN"),
        (10, "STOP"),
        (59, None),
        (60, "WARN"),
        (80, "STOP"),  # twice
    ],
)
def test_volume(rows: int, severity: str | None) -> None:
    found = judged(toy.events({BAD: rows}))["volume"]
    assert [(e.day, e.severity) for e in found.events] == ([(toy.day(BAD), severity)] if severity else [])


def test_weekdays_are_compared_with_their_own_kind() -> None:
    """Every Saturday has half of the rows; that is how Saturdays are."""
    saturdays = {d: 20 for d in range(toy.DAYS) if toy.day(d).weekday() == 5}
    assert list(judged(toy.events(saturdays))["volume"].events) == []


def test_the_newest_day_may_be_cut_by_the_clock() -> None:
    assert list(judged(toy.events({toy.DAYS - 1: 1}))["volume"].events) == []


@pytest.mark.parametrize(("before_newest", "is_told"), [(4, True), (3, False), (1, False)])
def test_columns_that_fill_late_may_be_empty_for_so_long(before_newest: int, is_told: bool) -> None:
    rows = toy.on_day(toy.events(), toy.DAYS - 1 - before_newest, late=NONE)
    rules = toy.RULES.model_copy(update={"late_days": 3})
    outcomes = {outcome.rule: list(outcome.events) for outcome in changes(toy.profiled(rows), toy.TOY, rules)}
    assert bool(outcomes["nulls of toy"]) is is_told
    assert judged(rows)["nulls"].events, "without late days it is told"


def test_days_of_few_rows_are_not_compared() -> None:
    rows = toy.events().filter(pl.col("number") < 19)
    assert judged(rows)["volume"].sound == TOO_FEW


def _first(share: float) -> pl.Expr:
    return pl.when(pl.col("number") < share * toy.ROWS_A_DAY).then(NONE).otherwise(pl.col("value"))


@pytest.mark.parametrize(
    ("changed", "rule", "severity", "words"),
    [
        # a share of nulls above the most that these weekdays had
        ({"value": _first(0.2)}, "nulls", None, ""),
        ({"value": _first(0.3)}, "nulls", "WARN", "value is 30% null, before at most 0%"),
        ({"value": _first(0.8)}, "nulls", "STOP", "value is 80% null"),
        ({"value": NONE, "early": NONE}, "nulls", "STOP", "is 100% null, before at most 0%; "),  # one finding for both
        # one value
        ({"value": 77.0}, "constants", "STOP", "value has one value in 40 rows"),
        ({"kind": pl.lit("a")}, "constants", "STOP", "kind has one value"),
        ({"kind": pl.when(pl.col("number") < 5).then(pl.lit("a")).otherwise(pl.lit("b"))}, "constants", None, ""),
        # another unit, scale or offset
        ({"value": pl.col("value") * 1.05}, "scale", None, ""),
        ({"value": pl.col("value") * 1.609}, "scale", "WARN", "value: median"),
        ({"value": pl.col("value") * 60}, "scale", "STOP", "value: median"),
        ({"value": pl.col("value") / 60}, "scale", "STOP", "value: median"),
        ({"value": pl.col("value") + 300}, "scale", "STOP", "value: median"),  # an offset, such as another zone
        # categories
        ({"kind": pl.when(pl.col("number") == 0).then(pl.lit("d")).otherwise(pl.col("kind"))}, "categories", "WARN", "kind: 1 new, d"),
        ({"kind": "K" + pl.col("kind")}, "categories", "STOP", "kind: 3 new, Ka, Kb, Kc"),
        ({"kind": pl.col("kind").replace("c", "a")}, "categories", "WARN", "kind: 1 gone, c"),
        ({"owner": pl.lit("nobody")}, "categories", None, ""),  # sensitive: its values are not known here
        # labels torn from their rows
        ({"late": SHUFFLED}, "labels", "STOP", "early: correlation"),
        ({"late": pl.col("late") + pl.col("value") / 2.5}, "labels", "WARN", "early: correlation"),
        ({"late": pl.col("late") * 2}, "labels", None, ""),
    ],
)
def test_a_damaged_day(changed: dict[str, object], rule: str, severity: str | None, words: str) -> None:
    found = judged(toy.on_day(toy.events(), BAD, **changed))[rule]
    assert [(e.day, e.severity) for e in found.events if e.day == toy.day(BAD)] == ([(toy.day(BAD), severity)] if severity else [])
    assert all(words in e.found for e in found.events)


def test_a_column_that_is_often_constant_may_be() -> None:
    rows = toy.on_day(toy.on_day(toy.events(), BAD - 7, value=1.0), BAD, value=1.0)
    assert [e.day for e in judged(rows)["constants"].events] == [toy.day(BAD - 7)]


def test_a_level_that_stays_out_of_its_range() -> None:
    """One day a little out of its range is nothing, a week of them is another unit."""
    rows = toy.events()
    shift = 30.0
    one = toy.on_day(rows, BAD, value=pl.col("value") + shift)
    week = rows.with_columns(value=pl.col("value") + pl.when(pl.col("on") >= toy.day(BAD)).then(shift).otherwise(0.0))
    assert list(judged(one)["scale"].events) == []
    stopped = [e.day for e in judged(week)["scale"].events if e.severity == "STOP"]
    assert stopped[0] == toy.day(BAD + 6)


def test_emptied_columns_are_told_once() -> None:
    """What is left of an emptied column has another scale; nulls tell it."""
    evenings_gone = pl.when(pl.col("number") < 30).then(NONE).otherwise(pl.lit(51.0) + pl.col("number") / 100)
    outcomes = judged(toy.on_day(toy.events(), BAD, value=evenings_gone))
    assert len(outcomes["nulls"].events) == 1
    assert list(outcomes["scale"].events) == []


def test_a_category_of_too_many_values_to_list_stops() -> None:
    rows = toy.events({BAD: 200})
    bad = rows.with_columns(kind=pl.when(pl.col("on") == toy.day(BAD)).then(pl.format("k{}", "number")).otherwise("kind"))
    found = judged(bad)["categories"]
    assert [(e.day, e.severity, e.found) for e in found.events] == [(toy.day(BAD), Severity.STOP, "kind: 200 values, never as many before")]


def test_numbers_of_a_sensitive_column_are_masked() -> None:
    class Paid(pa.DataFrameModel):
        on: pl.Date = pa.Field(metadata={"role": "key"})
        number: int = pa.Field(metadata={"role": "key"})
        value: float = pa.Field(metadata={"sensitivity": "restricted"})

    table = Table("paid", Paid, ("on", "number"))
    rows = toy.on_day(toy.events(), BAD, value=pl.col("value") * 60).select("on", "number", "value")
    outcomes = {o.rule: o for o in changes(toy.profiled(rows, table), table, toy.RULES)}
    assert [e.found for e in outcomes["scale of paid"].events] == ["value: median and deviation <sensitive>"]
