"""The integrity suite on toy rows: it finds what is mixed or doubled, and never sees what is sensitive."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.artifacts.record import SuiteCondition
from tasks.validation import integrity
from tests.unit.validation import toy

pytestmark = pytest.mark.unit


def ran(rows: pl.DataFrame) -> dict[str, SuiteCondition]:
    return {c.check: c for c in integrity.run(rows.lazy(), toy.TOY)}


def test_sound_rows_hold_every_condition() -> None:
    found = ran(toy.events())
    assert len(found) == 7
    assert [c for c in found.values() if not c.passed] == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"value": pl.lit(1.0)}, "Single Value in Column"),
        ({"kind": pl.when(pl.col("number") % 2 == 0).then(pl.lit("Abc")).otherwise(pl.lit("abc!"))}, "String Mismatch"),
        ({"number": pl.lit(1), "value": pl.lit(1.0), "early": pl.lit(1.0), "kind": pl.lit("a")}, "Data Duplicates"),
        ({"value": pl.when(pl.col("number") % 3 == 0).then(pl.col("value"))}, "PercentOfNulls"),
    ],
)
def test_a_broken_column_is_named(change: dict[str, pl.Expr], check: str) -> None:
    found = ran(toy.events().with_columns(**change))
    assert not found[check].passed


def test_sensitive_columns_are_left_out() -> None:
    found = ran(toy.events().with_columns(owner=pl.lit("one and the same")))
    assert all("owner" not in c.details and c.passed for c in found.values())


def test_no_rows() -> None:
    assert integrity.run(toy.events().clear().lazy(), toy.TOY) == []


def test_the_order_of_rows_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_SAMPLE", 10)
    rows = toy.events().with_columns(value=pl.when(pl.col("number") % 3 == 0).then(pl.col("value")))
    assert rows.height > 20
    assert ran(rows) == ran(rows.sample(fraction=1.0, shuffle=True, seed=1))
