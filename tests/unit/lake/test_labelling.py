"""The table of the labelling queue: once a night, nothing twice, whoever writes, and joined with what came."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tasks.artifacts.monitoring import LabelQueue, QueuedLabel
from tasks.errors import LakeError
from tasks.lake import exclusive, labelling, tables
from tests.unit.monitoring import logged
from tests.unit.monitoring.logged import FIRST

pytestmark = pytest.mark.unit

ASKED = logged.rows(3, 10)
IDS = ASKED.get_column("prediction_id").to_list()
DAYS = {row["prediction_id"]: row["at"].date() for row in ASKED.iter_rows(named=True)}
NIGHT = FIRST + timedelta(days=2)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelling")
    # The source tells of the first day; a client of one prediction of the second.
    logged.write(folder, ASKED, logged.labels(ASKED.head(10)), {IDS[10]: True})
    return folder


@pytest.fixture
def lake(filled: Path, tmp_path: Path) -> str:
    return str(Path(shutil.copytree(filled, tmp_path / "home")) / "lake")


def queue(ids: Sequence[str], night: date = NIGHT, reason: str = "random") -> LabelQueue:
    queued = [QueuedLabel(prediction_id=id, reason=reason, score=0.5, propensity=0.25) for id in ids]
    return LabelQueue(night=night, candidates=40, queued=queued)


def candidates(lake: str, first: date = FIRST, last: date = NIGHT) -> list[str]:
    return labelling.candidates(lake, first, last, ["wind"]).get_column("prediction_id").to_list()


# --- candidates -------------------------------------------------------------------------------------------------------


def test_a_lake_without_predictions_has_none(tmp_path: Path) -> None:
    found = labelling.candidates(str(tmp_path), FIRST, NIGHT, ["wind"])
    assert (found.height, found.columns) == (0, ["prediction_id", "batch_day", "at", "probability", "wind"])
    assert labelling.of_night(str(tmp_path), NIGHT) is None
    assert labelling.explored(str(tmp_path)).height == 0


def test_what_has_an_outcome_is_no_candidate(lake: str) -> None:
    assert candidates(lake) == sorted(IDS[11:]), "neither by the source nor by a client"


def test_candidates_are_of_the_days_and_have_their_features(lake: str) -> None:
    found = labelling.candidates(lake, NIGHT, NIGHT, ["wind", "flight_id", "new"])
    expected = ASKED.slice(20).select("prediction_id", "probability", "wind", "flight_id").sort("prediction_id")
    assert found.select(expected.columns).equals(expected)
    assert found.get_column("new").null_count() == 10


def test_what_was_queued_is_no_candidate_again(lake: str) -> None:
    labelling.record(lake, queue(IDS[20:25]), DAYS)
    assert candidates(lake, NIGHT) == sorted(IDS[25:])


# --- recording --------------------------------------------------------------------------------------------------------


def test_a_queue_comes_back_as_it_was(lake: str) -> None:
    made = queue(IDS[20:23])
    assert labelling.record(lake, made, DAYS) == made
    assert labelling.of_night(lake, NIGHT) == made
    stored = tables.read(f"{lake}/{labelling.LABELLING}")
    assert stored is not None
    assert stored.schema == labelling.SCHEMA
    assert set(stored.get_column("batch_day")) == {NIGHT}


def test_a_night_that_has_a_queue_keeps_it(lake: str) -> None:
    first = labelling.record(lake, queue(IDS[20:23]), DAYS)
    version = tables.version_of(f"{lake}/{labelling.LABELLING}")
    assert labelling.record(lake, queue(IDS[23:25]), DAYS) == first
    assert tables.version_of(f"{lake}/{labelling.LABELLING}") == version


def test_nothing_is_queued_on_two_nights(lake: str) -> None:
    labelling.record(lake, queue(IDS[20:23]), DAYS)
    later = labelling.record(lake, queue(IDS[21:25], NIGHT + timedelta(days=1)), DAYS)
    assert [one.prediction_id for one in later.queued] == IDS[23:25]
    assert labelling.of_night(lake, NIGHT + timedelta(days=1)) == later


def test_a_night_with_nothing_to_queue_leaves_no_table(lake: str) -> None:
    assert labelling.record(lake, queue([]), DAYS).queued == []
    assert not tables.exists(f"{lake}/{labelling.LABELLING}")


def test_many_nights_leave_few_files(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "_MANY_FILES", 3)
    for n, id in enumerate(IDS[:9]):
        labelling.record(lake, queue([id], NIGHT + timedelta(days=n)), DAYS)
    table = tables.open_table(f"{lake}/{labelling.LABELLING}")
    assert table is not None
    assert len(table.file_uris()) <= 4
    assert labelling.explored(lake).get_column("prediction_id").to_list() == IDS[:9]


def test_a_damaged_table_is_told(lake: str) -> None:
    labelling.record(lake, queue(IDS[20:23]), DAYS)
    for file in Path(lake, labelling.LABELLING).glob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError):
        labelling.record(lake, queue(IDS[24:25], NIGHT + timedelta(days=1)), DAYS)


@pytest.mark.parametrize(
    "nights",
    [
        (NIGHT, NIGHT),  # two monitors of one night: one queue
        (NIGHT, NIGHT + timedelta(days=1)),  # of two nights: no prediction in both
    ],
)
def test_two_monitors_at_once_queue_nothing_twice(lake: str, nights: tuple[date, date]) -> None:
    with ThreadPoolExecutor(2) as workers:
        ready = Barrier(2)

        def work(n: int) -> LabelQueue:
            ready.wait(30)
            return labelling.record(lake, queue(IDS[n : n + 20], nights[n]), DAYS)

        made = list(workers.map(work, range(2)))
    stored = labelling.explored(lake).get_column("prediction_id")
    assert stored.n_unique() == stored.len() == (20 if nights[0] == nights[1] else 21)
    assert [labelling.of_night(lake, night) for night in nights] == made, "each is told what the table holds"


# --- what came --------------------------------------------------------------------------------------------------------


def test_what_was_drawn_is_joined_with_what_came(lake: str) -> None:
    labelling.record(lake, queue([*IDS[8:11], IDS[20]]), DAYS)
    labelling.record(lake, queue(IDS[21:23], NIGHT + timedelta(days=1), "uncertain"), DAYS)
    found = labelling.explored(lake)
    labels = ASKED.get_column("label").to_list()
    assert found.get_column("prediction_id").to_list() == [*IDS[8:11], IDS[20]], "what was chosen is biased"
    assert found.get_column("outcome").to_list() == [labels[8], labels[9], 1, None]
    assert found.get_column("probability").to_list() == ASKED.get_column("probability").gather([8, 9, 10, 20]).to_list()
    within = labelling.explored(lake, FIRST + timedelta(days=1), FIRST + timedelta(days=1))
    assert within.get_column("prediction_id").to_list() == [IDS[10]]


def test_the_source_counts_where_a_client_says_otherwise(filled: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(filled, tmp_path / "home"))
    flipped = {IDS[0]: not ASKED.item(0, "label")}
    lake = logged.write(folder, ASKED.clear(), logged.labels(ASKED.head(10)), flipped)
    labelling.record(lake, queue(IDS[:1]), DAYS)
    assert labelling.explored(lake).item(0, "outcome") == ASKED.item(0, "label")
