"""Is every day there, once, and up to now? Days, readings and keys, counted from the profile and against the clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from tasks.artifacts.data import Severity
from tasks.artifacts.settings import BatchRules
from tasks.contracts import Table, columns, types
from tasks.validation.outcome import TOO_FEW, Event, Outcome, by_day, graded, of_all
from tasks.validation.profile import DAY, KEY

_SECONDS = 3_600
_TELLING = 10
"""A column with as many distinct values a day tells days apart; two such make a repeated day no chance."""


def presence(profile: pl.DataFrame, table: Table, first_day: date, as_of: datetime, rules: BatchRules) -> list[Outcome]:
    """Judge which days and readings of a daily table are there.

    Args:
        profile: The table's profile.
        table: Its contract.
        first_day: The first day that the snapshot holds of its main table.
        as_of: The clock; a day that ended before it has to be there.
        rules: Thresholds.
    """
    clock = instant_column(table)
    days = profile.filter(pl.col("column") == KEY).sort(DAY)
    return [
        _missing(days, table, first_day, rules),
        _late(days, table, first_day, as_of, rules),
        _repeated_keys(days, table, rules),
        _repeated_days(profile, table),
        *([_gaps(profile, table, clock, rules), _stale(profile, table, clock, as_of, rules)] if clock else []),
    ]


def instant_column(table: Table) -> str | None:
    """Return the instant in the key of a table of readings at regular instants, None for a table of events."""
    return next((name for name in table.key if types(table.schema)[name] == pl.Datetime("us", "UTC")), None)


def _missing(days: pl.DataFrame, table: Table, first_day: date, rules: BatchRules) -> Outcome:
    present = set(days.get_column(DAY).to_list())
    missing: list[date] = []
    if present:
        missing = sorted(set(pl.date_range(min(first_day, *present), max(present), eager=True).to_list()) - present)
    severity = graded(len(missing), rules.missing_days_warn, rules.missing_days_stop)
    found = f"{len(missing)} missing" + (f", such as {missing[0]}" if missing else "")
    return Outcome(
        f"missing days of {table.name}",
        f"fewer than {rules.missing_days_warn} missing ({rules.missing_days_stop} stop)",
        found,
        of_all(severity, found),
    )


def _late(days: pl.DataFrame, table: Table, first_day: date, as_of: datetime, rules: BatchRules) -> Outcome:
    """The date a day before the clock, in UTC, is a day that has begun in every zone of the Americas and Europe."""
    expected = (as_of - timedelta(days=1)).date()
    newest = days.get_column(DAY).max()
    last = newest if isinstance(newest, date) else first_day - timedelta(days=1)
    told = last if days.height else "none"
    late = max(0, (expected - last).days)
    severity = graded(late, rules.missing_days_warn, rules.missing_days_stop)
    found = f"the newest is {told}" + (f", {late} day{'s'[: late != 1]} late" if late else "")
    return Outcome(
        f"newest day of {table.name}",
        f"{expected} or later ({rules.missing_days_stop} days late stop)",
        found,
        of_all(severity, found),
    )


def _repeated_keys(days: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    repeated = pl.col("rows") - pl.col("distinct")
    bad = days.filter(repeated > 0).with_columns(
        (repeated / pl.col("rows") >= rules.repeated_share_stop).alias("is_stop"),
        pl.format("{} of {} rows repeat a key", repeated, "rows").alias("found"),
    )
    return Outcome(
        f"duplicates of {table.name}",
        f"every {'+'.join(table.key)} once a day ({rules.repeated_share_stop:.0%} repeated stop)",
        f"none on {days.height} days",
        by_day(bad, DAY),
    )


def _repeated_days(profile: pl.DataFrame, table: Table) -> Outcome:
    """A day delivered again under another date: all that is no key and no time has the same statistics to the last digit."""
    telling = profile.filter(
        ~pl.col("column").is_in([KEY, *table.key, *columns(table.schema, "time")]),
        (pl.col("distinct") >= _TELLING) & pl.col("mean").is_not_null(),
    ).sort("column")
    # Rounded: the last digits of a mean follow the order of its additions.
    rounded = (pl.col(name).round_sig_figs(9) for name in ("mean", "deviation"))
    content = pl.struct("column", "rows", "nulls", "distinct", *rounded).hash()
    same = (
        telling.group_by(DAY)
        .agg(pl.len().alias("columns"), content.implode().alias("content"))
        .filter(pl.col("columns") >= 2)
        .with_columns(pl.col("content").list.eval(pl.element().cast(pl.String)).list.join(" "))
        .sort(DAY)
    )
    bad = (
        same.with_columns(pl.col(DAY).min().over("content").alias("original"))
        .filter(pl.col(DAY) > pl.col("original"))
        .with_columns(pl.lit(True).alias("is_stop"), pl.format("the same as {}", "original").alias("found"))
    )
    return Outcome(
        f"repeated days of {table.name}", "no day that repeats another under its own date", f"none of {same.height}", by_day(bad, DAY)
    )


def _gaps(profile: pl.DataFrame, table: Table, clock: str, rules: BatchRules) -> Outcome:
    readings = profile.filter(pl.col("column") == clock).sort(DAY)
    usual = _usual(readings, pl.col("distinct"), rules)
    judged = readings.with_columns(usual.alias("usual")).filter(pl.col("usual").is_not_null(), pl.col(DAY) < pl.col(DAY).max())
    bad = judged.filter(pl.col("usual") - pl.col("distinct") >= rules.gap_readings_warn).with_columns(
        pl.lit(False).alias("is_stop"), pl.format("{} of {} readings", "distinct", pl.col("usual").cast(pl.Int64)).alias("found")
    )
    return Outcome(
        f"gaps of {table.name}",
        f"fewer than {rules.gap_readings_warn} instants of the day missing",
        f"none on {judged.height} days" if judged.height else TOO_FEW,
        by_day(bad, DAY),
    )


def _usual(readings: pl.DataFrame, value: pl.Expr, rules: BatchRules) -> pl.Expr:
    return value.cast(pl.Float64).shift(1).rolling_median(7 * rules.weeks, min_samples=7)


def _stale(profile: pl.DataFrame, table: Table, clock: str, as_of: datetime, rules: BatchRules) -> Outcome:
    """Compare what should have come since the day before the newest with what came, and when the last of it was.

    The instants between two readings come from the days themselves: a reading of instant t is known one such step later.
    """
    expected = f"the last reading less than {rules.stale_hours_warn} hours old ({rules.stale_hours_stop} stop)"
    rule = f"freshness of {table.name}"
    readings = profile.filter(pl.col("column") == clock).sort(DAY)
    if readings.height < 8:
        return Outcome(rule, expected, TOO_FEW)
    day, last = readings.get_column(DAY)[-1], readings.get_column("maximum")[-1]
    age = (as_of.timestamp() - last) / _SECONDS
    severity = graded(age, rules.stale_hours_warn, rules.stale_hours_stop)
    told = f"{age:.0f} hours old"
    if severity != Severity.PASS:
        return Outcome(rule, expected, told, [Event(day, severity, told)])
    before = readings[:-1].tail(7 * rules.weeks)
    spans = (before.get_column("maximum") - before.get_column("minimum")) / (before.get_column("distinct") - 1).clip(1)
    step, a_step = _median(spans), _median(before.get_column("rows") / before.get_column("distinct"))
    due = (as_of.timestamp() - before.get_column("maximum")[-1]) // step - 1 if step else 0.0
    came = readings.get_column("rows")[-1]
    share = came / max(1.0, due * a_step)
    if due >= rules.gap_readings_warn and share < rules.newest_share_warn:
        told = f"{came} readings of {due * a_step:.0f} since {before.get_column(DAY)[-1]}"
        return Outcome(rule, expected, told, [Event(day, Severity.WARN, told)])
    return Outcome(rule, expected, told)


def _median(values: pl.Series) -> float:
    found = values.median()
    return float(found) if isinstance(found, int | float) else 0.0
