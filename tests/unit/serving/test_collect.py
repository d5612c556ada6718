"""The collection: each line of the log is in the lake exactly once, however often it is killed and done again."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.serving import Collected
from tasks.errors import StorageError
from tasks.lake import tables
from tasks.lake.predictions import OUTCOMES, PREDICTIONS, SHADOWS, joined
from tasks.serving import collect as module
from tasks.serving.collect import DAMAGED, collect
from tasks.serving.journal import Journal
from tasks.serving.lines import Columns
from tasks.serving.outcomes import FILE, Outcome, Outcomes

pytestmark = pytest.mark.unit

COLUMNS = Columns(["distance", "wind"], ["carrier"], "flight_id")
NO_LABELS = pl.LazyFrame(schema={"flight_id": pl.String, "label": pl.Int8, "label_known_at": pl.Datetime("us", "UTC")})
AT = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC)


def answer(ids: list[str], at: datetime = AT, rows: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    told = {"arm": "champion", "version": 3, "package": "a" * 12, "probability": 0.25, "flagged": False}
    predictions = [{"prediction_id": id, **told, "predicted_at": "2013-10-01T12:00:00Z"} for id in ids]
    asked = rows or [{"distance": 100, "wind": None, "carrier": "B6", "flight_id": f"flight-{id}"} for id in ids]
    head = {"kind": "answer", "at": at.isoformat().replace("+00:00", "Z"), "revision": 7, "key": "k1"}
    return {**head, "predictions": predictions, "request": {"rows": asked}} | more


def shadow(ids: list[str], at: datetime = AT) -> dict[str, Any]:
    head = {"kind": "shadow", "at": at.isoformat(), "revision": 7, "version": 4, "package": "b" * 12}
    return head | {"scores": [[id, 0.19] for id in ids]}


def segment(folder: Path, *lines: dict[str, Any]) -> Path:
    journal = Journal(folder / "log", 10**9, 10**9)
    before = set((folder / "log").glob("*")) if (folder / "log").exists() else set()
    for line in lines:
        journal.write(json.dumps(line).encode())
    journal.close()
    (made,) = set((folder / "log").glob("*.jsonl")) - before
    return made


def run(folder: Path, labels: pl.LazyFrame = NO_LABELS, columns: Columns = COLUMNS) -> Collected:
    return collect(str(folder / "lake"), folder, columns, labels).record


def table(folder: Path, name: str) -> pl.DataFrame:
    found = tables.read(str(folder / "lake" / name))
    assert found is not None
    return found


def ids(folder: Path, name: str) -> list[str]:
    return sorted(table(folder, name).get_column("prediction_id")) if (folder / "lake" / name).exists() else []


def labels(**known: int) -> pl.LazyFrame:
    rows = [(f"flight-{id}", label, datetime(2013, 10, 1, 15, tzinfo=UTC)) for id, label in known.items()]
    return pl.LazyFrame(rows, schema=NO_LABELS.collect_schema(), orient="row")


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_line_becomes_rows_with_typed_columns(tmp_path: Path) -> None:
    name = segment(
        tmp_path,
        answer(["p1", "p2"], rows=[{"distance": 1_400, "wind": 0.1, "carrier": "B6", "flight_id": "f"}, {"carrier": "DL", "wind": None}]),
        shadow(["p1"], AT + timedelta(minutes=1)),
    ).stem
    assert run(tmp_path) == Collected(segments=1, answers=1, predictions=2, torn=0, damaged=0, outcomes=0, joined=0, contradictions=0)
    first, second = table(tmp_path, PREDICTIONS).sort("prediction_id").rows(named=True)
    assert first == {
        "prediction_id": "p1",
        "at": AT,
        "batch_day": date(2026, 3, 1),
        "revision": 7,
        "arm": "champion",
        "model_version": 3,
        "package": "a" * 12,
        "probability": 0.25,
        "flagged": False,
        "predicted_at": datetime(2013, 10, 1, 12, tzinfo=UTC),
        "key": "k1",
        "flight_id": "f",
        "segment": name,
        "carrier": "B6",
        "distance": 1_400.0,
        "wind": pytest.approx(0.1),
    }
    assert (second["flight_id"], second["carrier"], second["distance"], second["wind"]) == (None, "DL", None, None)
    assert table(tmp_path, PREDICTIONS).schema["wind"] == pl.Float32
    (score,) = table(tmp_path, SHADOWS).rows(named=True)
    assert (score["prediction_id"], score["probability"], score["batch_day"]) == ("p1", 0.19, date(2026, 3, 2))
    assert list((tmp_path / "log").glob("*")) == []


def test_what_is_still_written_is_left(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", 10**9, 10**9)
    journal.write(json.dumps(answer(["p1"])).encode())
    assert run(tmp_path).segments == 0
    journal.close()
    assert run(tmp_path).predictions == 1
    assert ids(tmp_path, PREDICTIONS) == ["p1"]


def _flip(data: bytes) -> bytes:
    return data.replace(b'"p1"', b'"pX"', 1)


def _tear(data: bytes) -> bytes:
    return data + b"0123abcd {"


def _no_form(data: bytes) -> bytes:
    from zlib import crc32

    bad = json.dumps(answer(["p9"]) | {"predictions": [{"prediction_id": "p9"}]}).encode()
    return data + b"%08x %b\n" % (crc32(bad), bad)


@pytest.mark.parametrize(
    ("harm", "torn", "damaged", "left"),
    [
        (_tear, 1, 0, ["p1", "p2", "p3"]),  # killed within a write: never answered
        (_flip, 0, 1, ["p2", "p3"]),  # a disk gave back other bytes
        (_no_form, 0, 1, ["p1", "p2", "p3"]),  # the sum fits, but it is no answer
    ],
)
def test_a_bad_line_takes_no_other_with_it(
    tmp_path: Path, harm: Callable[[bytes], bytes], torn: int, damaged: int, left: list[str]
) -> None:
    path = segment(tmp_path, answer(["p1"]), answer(["p2", "p3"]))
    path.write_bytes(harm(path.read_bytes()))
    found = run(tmp_path)
    assert (found.torn, found.damaged, found.predictions) == (torn, damaged, len(left))
    assert ids(tmp_path, PREDICTIONS) == left
    assert [p.name for p in (tmp_path / "log").glob(f"{DAMAGED}/*")] == ([path.name] if damaged else [])
    assert run(tmp_path).segments == 0, "what is kept aside is not collected again"


def test_a_value_of_another_type_is_a_damaged_line(tmp_path: Path) -> None:
    rows = [{"distance": "far", "carrier": "B6"}], [{"distance": 1, "carrier": 5}]
    segment(tmp_path, answer(["p1"]), *(answer([f"bad{n}"], rows=row) for n, row in enumerate(rows)), answer(["p2"]))
    assert run(tmp_path).damaged == 2
    assert ids(tmp_path, PREDICTIONS) == ["p1", "p2"]


@pytest.mark.parametrize(
    "number",
    [
        10**400,  # which no double takes
        -(10**400),  # below zero, too
        2**128,  # a double takes it, a column does not
        1e300,  # no integer
    ],
    ids=["400 digits", "-400 digits", "2**128", "1e300"],
)
def test_a_number_that_no_column_takes_leaves_its_prediction(tmp_path: Path, number: float) -> None:
    rows = [{"distance": number, "wind": 0.5, "carrier": "B6", "flight_id": "f"}, {"distance": 2, "wind": number, "carrier": "B6"}]
    segment(tmp_path, answer(["p1", "p2"], rows=rows), answer(["p3"], rows=[{"distance": "far", "wind": number, "carrier": "B6"}]))
    found = collect(str(tmp_path / "lake"), tmp_path, COLUMNS, NO_LABELS)
    assert (found.record.predictions, found.record.damaged) == (2, 1), "a text is none all the same"
    assert dict(found.unknown) == {f"a number beyond all bounds of {name!r}": 1 for name in ("distance", "wind")}
    kept = table(tmp_path, PREDICTIONS).sort("prediction_id").select("prediction_id", "distance", "wind").rows()
    assert kept == [("p1", None, 0.5), ("p2", 2.0, None)]


def test_features_come_and_go(tmp_path: Path) -> None:
    segment(tmp_path, answer(["p1"]))
    run(tmp_path)
    now = Columns(["wind", "rain"], ["carrier"], "flight_id")
    segment(tmp_path, answer(["p2"], rows=[{"wind": 1, "rain": 2, "carrier": "B6", "old": 1}]), answer(["p3"], kind="another"))
    found = collect(str(tmp_path / "lake"), tmp_path, now, NO_LABELS)
    assert dict(found.unknown) == {"the feature 'old'": 1, "lines of the kind 'another'": 1}
    rows = table(tmp_path, PREDICTIONS).sort("prediction_id").select("prediction_id", "distance", "wind", "rain").rows()
    assert rows == [("p1", 100.0, None, None), ("p2", None, 1.0, 2.0)]
    segment(tmp_path, answer(["p4"]))
    run(tmp_path)  # by the older service that still runs
    assert ids(tmp_path, PREDICTIONS) == ["p1", "p2", "p4"]


def test_many_segments_go_in_several_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS", 3)
    for n in range(5):
        segment(tmp_path, answer([f"p{n}a", f"p{n}b"]))
    assert run(tmp_path).predictions == 10
    assert len(set(ids(tmp_path, PREDICTIONS))) == len(ids(tmp_path, PREDICTIONS)) == 10


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "serving").write_text("a file in its place")
    with pytest.raises(StorageError, match="serving must be writable"):
        run(tmp_path / "serving")


# --- exactly once -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As SIGKILL: nothing handles it."""


