"""Who retrains: at most one at a time, by a lease in the lake's table `leases`.

A lease is for a night. While it is open, another retraining is held back; once its night had a challenger, that night gets no
second one. A lease whose process is gone, or that has expired, is taken over and ended as failed, and after a failure the
same night may try again. The claim is decided by one commit, so that of two that come at once exactly one has it.
"""

from __future__ import annotations

import os
import re
import socket
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tasks.artifacts.retraining import Lease
from tasks.lake import exclusive
from tasks.lake.exclusive import Change

LEASES = "leases"
FAILED = "failed"
"""How the outcome of a retraining begins that gave no challenger."""

_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA = pl.Schema(
    {
        "night": pl.Date(),
        "holder": pl.String(),
        "taken_at": _INSTANT,
        "expires_at": _INSTANT,
        "ended_at": _INSTANT,
        "outcome": pl.String(),
    }
)
_PROCESS = re.compile(r" on (?P<host>\S+), process (?P<pid>\d+) of (?P<started>\d+)$")


class Turn(NamedTuple):
    """What came of a claim: the lease, or the one that stands in its way."""

    lease: Lease
    is_taken: bool


def take(lake: str, night: date, holder: str, now: datetime, hours: float) -> Turn:
    """Claim the retraining of a night; claimed again by the same holder it is the same lease.

    Args:
        lake: Folder or URI of the lake.
        night: The night that asks for it.
        holder: Who claims it, as `here` or another name that stays the same until the end.
        now: The machine's clock (UTC).
        hours: After these it blocks no other, however it goes on.

    Returns:
        The lease and True; or False with the lease in its way: an open one, or the one that the night has had.

    Raises:
        LakeError: If the table is damaged, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """

    def draft(stored: pl.LazyFrame) -> Change[Turn]:
        leases = _leases(stored)
        for lease in leases:
            if lease.ended_at is None and not _is_lost(lease, now):
                return Change(Turn(lease, lease.holder == holder and lease.night == night))
        for lease in leases:
            if lease.night == night and lease.ended_at is not None and not lease.outcome.startswith(FAILED):
                return Change(Turn(lease, False))
        over = [_ended(lease, _is_lost(lease, now), now) if lease.ended_at is None else lease for lease in leases]
        new = Lease(night=night, holder=holder, taken_at=now, expires_at=now + timedelta(hours=hours))
        return Change(Turn(new, True), _rows([*over, new]))

    return exclusive.change(_uri(lake), _SCHEMA, draft)


def end(lake: str, holder: str, outcome: str, now: datetime) -> Lease | None:
    """End the open lease of a holder; done again it changes nothing.

    Args:
        lake: Folder or URI of the lake.
        holder: Who has it.
        outcome: What came of it; `FAILED` and why, if it gave no challenger, so that the night may try again.
        now: The machine's clock (UTC).

    Returns:
        The lease as it ended, or None if the holder has no open one: it has ended, or another has taken it over.
    """

    def draft(stored: pl.LazyFrame) -> Change[Lease | None]:
        leases = _leases(stored)
        mine = [lease for lease in leases if lease.holder == holder and lease.ended_at is None]
        if not mine:
            return Change(None)
        done = _ended(mine[-1], outcome, now)
        return Change(done, _rows([done if lease == mine[-1] else lease for lease in leases]))

    return exclusive.change(_uri(lake), _SCHEMA, draft)


def read(lake: str) -> list[Lease]:
    """Return all leases, the oldest first; an empty list if there are none. Raises LakeError if the table is damaged."""
    return _leases(exclusive.rows(_uri(lake), _SCHEMA))


def here(run: str) -> str:
    """Return the name of a holder that is this process, by which others on this host see whether it still lives."""
    return f"{run} on {socket.gethostname()}, process {os.getpid()} of {_start_of(os.getpid())}"


def _is_lost(lease: Lease, now: datetime) -> str:
    """Return why an open lease blocks nobody any more; empty if it does."""
    if now >= lease.expires_at:
        return f"{FAILED}: it had expired"
    told = _PROCESS.search(lease.holder)
    if told and told["host"] == socket.gethostname() and _start_of(int(told["pid"])) != int(told["started"]):
        return f"{FAILED}: its process had gone"
    return ""


def _start_of(pid: int) -> int | None:
    """Return when a process of this host began, in ticks since it booted, None if it is gone: a number may be given again."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() or not _lives(pid) else 0
    state, *others = told.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return None if state in "ZX" else int(others[18])  # one that has ended and is still listed is gone; field 22


def _lives(pid: int) -> bool:
    """Return whether there is a process of a number, on systems that have no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ended(lease: Lease, outcome: str, now: datetime) -> Lease:
    return lease.model_copy(update={"ended_at": now, "outcome": outcome})


def _leases(stored: pl.LazyFrame) -> list[Lease]:
    return [Lease.model_validate(row) for row in stored.sort("taken_at", maintain_order=True).collect().iter_rows(named=True)]


def _rows(leases: list[Lease]) -> pl.DataFrame:
    return pl.DataFrame([lease.model_dump() for lease in leases], schema=_SCHEMA)


def _uri(lake: str) -> str:
    return f"{lake}/{LEASES}"
