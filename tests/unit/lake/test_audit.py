"""The audit trail: whatever is done to its rows is found, and writers at once do not fork it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.audit import Act, AuditEntry
from tasks.artifacts.lineage import NamedData
from tasks.errors import LakeError, PromotionRefused
from tasks.lake import audit, tables, upkeep

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 8, 0, 0, 123_456, tzinfo=UTC)
Rows = list[dict[str, Any]]


def add(lake: Path, number: int, **other: Any) -> AuditEntry:
    told = {"act": Act.DECISION, "by": "a task", "subject": f"flights version {number}", "reason": "good", "evidence": "{}", "at": AT}
    return audit.append(str(lake), **(told | other))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """A sound trail of six rows, as its table holds them."""
    lake = tmp_path_factory.mktemp("sound")
    for number in range(1, 7):
        add(lake, number, act=list(Act)[number % len(Act)], at=AT + timedelta(hours=number))
    assert audit.verify(str(lake)).is_whole
    return audit._rows(str(lake))


def stored(lake: Path, rows: Rows) -> str:
    """Put rows into a table of their own, past the trail's own way to write."""
    frame = pl.DataFrame(rows, schema=audit._SCHEMA)
    write_deltalake(str(lake / audit.AUDIT), frame.to_arrow(), mode="overwrite")
    return str(lake)


def test_a_lake_without_a_trail_has_none(tmp_path: Path) -> None:
    assert audit.read(str(tmp_path)) == []
    report = audit.verify(str(tmp_path))
    assert (report.rows, report.is_whole, report.newest) == (0, True, [])


def test_rows_are_numbered_linked_and_kept_as_told(tmp_path: Path) -> None:
    first = add(tmp_path, 1, at=AT.astimezone(timezone(timedelta(hours=-4))), reason="naïve | 'quoted'\n", evidence='{"a": 1}')
    second = add(tmp_path, 2, act=Act.ROLLBACK, by="Ada Example")
    assert (first.number, first.previous, first.at) == (1, "0" * 64, AT)
    assert (second.number, second.previous, second.by) == (2, first.hash, "Ada Example")
    assert audit.read(str(tmp_path)) == [first, second]


def test_what_is_added_may_depend_on_what_is_there(tmp_path: Path) -> None:
    add(tmp_path, 1)
    assert audit.record(str(tmp_path), lambda trail: None if trail else pytest.fail("the row is there")) is None

    def refuse(trail: object) -> None:
        raise PromotionRefused("x", "y", "z")

    with pytest.raises(PromotionRefused):
        audit.record(str(tmp_path), refuse)
    assert len(audit.read(str(tmp_path))) == 1


# --- tampering --------------------------------------------------------------------------------------------------------

OTHER: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-3, 12) | st.none(),
    "at": st.datetimes(datetime(2013, 1, 1), datetime(2014, 1, 1), timezones=st.just(UTC)) | st.none(),
    "act": st.sampled_from([act.value for act in Act]) | st.text(max_size=5) | st.none(),
    "hash": st.text("0123456789abcdef", min_size=64, max_size=64) | st.none(),
    "previous": st.text("0123456789abcdef", min_size=64, max_size=64) | st.just("0" * 64) | st.none(),
    **dict.fromkeys(("by", "subject", "reason", "evidence"), st.text(max_size=20) | st.none()),
}


def test_every_column_is_tampered_with() -> None:
    assert OTHER.keys() == set(audit._SCHEMA.names()) == AuditEntry.model_fields.keys()


