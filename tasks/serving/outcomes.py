"""What clients said came of predictions: one outcome a prediction, in a small database that all workers of a machine share.

sqlite in WAL mode: writers wait for each other, readers for nobody. What was added outlives the process; a machine that loses
power may lose the last of it (`synchronous = NORMAL`), as it may of the prediction log. What is not here: whether an id was ever
issued (`identifiers.py`), and the join with predictions (the collection).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tasks.errors import ServingError

FILE = "outcomes.db"

_WAIT = 5.0  # seconds for another writer, who takes milliseconds
_TABLE = """CREATE TABLE IF NOT EXISTS outcomes (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT,
    prediction_id TEXT NOT NULL UNIQUE,
    outcome INTEGER NOT NULL CHECK (outcome IN (0, 1)),
    known_at TEXT NOT NULL,
    received_at TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT"""


class Outcome(NamedTuple):
    """What came of a prediction.

    Attributes:
        prediction_id: The prediction's id.
        outcome: Whether what was predicted came true.
        known_at: Since when that is known (an instant with its zone).
    """

    prediction_id: str
    outcome: bool
    known_at: datetime


class Given(NamedTuple):
    """A row of the database: an outcome, when it came and with which key. Rows are numbered upwards, as they were written."""

    rowid: int
    prediction_id: str
    outcome: bool
    known_at: datetime
    received_at: datetime
    key: str


class Outcomes:
    """The database, for any number of threads and processes.

    Args:
        path: The file; made if there is none.

    Raises:
        ServingError: If it is no such database, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            try:
                _prepare(self._database)
            except BaseException:
                self._database.close()
                raise

    def add(self, outcomes: Sequence[Outcome], key_id: str, now: datetime) -> list[str]:
        """Add outcomes, all or none.

        Args:
            outcomes: One or more.
            key_id: Id of the key that gave them.
            now: The instant.

        Returns:
            The ids that have an outcome already, or stand twice among these. If there is any, nothing was written.

        Raises:
            ServingError: If the database cannot be written.
        """
        counted = Counter(outcome.prediction_id for outcome in outcomes)
        replayed = {id for id, times in counted.items() if times > 1}
        rows = [(o.prediction_id, int(o.outcome), _text(o.known_at), _text(now), key_id) for o in outcomes]
        with self._told(), self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")  # so that nobody adds one of them between the look and the write
            asked = "SELECT prediction_id FROM outcomes WHERE prediction_id IN (SELECT value FROM json_each(?))"
            replayed |= {id for (id,) in self._database.execute(asked, [json.dumps(list(counted))])}
            if not replayed:
                self._database.executemany(
                    "INSERT INTO outcomes (prediction_id, outcome, known_at, received_at, key) VALUES (?, ?, ?, ?, ?)", rows
                )
        return [id for id in counted if id in replayed]

    def since(self, rowid: int) -> list[Given]:
        """Return the rows after a row, in their order; after 0, all.

        Raises:
            ServingError: If the database cannot be read.
        """
        asked = "SELECT rowid, prediction_id, outcome, known_at, received_at, key FROM outcomes WHERE rowid > ? ORDER BY rowid"
        with self._told(), self._lock:
            rows = self._database.execute(asked, [rowid]).fetchall()
            return [
                Given(n, id, bool(o), datetime.fromisoformat(known), datetime.fromisoformat(at), key) for n, id, o, known, at, key in rows
            ]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what sqlite and the file system have to say in the project's words."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ServingError(
                f"{self._path} must be a database of outcomes that can be read and written",
                f"{error}",
                "free space or mend permissions; bring a damaged file back from a backup",
            ) from error


def _prepare(database: sqlite3.Connection) -> None:
    """Switch to WAL and make the table; sqlite refuses the switch, without waiting, while another process makes it."""
    until = time.monotonic() + _WAIT
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(_TABLE)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
