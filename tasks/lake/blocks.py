"""Days, cut into blocks: what one commit writes, or one of several processes brings to the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from tasks.artifacts.record import Window


def runs(days: Iterable[date], most: int | None = None) -> Iterator[list[date]]:
    """Cut days into runs without a gap.

    Args:
        days: In their order, each once.
        most: The most days of a run; None for no bound.
    """
    run: list[date] = []
    for day in days:
        if run and (day - run[-1] > timedelta(days=1) or len(run) == most):
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def cover(days: Iterable[date], most: int) -> list[Window]:
    """Return the fewest windows that hold all of some days, none of them longer than a bound.

    Windows do not overlap, and begin and end on one of the days; between these there may be others.

    Args:
        days: In any order.
        most: The most days from the first to the last of a window.
    """
    found: list[Window] = []
    for day in sorted(days):
        if found and (day - found[-1].first_day).days < most:
            found[-1] = Window(first_day=found[-1].first_day, last_day=day)
        else:
            found.append(Window(first_day=day, last_day=day))
    return found


def within(days: Iterable[date], block: Window) -> list[date]:
    """Return the days that lie in a window, in their order."""
    return [day for day in days if block.first_day <= day <= block.last_day]
