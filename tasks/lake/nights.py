"""What each night of monitoring found and decided: one row a night, in the lake's table `nights`.

The next night looks back at these rows, and the trend is drawn from them. A night may be watched again: its row is then
replaced, unless it was acted upon, as what was done was done for that reason.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from pydantic import ValidationError

from tasks.artifacts.monitoring import NightReport
from tasks.artifacts.retraining import Action, TriggerDecision
from tasks.errors import ClockError
from tasks.lake import exclusive
from tasks.lake.exclusive import Change

log = logging.getLogger(__name__)

NIGHTS = "nights"

_ACTED = (Action.CHALLENGE.value, Action.ROLL_BACK.value)
_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA = pl.Schema(
    {
        "night": pl.Date(),
        "as_of": _INSTANT,
        "champion_version": pl.Int64(),
        "action": pl.String(),
        "report": pl.String(),
        "decision": pl.String(),
        "recorded_at": _INSTANT,
        "run": pl.String(),
    }
)


@dataclass(frozen=True)
class NightRecord:
    """One night, as it was recorded.

    Attributes:
        report: What it found.
        decision: What it asked for.
        recorded_at: When it was written (UTC, by the machine's clock).
        run: The execution that wrote it.
    """

    report: NightReport
    decision: TriggerDecision
    recorded_at: datetime
    run: str

    @property
    def night(self) -> date:
        """The last local day that was complete."""
        return self.report.night


def newest(lake: str) -> date | None:
    """Return the newest night that is recorded, None if none is. Raises LakeError if the table is damaged."""
    found: date | None = exclusive.rows(_uri(lake), _SCHEMA).select(pl.col("night").max()).collect().item()
    return found


def read(lake: str, last: int | None = None) -> list[NightRecord]:
    """Return recorded nights, the oldest first; an empty list if there are none.

    A row that another version of the code wrote in another form is left out, with a warning: it stays in the table.

    Args:
        lake: Folder or URI of the lake.
        last: Only so many of the newest; None for all.

    Raises:
        LakeError: If the table is damaged.
    """
    stored = exclusive.rows(_uri(lake), _SCHEMA)
    if last is not None:
        kept = stored.select("night").collect().get_column("night").sort(descending=True).head(last)
        if kept.is_empty():
            return []
        stored = stored.filter(pl.col("night") >= kept.min())
    return _readable(stored.sort("night").collect())


def record(lake: str, reports: Sequence[NightReport], decisions: Sequence[TriggerDecision], run: str, now: datetime) -> list[NightRecord]:
    """Write nights in one commit; done again it changes nothing but the time.

    A night that stands there replaces no night that was acted upon, unless it acts too. Of several nights those that another
    monitor has recorded meanwhile stay as they are, but for the newest.

    Args:
        lake: Folder or URI of the lake.
        reports: What the nights found, the oldest first.
        decisions: What they asked for, in the same order.
        run: The execution that writes.
        now: The machine's clock (UTC).

    Returns:
        The same nights as they then stand in the table, the oldest first.

    Raises:
        ClockError: If a later night than the last of them is recorded.
        LakeError: If the table is damaged, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """
    rows = pl.DataFrame(
        [_row(report, decision, run, now) for report, decision in zip(reports, decisions, strict=True)], schema=_SCHEMA
    ).sort("night")
    if rows.is_empty():
        return []
    wanted, tonight = rows.get_column("night").to_list(), rows.item(-1, "night")

    def draft(stored: pl.LazyFrame) -> Change[list[NightRecord]]:
        last: date | None = stored.select(pl.col("night").max()).collect().item()
        if last is not None and last > tonight:
            raise ClockError(
                "a night must not be older than the newest one that is recorded",
                f"{tonight}, and {last} is recorded",
                "run it with a later `as_of`; to look at days past, `workflows/backfill.py` fills them and records no night",
            )
        there = stored.filter(pl.col("night").is_in(wanted)).collect()
        acted, acts = there.filter(pl.col("action").is_in(_ACTED)), rows.filter(pl.col("action").is_in(_ACTED))
        settled = set(there.get_column("night")) - {tonight} | set(acted.get_column("night")) - set(acts.get_column("night"))
        new = rows.filter(~pl.col("night").is_in(sorted(settled)))
        after = pl.concat([there.filter(pl.col("night").is_in(sorted(settled))), new]).sort("night")
        told = _readable(after)
        if new.is_empty():
            return Change(told)
        named = ", ".join(f"'{night}'" for night in new.get_column("night"))
        return Change(told, new, f"night IN ({named})")

    return exclusive.change(_uri(lake), _SCHEMA, draft)


def _row(report: NightReport, decision: TriggerDecision, run: str, now: datetime) -> dict[str, object]:
    return {
        "night": report.night,
        "as_of": report.as_of,
        "champion_version": report.champion_version,
        "action": decision.action.value,
        "report": report.model_dump_json(),
        "decision": decision.model_dump_json(),
        "recorded_at": now,
        "run": run,
    }


def _readable(rows: pl.DataFrame) -> list[NightRecord]:
    found = []
    for row in rows.iter_rows(named=True):
        try:
            report, decision = NightReport.model_validate_json(row["report"]), TriggerDecision.model_validate_json(row["decision"])
        except ValidationError as error:
            log.warning("the night %s is recorded in another form, and is left out: %s", row["night"], str(error).split("\n")[0])
            continue
        found.append(NightRecord(report, decision, row["recorded_at"], row["run"]))
    return found


def _uri(lake: str) -> str:
    return f"{lake}/{NIGHTS}"