@given(data=st.data())
def test_any_change_of_any_field_of_any_row_is_found_with_its_number(rows: Rows, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from(sorted(OTHER)))
    value = data.draw(OTHER[field].filter(lambda other: other != rows[place][field]))
    changed = [row | {field: value} if n == place else row for n, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as lake:
        report = audit.verify(stored(Path(lake), changed))
    assert not report.is_whole
    # A changed number leaves a gap where the row was and, if it is lower, a stranger where it now stands.
    told = {place + 1} | ({value} if field == "number" else set())
    assert report.broken_at in told, report.problem


@pytest.mark.parametrize(
    ("tamper", "broken_at", "problem"),
    [
        (lambda rows: rows[1:], 1, "is missing"),  # the first row is gone
        (lambda rows: rows[:2] + rows[3:], 3, "is missing"),  # one is removed
        (lambda rows: rows[:2] + [row | {"number": row["number"] - 1} for row in rows[3:]], 3, "was changed"),  # and the gap is closed
        (lambda rows: [*rows, rows[3]], 4, "stands there twice"),  # one is repeated
        (lambda rows: [*rows, rows[3] | {"number": 7}], 7, "was changed"),  # one is repeated at the end
        (lambda rows: [*rows, rows[3] | {"number": 0}], 0, "no place"),  # one is put before the first
        (lambda rows: swapped(rows, 1, 4), 2, "does not follow"),  # two change places, and their sums with them
        (lambda rows: forged(rows, 3, reason="better"), 5, "does not follow the row before it"),  # one is changed, with a new sum
        (lambda rows: forged(rows, 2, act="nothing"), 3, "was changed"),  # to what is no row
    ],
)
def test_tampering_is_found(tmp_path: Path, rows: Rows, tamper: Callable[[Rows], Rows], broken_at: int, problem: str) -> None:
    lake = stored(tmp_path, tamper(rows))
    report = audit.verify(lake)
    assert (report.is_whole, report.broken_at) == (False, broken_at)
    assert problem in report.problem
    assert f"BROKEN at row {broken_at}" in str(report)
    with pytest.raises(LakeError, match=f"row {broken_at}, which"):
        audit.read(lake)
    with pytest.raises(LakeError, match=f"row {broken_at}, which"):
        add(tmp_path, 7)


def forged(rows: Rows, place: int, **other: Any) -> Rows:
    """Change a row and compute its sum anew."""
    row = rows[place] | other
    return [*rows[:place], row | {"hash": audit._hash(row)}, *rows[place + 1 :]]


def swapped(rows: Rows, one: int, other: int) -> Rows:
    """Let two rows change their places, each with a sum that fits its new number."""
    made = list(rows)
    made[one], made[other] = rows[other] | {"number": one + 1}, rows[one] | {"number": other + 1}
    return [row | {"hash": audit._hash(row)} for row in made]


@pytest.mark.parametrize(
    ("tamper", "anchors", "broken_at"),
    [
        (lambda rows: rows[:4], [3], None),  # cut off: the chain alone cannot tell, nor can an older anchor
        (lambda rows: rows[:4], [3, 5], 5),
        (lambda rows: [], [1, 6], 1),
        (lambda rows: rewritten(rows), [], None),  # a whole new chain: the chain alone cannot tell
        (lambda rows: rewritten(rows), [2, 4], 2),
    ],
)
def test_what_the_chain_alone_cannot_tell_is_told_by_what_others_keep(
    tmp_path: Path, rows: Rows, tamper: Callable[[Rows], Rows], anchors: list[int], broken_at: int | None
) -> None:
    lake, kept = stored(tmp_path, tamper(rows)), {number: rows[number - 1]["hash"] for number in anchors}
    report = audit.verify(lake, kept)
    assert report.broken_at == broken_at
    assert report.is_whole == (broken_at is None)
    if broken_at is None:
        there = audit.read(lake, kept)
        assert add(tmp_path, 9, anchors=kept).number == len(there) + 1
        return
    untouched = audit.read(lake)
    for act in (lambda: audit.read(lake, kept), lambda: add(tmp_path, 9, anchors=kept)):
        with pytest.raises(LakeError, match=f"row {broken_at}, which is .*the registry names"):
            act()
    assert audit.read(lake) == untouched


def rewritten(rows: Rows) -> Rows:
    before, made = audit.FIRST, []
    for row in rows:
        row = row | {"reason": "as it suits me", "previous": before}
        before = audit._hash(row)
        made.append(row | {"hash": before})
    return made


def test_a_lost_file_is_told_and_nobody_is_told_to_remove_the_trail(tmp_path: Path) -> None:
    add(tmp_path, 1)
    next((tmp_path / audit.AUDIT).glob("*.parquet")).unlink()
    with pytest.raises(LakeError, match="from a backup") as told:
        audit.verify(str(tmp_path))
    assert "remove it" not in str(told.value)


def test_other_columns_are_refused(tmp_path: Path, rows: Rows) -> None:
    frame = pl.DataFrame(rows, schema=audit._SCHEMA).drop("reason")
    write_deltalake(str(tmp_path / audit.AUDIT), frame.to_arrow())
    with pytest.raises(LakeError, match="must have its columns"):
        audit.verify(str(tmp_path))


# --- the table --------------------------------------------------------------------------------------------------------


def test_delta_itself_refuses_to_overwrite_and_to_delete(tmp_path: Path) -> None:
    add(tmp_path, 1)
    table = DeltaTable(tmp_path / audit.AUDIT)
    with pytest.raises(CommitFailedError, match="append-only"):
        table.delete("number = 1")
    with pytest.raises(LakeError):
        tables.overwrite(str(tmp_path / audit.AUDIT), pl.DataFrame(schema=audit._SCHEMA))
    assert len(audit.read(str(tmp_path))) == 1


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the waits between attempts: what fails here fails for ever."""
    monkeypatch.setattr("tasks.lake.tables.time.sleep", lambda seconds: None)


def test_upkeep_merges_its_files_and_keeps_its_rows(tmp_path: Path) -> None:
    entries = [add(tmp_path, number) for number in range(1, 6)]
    done = upkeep.tidy(str(tmp_path), NamedData(tables={}, manifests=[]), timedelta(hours=0), datetime.now(UTC) + timedelta(days=1))
    assert [(t.table, t.files_compacted) for t in done.tables] == [("audit", 5)]
    assert done.tables[0].files_removed >= 5
    assert audit.read(str(tmp_path)) == entries
    assert add(tmp_path, 6).previous == entries[-1].hash
    assert audit.verify(str(tmp_path)).is_whole


def test_another_writer_between_the_look_and_the_write_is_looked_at_too(tmp_path: Path) -> None:
    first = add(tmp_path, 1)
    seen = []

    def draft(trail: Any) -> audit.Draft:
        seen.append(len(trail))
        if len(seen) == 1:
            add(tmp_path, 2)
        return audit.Draft(Act.DECISION, "me", "flights version 3", "good", "{}", AT)

    entry = audit.record(str(tmp_path), draft, {1: first.hash})  # what was known before the other one wrote is no objection
    assert entry is not None
    assert (seen, entry.number) == ([1, 2], 3)
    assert audit.verify(str(tmp_path)).is_whole


WRITER = """
import sys
from datetime import UTC, datetime
from tasks.artifacts.audit import Act
from tasks.lake import audit

lake, name = sys.argv[1:]
print("ready", flush=True)
for line in sys.stdin:
    audit.append(lake, Act.DECISION, name, f"flights version {line.strip()}", "good", "{}", datetime.now(UTC))
    print("done", flush=True)
"""


def test_two_processes_at_once_do_not_fork_the_chain(tmp_path: Path) -> None:
    """Both are let go at the same time, row by row; the first time there is no table yet."""
    rounds, names = 8, ("Ada", "Grace")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "lake")]
    writers = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for name in names]
    try:
        for number in range(rounds):
            for writer in writers:
                assert writer.stdout is not None
                assert writer.stdout.readline() == ("done\n" if number else "ready\n")
            for writer in writers:
                assert writer.stdin is not None
                writer.stdin.write(f"{number}\n")
    finally:
        for writer in writers:
            writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0, 0]
    trail = audit.read(str(tmp_path / "lake"))
    assert [entry.number for entry in trail] == list(range(1, 2 * rounds + 1))
    pairs = [(first, second) for first, second in zip(trail[::2], trail[1::2], strict=True)]
    assert all({first.by, second.by} == set(names) and first.subject == second.subject for first, second in pairs)


def test_a_copied_lake_has_the_same_trail(tmp_path: Path) -> None:
    add(tmp_path / "a", 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert add(tmp_path / "b", 2).number == 2
    assert len(audit.read(str(tmp_path / "a"))) == 1
