"""The service's own acts reach the audit trail once each, whatever is killed or damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.audit import Act
from tasks.errors import StorageError
from tasks.lake import audit
from tasks.serving import events
from tasks.serving.events import DAMAGED, record
from tasks.serving.journal import Journal

pytestmark = pytest.mark.unit

AT = "2026-03-01T12:00:00Z"
BACK = {"kind": "rolled back", "at": AT, "revision": 8, "reason": "errors"}
REFUSED = {"kind": "refused", "at": AT, "revision": 9, "reason": "altered"}
ABORTED = {"kind": "admin", "at": AT, "revision": 10, "by": "k1", "act": "abort", "reason": "too slow"}


def write(folder: Path, *lines: dict[str, Any]) -> None:
    journal = Journal(folder / "events", 10**9, 10**9)
    for line in lines:
        journal.write(json.dumps(line).encode())
    journal.close()


def run(folder: Path) -> int:
    return record(str(folder / "lake"), folder / "events", "toy")


def test_each_act_is_a_row(tmp_path: Path) -> None:
    write(tmp_path, BACK, REFUSED, ABORTED)
    assert run(tmp_path) == 3
    rows = audit.read(str(tmp_path / "lake"))
    assert [(row.act, row.by, row.subject, row.reason) for row in rows] == [
        (Act.ROUTING, "the service", "toy routing 8", "rolled back: errors"),
        (Act.ROUTING, "the service", "toy routing 9", "refused a revision: altered"),
        (Act.ROUTING, "k1", "toy routing 10", "too slow"),
    ]
    assert json.loads(rows[0].evidence).items() >= BACK.items()
    assert run(tmp_path) == 0
    assert list((tmp_path / "events").iterdir()) == []


def test_the_same_act_of_two_workers_is_two_rows(tmp_path: Path) -> None:
    write(tmp_path, REFUSED)
    write(tmp_path, REFUSED)
    assert run(tmp_path) == 2


def test_a_kill_between_adds_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, BACK, REFUSED)
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(events, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert run(tmp_path) == 0
    assert len(audit.read(str(tmp_path / "lake"))) == 2


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "another", "at": AT},  # of a newer service
        {"at": AT},
        BACK | {"at": "noon"},
        BACK | {"at": "2026-03-01T12:00:00"},  # of no zone
    ],
)
def test_what_has_no_known_form_is_kept_aside(tmp_path: Path, line: dict[str, Any]) -> None:
    write(tmp_path, line, BACK)
    assert run(tmp_path) == 1
    assert len(list((tmp_path / "events" / DAMAGED).iterdir())) == 1
    assert run(tmp_path) == 0


def test_no_events(tmp_path: Path) -> None:
    assert run(tmp_path) == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, {"kind": "another", "at": AT})
    (tmp_path / "events" / DAMAGED).write_text("a file in its place")
    with pytest.raises(StorageError, match="events must be writable"):
        run(tmp_path)
