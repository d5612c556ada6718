"""Contracts as expressions: parsing keeps account of every row and reason; reports are capped and fast."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import contracts
from tasks import rows as judged
from tasks.contracts import Instant, RowRule, Table
from tasks.errors import ContractViolation
from tasks.rows import REASONS

pytestmark = pytest.mark.unit


class Toy(pa.DataFrameModel):
    id: int = pa.Field(ge=0, metadata={"role": "key"})
    kind: str = pa.Field(isin=["x", "y"], metadata={"role": "categorical"})
    size: float = pa.Field(ge=0, le=10, nullable=True, metadata={"role": "numeric"})
    seen: Instant = pa.Field(metadata={"role": "time"})

    class Config:
        strict = True


TOY = Table("toy", Toy, key=("id",), rules=(RowRule("small x", "an x is small", (pl.col("kind") != "x") | (pl.col("size") < 5)),))
GOOD = {"id": "1", "kind": "x", "size": "2.5", "seen": "2013-01-01T05:00:00Z"}


def raw(*rows: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame([GOOD | row for row in rows], schema=dict.fromkeys(GOOD, pl.String), orient="row")


def reasons(*rows: dict[str, str | None]) -> list[list[str]]:
    return judged.parse(raw(*rows), TOY).get_column(REASONS).to_list()


# --- parse ------------------------------------------------------------------------------------------------------------


def test_a_type_that_no_text_is_read_as_is_refused() -> None:
    class Odd(pa.DataFrameModel):
        at: pl.Time

    with pytest.raises(ContractViolation, match=r"the column at must be of a type that text is read as: .*; got Time\.") as caught:
        judged.parse(pl.DataFrame({"at": ["10:00:00"]}), Table("odd", Odd, key=("at",)))
    assert "contract.py" in caught.value.mend


def test_a_good_row_is_typed_and_has_no_reasons() -> None:
    parsed = judged.parse(raw({}), TOY)
    assert parsed.drop(REASONS).schema == contracts.types(Toy)
    assert parsed.rows() == [(1, "x", 2.5, datetime(2013, 1, 1, 5, tzinfo=UTC), [])]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": None}, ["id: must not be null"]),
        ({"id": "1.5"}, ["id: must be readable as Int64", "id: must not be null"]),  # no silent rounding
        ({"id": "-1"}, ["id: must be at least 0"]),
        ({"kind": "z", "size": "11"}, ["kind: must be one of x, y", "size: must be at most 10"]),  # both, not the first
        ({"size": None}, []),  # nullable, and the rule does not apply
        ({"size": "nan", "kind": "y"}, ["size: must be finite"]),  # and not above its bound as well
        ({"size": "inf"}, ["size: must be finite", "size: must be at most 10", "(row): small x"]),
        ({"size": "1e1", "kind": "y"}, []),  # exponents are numbers
        ({"size": "7"}, ["(row): small x"]),
        ({"seen": "2013-01-01 05:00"}, ["seen: must be readable as Datetime(time_unit='us', time_zone='UTC')", "seen: must not be null"]),
        (
            {"seen": "2013-02-30T05:00:00Z"},
            ["seen: must be readable as Datetime(time_unit='us', time_zone='UTC')", "seen: must not be null"],
        ),
    ],
)
def test_reasons(row: dict[str, str | None], expected: list[str]) -> None:
    assert sorted(reasons(row)[0]) == sorted(expected)


def test_the_first_of_a_repeated_key_stays() -> None:
    assert reasons({}, {"id": "2"}, {"size": "3"}, {}) == [[], [], ["(row): repeats the key id"], ["(row): repeats the key id"]]


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(ContractViolation, match="none named size, seen"):
        judged.parse(raw({}).drop("size", "seen"), TOY)


def test_further_columns_are_left_out() -> None:
    assert "extra" not in judged.parse(raw({}).with_columns(extra=pl.lit("1")), TOY).columns


def test_no_rows_parse_to_no_rows() -> None:
    parsed = judged.parse(raw({}).head(0), TOY)
    assert parsed.height == 0
    assert parsed.schema == {**contracts.types(Toy), REASONS: pl.List(pl.String)}


texts = st.none() | st.sampled_from(["0", "1", "2", "3", "-1", "5", "11", "2.5", "x", "y", "z", "nan", "", GOOD["seen"]])
rows_of = st.lists(st.fixed_dictionaries(dict.fromkeys(GOOD, texts)), min_size=1, max_size=15)


def _number(text: str | None, kind: type[int] | type[float]) -> Any:
    try:
        return kind(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def expected_reasons(row: dict[str, str | None], seen_ids: set[int | None]) -> set[str]:
    """Say again, row by row in plain Python, what the contract says."""
    number, size = _number(row["id"], int), _number(row["size"], float)
    finite = size is not None and size == size
    says = {
        "id: must be readable as Int64": row["id"] is not None and number is None,
        "id: must not be null": number is None,
        "id: must be at least 0": number is not None and number < 0,
        "kind: must not be null": row["kind"] is None,
        "kind: must be one of x, y": row["kind"] not in (None, "x", "y"),
        "size: must be readable as Float64": row["size"] is not None and size is None,
        "size: must be finite": size is not None and not finite,
        "size: must be at least 0": finite and size < 0,
        "size: must be at most 10": finite and size > 10,
        "seen: must be readable as Datetime(time_unit='us', time_zone='UTC')": row["seen"] not in (None, GOOD["seen"]),
        "seen: must not be null": row["seen"] != GOOD["seen"],
        "(row): small x": row["kind"] == "x" and finite and size >= 5,
        "(row): repeats the key id": number in seen_ids,
    }
    seen_ids.add(number)
    return {reason for reason, holds in says.items() if holds}


@given(rows_of)
def test_every_row_is_accounted_for_with_all_its_reasons(rows: list[dict[str, str | None]]) -> None:
    parsed = judged.parse(raw(*rows), TOY)
    is_good = parsed.get_column(REASONS).list.len() == 0
    assert parsed.height == len(rows) == is_good.sum() + (~is_good).sum()
    seen_ids: set[int | None] = set()
    for row, found in zip(rows, parsed.get_column(REASONS), strict=True):
        assert len(found) == len(set(found))
        of_nan = {"(row): small x"} if row["size"] == "nan" else set()  # polars orders NaN above all numbers
        assert set(found) - of_nan == expected_reasons(row, seen_ids) - of_nan
    # What parsing calls good, an edge lets cross.
    assert judged.violations(parsed.filter(is_good).drop(REASONS).lazy(), Toy, TOY.rules) == []


class Gate(pa.DataFrameModel):
    id: int = pa.Field()
    late: int = pa.Field(nullable=True)
    storm: bool = pa.Field(nullable=True)


EXCUSED = RowRule("on time", "but in a storm", pl.col("late") < 5, excused=pl.col("storm"))


@pytest.mark.parametrize(
    ("late", "storm", "is_bad"),
    [
        (1, False, False),
        (9, False, True),
        (9, True, False),
        (9, None, False),  # null is no breach, of an excuse as of a rule
        (None, False, False),
        (1, None, False),
    ],
)
def test_a_row_with_an_excuse_may_break_a_rule(late: int | None, storm: bool | None, is_bad: bool) -> None:
    rows = [(1, 1, False), (2, late, storm), (3, 9, False)]
    frame = pl.DataFrame(rows, schema=contracts.types(Gate), orient="row")
    found = judged.with_reasons(frame, Table("gate", Gate, ("id",), (EXCUSED,))).get_column(REASONS).to_list()
    assert found == [[], ["(row): on time"] * is_bad, ["(row): on time"]]
    assert [violation.rows for violation in judged.violations(frame.lazy(), Gate, (EXCUSED,))] == [1 + is_bad]


class Many(pa.DataFrameModel):
    id: int = pa.Field(ge=0)


@pytest.mark.parametrize("rules", [1, 62, 63, 64, 130])  # an integer holds 63 rules
def test_reasons_of_many_rules_are_all_told_in_order(rules: int) -> None:
    names = [f"rule {i}" for i in range(rules)]
    table = Table("many", Many, ("id",), tuple(RowRule(name, "", pl.col("id") % (i + 2) != 0) for i, name in enumerate(names)))
    found = judged.with_reasons(pl.DataFrame({"id": range(200)}), table).get_column(REASONS).to_list()
    assert found == [[f"(row): {name}" for i, name in enumerate(names) if row % (i + 2) == 0] for row in range(200)]


def test_a_batch_of_bad_rows_is_as_fast_as_one_with_one_bad_row() -> None:
    rows = 200_000
    frame = pl.DataFrame({"id": range(rows), "kind": ["y"] * rows, "size": [1.0] * rows}).with_columns(
        seen=pl.lit(datetime(2013, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
    )

    def seconds(is_bad: pl.Expr) -> float:
        broken = frame.with_columns(
            kind=pl.when(is_bad).then(pl.lit("z")).otherwise("kind"), size=pl.when(is_bad).then(11.0).otherwise("size")
        )
        took = []
        for _ in range(3):
            began = perf_counter()
            judged.with_reasons(broken, TOY)
            took.append(perf_counter() - began)
        return min(took)

    assert seconds(pl.lit(True)) < 3 * seconds(pl.col("id") == 7) + 0.1  # slack for a busy machine; it was once 20 times


# --- violations -------------------------------------------------------------------------------------------------------


def typed(**columns: list[Any]) -> pl.DataFrame:
    rows = max(len(c) for c in columns.values())
    base = {"id": list(range(rows)), "kind": ["y"] * rows, "size": [1.0] * rows, "seen": [datetime(2013, 1, 1, tzinfo=UTC)] * rows}
    return pl.DataFrame(base | columns, schema=contracts.types(Toy))


def test_a_report_names_column_rule_count_and_three_examples() -> None:
    found = judged.violations(typed(size=[11.0, 12.0, 1.0, 13.0, 14.0]).lazy(), Toy)
    assert list(map(str, found)) == ["size: must be at most 10, broken by 4 rows (such as 11.0, 12.0, 13.0)"]


def test_a_rule_over_a_row_names_the_rows() -> None:
    found = judged.violations(typed(kind=["y", "x", "x"], size=[9.0, 1.0, 9.0]).lazy(), Toy, TOY.rules)
    assert [(v.column, v.rule, v.rows, v.examples) for v in found] == [("(row)", "small x", 1, ("row 2",))]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (typed(id=[1]).drop("size"), ["size: must be there"]),
        (typed(id=[1]).with_columns(more=1), ["more: must not be there"]),
        (typed(id=[1]).with_columns(pl.col("id").cast(pl.Int32)), ["id: must be of type Int64"]),
        # All failures of one check at once.
        (
            typed(id=[1]).drop("size", "kind").with_columns(more=1),
            ["kind: must be there", "size: must be there", "more: must not be there"],
        ),
    ],
)
def test_columns_and_types_are_exact(frame: pl.DataFrame, expected: list[str]) -> None:
    found = judged.violations(frame.lazy(), Toy)
    assert [f"{v.column}: {v.rule}" for v in found] == expected
    assert {v.rows for v in found} == {1}, "told as one fault each, not as one of every row"


def test_a_report_is_capped_at_twenty_rules() -> None:
    wide = pl.DataFrame({f"c{i}": [1] for i in range(50)})
    assert len(judged.violations(wide.lazy(), Toy)) == 20


class Person(pa.DataFrameModel):
    name: str = pa.Field(str_matches="^[a-z]+$", metadata={"sensitivity": "personal"})


def test_sensitive_values_are_not_shown() -> None:
    found = judged.violations(pl.LazyFrame({"name": ["Ann Secret", "ok", "Bob Secret"]}), Person)
    assert found[0].rows == 2
    assert set(found[0].examples) == {"<sensitive>"}
    assert "Secret" not in str(found[0])


def test_a_pattern_is_told_in_plain_words() -> None:
    [found] = judged.violations(pl.LazyFrame({"name": ["Ann"]}), Person)
    assert str(found).startswith("name: must match ^[a-z]+$, broken by 1 rows")


class Card(pa.DataFrameModel):
    name: str = contracts.column("Who", role="key", sensitivity="restricted", retention_days=30, str_matches="^[a-z]+$")
    size: float = contracts.column("How large", role="feature", unit="metres", nullable=True, ge=0, lt=3)
    kind: str = contracts.column("Which", role="other", isin=["x", "y"])


def test_what_values_must_be_is_told_of_every_column() -> None:
    assert judged.allowed(Card) == {"name": ("matches ^[a-z]+$",), "size": ("at least 0", "less than 3"), "kind": ("one of x, y",)}


def test_public_values_are_shown() -> None:
    found = judged.violations(pl.LazyFrame({"name": ["Ann"], "size": [7.0], "kind": ["x"]}), Card)
    assert [violation.examples for violation in found] == [("<sensitive>",), ("7.0",)]


def test_an_empty_frame_keeps_its_contract() -> None:
    assert judged.violations(typed(id=[1]).head(0).lazy(), Toy, TOY.rules) == []


def test_require_says_what_where_and_how_to_mend_it() -> None:
    with pytest.raises(ContractViolation, match=r"the features must keep the contract Toy; got 2 broken rules") as caught:
        judged.require(typed(id=[-1], size=[11.0]).lazy(), Toy, "the features")
    assert "id: must be at least 0" in str(caught.value)
    assert "size: must be at most 10" in str(caught.value)
    judged.require(typed(id=[1]).lazy(), Toy, "the features")
    with pytest.raises(ContractViolation, match="got 1 broken rule:"):
        judged.require(typed(id=[-1]).lazy(), Toy, "the features")


class Unknown(pa.DataFrameModel):
    name: str = pa.Field(str_startswith="a")


def test_a_check_without_a_translation_is_refused_not_skipped() -> None:
    with pytest.raises(NotImplementedError, match="str_startswith"):
        judged.violations(pl.LazyFrame({"name": ["a"]}), Unknown)


class Bounds(pa.DataFrameModel):
    a: int = pa.Field(gt=0)
    b: int = pa.Field(lt=0)
    c: int = pa.Field(in_range={"min_value": 1, "max_value": 2})


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ({"a": 1, "b": -1, "c": 1}, []),
        ({"a": 0, "b": -1, "c": 2}, ["a: must be more than 0"]),
        ({"a": 1, "b": 0, "c": 2}, ["b: must be less than 0"]),
        ({"a": 1, "b": -1, "c": 3}, ["c: must be from 1 to 2"]),
    ],
)
def test_every_bound_is_translated(row: dict[str, int], broken: list[str]) -> None:
    assert [f"{v.column}: {v.rule}" for v in judged.violations(pl.LazyFrame([row]), Bounds)] == broken


@pytest.mark.parametrize(("count", "ends"), [(8, "g, h"), (9, "g, h, ...")])
def test_of_many_allowed_values_eight_are_told(count: int, ends: str) -> None:
    class Many(pa.DataFrameModel):
        kind: str = pa.Field(isin=list("abcdefghijk")[:count])

    ((told,),) = judged.allowed(Many).values()
    assert told.startswith("one of a, b, ")
    assert told.endswith(ends)


def test_a_pattern_keeps_its_own_words() -> None:
    class Worded(pa.DataFrameModel):
        kind: str = pa.Field(str_matches="^matches$")

    (broken,) = judged.violations(pl.LazyFrame({"kind": ["other"]}), Worded)
    assert broken.rule == "must match ^matches$"


def test_a_violation_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        judged.Violation("id", "must not be null", 1, ()).rows = 2  # type: ignore[misc]
