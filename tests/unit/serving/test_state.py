"""The published state: a reader has the old one or the new one, whatever is wrong with the new one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import StorageError
from tasks.model import bundle
from tasks.serving import files, state
from tasks.serving.state import POINTER, STATES, Reader

pytestmark = pytest.mark.unit

AT = datetime(2013, 10, 1, 12, tzinfo=UTC)
publish = partial(state.publish, events="flights")


def tables(rows: int) -> dict[str, pl.DataFrame]:
    return {"flights": pl.DataFrame({"flight": list(range(rows))}), "airports": pl.DataFrame({"faa": ["JFK"]})}


def count(made: Mapping[str, pl.LazyFrame]) -> int:
    return made["flights"].collect().height


def follows(folder: Path) -> int:
    """Return the rows of the state that a new reader finds."""
    reader = Reader(folder, count)
    assert reader.poll(), reader.problem
    assert reader.current is not None
    return reader.current[1]


def test_what_is_published_is_read_once(tmp_path: Path) -> None:
    published = publish(tmp_path, tables(3), AT)
    assert (published.as_of, published.rows) == (AT, 3)
    reader = Reader(tmp_path, count)
    assert reader.current is None
    assert [reader.poll(), reader.poll()] == [True, False]
    assert reader.current == (published, 3)
    publish(tmp_path, tables(4), AT + timedelta(hours=1))
    assert reader.poll()
    assert reader.current[1] == 4


def test_the_same_rows_at_a_later_instant_are_not_made_anew(tmp_path: Path) -> None:
    made: list[int] = []
    reader = Reader(tmp_path, lambda found: made.append(count(found)))
    publish(tmp_path, tables(3), AT)
    reader.poll()
    later = publish(tmp_path, tables(3), (AT + timedelta(hours=1)).replace(tzinfo=None))  # without a zone it is UTC
    assert later.as_of == AT + timedelta(hours=1)
    assert reader.poll()
    assert made == [3]
    assert reader.current is not None
    assert reader.current[0] == later


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    digests = [publish(tmp_path, tables(n), AT).digest for n in range(1, 5)]
    assert {place.name for place in (tmp_path / STATES).iterdir()} == set(digests[-2:])
    publish(tmp_path, tables(3), AT)  # as the one before the newest
    assert {place.name for place in (tmp_path / STATES).iterdir()} == set(digests[-2:])
    assert follows(tmp_path) == 3


def _flip(folder: Path, place: Path) -> None:
    data = bytearray((place / "flights.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (place / "flights.parquet").write_bytes(data)


def _gone(folder: Path, place: Path) -> None:
    shutil.rmtree(place)


def _foreign(folder: Path, place: Path) -> None:
    (place / "more.parquet").write_bytes(b"")


def _torn(folder: Path, place: Path) -> None:
    (folder / POINTER).write_text((folder / POINTER).read_text()[:40])


def _outside(folder: Path, place: Path) -> None:
    shutil.copytree(place, folder / "elsewhere")
    (folder / POINTER).write_text((folder / POINTER).read_text().replace(place.name, "../elsewhere"))


def _no_pointer(folder: Path, place: Path) -> None:
    (folder / POINTER).unlink()


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (_flip, "flights.parquet is altered"),  # a byte of a table
        (_gone, "must hold manifest.json"),  # the pointer was copied without the state
        (_foreign, "more.parquet is foreign"),  # a file that nobody sealed
        (_torn, "ValidationError"),  # half a pointer
        (_outside, "must hold manifest.json"),  # a digest that climbs out of its folder
        (_no_pointer, "cannot be read"),  # as before the first publication
    ],
)
def test_a_bad_state_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: object, problem: str) -> None:
    old = publish(tmp_path, tables(3), AT)
    reader = Reader(tmp_path, count)
    reader.poll()
    new = publish(tmp_path, tables(4), AT)
    harm(tmp_path, tmp_path / STATES / new.digest)  # type: ignore[operator]
    assert not reader.poll()
    assert reader.current == (old, 3)
    assert reader.problem is not None
    assert problem in reader.problem
    monkeypatch.setattr(state, "_AGAIN_SECONDS", 0.0)
    publish(tmp_path, tables(4), AT)  # mends what was harmed
    reader = Reader(tmp_path, count)
    assert reader.poll()
    assert reader.problem is None


def test_what_cannot_be_made_is_tried_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def make(found: Mapping[str, pl.LazyFrame]) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError("x" * 10_000)
        return count(found)

    publish(tmp_path, tables(3), AT)
    reader = Reader(tmp_path, make)
    assert [reader.poll(), reader.poll(), len(tries)] == [False, False, 1]
    assert reader.problem is not None
    assert len(reader.problem) <= 500
    now = time.monotonic()
    monkeypatch.setattr(state.time, "monotonic", lambda: now + 60)
    assert reader.poll()
    assert reader.problem is None


def test_a_killed_publication_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, tables(3), AT)
    for owner, step in ((bundle, "is_whole"), (files, "replace")):  # the bundle stands under no name yet; the pointer does not
        with monkeypatch.context() as patch:

            def killed(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr(owner, step, killed)
            with pytest.raises(KeyboardInterrupt):
                publish(tmp_path, tables(4), AT)
        assert follows(tmp_path) == 3
    publish(tmp_path, tables(5), AT)
    assert follows(tmp_path) == 5
    assert len(list((tmp_path / STATES).iterdir())) == 2


def test_readers_never_see_a_half(tmp_path: Path) -> None:
    publish(tmp_path, tables(1), AT)
    seen: list[int] = []
    is_done = threading.Event()

    def follow() -> None:
        while not is_done.is_set():
            reader = Reader(tmp_path, count)
            if reader.poll():  # else two states went by while it read one
                assert reader.current is not None
                seen.append(reader.current[1])

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for rows in range(2, 22):
        publish(tmp_path, tables(rows), AT + timedelta(minutes=rows))
    is_done.set()
    for thread in threads:
        thread.join()
    assert len(set(seen)) > 1
    assert set(seen) <= set(range(1, 22))
    assert follows(tmp_path) == 21


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file in its place")
    with pytest.raises(StorageError, match="serving must be writable"):
        publish(tmp_path / "serving", tables(1), AT)


def test_the_reader_is_light() -> None:
    heavy = "{'deltalake', 'pandera', 'flytekit', 'torch', 'pandas'}"
    code = f"import sys, tasks.serving.state; sys.exit(str(sorted({heavy} & set(sys.modules))) if {heavy} & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- on real flights --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # flytekit's own, at import
def test_the_published_state_gives_the_offline_features(small_source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.contracts import sensitive
    from tasks.ingestion.days import ingest
    from tasks.lake.snapshots import read_snapshot
    from tasks.serving.task import publish_state
    from tasks.usecase import features, source
    from tasks.usecase.contract import TABLES
    from tasks.usecase.online import ANSWERED, SCHEDULED, Online
    from tests.feeds import bound_source

    monkeypatch.setenv("EVERGREEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EVERGREEN_SERVING", raising=False)
    lake, day = str(tmp_path / "home" / "lake"), date(2013, 4, 10)
    for table in TABLES:
        rows = pl.read_csv(f"{small_source}/{table.name}.csv", infer_schema=False)
        rows = rows.filter(pl.col("month").is_in(["3", "4"])) if table.is_daily else rows  # the longest window, and a week
        rows.write_csv(tmp_path / f"{table.name}.csv")
    snapshot = ingest(bound_source(str(tmp_path)), lake, datetime(2013, 4, 12, tzinfo=UTC))
    as_of = datetime(2013, 4, 10, 16, tzinfo=UTC)
    published = publish_state(snapshot=snapshot.model_copy(update={"as_of": as_of}))
    assert published.as_of == as_of

    reader = Reader(tmp_path / "home" / "serving", Online)
    assert reader.poll(), reader.problem
    assert reader.current is not None
    raw = read_snapshot(snapshot, source.known_by)
    offline = features.build(raw, (day, day)).select(ANSWERED).collect()
    scheduled = raw["flights"].filter(source.day_of(TABLES[0]) == day).select(list(SCHEDULED)).collect().rows(named=True)
    online = pl.DataFrame(reader.current[1].features_of(scheduled), schema=offline.schema).sort("predicted_at", "flight_id")
    fresh = pl.col("predicted_at") <= as_of
    assert online.filter(fresh).height > 40
    assert online.filter(fresh).equals(offline.filter(fresh))
    assert not online.filter(~fresh).equals(offline.filter(~fresh)), "of later ones the state knows too little"

    files = {path.stem: pl.read_parquet_schema(path).names() for path in (tmp_path / "home" / "serving" / STATES).glob("*/*.parquet")}
    assert set(files) == {"flights", "weather", "airports"}
    restricted = {name for table in TABLES for name in sensitive(table.schema)}
    assert restricted
    assert not restricted & {name for names in files.values() for name in names}
