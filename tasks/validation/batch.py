"""Is a snapshot fit to train on? Rules about rows, days and whole tables; each finding passes, warns or stops.

Here the rules come together: which are asked of which table, whom an override lets pass, and the verdict. What a day must
look like stands in `change.py`, which days must be there in `presence.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from tasks.artifacts.data import DataSnapshot, Finding, Override, Severity, ValidationReport
from tasks.artifacts.settings import BatchRules
from tasks.contracts import Table, columns
from tasks.lake.ledger import UNDATED
from tasks.validation.change import changes
from tasks.validation.outcome import Outcome, by_day, graded, of_all, shortened
from tasks.validation.presence import instant_column, presence
from tasks.validation.profile import DAY, KEY

_OF_DAYS = (
    *("missing days", "newest day", "duplicates", "repeated days"),
    *("volume", "nulls", "constants", "scale", "categories"),
)


def rule_names(contracts: Sequence[Table]) -> list[str]:
    """Return the names of all rules, as findings and overrides have them."""
    names: list[str] = []
    for table in contracts:
        kinds = ["contract", "quarantine"]
        if table.is_daily:
            kinds += [*_OF_DAYS, *(["labels"] if columns(table.schema, "label") else [])]
            kinds += ["gaps", "freshness"] if instant_column(table) else []
        names += [f"{kind} of {table.name}" for kind in kinds]
    return names


def validate(
    snapshot: DataSnapshot,
    profiles: Mapping[str, pl.DataFrame],
    entries: pl.DataFrame,
    contracts: Sequence[Table],
    rules: BatchRules,
    overrides: Sequence[Override] = (),
) -> ValidationReport:
    """Check a snapshot.

    Args:
        snapshot: What is checked.
        profiles: The profile of each table.
        entries: The snapshot's manifest: `table`, `batch_day`, `rows_read`, `rows` and `quarantined` of each table and day.
        contracts: The tables' contracts; the first daily one is the main one.
        rules: Thresholds.
        overrides: What persons let pass: a STOP of that rule (and day) becomes a WARN that says who and why.

    Returns:
        All findings, at most 21 a rule, and the verdict, the worst of them.
    """
    daily = [table for table in contracts if table.is_daily]
    main = profiles[daily[0].name].filter(pl.col("column") == KEY).sort(DAY)
    by_rule = [_contract(table, profiles[table.name]).findings() for table in contracts]
    by_rule += [_quarantined(entries.filter(pl.col("table") == table.name), table, rules).findings() for table in contracts]
    for table in daily:
        of_days = profiles[table.name]
        outcomes = [*presence(of_days, table, snapshot.first_day, snapshot.as_of, rules), *changes(of_days, table, rules)]
        by_rule += [outcome.findings() for outcome in outcomes]
    used: list[Override] = []
    findings = [f for found in by_rule for f in shortened([_overridden(finding, overrides, used) for finding in found])]
    verdict = next(s for s in (Severity.STOP, Severity.WARN, Severity.PASS) if s in {f.severity for f in findings} | {Severity.PASS})
    return ValidationReport(
        snapshot_hash=snapshot.content_hash,
        verdict=verdict,
        findings=findings,
        rows_by_day={str(day): rows for day, rows in main.select(DAY, "rows").iter_rows()},
        overrides=[override for override in overrides if override in used],
    )


def _overridden(finding: Finding, overrides: Sequence[Override], used: list[Override]) -> Finding:
    """Let a STOP pass that a person overrode, the last to do so; the override of all days reaches each of them."""
    for override in reversed(overrides):
        if finding.severity == Severity.STOP and override.rule == finding.rule and override.day in (None, finding.day):
            used.append(override)
            told = f"{finding.found}; overridden by {override.by}: {override.reason}"
            return finding.model_copy(update={"severity": Severity.WARN, "found": told})
    return finding


def _contract(table: Table, profile: pl.DataFrame) -> Outcome:
    bad = profile.filter(pl.col("broken").list.len() > 0).select(DAY, pl.col("broken").list.join("; ").alias("found"), is_stop=True)
    return Outcome(f"contract of {table.name}", "every row in the snapshot keeps the contract", "they do", by_day(bad, DAY))


def _quarantined(entries: pl.DataFrame, table: Table, rules: BatchRules) -> Outcome:
    """Of all days together, and of each: a year hides a day. Rows whose day cannot be read count for the whole alone."""
    aside, read = (int(entries.select(columns.sum()).item()) for columns in (pl.col("quarantined"), pl.col("rows") + pl.col("quarantined")))
    share = aside / max(1, read)
    severity = graded(share, rules.quarantined_share_warn, rules.quarantined_share_stop)
    told = f"{aside:,} rows, {share:.3%}"
    of_day = pl.col("quarantined") / pl.col("rows_read")  # of the newest day, most may not be known yet
    bad = entries.filter(pl.col(DAY) != UNDATED, pl.col("quarantined") > 0, of_day >= rules.quarantined_day_share_warn).select(
        DAY,
        (of_day >= rules.quarantined_day_share_stop).alias("is_stop"),
        pl.format("{} of {} rows", "quarantined", "rows_read").alias("found"),
    )
    return Outcome(
        f"quarantine of {table.name}",
        f"below {rules.quarantined_share_warn:.1%} ({rules.quarantined_share_stop:.0%} stops),"
        f" of each day below {rules.quarantined_day_share_warn:.0%} ({rules.quarantined_day_share_stop:.0%} stops)",
        told,
        [*of_all(severity, told), *by_day(bad, DAY)],
    )
