"""Is a snapshot fit to train on? BatchRules about whole days and whole tables; each finding passes, warns or stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tasks.artifacts.data import DataSnapshot, Finding, Severity, ValidationReport
from tasks.artifacts.settings import BatchRules
from tasks.contracts import Table, violations

DAY = "batch_day"


def validate(
    snapshot: DataSnapshot, frames: Mapping[str, pl.LazyFrame], contracts: Sequence[Table], day_of: Mapping[str, pl.Expr], rules: BatchRules
) -> ValidationReport:
    """Check a snapshot.

    Args:
        snapshot: What is checked.
        frames: Its rows by table.
        contracts: The tables' contracts; the first daily one is the main one.
        day_of: The daily batch of a row, by daily table.
        rules: Thresholds.

    Returns:
        All findings and the verdict, the worst of them.
    """
    daily = [table for table in contracts if table.is_daily]
    by_day = {
        table.name: frames[table.name].group_by(day_of[table.name].alias(DAY)).agg(pl.len().alias("rows")).sort(DAY).collect()
        for table in daily
    }
    main = by_day[daily[0].name]
    findings = [
        _at_least("rows", f"{daily[0].name} rows", int(main.get_column("rows").sum()), rules.fewest_rows),
        _at_least("days", f"days of {daily[0].name}", main.height, rules.fewest_days),
        *(_contract(table, frames[table.name]) for table in contracts),
        *(_missing_days(name, days, rules) for name, days in by_day.items()),
        *(_thin_days(name, days, rules) for name, days in by_day.items()),
        *(_quarantined(table.name, snapshot, rules) for table in contracts),
    ]
    verdict = next(s for s in (Severity.STOP, Severity.WARN, Severity.PASS) if s in {f.severity for f in findings} | {Severity.PASS})
    return ValidationReport(
        snapshot_hash=snapshot.content_hash,
        verdict=verdict,
        findings=findings,
        rows_by_day={str(day): rows for day, rows in main.iter_rows()},
    )


def _at_least(rule: str, what: str, found: int, fewest: int) -> Finding:
    severity = Severity.PASS if found >= fewest else Severity.STOP
    return Finding(rule=rule, severity=severity, expected=f"at least {fewest:,} {what}", found=f"{found:,}")


def _contract(table: Table, rows: pl.LazyFrame) -> Finding:
    broken = violations(rows, table.schema, table.rules)
    return Finding(
        rule=f"contract of {table.name}",
        severity=Severity.STOP if broken else Severity.PASS,
        expected="every row in the snapshot keeps the contract",
        found="; ".join(map(str, broken)) or "they do",
    )


def _graded(value: float, warn: float, stop: float) -> Severity:
    return Severity.STOP if value >= stop else Severity.WARN if value >= warn else Severity.PASS


def _missing_days(name: str, days: pl.DataFrame, rules: BatchRules) -> Finding:
    present = days.get_column(DAY)
    missing: list[date] = []
    if len(present):
        first, last = present[0], present[-1]
        missing = sorted(set(pl.date_range(first, last, eager=True).to_list()) - set(present.to_list()))
    shown = f"{len(missing)} missing" + (f", such as {missing[0]}" if len(missing) else "")
    return Finding(
        rule=f"missing days of {name}",
        severity=_graded(len(missing), rules.missing_days_warn, rules.missing_days_stop),
        expected=f"fewer than {rules.missing_days_warn} missing ({rules.missing_days_stop} stop)",
        found=shown,
    )


def _thin_days(name: str, days: pl.DataFrame, rules: BatchRules) -> Finding:
    """Compare each day with the median of the same weekday; the first and last day may be cut by the clock."""
    whole = days.slice(1, max(0, days.height - 2))
    share = pl.col("rows") / pl.col("rows").median().over(pl.col(DAY).dt.weekday())
    shares = whole.with_columns(share.alias("share")).sort("share")
    if shares.is_empty():
        return Finding(rule=f"thin days of {name}", severity=Severity.PASS, expected="two days or more", found="too few to compare")
    day, least = shares.row(0, named=True)[DAY], shares.row(0, named=True)["share"]
    severity = _graded(-least, -rules.thin_day_share_warn, -rules.thin_day_share_stop)
    return Finding(
        rule=f"thin days of {name}",
        severity=severity,
        expected=f"every day above {rules.thin_day_share_warn:.0%} of its weekday's median ({rules.thin_day_share_stop:.0%} stops)",
        found=f"least {least:.0%} on {day}",
    )


def _quarantined(name: str, snapshot: DataSnapshot, rules: BatchRules) -> Finding:
    rows = next((q.rows for q in snapshot.quarantined if q.table == name), 0)
    share = rows / max(1, snapshot.table(name).rows + rows)
    return Finding(
        rule=f"quarantine of {name}",
        severity=_graded(share, rules.quarantined_share_warn, rules.quarantined_share_stop),
        expected=f"below {rules.quarantined_share_warn:.1%} ({rules.quarantined_share_stop:.0%} stops)",
        found=f"{rows:,} rows, {share:.3%}",
    )
