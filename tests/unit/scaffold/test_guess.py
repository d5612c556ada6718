"""What is guessed of a sample, and the plain words where nothing can be guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.errors import ConfigError, SourceError
from tasks.scaffold import sample
from tasks.scaffold.guess import Asked, Guess, guess, zone

pytestmark = pytest.mark.unit

DAYS = [f"2024-03-{day:02}" for day in range(1, 21)]


def rows(**more: list[Any]) -> pl.DataFrame:
    """Return twenty orders, one a day, of which every fourth is returned."""
    base: dict[str, list[Any]] = {
        "order": [str(100 + i) for i in range(20)],
        "placed": DAYS,
        "amount": [f"{i}.5" for i in range(20)],
        "gift": ["no", "yes"] * 10,
        "returned": ["1" if i % 4 == 0 else "0" for i in range(20)],
    }
    return pl.DataFrame({name: values for name, values in (base | more).items() if values}, schema_overrides=dict.fromkeys(more, pl.String))


def guessed(frame: pl.DataFrame, asked: Asked | None = None) -> Guess:
    return guess(frame, sample.columns(frame), "orders", asked or Asked())


def test_key_time_and_label_are_found_and_said() -> None:
    found = guessed(rows())
    assert (found.name, [c.name for c in found.key], found.time.name, found.label.name) == ("orders", ["order"], "placed", "returned")
    assert found.positive == "1"
    said = " ".join(found.reasons)
    assert all(word in said for word in ("orders", "order names a row", "placed says when", "returned is predicted", "25%"))
    assert (found.rows, len(found.days)) == (20, 20)


def test_what_is_asked_for_wins() -> None:
    asked = Asked("sales", ("amount",), "placed", "gift=no")
    found = guessed(rows(), asked)
    assert (found.name, [c.name for c in found.key], found.label.name, found.positive) == ("sales", ["amount"], "gift", "no")


def test_of_two_columns_that_fit_the_name_decides() -> None:
    found = guessed(rows(checked=DAYS[::-1], received_at=DAYS, order_id=[f"b{i}" for i in range(20)]))
    assert (found.time.name, found.key[0].name) == ("received_at", "order_id")
    assert "checked" in " ".join(found.reasons)


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("gender", sample.About.PROTECTED),
        ("applicant_race", sample.About.PROTECTED),
        ("Age", sample.About.PROTECTED),
        ("customerEmail", sample.About.IDENTIFIER),
        ("first_name", sample.About.IDENTIFIER),
        ("home_address", sample.About.IDENTIFIER),
        ("page", sample.About.NOTHING),  # has age in it
        ("trace", sample.About.NOTHING),
        ("amount", sample.About.NOTHING),
    ],
)
def test_what_is_about_a_person_is_told_by_its_name(name: str, about: sample.About) -> None:
    values = ["a", "b"] * 10
    (column,) = [c for c in sample.columns(rows(**{name: values})) if c.name == name]
    assert column.about == about
    assert (name in " ".join(guessed(rows(**{name: values})).reasons)) == (about != sample.About.NOTHING)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "3"], sample.Kind.INT),
        (["1", "2.5", "3"], sample.Kind.FLOAT),
        (["1e3", "2", "3"], sample.Kind.FLOAT),
        (["1", "0", "1"], sample.Kind.TEXT),  # a flag
        (["1.0", "0.0", None], sample.Kind.TEXT),
        (["007", "123", "8"], sample.Kind.TEXT),  # a code
        (["nan", "1", "2"], sample.Kind.TEXT),
        (["99999999999999999999", "1", "2"], sample.Kind.FLOAT),  # more than 64 bits
        (["2024-03-01", "2024-03-02"], sample.Kind.INSTANT),
        (["2024-03-01 10:00:00", "2024-03-02T10:00:00Z"], sample.Kind.INSTANT),
        (["2024-02-30", "2024-03-02"], sample.Kind.TEXT),  # no such day
        (["01/03/2024", "02/03/2024"], sample.Kind.TEXT),  # of March or of January?
        (["a", "1"], sample.Kind.TEXT),
        ([None, None], sample.Kind.TEXT),
    ],
)
def test_what_values_are(values: list[str | None], kind: sample.Kind) -> None:
    (column,) = sample.columns(pl.DataFrame({"x": values}, schema={"x": pl.String}))
    assert column.kind == kind
    assert column.nulls == sum(value is None for value in values)


def test_names_of_columns_become_names_of_python() -> None:
    names = ["Loan Amount", "class", "2nd", "validate", "Loan-Amount", "_hidden", "ok", "é"]
    found = sample.columns(pl.DataFrame({name: ["a"] for name in names}))
    attributes = [column.attribute for column in found]
    assert attributes == ["loan_amount", "class_", "column_2nd", "validate_", "loan_amount_2", "hidden", "ok", "é"]
    assert all(attribute.isidentifier() for attribute in attributes)


# --- what cannot be guessed, or does not fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "asked", "message", "mend"),
    [
        (rows(placed=[]), Asked(), "must have a column that says when each row came; got none of order", "TIME="),
        (rows(placed=[None, *DAYS[1:]]), Asked(), "must have a column that says when", "add a column of days"),
        (rows(), Asked(time="amount"), "TIME must be a column of days .*; got amount, a column of float", "name another"),
        (
            rows(placed=[None, *DAYS[1:]]),
            Asked(time="placed"),
            "TIME must be there in every row; got placed, missing in 1 rows",
            "leave such",
        ),
        (rows(), Asked(time="when"), "TIME must be a column of the sample; got when", "choose one of order, placed"),
        (rows(order=["1"] * 20), Asked(), "must have a column that names each row", "KEY=a,b"),
        (rows(), Asked(key=("gift",)), "KEY must be there in every row, and name one alone; got 18 rows repeat it", "KEY=a,b"),
        (rows(), Asked(label="amount"), "LABEL must have two values; got amount with 20", "1 where a number is above a limit"),
        (rows(), Asked(label="gift=maybe"), "must name one of its values; got maybe", "choose no or yes"),
        (rows(returned=[], gift=[]), Asked(), "must have a column with two values to predict; got none", "add one"),
        (rows(returned=[], paid=["a", "b"] * 10), Asked(), "several columns with two values: gift, paid", "LABEL="),
        (rows(), Asked(name="My Orders"), "NAME must be a lower-case word", "another NAME"),
    ],
)
def test_what_is_wrong_is_said(frame: pl.DataFrame, asked: Asked, message: str, mend: str) -> None:
    with pytest.raises((ConfigError, SourceError), match=message) as caught:
        guessed(frame, asked)
    assert mend in caught.value.mend


def test_a_zone_that_nobody_knows_is_said() -> None:
    assert zone("America/New_York") == "America/New_York"
    for name in ("Mars/Base", "", "../etc"):
        with pytest.raises(ConfigError, match="ZONE must be a time zone"):
            zone(name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nowhere.csv", None, "SAMPLE must be a file; .*nowhere.csv; got no such file"),
        ("empty.csv", "", "must end with a full line; got an empty file"),
        ("names.csv", "a,b\n", "must have rows; got none"),
        ("orders.xlsx", "a,b\n1,2\n", "SAMPLE must end with .csv, .csv.zip, .csv.gz, .parquet; got orders.xlsx"),
        ("orders.parquet", "a,b\n1,2\n", "must be a whole Parquet file"),
    ],
)
def test_a_sample_that_cannot_be_read_is_said(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=message):
        sample.read(tmp_path / name)
