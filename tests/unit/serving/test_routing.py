"""The pointer: replaced, never written over; one revision after the other, whoever changes it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.artifacts.serving import Arm, Routing
from tasks.errors import ServingError, StorageError
from tasks.serving import routing

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 8, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def arm(number: int) -> Arm:
    return Arm(version=number, package_digest=f"{number:064x}")


def made(revision: int, **given: object) -> Routing:
    held = {"champion": arm(1), "by": "Ada Example", "reason": "first", "changed_at": AT} | given
    return Routing(revision=revision, **held)  # type: ignore[arg-type]


def following(**given: object) -> Callable[[Routing | None], Routing]:
    return lambda now: made(1 if now is None else now.revision + 1, **given)


def test_where_there_is_no_pointer_there_is_no_routing(tmp_path: Path) -> None:
    assert routing.read(tmp_path) is None
    assert routing.read(tmp_path / "not there") is None
    assert routing.earlier(tmp_path) == []


def test_a_change_is_what_the_next_reader_sees(tmp_path: Path) -> None:
    folder = tmp_path / "serving"
    first = routing.change(folder, following())
    second = routing.change(folder, following(canary=arm(2), share=0.1))
    assert (first.revision, second.revision) == (1, 2)
    assert routing.read(folder) == second
    assert [found.revision for found in routing.earlier(folder)] == [2, 1]
    assert {path.name for path in folder.iterdir()} == {"routing.json", "routing.lock", "history"}


def test_the_newest_revisions_are_kept(tmp_path: Path) -> None:
    for _ in range(13):
        routing.change(tmp_path, following())
    assert [found.revision for found in routing.earlier(tmp_path)] == list(range(13, 3, -1))
    (tmp_path / "history" / "00000013.json").write_text("{")
    assert [found.revision for found in routing.earlier(tmp_path)] == list(range(12, 3, -1))


def test_what_follows_may_be_nothing(tmp_path: Path) -> None:
    routing.change(tmp_path, following())
    before = (tmp_path / "routing.json").stat()
    stays = routing.change(tmp_path, lambda now: now or made(1))
    assert stays.revision == 1
    assert (tmp_path / "routing.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (made(3), "revision 3"),  # one is left out
        (made(1, reason="another"), "revision 1"),  # the number of what stands
        (made(0), "revision 0"),  # that of a service without a pointer
        (made(2, share=0.1), "a share of 0.1 for no canary"),
        (made(2, canary=Arm(version=2, package_digest="../../etc")), "a canary whose digest is no sha256 sum"),  # it names a folder
    ],
)
def test_an_unsound_next_routing_is_refused(tmp_path: Path, wanted: Routing, told: str) -> None:
    routing.change(tmp_path, following())
    with pytest.raises(ServingError, match=told):
        routing.change(tmp_path, lambda _: wanted)
    assert routing.read(tmp_path) == made(1)


def test_what_make_raises_changes_nothing(tmp_path: Path) -> None:
    routing.change(tmp_path, following())

    def refuse(now: Routing | None) -> Routing:
        raise ServingError("a", "b", "c")

    with pytest.raises(ServingError):
        routing.change(tmp_path, refuse)
    assert routing.change(tmp_path, following()).revision == 2, "the lock is free again"


@pytest.mark.parametrize(
    "text",
    [
        "",  # an empty file
        '{"revision": 7',  # cut off
        "\x00\x01",  # not text
        made(7).model_dump_json() + "}",  # one brace more
        made(7).model_dump_json().replace('"reason"', '"because"'),  # another record
        made(7, share=0.5).model_dump_json(),  # a share for nobody
        made(7).model_dump_json().replace("0000", "../.", 1),  # a digest that climbs out
    ],
)
def test_a_broken_pointer_is_never_overwritten(tmp_path: Path, text: str) -> None:
    routing.change(tmp_path, following())
    (tmp_path / "routing.json").write_text(text)
    for use in (
        lambda: routing.read(tmp_path),
        lambda: routing.change(tmp_path, following()),
        lambda: routing.abort(tmp_path, 7, "a", "b", AT),
    ):
        with pytest.raises(ServingError, match=r"must hold a routing.*copy the newest file of .*history over routing.json") as told:
            use()
        assert len(str(told.value)) < 600
    assert (tmp_path / "routing.json").read_text() == text
    (tmp_path / "routing.json").write_bytes((tmp_path / "history" / "00000001.json").read_bytes())  # as the message says
    assert routing.change(tmp_path, following()).revision == 2


def test_a_lost_pointer_is_no_new_beginning(tmp_path: Path) -> None:
    routing.change(tmp_path, following())
    (tmp_path / "routing.json").unlink()
    with pytest.raises(ServingError, match="must be there"):
        routing.change(tmp_path, following())


def test_the_first_pointer_may_come_while_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, looks = routing._parsed, list[Path]()

    def parsed(path: Path) -> Routing | None:
        looks.append(path)
        found = real(path)
        if len(looks) == 1:
            monkeypatch.setattr(routing, "_parsed", real)
            routing.change(tmp_path, following())
        return found

    monkeypatch.setattr(routing, "_parsed", parsed)
    assert routing.read(tmp_path) == made(1)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="must be writable"):
        routing.change(tmp_path / "serving", following())


def test_a_pointer_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "routing.json").mkdir()
    with pytest.raises(StorageError, match="must be readable"):
        routing.read(tmp_path)


def test_a_history_that_cannot_be_written_does_not_undo_the_change(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("a file where the folder should be")
    assert routing.change(tmp_path, following()).revision == 1
    assert routing.read(tmp_path) == made(1)


@pytest.mark.parametrize("trial", [{"canary": arm(2), "share": 0.1}, {"shadow": arm(3)}, {"canary": arm(2), "shadow": arm(3)}])
def test_abort_drops_canary_and_shadow(tmp_path: Path, trial: dict[str, object]) -> None:
    routing.change(tmp_path, following(**trial))
    found = routing.abort(tmp_path, 1, "the guard", "too many errors", AT)
    assert found == made(2, by="the guard", reason="too many errors")
    assert routing.read(tmp_path) == found
    assert routing.abort(tmp_path, 1, "the guard", "too many errors", AT) is None, "revision 1 stands no more"
    assert routing.abort(tmp_path, 2, "the guard", "too many errors", AT) is None, "there is nothing left to drop"


def test_abort_leaves_a_newer_decision_alone(tmp_path: Path) -> None:
    assert routing.abort(tmp_path, 1, "the guard", "too many errors", AT) is None
    routing.change(tmp_path, following(canary=arm(2), share=0.1))
    newer = routing.change(tmp_path, following(canary=arm(3), share=0.1))
    assert routing.abort(tmp_path, 1, "the guard", "too many errors", AT) is None
    assert routing.read(tmp_path) == newer


def test_of_many_workers_that_abort_one_does(tmp_path: Path) -> None:
    routing.change(tmp_path, following(canary=arm(2), share=0.1))
    found: list[Routing | None] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        found.append(routing.abort(tmp_path, 1, "the guard", "too many errors", AT))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [routing.revision for routing in found if routing] == [2]
    assert len(found) == 8


CHANGER = """
import sys
from pathlib import Path
from tasks.serving import routing
from tests.unit.serving.test_routing import following
for n in range(40):
    routing.change(Path(sys.argv[1]), following(reason=f"{sys.argv[2]} {n}"))
"""


def test_of_two_processes_no_change_is_lost(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", CHANGER, str(tmp_path), name] for name in ("one", "other")]
    seen = set()
    with subprocess.Popen(commands[0], cwd=ROOT) as one, subprocess.Popen(commands[1], cwd=ROOT) as other:
        while one.poll() is None or other.poll() is None:
            found = routing.read(tmp_path)  # a reader without the lock never sees half a file
            seen.add(0 if found is None else found.revision)
    assert (one.returncode, other.returncode) == (0, 0)
    last = routing.read(tmp_path)
    assert last is not None
    assert last.revision == 80
    assert len(seen) > 3
