"""Brings the prediction log into the lake, each line exactly once, and joins what came of the predictions.

A closed segment is written to the tables under its name, in the place of what they hold under that name, and then removed: whatever
is killed between, and however often it is done again, each of its lines is there once. It is removed rather than kept because the
tables have all of it, because requests should not lie about twice, and because a full disk would stop the service. A segment with
lines whose sum does not fit is kept aside. What is not here: how a line is written (`journal.py`), and what outcomes say of a canary
(`compare.py`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, Schema

from tasks.artifacts.serving import Collected
from tasks.errors import StorageError
from tasks.lake import predictions, tables
from tasks.lake.predictions import CAME, CLIENT, OUTCOMES, PREDICTIONS, SHADOWS, SOURCE
from tasks.serving import files, journal
from tasks.serving.lines import Columns, Rows, parsed
from tasks.serving.outcomes import FILE, Given, Outcomes

log = logging.getLogger(__name__)

DAMAGED = "damaged"

_MOST_ROWS = 100_000  # predictions of one commit: a hundred megabytes
_AHEAD = timedelta(days=40)  # what is asked about a month ahead, and ten days in which a source corrects its labels


@dataclass
class Collection:
    """What a collection did.

    Attributes:
        record: The counts.
        unknown: What older or newer services have logged and no column takes, with the number of rows.
        by_day: A row a day and arm of the last days: `batch_day`, `arm`, `predictions`, `outcomes`.
    """

    record: Collected
    unknown: Counter[str]
    by_day: pl.DataFrame


@dataclass
class _Counts:
    segments: int = 0
    answers: int = 0
    predictions: int = 0
    torn: int = 0
    damaged: int = 0
    unknown: Counter[str] = field(default_factory=Counter)


def collect(lake: str, folder: Path, columns: Columns, labels: pl.LazyFrame, labels_after: timedelta = timedelta()) -> Collection:
    """Bring closed segments and outcomes into the lake.

    Args:
        lake: Folder or URI of the lake.
        folder: The service's folder.
        columns: The features, and the column that names what was asked about.
        labels: What came, by the source: the columns `columns.key`, `label` and `label_known_at`.
        labels_after: How long after its day a row usually has its label.

    Raises:
        LakeError: If a table is damaged or holds a feature of another type, or stays in conflict with other writers.
        ServingError: If the clients' outcomes cannot be read.
        StorageError: If the lake or the log cannot be written.
    """
    counts = _Counts()
    with _alone(folder):
        for group in _groups(journal.closed(folder / "log"), columns, counts):
            _write(lake, group)
            _settle(folder / "log", group)
        given = _take_outcomes(lake, folder)
    _join_source(lake, columns.key, labels, _AHEAD + labels_after)
    joined, contradictions = predictions.counts(lake)
    for name, rows in counts.unknown.most_common():
        log.warning("no column takes %s of %d rows of the prediction log", name, rows)
    record = Collected(
        segments=counts.segments,
        answers=counts.answers,
        predictions=counts.predictions,
        torn=counts.torn,
        damaged=counts.damaged,
        outcomes=given,
        joined=joined,
        contradictions=contradictions,
    )
    return Collection(record, counts.unknown, predictions.by_day(lake))


# --- segments ---------------------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """Segments that are written in one commit a table."""

    segments: list[tuple[Path, bool]] = field(default_factory=list)  # with whether it is damaged
    parts: list[Rows] = field(default_factory=list)


def _groups(paths: Iterable[Path], columns: Columns, counts: _Counts) -> Iterator[_Group]:
    """Read segments one by one, and give them in groups of bounded size; count what is in them."""
    group, rows = _Group(), 0
    for path in paths:
        segment = journal.read(path)
        found = parsed(segment.lines, columns, path.stem)
        damaged = segment.damaged + found.damaged
        group.segments.append((path, damaged > 0))
        group.parts.append(found)
        counts.segments += 1
        counts.answers += found.answers
        counts.predictions += found.predictions.height
        counts.torn += segment.torn
        counts.damaged += damaged
        counts.unknown += found.unknown
        rows += found.predictions.height + found.shadows.height
        if rows >= _MOST_ROWS:
            yield group
            group, rows = _Group(), 0
    if group.segments:
        yield group


def _write(lake: str, group: _Group) -> None:
    """Put the rows of segments in the place of what the tables hold of them."""
    names = ", ".join(f"'{path.stem}'" for path, _ in group.segments)
    for table, parts in ((PREDICTIONS, [p.predictions for p in group.parts]), (SHADOWS, [p.shadows for p in group.parts])):
        rows = pl.concat(parts)
        if rows.height:
            uri = f"{lake}/{table}"
            tables.replace(uri, _fitted(uri, rows), f"segment IN ({names})")


def _fitted(uri: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the columns of a table, which is given those that it lacks: a feature that is new, or one that is gone."""
    stored = tables.schema(uri)
    if stored is None or dict(stored) == dict(rows.schema):
        return rows
    new = {name: dtype for name, dtype in rows.schema.items() if name not in stored}

    def add(table: DeltaTable | None) -> None:
        assert table is not None  # it has a schema
        table.alter.add_columns(Schema.from_arrow(pl.DataFrame(schema=new).to_arrow().schema).fields)

    if new:
        tables.commit(uri, add)
    gone = {name: pl.lit(None, dtype) for name, dtype in stored.items() if name not in rows.columns}
    return rows.with_columns(**gone).select(*stored, *new)