STEPS = [(tables, "replace"), (module, "_settle"), (module, "_take_outcomes"), (module, "_join_source"), (Path, "unlink")]


@settings(max_examples=8)  # each collects several times
@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    kills=st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(1, 3), st.booleans()), min_size=1, max_size=3),
    most=st.sampled_from([1, 3, 100]),
)
def test_every_line_is_there_once_whatever_is_killed(counts: list[int], kills: list[tuple[int, int, bool]], most: int) -> None:
    """A kill before or after the n-th call of a step, as often as drawn, with a new segment between, then one whole run."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, number = Path(name), itertools.count()
        patch.setattr(module, "_MOST_ROWS", most)
        expected: list[str] = []
        outcomes = Outcomes(folder / FILE)

        def more(count: int) -> None:
            new = [f"p{next(number)}" for _ in range(count)]
            segment(folder, answer(new), shadow(new))
            outcomes.add([Outcome(id, True, AT) for id in new], "k1", AT)
            expected.extend(new)

        for count in counts:
            more(count)
        source = labels(p0=1)
        for step, nth, is_after in kills:
            _killed_at(folder, *STEPS[step], nth, is_after, source)
            more(1)
        run(folder, source)
        run(folder, source)
        outcomes.close()
        assert ids(folder, PREDICTIONS) == sorted(expected)
        assert ids(folder, SHADOWS) == sorted(expected)
        assert ids(folder, OUTCOMES) == sorted([*expected, "p0"])


def _killed_at(folder: Path, owner: Any, name: str, nth: int, is_after: bool, source: pl.LazyFrame) -> None:
    whole, calls = getattr(owner, name), itertools.count(1)

    def step(*arguments: Any, **named: Any) -> Any:
        is_last = next(calls) == nth
        if is_last and not is_after:
            raise Killed
        result = whole(*arguments, **named)
        if is_last:
            raise Killed
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, step)
        try:
            run(folder, source)
        except Killed:
            return


# --- outcomes ---------------------------------------------------------------------------------------------------------


def give(folder: Path, **known: bool) -> None:
    database = Outcomes(folder / FILE)
    assert database.add([Outcome(id, outcome, AT) for id, outcome in known.items()], "k1", AT + timedelta(hours=1)) == []
    database.close()


def test_labels_that_come_late_are_waited_for(tmp_path: Path) -> None:
    """A label of a loan may come months after its prediction; of flights nobody looks again after weeks."""
    segment(tmp_path, answer(["p1"]))
    segment(tmp_path, answer(["p2"], AT + timedelta(days=60)))
    assert run(tmp_path, labels(p1=1)).joined == 0
    late = collect(str(tmp_path / "lake"), tmp_path, COLUMNS, labels(p1=1), timedelta(days=30)).record
    assert late.joined == 1


def test_outcomes_of_clients_and_of_the_source_are_joined(tmp_path: Path) -> None:
    segment(tmp_path, answer(["p1", "p2", "p3", "p4"]), shadow(["p1", "p2"]))
    give(tmp_path, p1=True, p2=False, unknown=True)
    found = run(tmp_path, labels(p2=1, p3=0))
    assert (found.outcomes, found.joined, found.contradictions) == (3, 3, 1)
    rows = joined(str(tmp_path / "lake"), date(2026, 3, 1), date(2026, 3, 1), ["carrier"])
    assert rows.select("prediction_id", "other_probability", "outcome", "outcome_source", "carrier").rows() == [
        ("p1", 0.19, 1, "client", "B6"),
        ("p2", 0.19, 1, "source", "B6"),  # the source counts
        ("p3", None, 0, "source", "B6"),
        ("p4", None, None, None, "B6"),
    ]
    assert rows.get_column("outcome_known_at").to_list()[:2] == [AT, datetime(2013, 10, 1, 15, tzinfo=UTC)]
    both = joined(str(tmp_path / "lake"), date(2026, 3, 1), date(2026, 3, 1), both=True)
    assert both.get_column("prediction_id").to_list() == ["p1", "p2"]
    assert joined(str(tmp_path / "lake"), date(2026, 3, 2), date(2026, 3, 9)).is_empty()


def test_outcomes_that_came_since_and_labels_that_changed(tmp_path: Path) -> None:
    segment(tmp_path, answer(["p1", "p2"]))
    give(tmp_path, p1=True)
    assert run(tmp_path, labels(p1=1)).outcomes == 1
    give(tmp_path, p2=True)
    assert run(tmp_path, labels(p1=0, p2=1)).outcomes == 1
    found = run(tmp_path, labels(p1=0, p2=1))
    assert (found.outcomes, found.joined, found.contradictions) == (0, 2, 1)
    before = tables.version_of(str(tmp_path / "lake" / OUTCOMES))
    run(tmp_path, labels(p1=0, p2=1))
    assert tables.version_of(str(tmp_path / "lake" / OUTCOMES)) == before, "nothing new, nothing written"


def test_a_database_begun_anew_loses_no_outcome(tmp_path: Path) -> None:
    segment(tmp_path, answer(["p1", "p2", "p3"]))
    give(tmp_path, p1=True, p2=True)
    run(tmp_path)
    for file in tmp_path.glob(f"{FILE}*"):
        file.unlink()
    give(tmp_path, p3=False, p1=True)  # two rows, as before
    assert run(tmp_path).outcomes == 1
    assert ids(tmp_path, OUTCOMES) == ["p1", "p2", "p3"]


def test_nothing_was_ever_asked(tmp_path: Path) -> None:
    assert run(tmp_path) == Collected(segments=0, answers=0, predictions=0, torn=0, damaged=0, outcomes=0, joined=0, contradictions=0)
    assert joined(str(tmp_path / "lake"), date(2026, 1, 1), date(2026, 1, 2), ["wind"]).is_empty()


def test_the_last_days_are_told_by_arm(tmp_path: Path) -> None:
    old, new = answer(["p1"], AT - timedelta(days=40)), answer(["p2", "p3"])
    new["predictions"][1]["arm"] = "canary"
    segment(tmp_path, old, new)
    found = collect(str(tmp_path / "lake"), tmp_path, COLUMNS, labels(p3=1)).by_day
    assert found.rows() == [(date(2026, 3, 1), "canary", 1, 1), (date(2026, 3, 1), "champion", 1, 0)]
