"""A toy table of events a day, another of hourly readings, and their rules. Not a test itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandera.polars as pa
import polars as pl

from tasks.artifacts.data import DataSnapshot, Override, QuarantineCount, TableVersion, ValidationReport
from tasks.artifacts.settings import BatchRules
from tasks.contracts import Instant, RowRule, Table
from tasks.lake.ledger import UNDATED
from tasks.validation.batch import validate
from tasks.validation.profile import DAY, profile

FIRST = date(2013, 1, 1)
DAYS, ROWS_A_DAY = 63, 40
RULES = BatchRules(
    weeks=8,
    fewest_weeks=4,
    fewest_rows_a_day=20,
    missing_days_warn=1,
    missing_days_stop=3,
    thin_day_share_warn=0.75,
    thin_day_share_stop=0.25,
    full_day_share_warn=1.5,
    full_day_share_stop=2.0,
    null_rise_warn=0.25,
    null_rise_stop=0.75,
    fewest_values=3,
    scale_warn=1.0,
    scale_stop=1.5,
    level_warn=2.0,
    level_stop=4.0,
    level_days=7,
    held_level_stop=0.25,
    new_values_stop=3,
    few_values=5,
    label_correlation=0.6,
    label_share_warn=0.75,
    label_share_stop=0.5,
    repeated_share_stop=0.1,
    gap_readings_warn=3,
    stale_hours_warn=6,
    stale_hours_stop=72,
    newest_share_warn=0.75,
    quarantined_share_warn=0.01,
    quarantined_share_stop=0.1,
    quarantined_day_share_warn=0.2,
    quarantined_day_share_stop=0.5,
)


class Toy(pa.DataFrameModel):
    on: pl.Date = pa.Field(metadata={"role": "key"})
    number: int = pa.Field(metadata={"role": "key"})
    value: float = pa.Field(ge=0, nullable=True)
    late: float = pa.Field(nullable=True, metadata={"role": "label"})
    early: float = pa.Field(nullable=True)
    kind: str
    owner: str = pa.Field(metadata={"sensitivity": "restricted"})


class Readings(pa.DataFrameModel):
    at: Instant = pa.Field(metadata={"role": "key"})
    station: str = pa.Field(metadata={"role": "key"})
    heat: float


class Places(pa.DataFrameModel):
    place: str


TOY = Table("toy", Toy, ("on", "number"), (RowRule("value must not be 13", "", pl.col("value") != 13),))
READINGS = Table("readings", Readings, ("at", "station"))
PLACES = Table("places", Places, ("place",), is_daily=False)
AS_OF = datetime(2013, 3, 4, 23, tzinfo=UTC)
"""The last of 63 days."""


def day(index: int) -> date:
    return FIRST + timedelta(days=index)


def events(rows_by_day: dict[int, int] | None = None, days: int = DAYS) -> pl.DataFrame:
    """Return forty rows a day, with other numbers of rows on the days given; the label goes with `early`."""
    counts = [(rows_by_day or {}).get(d, ROWS_A_DAY) for d in range(days)]
    on = [d for d, n in enumerate(counts) for _ in range(n)]
    rng = np.random.default_rng(2013)
    late = rng.normal(10, 5, len(on))
    return pl.DataFrame(
        {
            "on": [day(d) for d in on],
            "number": [i for n in counts for i in range(n)],
            "value": rng.uniform(50, 100, len(on)),
            "late": late,
            "early": late + rng.normal(0, 1, len(on)),
            "kind": [("a", "b", "c")[i % 3] for i in range(len(on))],
            "owner": [f"owner {i % 3}" for i in range(len(on))],
        },
        schema_overrides={"on": pl.Date},
    )


def readings(days: int = DAYS) -> pl.DataFrame:
    """Return two stations' readings of every hour up to the clock."""
    hours = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(24 * days - 1)]
    rng = np.random.default_rng(2013)
    frame = pl.DataFrame({"at": hours}, schema={"at": pl.Datetime("us", "UTC")}).join(pl.DataFrame({"station": ["x", "y"]}), how="cross")
    return frame.with_columns(pl.Series("heat", rng.normal(50, 10, frame.height)))


def on_day(frame: pl.DataFrame, index: int, **changed: Any) -> pl.DataFrame:
    """Return the events with columns changed on one day."""
    is_it = pl.col("on") == day(index)
    return frame.with_columns(
        pl.when(is_it).then(value).otherwise(pl.col(name)).cast(frame.schema[name]).alias(name) for name, value in changed.items()
    )


def profiled(frame: pl.DataFrame, table: Table = TOY) -> pl.DataFrame:
    dated = pl.col("at").dt.date() if table is READINGS else pl.col("on")
    return profile(frame.with_columns(dated.alias(DAY)), table)


def check(
    rows: pl.DataFrame,
    quarantined: int = 0,
    rules: BatchRules = RULES,
    overrides: tuple[Override, ...] = (),
    as_of: datetime = AS_OF,
    bad_by_day: dict[date, int] | None = None,
) -> ValidationReport:
    def version(name: str, height: int) -> TableVersion:
        return TableVersion(name=name, uri=name, version=0, rows=height, content_hash="")

    aside = [QuarantineCount(table="toy", rows=quarantined, reasons={"value: bad": quarantined})] if quarantined else []
    snapshot = DataSnapshot.model_construct(
        source="toy",
        as_of=as_of,
        first_day=FIRST,
        last_day=day(DAYS - 1),
        tables=[version("toy", rows.height), version("places", 1)],
        quarantined=aside,
        rows_read=rows.height,
        content_hash="abc",
    )
    profiles = {"toy": profiled(rows), "places": profile(pl.DataFrame({"place": ["x"]}), PLACES)}
    entries = [{"table": "toy", DAY: on, "rows": n} for on, n in rows.group_by("on").len().iter_rows()]
    held = pl.DataFrame(entries, schema={"table": pl.String, DAY: pl.Date, "rows": pl.Int64})
    bad = pl.DataFrame({"table": "toy", DAY: on, "quarantined": n} for on, n in (bad_by_day or {UNDATED: quarantined}).items())
    counts = held.join(bad, on=["table", DAY], how="full", coalesce=True).with_columns(pl.col("rows", "quarantined").fill_null(0))
    counts = counts.with_columns(rows_read=pl.col("rows") + pl.col("quarantined"))
    return validate(snapshot, profiles, counts, (TOY, PLACES), rules, overrides)
