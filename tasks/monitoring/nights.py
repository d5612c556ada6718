"""Which nights are to be watched: tonight, and before it those that were missed, in order and once."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

from tasks.artifacts.monitoring import Night
from tasks.artifacts.registry import ChampionState
from tasks.clock import last_labelled_day
from tasks.errors import ClockError

log = logging.getLogger(__name__)


def plan(
    as_of: datetime, newest: date | None, champion: ChampionState, zone: str, labels_after_hours: int, most_missed: int
) -> list[Night]:
    """Return the nights to watch, the newest last.

    A night that was watched before is watched again by itself: its record is replaced, and nothing is done twice. Nights of before
    the champion was judged are not caught up, as it was not there.

    Args:
        as_of: The clock.
        newest: The newest night on record, None before the first.
        champion: The champion.
        zone: Zone of the local days.
        labels_after_hours: Hours after a local day's end at which its labels are complete.
        most_missed: Missed nights that are caught up; those before are told and left.

    Raises:
        ClockError: If a later night has been watched.
    """
    tonight = last_labelled_day(as_of, zone, labels_after_hours)
    if newest is not None and tonight < newest:
        raise ClockError(
            "the night must not be before the newest that was watched",
            f"{tonight}, with {newest} on record",
            "use a later --as_of; to replay the past, run `make backtest`, or use a home of its own (EVERGREEN_HOME)",
        )
    missed: list[date] = []
    if newest is not None:
        first = max(newest, champion.evaluation.last_day) + timedelta(days=1)
        if first > newest + timedelta(days=1) and first <= tonight:
            log.info(
                "nights from %s to %s are left: the champion was judged on them", newest + timedelta(days=1), first - timedelta(days=1)
            )
        missed = [first + timedelta(days=n) for n in range((tonight - first).days)]
    left, kept = missed[: max(0, len(missed) - most_missed)], missed[max(0, len(missed) - most_missed) :]
    if missed:
        log.info("%d nights were missed: %d are caught up%s", len(missed), len(kept), f", {left[0]} to {left[-1]} are left" if left else "")
    late = [Night(night=night, as_of=as_of - (tonight - night), is_late=True) for night in kept]
    return [*late, Night(night=tonight, as_of=as_of)]
