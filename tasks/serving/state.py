"""The state of the online features: what is known, as files that a task publishes and every worker of the service reads.

A state is a sealed bundle `state/<digest>/` with a Parquet file a table, and `state.json` the pointer to it, replaced in one step. A
reader sees the old state or the new one, never a half of either. What is not here: which rows and columns a state holds, and what is
made of them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from pydantic import ValidationError

from tasks.artifacts.serving import State
from tasks.errors import StorageError
from tasks.model import bundle
from tasks.serving import files

T = TypeVar("T")

POINTER, STATES = "state.json", "state"

_KEPT = 2  # the newest, and the one before: a worker may be reading it at this moment
_PARTIAL = "new"
_AGAIN_SECONDS = 30.0  # after a fault: what a full disk or a lost mount did may be over, and reading all of it at each look costs
_MOST_CHARACTERS = 500  # of a problem


def publish(folder: Path, tables: Mapping[str, pl.DataFrame], as_of: datetime, events: str) -> State:
    """Publish what was known at an instant; published again it changes nothing.

    Args:
        folder: The service's folder.
        tables: Name to rows, each a file of the state.
        as_of: The instant; without a zone, in UTC.
        events: The table whose rows are counted.

    Returns:
        The state that now stands.

    Raises:
        StorageError: If it cannot be written.
    """
    states = folder / STATES
    with _written(folder), files.locked(folder / "state.lock"):
        states.mkdir(exist_ok=True)
        for left in states.glob(f"*{_PARTIAL}*"):  # of a publication that was killed: there is one at a time
            shutil.rmtree(left)
        digest = bundle.write(states / _PARTIAL, lambda partial: _write(partial, tables))
        place = states / digest
        if bundle.is_whole(place, digest):
            shutil.rmtree(states / _PARTIAL)
        else:
            shutil.rmtree(place, ignore_errors=True)
            (states / _PARTIAL).replace(place)
        instant = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
        state = State(as_of=instant, digest=digest, rows=tables[events].height, uri=str(place))
        before = _digest(folder)
        files.replace(folder / POINTER, state.model_dump_json(indent=1).encode() + b"\n", 0o644)
        _forget(states, keep=[digest, *([before] if before else [])])
    return state


class Reader(Generic[T]):
    """Follows the pointer: a new state is verified and made into something before it takes the place of the old one.

    Args:
        folder: The service's folder.
        make: From the tables of a state to what answers with them.
    """

    current: tuple[State, T] | None
    """The newest state that held, with what was made of it; replaced as one."""
    problem: str | None
    """Why the pointer's state is not the current one; None if it is."""

    def __init__(self, folder: Path, make: Callable[[Mapping[str, pl.LazyFrame]], T]) -> None:
        self.current, self.problem = None, None
        self._folder, self._make = folder, make
        self._failed: tuple[bytes, float] | None = None

    def poll(self) -> bool:
        """Look at the pointer, and take its state if it is another one.

        Returns:
            Whether there is a new state, or the one there is was known to hold at a later instant. A fault is neither: the old
            one stays, and `problem` says why.
        """
        try:
            pointer = (self._folder / POINTER).read_bytes()
        except OSError as error:
            self.problem = f"{self._folder / POINTER} cannot be read: {error.strerror}"
            return False
        if self._failed and self._failed[0] == pointer and time.monotonic() < self._failed[1]:
            return False
        try:
            return self._take(pointer)
        except Exception as error:  # whatever a damaged file makes polars or the use case raise: the old state serves on
            self.problem = f"{type(error).__name__}: {error}"[:_MOST_CHARACTERS]
            self._failed = pointer, time.monotonic() + _AGAIN_SECONDS
            return False

    def _take(self, pointer: bytes) -> bool:
        state = State.model_validate_json(pointer)
        if self.current is not None and self.current[0] == state:
            self.problem = None
            return False
        if self.current is not None and self.current[0].digest == state.digest:
            self.current = state, self.current[1]  # known to hold at a later instant, too
        else:
            place = self._folder / STATES / Path(state.digest).name
            bundle.verify(place, state.digest)
            tables = {path.stem: pl.scan_parquet(path) for path in sorted(place.glob("*.parquet"))}
            self.current = state, self._make(tables)
        self.problem, self._failed = None, None
        return True


def _write(folder: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    for name, rows in tables.items():
        rows.write_parquet(folder / f"{name}.parquet", compression="zstd")


def _digest(folder: Path) -> str | None:
    """Return the digest of the state that the pointer names, None without a readable one."""
    try:
        return State.model_validate_json((folder / POINTER).read_bytes()).digest
    except (FileNotFoundError, ValidationError):
        return None


def _forget(states: Path, keep: list[str]) -> None:
    """Remove all states but the newest ones."""
    os.utime(states / keep[0])
    newest = sorted(states.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
    kept = list(dict.fromkeys([*keep, *(place.name for place in newest)]))[:_KEPT]
    for place in newest:
        if place.name not in kept:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder} must be writable", f"{error}", "free space or mend permissions, then run again") from error
