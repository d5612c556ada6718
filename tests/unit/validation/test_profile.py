"""The profile of a day: counts, statistics and values, and nothing of what is sensitive."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from tasks.validation.profile import KEY, MOST_VALUES, SCHEMA, profile
from tests.unit.validation import toy

pytestmark = pytest.mark.unit


def row(frame: pl.DataFrame, column: str, day: date | None = toy.FIRST) -> dict[str, object]:
    same_day = pl.col("batch_day").is_null() if day is None else pl.col("batch_day") == day
    return frame.filter(pl.col("column") == column, same_day).row(0, named=True)


def test_a_row_a_day_and_column() -> None:
    made = toy.profiled(toy.events(days=3))
    assert made.schema == SCHEMA
    assert made.height == 3 * (7 + 1)
    assert set(made["table"]) == {"toy"}


def test_numbers_have_statistics_and_texts_have_values() -> None:
    rows = toy.events(days=2)
    value = rows.filter(pl.col("on") == toy.FIRST)["value"]
    made = toy.profiled(toy.on_day(rows, 1, value=pl.lit(None)))
    first = row(made, "value")
    assert (first["rows"], first["nulls"], first["distinct"], first["values"]) == (40, 0, 40, None)
    assert [first[k] for k in ("minimum", "maximum", "mean", "median")] == pytest.approx(
        [value.min(), value.max(), value.mean(), value.median()]
    )
    second = row(made, "value", toy.day(1))
    assert (second["rows"], second["nulls"], second["distinct"], second["median"]) == (40, 40, 0, None)
    kind = row(made, "kind")
    assert (kind["distinct"], kind["mean"], kind["values"]) == (3, None, ["a", "b", "c"])


def test_the_label_is_compared_with_every_number() -> None:
    made = toy.profiled(toy.events(days=2))
    assert row(made, "early")["with_label"] == pytest.approx(0.98, abs=0.02)
    assert abs(float(str(row(made, "value")["with_label"]))) < 0.5
    assert row(made, "late")["with_label"] is None


def test_values_of_a_sensitive_column_stay_out() -> None:
    assert row(toy.profiled(toy.events(days=2)), "owner")["values"] is None


@pytest.mark.parametrize(("distinct", "is_there"), [(MOST_VALUES, True), (MOST_VALUES + 1, False)])
def test_a_column_of_many_values_is_no_category(distinct: int, is_there: bool) -> None:
    rows = toy.events({0: distinct}, days=1).with_columns(kind=pl.int_range(pl.len()).cast(pl.String))
    assert (row(toy.profiled(rows), "kind")["values"] is not None) == is_there


def test_instants_count_as_seconds() -> None:
    assert row(toy.profiled(toy.readings(2), toy.READINGS), "at")["minimum"] == 1_356_998_400


def test_keys_that_repeat() -> None:
    rows = toy.events(days=2)
    made = toy.profiled(pl.concat([rows, rows.head(5)]))
    assert [row(made, KEY)[k] for k in ("rows", "distinct")] == [45, 40]
    assert [row(made, KEY, toy.day(1))[k] for k in ("rows", "distinct")] == [40, 40]


def test_a_table_without_days_is_one_batch() -> None:
    made = profile(pl.DataFrame({"place": ["x", "y", None]}), toy.PLACES)
    assert [row(made, "place", None)[k] for k in ("rows", "nulls", "distinct")] == [3, 1, 2]


def test_no_rows() -> None:
    assert toy.profiled(toy.events(days=1).clear()).schema == SCHEMA
