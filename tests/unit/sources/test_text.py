"""Typed values as text and back: nothing is lost, and what does not fit is set aside instead of raising."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.contracts import Table, types
from tasks.errors import SourceError
from tasks.rows import REASONS, parse
from tasks.sources.forms import Form
from tasks.sources.text import as_text
from tests.unit.sources.toy import SCHEMA, VISITS, Visits, rows

pytestmark = pytest.mark.unit

PLAIN = Form()


def text_of(frame: pl.DataFrame, form: Form = PLAIN, table: Table = VISITS) -> pl.DataFrame:
    return as_text(frame, table, form, "visits.parquet", "mend it")


def of(name: str, values: list[Any], dtype: Any, form: Form = PLAIN) -> list[str | None]:
    """Return values of a column, of a type that its contract may not have, as text."""
    frame = rows().head(0).clear(len(values)).with_columns(pl.Series(name, values, dtype=dtype))
    return text_of(frame, form).get_column(name).to_list()


ROW = st.fixed_dictionaries(
    {
        "id": st.integers(0, 2**63 - 1),
        "small": st.none() | st.integers(-128, 127),
        "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "share": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
        "name": st.none() | st.text(),
        "is_new": st.none() | st.booleans(),
        "day": st.dates(),
        "came": st.none() | st.datetimes(timezones=st.just(UTC)),
        "price": st.none() | st.decimals(-99_999_999, 99_999_999, places=2),
    }
)


@given(st.lists(ROW, min_size=1, max_size=20, unique_by=lambda row: row["id"]))
def test_typed_to_text_to_typed_is_the_identity(drawn: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(drawn, schema=SCHEMA)
    text = text_of(frame)
    assert set(text.dtypes) == {pl.String}
    back = parse(text, VISITS)
    assert back.drop(REASONS).equals(frame, null_equal=True)
    assert back.get_column(REASONS).list.len().sum() == 0


OTHER = st.sampled_from(
    [
        (pl.Float64, st.floats()),
        (pl.Float32, st.floats(width=32)),
        (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
        (pl.UInt64, st.integers(0, 2**64 - 1)),
        (pl.String, st.text() | st.dates().map(str) | st.datetimes().map(str) | st.floats().map(str) | st.integers().map(str)),
        (pl.Boolean, st.booleans()),
        (pl.Date, st.dates()),
        (pl.Datetime("us"), st.datetimes()),
        (pl.Datetime("ns"), st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))),
        (pl.Datetime("ms", "America/New_York"), st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))),
        (pl.Decimal(38, 10), st.decimals(-(10**20), 10**20, places=10)),
        (pl.Time, st.times()),
        (pl.Categorical, st.text(min_size=1)),
        (pl.Null, st.none()),
    ]
).flatmap(lambda kind: st.tuples(st.just(kind[0]), st.lists(kind[1] | st.none(), min_size=1, max_size=8)))


@given(st.sampled_from(sorted(SCHEMA)), OTHER, st.sampled_from([None, "UTC", "America/New_York"]))
def test_a_value_that_does_not_fit_is_set_aside_and_none_is_changed(name: str, kind: tuple[Any, list[Any]], zone: str | None) -> None:
    """Whatever type comes for whatever column: each value is read, is null, or is a reason; no exception."""
    dtype, values = kind
    given_ = pl.Series(name, values, dtype=dtype, strict=False)
    frame = pl.concat([rows().head(1)] * len(values)).with_columns(pl.int_range(pl.len()).alias("id")).with_columns(given_)
    parsed = parse(text_of(frame, Form(zone=zone)), VISITS)
    for value, read, reasons in zip(given_, parsed[name], parsed[REASONS], strict=True):
        unreadable = any("must be readable" in reason for reason in reasons)
        assert unreadable == (value is not None and read is None)
        if read is not None and isinstance(read, int | float) and isinstance(value, int | Decimal) and SCHEMA[name].is_integer():
            assert read == value


def test_a_value_of_another_type_of_the_same_meaning_is_the_same_text() -> None:
    assert of("id", [12.0, 12.5, None, 1e30], pl.Float64) == ["12", "12.5", None, "1e+30"]  # as pandas has integers
    assert of("id", [Decimal("12.00"), Decimal("12.50")], pl.Decimal(10, 2)) == ["12", "12.50"]
    assert of("weight", [0.1, 1.0], pl.Float32) == ["0.1", "1.0"]  # not 0.10000000149011612
    assert of("day", [datetime(2024, 2, 29), datetime(2024, 2, 29, 1)], pl.Datetime("us")) == ["2024-02-29", "2024-02-29T01:00:00"]
    assert of("day", ["2024-02-29 00:00:00.000000", "2024-02-29"], pl.String) == ["2024-02-29", "2024-02-29"]
    assert of("name", ["a"], pl.Categorical) == ["a"]
    assert of("name", ["NA", ""], pl.String) == ["NA", ""]  # a type that knows null means these


NOON = datetime(2024, 3, 1, 12)


@pytest.mark.parametrize(
    ("values", "dtype", "zone", "expected"),
    [
        ([NOON], pl.Datetime("us", "UTC"), None, "2024-03-01T12:00:00Z"),
        ([NOON.replace(tzinfo=UTC)], pl.Datetime("ms", "America/New_York"), None, "2024-03-01T12:00:00Z"),
        ([NOON], pl.Datetime("us"), None, "2024-03-01T12:00:00"),  # of which zone? the contract sets it aside
        ([NOON], pl.Datetime("us"), "UTC", "2024-03-01T12:00:00Z"),
        ([NOON], pl.Datetime("ns"), "America/New_York", "2024-03-01T17:00:00Z"),
        ([datetime(2024, 11, 3, 1, 30)], pl.Datetime("us"), "America/New_York", "2024-11-03T01:30:00"),  # comes twice
        ([datetime(2024, 3, 10, 2, 30)], pl.Datetime("us"), "America/New_York", "2024-03-10T02:30:00"),  # does not come
        (["2024-03-01 12:00:00.000000"], pl.String, None, "2024-03-01 12:00:00.000000"),
        (["2024-03-01 12:00:00.000000"], pl.String, "UTC", "2024-03-01T12:00:00Z"),
        (["2024-03-01 12:00:00"], pl.String, "America/New_York", "2024-03-01T17:00:00Z"),
        (["2024-03-01T12:00:00+02:00"], pl.String, None, "2024-03-01T10:00:00Z"),
        (["2024-03-01 12:00:00Z"], pl.String, "America/New_York", "2024-03-01T12:00:00Z"),  # what is said wins
        (["2024-03-01 12:00:00.1234567+00:00"], pl.String, None, "2024-03-01 12:00:00.1234567+00:00"),  # finer than can be kept
        (["soon"], pl.String, "UTC", "soon"),
        (["2024-03-01"], pl.String, "America/New_York", "2024-03-01T05:00:00Z"),  # a day alone is its first instant
        (["2024-03-01"], pl.String, None, "2024-03-01"),
        ([date(2024, 3, 1)], pl.Date, "America/New_York", "2024-03-01T05:00:00Z"),
        ([date(2024, 3, 1)], pl.Date, None, "2024-03-01"),
    ],
)
def test_an_instant(values: list[Any], dtype: Any, zone: str | None, expected: str) -> None:
    assert of("came", values, dtype, Form(zone=zone)) == [expected]


@pytest.mark.parametrize("read", ["2024-03-01T12:00:00.1234567Z", "2024-03-01T12:00:00.000000001Z"])
def test_an_instant_finer_than_its_column_is_set_aside(read: str) -> None:
    text = text_of(rows().head(1)).with_columns(came=pl.lit(read))
    assert parse(text, VISITS)[REASONS][0].to_list() == ["came: must be readable as Datetime(time_unit='us', time_zone='UTC')"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("is_new", "TRUE", True),
        ("is_new", "0", False),
        ("is_new", "yes", None),
        ("day", "2024-02-30", None),
        ("day", "2024-2-1", date(2024, 2, 1)),
        ("price", "1.50", Decimal("1.50")),
        ("price", "1.500", Decimal("1.50")),
        ("price", "1.505", None),  # would be cut to 1.50
        ("price", "99999999999", None),
        ("small", "128", None),
        ("came", "2024-03-01T12:00:00.500Z", datetime(2024, 3, 1, 12, 0, 0, 500_000, UTC)),
    ],
)
def test_what_text_says(name: str, text: str, expected: Any) -> None:
    frame = text_of(rows().head(1)).with_columns(pl.lit(text).alias(name))
    parsed = parse(frame, VISITS)
    assert parsed[name][0] == expected
    assert any("must be readable" in reason for reason in parsed[REASONS][0]) == (expected is None)


@pytest.mark.parametrize(
    ("values", "found"),
    [(pl.Series([b"x"]), "name Binary"), (pl.Series([[1]]), "name List"), (pl.Series([timedelta(1)]), "name Duration")],
)
def test_a_type_that_has_no_text_is_a_source_error(values: pl.Series, found: str) -> None:
    with pytest.raises(SourceError, match="must hold plain values") as caught:
        text_of(rows().head(1).with_columns(values.alias("name")))
    assert found in caught.value.found


def test_a_missing_column_is_named_and_another_is_left_out() -> None:
    with pytest.raises(SourceError, match=r"visits.parquet must have a column small, name; got the columns id") as caught:
        text_of(rows().drop("small", "name"))
    assert caught.value.mend == "mend it"
    assert text_of(rows().with_columns(note=pl.lit(b"x"))).columns == list(types(Visits))
