"""The service's own acts reach the audit trail once each, whatever is killed or damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.audit import Act
from tasks.artifacts.serving import Arm, Routing
from tasks.errors import StorageError
from tasks.lake import audit
from tasks.serving import events, rollout, routing
from tasks.serving.events import DAMAGED, reconcile, record
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


# --- what no event tells of -------------------------------------------------------------------------------------------

MOVED = datetime(2026, 3, 1, 11, 59, 59, 500, tzinfo=UTC)
GOOD, TRIED = Arm(version=1, package_digest="a" * 64), Arm(version=2, package_digest="b" * 64)


def step(folder: Path, **given: Any) -> Routing:
    """Take a step as a person does: the row first."""

    def make(standing: Routing | None) -> Routing:
        revision = 1 if standing is None else standing.revision + 1
        made = Routing(revision=revision, champion=GOOD, by="Ada", reason="a trial", changed_at=MOVED - timedelta(hours=1), **given)
        rollout.recorder(str(folder / "lake"), "toy")(made)
        return made

    return routing.change(folder, make)


def send_back(folder: Path, reason: str = "errors") -> Routing:
    """Send a canary back as the guard does, and be killed before the event."""
    trial = step(folder, canary=TRIED, share=0.1)
    made = routing.abort(folder, trial.revision, "the guard", reason, MOVED)
    assert made is not None
    return made


def mend(folder: Path) -> int:
    return reconcile(str(folder / "lake"), folder, "toy")


def subjects(folder: Path) -> list[tuple[str, str]]:
    return [(row.by, row.subject) for row in audit.read(str(folder / "lake"))]


def test_a_step_back_whose_event_was_lost_is_recorded_once(tmp_path: Path) -> None:
    made = send_back(tmp_path)
    step(tmp_path, shadow=TRIED)  # somebody went on since
    assert [mend(tmp_path), mend(tmp_path)] == [1, 0]
    assert subjects(tmp_path) == [("Ada", "toy routing 1"), ("Ada", "toy routing 3"), ("the guard", "toy routing 2")]
    row = audit.read(str(tmp_path / "lake"))[-1]
    assert (row.reason, row.at, Routing.model_validate_json(row.evidence)) == ("errors", MOVED, made)


@pytest.mark.parametrize("is_in_history", [True, False])  # a disk that was full kept the pointer alone
def test_the_pointer_counts_with_and_without_its_history(tmp_path: Path, is_in_history: bool) -> None:
    made = send_back(tmp_path)
    if not is_in_history:
        (tmp_path / routing.HISTORY / f"{made.revision:08d}.json").unlink()
    assert mend(tmp_path) == 1


@pytest.mark.parametrize(
    ("line", "added"),
    [
        (BACK | {"revision": 2}, 0),  # the guard's own account
        (ABORTED | {"revision": 2}, 0),  # a person's
        (REFUSED | {"revision": 2}, 1),  # that it was refused says not that, nor why, it was made
        (BACK | {"revision": 1}, 1),  # another revision
        (BACK | {"revision": 2, "at": "2026-02-01T12:00:00Z"}, 1),  # of a pointer that was lost since
    ],
)
def test_an_event_that_came_is_the_row(tmp_path: Path, line: dict[str, Any], added: int) -> None:
    send_back(tmp_path)
    write(tmp_path, line)
    run(tmp_path)
    assert mend(tmp_path) == added


@pytest.mark.parametrize(
    ("line", "added"),
    [
        (BACK | {"revision": 2}, 0),  # in a segment that was still being written
        (ABORTED | {"revision": 2, "reason": "errors"}, 0),
        (BACK | {"revision": 2, "reason": "latency"}, 1),  # another reason is another act
        (REFUSED | {"revision": 2, "reason": "errors"}, 1),
        (BACK | {"revision": 2, "at": "2026-02-01T12:00:00Z"}, 1),
    ],
)
def test_an_event_that_comes_later_is_no_second_row(tmp_path: Path, line: dict[str, Any], added: int) -> None:
    send_back(tmp_path)
    assert mend(tmp_path) == 1
    write(tmp_path, line)
    assert [run(tmp_path), run(tmp_path)] == [added, 0]


def test_a_step_that_was_recorded_and_not_done_hides_nothing(tmp_path: Path) -> None:
    trial = step(tmp_path, canary=TRIED, share=0.1)
    undone = trial.model_copy(update={"revision": 2, "reason": "killed before the pointer moved"})
    rollout.recorder(str(tmp_path / "lake"), "toy")(undone)
    assert routing.abort(tmp_path, 1, "the guard", "errors", MOVED) is not None
    assert mend(tmp_path) == 1


def test_without_a_pointer_there_is_nothing_to_record(tmp_path: Path) -> None:
    assert mend(tmp_path) == 0
    assert not (tmp_path / "lake").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # flytekit's own, at import
@pytest.mark.parametrize("broken", ["judge", "record"])
def test_neither_the_trail_nor_the_verdict_waits_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    from tasks.artifacts.serving import Collected
    from tasks.serving import compare
    from tasks.serving.task import judge_rollout

    home = tmp_path / "home"
    monkeypatch.setenv("EVERGREEN_HOME", str(home))
    for name in ("EVERGREEN_SERVING", "EVERGREEN_LAKE"):
        monkeypatch.delenv(name, raising=False)
    write(home / "serving", BACK)
    judged: list[bool] = []

    def judge(*_: object) -> None:
        judged.append(True)
        raise StorageError("judge", "a fault", "mend it")

    def fail(*_: object) -> None:
        raise StorageError("record", "a fault", "mend it")

    monkeypatch.setattr(compare, "judge", judge)
    if broken == "record":
        monkeypatch.setattr(events, "record", fail)
    with pytest.raises(StorageError):
        judge_rollout(collected=Collected(segments=0, answers=0, predictions=0, torn=0, damaged=0, outcomes=0, joined=0, contradictions=0))
    assert judged == [True]
    assert len(audit.read(str(home / "lake"))) == (broken == "judge")
