"""What a table declares: columns say all about themselves, by role and by who may see them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest

from tasks import contracts
from tasks.contracts import Instant, RowRule, SourceFile, Table
from tasks.errors import ContractViolation

pytestmark = pytest.mark.unit


class Card(pa.DataFrameModel):
    name: str = contracts.column("Who", role="key", sensitivity="restricted", retention_days=30, str_matches="^[a-z]+$")
    size: float = contracts.column("How large", role="feature", unit="metres", nullable=True, ge=0, lt=3)
    kind: str = contracts.column("Which", role="other", isin=["x", "y"])


class Silent(pa.DataFrameModel):
    id: int
    seen: Instant


def test_a_column_says_all_about_itself() -> None:
    size, name = contracts.describe(Card)["size"], contracts.describe(Card)["name"]
    assert (size.description, size.nullable, name.nullable) == ("How large", True, False)
    assert size.metadata == {"role": "feature", "unit": "metres", "sensitivity": "public", "retention_days": None}
    assert name.metadata == {"role": "key", "unit": None, "sensitivity": "restricted", "retention_days": 30}


def test_types_are_those_of_polars() -> None:
    assert contracts.types(Card) == {"name": pl.String(), "size": pl.Float64(), "kind": pl.String()}
    assert contracts.types(Silent) == {"id": pl.Int64(), "seen": pl.Datetime("us", "UTC")}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (pl.Int16, pl.Int16()),  # polars' own, as a class
        (pl.Duration("ms"), pl.Duration("ms")),  # and as a type with a unit
        (np.dtype("int8"), pl.Int8()),  # of a pandas contract: what its values become
        (np.dtype("int32"), pl.Int32()),
        (np.dtype("int64"), pl.Int64()),
        (np.dtype("float32"), pl.Float32()),
        (np.dtype("float64"), pl.Float64()),
        (np.dtype("bool"), pl.Boolean()),
        (np.dtype("datetime64[ns]"), pl.Datetime("ns")),
        (np.dtype("object"), pl.String()),
        (str, pl.String()),  # a class that is no type of polars
    ],
)
def test_the_type_of_a_column_whichever_way_it_is_declared(declared: object, expected: pl.DataType) -> None:
    assert contracts.polars_type(declared) == expected


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        (RowRule("small", "no card is large", pl.lit(True)), "name"),
        (Table("cards", Card, ("name",)), "key"),
        (SourceFile("cards.csv", "1"), "day"),
    ],
)
def test_what_is_declared_cannot_be_changed(declared: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(declared, field, None)


def test_a_table_comes_in_daily_batches_unless_it_says_otherwise() -> None:
    assert Table("cards", Card, ("name",)).is_daily
    assert SourceFile("cards.csv", "1").day is None
    assert SourceFile("cards.csv", "1", date(2013, 1, 1)) != SourceFile("cards.csv", "1")


class Learnt(pa.DataFrameModel):
    town: str = pa.Field(metadata={"role": "categorical", "group": "place"})
    size: float = pa.Field(metadata={"role": "numeric", "group": "card"})
    north: float = pa.Field(metadata={"role": "numeric", "group": "place"})
    label: int = pa.Field(metadata={"role": "label"})


def test_what_a_model_reads_are_numbers_first_and_in_groups() -> None:
    assert contracts.inputs(Learnt) == ["size", "north", "town"]
    assert contracts.grouped(Learnt, contracts.inputs(Learnt)) == {"card": ["size"], "place": ["north", "town"]}
    assert contracts.grouped(Learnt, []) == {}


def test_columns_by_role() -> None:
    assert contracts.columns(Card, "feature") == ["size"]
    assert contracts.columns(Card, "label") == []
    assert contracts.columns(Card, "".join(["fea", "ture"])) == ["size"], "equal, and not the same text in memory"  # type: ignore[arg-type]


class Personal(pa.DataFrameModel):
    name: str = pa.Field(metadata={"sensitivity": "personal"})


def test_sensitive_columns_are_those_that_are_not_public() -> None:
    assert contracts.sensitive(Card) == ["name"]
    assert contracts.sensitive(Personal) == ["name"]
    assert contracts.sensitive(Silent) == []  # says nothing, hides nothing


def test_retention_is_told_of_columns_that_have_one() -> None:
    assert contracts.retention(Card) == {"name": 30}
    assert contracts.retention(Silent) == {}


class Reworded(pa.DataFrameModel):
    name: str = contracts.column("Whose", role="key", sensitivity="restricted", retention_days=90, str_matches="^[a-z]+$")
    size: float = contracts.column("Its size", role="feature", unit="metres", nullable=True, ge=0, lt=3)
    kind: str = contracts.column("Which", role="other", isin=["x", "y"])


class Larger(Card):
    size: float = contracts.column("How large", role="feature", unit="metres", nullable=True, ge=0, lt=4)


class Imperial(Card):
    size: float = contracts.column("How large", role="feature", unit="feet", nullable=True, ge=0, lt=3)


class Whole(Card):
    size: int = contracts.column("How large", role="feature", unit="metres", nullable=True, ge=0, lt=3)


def named(schema: type[pa.DataFrameModel], rules: tuple[RowRule, ...] = ()) -> str:
    schema.__name__ = "Card"
    return contracts.digest(Table("cards", schema, ("name",), rules))


def test_a_digest_follows_what_is_declared_and_not_the_words() -> None:
    """Another wording asks nobody to look; another range, unit, type or rule does."""
    small = RowRule("small", "no card is large", pl.col("size") < 2)
    smaller = RowRule("small", "no card is large", pl.col("size") < 1)
    assert named(Reworded) == named(Card)
    excused = RowRule("small", "no card is large", pl.col("size") < 2, pl.col("kind") == "x")
    others = [named(Card, (small,)), named(Card, (smaller,)), named(Card, (excused,)), contracts.digest(Table("cards", Card, ("kind",)))]
    assert len({named(Card), named(Larger), named(Imperial), named(Whole), *others}) == 8


class Keyed(pa.DataFrameModel):
    order: str = contracts.column("Which order", role="key")
    size: float = contracts.column("Its size", role="numeric")


class TwiceKeyed(Keyed):
    line: int = contracts.column("Which line of it", role="key")


def test_the_main_table_is_the_first_with_days() -> None:
    register, cards, seen = (
        Table("register", Card, ("name",), is_daily=False),
        Table("cards", Card, ("name",)),
        Table("seen", Silent, ("id",)),
    )
    assert contracts.main_table([register, cards, seen]) is cards
    with pytest.raises(ContractViolation, match="must come in daily batches; got none that does"):
        contracts.main_table([register])


def test_one_column_names_a_row() -> None:
    assert contracts.key_of(Keyed) == "order"
    with pytest.raises(ContractViolation, match="one column of the role key; got the columns order, line"):
        contracts.key_of(TwiceKeyed)
    with pytest.raises(ContractViolation, match="got no such column"):
        contracts.key_of(Silent)


class Open(Card):
    name: str = contracts.column("Who", role="key", retention_days=30, str_matches="^[a-z]+$")


class Other(Card):
    size: float = contracts.column("How large", role="other", unit="metres", nullable=True, ge=0, lt=3)


class Regrouped(Learnt):
    town: str = pa.Field(metadata={"role": "categorical", "group": "card"})


def test_a_digest_follows_roles_sensitivity_groups_and_batches() -> None:
    """These a reader must look at again as well."""
    whole = contracts.digest(Table("cards", Card, ("name",), is_daily=False))
    assert len({named(Card), named(Open), named(Other), whole}) == 4
    assert contracts.digest(Learnt) != contracts.digest(type("Learnt", (Regrouped,), {}))


def test_a_digest_is_what_it_was() -> None:
    """It is kept with versions: if it changes by itself, every champion seems to have learnt from another contract."""
    assert named(Card) == "7307e461325c5de8"
    assert contracts.digest() == "4f53cda18c2baa0c"