def _settle(folder: Path, group: _Group) -> None:
    """Remove segments whose rows are in the tables; keep damaged ones aside."""
    try:
        for path, is_damaged in group.segments:
            if is_damaged:
                (folder / DAMAGED).mkdir(exist_ok=True)
                path.replace(folder / DAMAGED / path.name)
            else:
                path.unlink()
    except OSError as error:
        raise StorageError(
            f"{folder} must be writable", f"{error}", "mend permissions, then collect again: nothing counts twice"
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time collect; the lock goes with the process, however that ends."""
    with ExitStack() as held:
        try:
            held.enter_context(files.locked(folder / "collect.lock"))
        except OSError as error:
            raise StorageError(f"{folder} must be writable", f"{error}", "free space or mend permissions, then run again") from error
        yield


# --- outcomes ---------------------------------------------------------------------------------------------------------


def _take_outcomes(lake: str, folder: Path) -> int:
    """Take what clients gave since the last time; return how many outcomes that were."""
    if not (folder / FILE).exists():
        return 0
    taken = predictions.scan(lake, OUTCOMES, CAME).filter(pl.col("source") == CLIENT).select("rowid", "prediction_id")
    rowid, id = next(taken.top_k(1, by="rowid").collect().iter_rows(), (0, ""))
    database = Outcomes(folder / FILE)
    try:
        rows = database.since(max(rowid - 1, 0))
        if rowid and not (rows and (rows[0].rowid, rows[0].prediction_id) == (rowid, id)):
            # The database is another one: it was lost, and begun anew, or brought back from an older copy.
            rows = database.since(0)
    finally:
        database.close()
    given = pl.LazyFrame(rows, schema={name: pl.Boolean() if name == "outcome" else CAME[name] for name in Given._fields}, orient="row")
    new = (
        given.join(taken, on="prediction_id", how="anti", maintain_order="left")
        .with_columns(pl.col("outcome").cast(pl.Int8), pl.lit(None, pl.Date).alias(tables.DAY), source=pl.lit(CLIENT))
        .with_columns(taken_with=pl.col("prediction_id").first())
        .select(CAME.names())
        .collect()
    )
    if new.height:
        tables.replace(f"{lake}/{OUTCOMES}", new, f"taken_with = '{new.item(0, 'taken_with')}'")
    return new.height


def _join_source(lake: str, key: str, labels: pl.LazyFrame, within: timedelta) -> None:
    """Give predictions of the last weeks the source's labels: those that came since, and those that changed."""
    asked = predictions.scan(lake, PREDICTIONS, Columns([], [], key).predictions())
    newest = predictions.newest_day(lake)
    if newest is None:
        return
    since = newest - within
    wanted = asked.filter(pl.col(tables.DAY) >= since, pl.col(key).is_not_null()).select("prediction_id", tables.DAY, key)
    found = (
        wanted.join(labels.filter(pl.col("label").is_not_null()), on=key)
        .select("prediction_id", tables.DAY, outcome=pl.col("label").cast(pl.Int8), known_at="label_known_at")
        .with_columns(source=pl.lit(SOURCE))
        .with_columns(pl.lit(None, CAME[name]).alias(name) for name in ("rowid", "received_at", "key", "taken_with"))
        .select(CAME.names())
        .sort("prediction_id")
        .collect()
    )
    held = pl.col("source") == SOURCE, pl.col(tables.DAY) >= since
    if not found.equals(predictions.scan(lake, OUTCOMES, CAME).filter(*held).sort("prediction_id").collect()):
        tables.replace(f"{lake}/{OUTCOMES}", found, f"source = '{SOURCE}' AND {tables.DAY} >= '{since}'")
