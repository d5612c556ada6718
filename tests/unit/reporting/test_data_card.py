"""The data card: it says all that contract and snapshot say, and no restricted value."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from tasks.artifacts.data import DataSnapshot, QuarantineCount, TableVersion
from tasks.contracts import Instant, RowRule, Table, column
from tasks.reporting import data_card

pytestmark = pytest.mark.unit


class Parcels(pa.DataFrameModel):
    """One parcel | as it was <weighed>."""

    id: str = column("Number", role="key", str_matches="^(a|b)")
    sender: str = column("Who sent it", role="other", nullable=True, sensitivity="restricted", retention_days=30)
    kind: str = column("Kind", role="segment", isin=["box", "bag"])
    weight: float = column("Weight", role="feature", unit="kilograms", nullable=True, ge=0, le=2000)
    came: Instant = column("When it came", role="time", unit="UTC")


class Depots(pa.DataFrameModel):
    """Where parcels come to."""

    name: str = column("Name", role="key")


TABLES = (
    Table("parcels", Parcels, ("id",), (RowRule("a bag must be light", "below 30 kilograms", pl.col("weight") < 30),)),
    Table("depots", Depots, ("name",), is_daily=False),
)
SNAPSHOT = DataSnapshot(
    source="s3://raw/par|cels",
    as_of=datetime(2013, 1, 3, 12, tzinfo=UTC),
    first_day=date(2013, 1, 1),
    last_day=date(2013, 1, 2),
    tables=[
        TableVersion(name=name, uri=f"/lake/{name}", version=3, rows=rows, content_hash="ab" * 32)
        for name, rows in (("parcels", 1_040), ("depots", 2))
    ],
    manifest="/lake/manifest.json",
    quarantined=[QuarantineCount(table="parcels", rows=4, reasons={"(row): a bag must be light": 3, "kind: must not be null": 2})],
    rows_read=1_046,
    rows_not_yet_known=0,
    content_hash="cd" * 32,
)


def entry(table: str, day: date | None, name: str, rows: int, **more: Any) -> dict[str, Any]:
    statistics = dict.fromkeys(("minimum", "maximum", "mean", "median", "values")) | {"nulls": 0, "distinct": rows}
    return {"table": table, "batch_day": day, "column": name, "rows": rows} | statistics | more


FIRST, SECOND = date(2013, 1, 1), date(2013, 1, 2)
PROFILE = pl.DataFrame(
    [
        entry("parcels", FIRST, "id", 1_000),
        entry("parcels", SECOND, "id", 40),
        entry("parcels", FIRST, "sender", 1_000, nulls=500, values=["Ann Secret"]),  # a profile that should not say so
        entry("parcels", SECOND, "sender", 40, minimum=4242.0),
        entry("parcels", FIRST, "kind", 1_000, distinct=1, values=["box"]),
        entry("parcels", SECOND, "kind", 40, distinct=2, values=["bag", "box"]),
        entry("parcels", FIRST, "weight", 1_000, nulls=990, distinct=7, minimum=1.0, maximum=5.0, mean=2.0, median=2.0),
        entry("parcels", SECOND, "weight", 40, nulls=10, distinct=9, minimum=0.5, maximum=9.25, mean=6.0, median=5.0),
        entry("parcels", FIRST, "came", 1_000, minimum=1357016400.0, maximum=1357099200.0, mean=1357050000.0, median=1357050000.0),
        entry("parcels", FIRST, "(key)", 1_000),  # not a column of the contract
        entry("depots", None, "name", 2, distinct=2),
    ],
    schema={
        "table": pl.String,
        "batch_day": pl.Date,
        "column": pl.String,
        "rows": pl.Int64,
        "nulls": pl.Int64,
        "distinct": pl.Int64,
        **dict.fromkeys(("minimum", "maximum", "mean", "median"), pl.Float64),
        "values": pl.List(pl.String),
    },
)


def card(snapshot: DataSnapshot = SNAPSHOT, profile: pl.DataFrame = PROFILE, **more: Any) -> str:
    return data_card.markdown("Parcels", "post@example.com", TABLES, snapshot, profile, **more)


def cells(name: str, nth: int = 0) -> list[str]:
    """Return the cells of the nth table line that begins with a name."""
    lines = [line for line in card().splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[nth])[1:-1]]


def test_its_headings() -> None:
    assert re.findall(r"^## (.*)$", card(), re.M) == [
        "What it is and where it comes from",
        "Owner",
        "Tables",
        "Columns",
        "Rules",
        "Sensitivity and retention",
        "Quarantine",
        "Known limits",
    ]


@pytest.mark.parametrize(
    ("name", "nth", "expected"),
    [
        # What the contract says ...
        ("id", 0, ["id", "Number", "String", "-", "key", r"matches ^(a\|b)", "no", "public", "with the table"]),
        ("sender", 0, ["sender", "Who sent it", "String", "-", "other", "any", "yes", "restricted", "30 days"]),
        ("kind", 0, ["kind", "Kind", "String", "-", "segment", "one of box, bag", "no", "public", "with the table"]),
        ("weight", 0, ["weight", "Weight", "Float64", "kilograms", "feature", "0 to 2000", "yes", "public", "with the table"]),
        ("came", 0, ["came", "When it came", "instant (UTC)", "UTC", "time", "any", "no", "public", "with the table"]),
        # ... and what the snapshot has, over both days.
        ("id", 1, ["id", "0.0%", "-", "-", "-", "1,000 or more", "-"]),
        ("sender", 1, ["sender", "48.1%", *["masked"] * 5]),
        ("kind", 1, ["kind", "0.0%", "-", "-", "-", "2", "bag, box"]),
        ("weight", 1, ["weight", "96.2%", "0.50", "5", "9.25", "9 or more", "-"]),  # the mean of 10 rows of 2 and 30 of 6
        ("came", 1, ["came", "0.0%", "2013-01-01 05:00 UTC", "2013-01-01 14:20 UTC", "2013-01-02 04:00 UTC", "1,000", "-"]),
        # Tables.
        ("parcels", 0, ["parcels", "1,040", "2", "5", "id", "in daily batches"]),
        ("depots", 0, ["depots", "2", "-", "1", "name", "whole"]),
    ],
)
def test_columns_and_tables(name: str, nth: int, expected: list[str]) -> None:
    assert cells(name, nth) == expected


@pytest.mark.parametrize(
    "said",
    [
        "post@example.com answers for these data",
        "2013-01-01 to 2013-01-02, 2 days, 1,046 rows read",
        "as known at 2013-01-03 12:00 UTC",
        "| parcels | a bag must be light | below 30 kilograms |",
        "| depots | name must not repeat | the key; the first row stays |",
        "| parcels | sender | restricted | 30 days | Who sent it |",
        "4 rows set aside, of 1,046 read",
        "| parcels | (row): a bag must be light | 3 |",
        "often missing are weight (96.2%) and sender (48.1%)",
        "depots: comes whole",
    ],
)
def test_it_says(said: str) -> None:
    assert said in card()


def test_the_use_case_adds_what_it_knows() -> None:
    assert "- Sundays are not weighed." in card(limits=["Sundays are not weighed."])


@pytest.mark.parametrize("write", [data_card.markdown, data_card.html])
def test_restricted_values_are_not_shown(write: Any) -> None:
    written = write("Parcels", "post", TABLES, SNAPSHOT, PROFILE)
    assert "Secret" not in written
    assert "4242" not in written
    assert "masked" in written


def test_nothing_set_aside_and_no_statistics() -> None:
    written = card(SNAPSHOT.model_copy(update={"quarantined": []}), PROFILE.clear())
    assert "No row was set aside." in written
    assert written.count("No statistics of this table.") == 2


def test_every_line_of_a_table_has_as_many_cells_as_its_head() -> None:
    for block in card().split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_what_records_say_is_escaped() -> None:
    assert r"s3://raw/par\|cels" in card()
    assert "&lt;weighed>" in card()
    written = data_card.html("Parcels <b>", "post", TABLES, SNAPSHOT, PROFILE)
    assert "&lt;weighed&gt;" in written
    assert "<b>" not in written


def test_the_fragment_is_small_and_needs_no_network() -> None:
    written = data_card.html("Parcels", "post", TABLES, SNAPSHOT, PROFILE)
    assert len(written) < 50_000
    assert not re.search(r"(src|href)\s*=|https?://|<script", written)


def test_the_order_of_the_profile_does_not_matter() -> None:
    assert card(profile=PROFILE.reverse()) == card()
