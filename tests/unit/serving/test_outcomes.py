"""Outcomes: each prediction has one, all of a request or none, by several processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.errors import ServingError
from tasks.serving.outcomes import Given, Outcome, Outcomes

pytestmark = pytest.mark.unit

NOW = datetime(2013, 7, 5, 12, tzinfo=UTC)
KNOWN = datetime(2013, 7, 4, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=-4)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "outcomes.db"


@pytest.fixture
def outcomes(path: Path) -> Iterator[Outcomes]:
    made = Outcomes(path)
    yield made
    made.close()


def test_what_was_added_is_given_in_its_order(outcomes: Outcomes) -> None:
    assert outcomes.since(0) == []
    assert outcomes.add([Outcome("b", True, KNOWN), Outcome("a", False, KNOWN)], "key1", NOW) == []
    assert outcomes.add([Outcome("c", True, NOW)], "key2", NOW) == []
    rows = outcomes.since(0)
    assert rows == [
        Given(1, "b", True, KNOWN, NOW, "key1"),
        Given(2, "a", False, KNOWN, NOW, "key1"),
        Given(3, "c", True, NOW, NOW, "key2"),
    ]
    assert rows[0].known_at.utcoffset() == timedelta(0)
    assert outcomes.since(2) == rows[2:]
    assert outcomes.since(99) == []


@pytest.mark.parametrize(
    ("ids", "replayed"),
    [
        (["a"], ["a"]),
        (["new", "a"], ["a"]),  # nothing of it is written
        (["new", "new"], ["new"]),  # twice in one request
        (["b", "new", "new", "a"], ["b", "new", "a"]),
    ],
)
def test_a_second_outcome_is_refused_with_all_that_came_with_it(outcomes: Outcomes, ids: list[str], replayed: list[str]) -> None:
    outcomes.add([Outcome("a", True, NOW), Outcome("b", True, NOW)], "k", NOW)
    assert outcomes.add([Outcome(id, False, NOW) for id in ids], "k", NOW) == replayed
    assert [(row.prediction_id, row.outcome) for row in outcomes.since(0)] == [("a", True), ("b", True)]


def test_ids_are_values_never_sql(outcomes: Outcomes) -> None:
    ids = ["'; DROP TABLE outcomes; --", '"', "\\", "ü", ""]
    assert outcomes.add([Outcome(id, True, NOW) for id in ids], "k", NOW) == []
    assert [row.prediction_id for row in outcomes.since(0)] == ids
    assert outcomes.add([Outcome(ids[0], True, NOW)], "k", NOW) == ids[:1]


def test_it_is_there_after_a_start_anew(path: Path, outcomes: Outcomes) -> None:
    outcomes.add([Outcome("a", True, NOW)], "k", NOW)
    other = Outcomes(path)
    assert [row.prediction_id for row in other.since(0)] == ["a"]
    assert other.add([Outcome("a", True, NOW)], "k", NOW) == ["a"]
    other.close()


def test_processes_add_at_once_and_each_id_once(path: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tasks.serving.outcomes import Outcome, Outcomes
outcomes, now = Outcomes(Path(sys.argv[1])), datetime.now(UTC)
print(sum(not outcomes.add([Outcome(str(n), True, now)], sys.argv[2], now) for n in range(200)))
"""
    run = [sys.executable, "-c", code, str(path)]
    started = [subprocess.Popen([*run, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    added = [int(process.communicate(timeout=60)[0]) for process in started]
    outcomes = Outcomes(path)
    rows = outcomes.since(0)
    outcomes.close()
    assert sum(added) == 200
    assert {row.prediction_id for row in rows} == {str(n) for n in range(200)}
    assert [sum(row.key == name for row in rows) for name in "ab"] == added


def test_a_killed_process_loses_nothing_that_it_told(path: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tasks.serving.outcomes import Outcome, Outcomes
outcomes, now, n = Outcomes(Path(sys.argv[1])), datetime.now(UTC), 0
while True:
    outcomes.add([Outcome(str(n), True, now)], "k", now)
    print(n, flush=True)
    n += 1
"""
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(50)]
        process.kill()
        told += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    outcomes = Outcomes(path)
    assert {row.prediction_id for row in outcomes.since(0)} >= set(told)
    outcomes.close()


def test_a_file_that_is_no_database_is_told_and_left(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.db"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(ServingError, match=r"outcomes\.db"):
        Outcomes(path)
    assert path.read_bytes() == b"no database " * 100


def test_what_cannot_be_written_is_told(path: Path, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.serving.outcomes._WAIT", 0.05)
    other = Outcomes(path)
    outcomes._database.execute("BEGIN IMMEDIATE")  # a writer that never ends
    with pytest.raises(ServingError, match="locked"):
        other.add([Outcome("a", True, NOW)], "k", NOW)
    outcomes._database.execute("ROLLBACK")
    assert other.add([Outcome("a", True, NOW)], "k", NOW) == []  # it goes on
    other.close()
    with pytest.raises(ServingError, match="closed"):
        other.since(0)


def test_a_value_that_is_none_of_ours_is_kept_out(path: Path, outcomes: Outcomes) -> None:
    with sqlite3.connect(path) as database, pytest.raises(sqlite3.IntegrityError):
        database.execute("INSERT INTO outcomes (prediction_id, outcome, known_at, received_at, key) VALUES ('a', 2, '', '', '')")
    database.close()
