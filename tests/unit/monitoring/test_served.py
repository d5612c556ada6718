"""What was served: volume, freshness, contract, skew and what came, from a lake that the real writers filled."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.artifacts.monitoring import LabelQueue, QueuedLabel, Served, ServedRules, ServiceLevel, Skew
from tasks.artifacts.record import Window
from tasks.artifacts.serving import RequestField
from tasks.lake import labelling
from tasks.model.loss import log_loss
from tasks.monitoring import served as module
from tasks.monitoring.served import look, problems, violations
from tasks.usecase import policy
from tests.unit.monitoring import logged
from tests.unit.monitoring.logged import FIELDS, FIRST

pytestmark = pytest.mark.unit

RULES = policy.MONITORING.served
DAYS, PER_DAY = 24, 20
LAST = FIRST + timedelta(days=DAYS - 1)
AS_OF = datetime(LAST.year, LAST.month, LAST.day, 18, tzinfo=UTC)
ASKED = logged.rows(DAYS, PER_DAY)
LEVEL = ServiceLevel(requests=1_000, errors=1, p50_ms=5, p99_ms=20, predictions=900, cpu_seconds_per_1000=2.0)
SEEN = ASKED.filter(pl.col("at").dt.date() > LAST - timedelta(days=RULES.days))


AGAIN = ASKED.select("flight_id", "predicted_at", "distance", "wind", "carrier")
"""The features of the same instants, as a lake has them."""


def known(rows: pl.DataFrame = ASKED) -> pl.LazyFrame:
    """Return the source's labels of all but the newest day: labels come a day later."""
    return logged.labels(rows.filter(pl.col("at").dt.date() < LAST))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    canary = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("canary")).otherwise(pl.lit("champion"))
    logged.write(folder, ASKED.with_columns(arm=canary), known())
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "home"))


def found(folder: Path, features: pl.DataFrame = AGAIN, last: date = LAST, fields: list[RequestField] = FIELDS) -> Served:
    told = look(str(folder / "lake"), features, last, fields, RULES, LEVEL, "flight_id")
    assert told is not None
    return told


# --- looking ----------------------------------------------------------------------------------------------------------


def test_where_nothing_was_ever_logged_there_is_nothing(tmp_path: Path) -> None:
    assert look(str(tmp_path / "lake"), AGAIN, LAST, FIELDS, RULES, None, "flight_id") is None
    assert problems(None, AS_OF, RULES, 100) == []


def test_it_tells_what_was_served(filled: Path) -> None:
    told = found(filled)
    assert told.window == Window(first_day=LAST - timedelta(days=6), last_day=LAST)
    assert (told.predictions, told.per_day, told.usual_per_day) == (7 * PER_DAY, [PER_DAY] * 7, PER_DAY)
    assert told.newest_at == ASKED.get_column("at").max()
    assert (told.with_outcome, told.contradictory) == (6 * PER_DAY, 0)
    assert (told.violations, told.compared, told.skew) == ({}, 7 * PER_DAY, [])
    assert (told.level, told.exploration) == (LEVEL, {})
    assert problems(told, AS_OF, RULES, 100) == []


def test_the_loss_is_that_of_the_champions_answers(filled: Path) -> None:
    mine = ASKED.filter(pl.int_range(pl.len()) % 5 != 0)
    mine = mine.filter(pl.col("at").dt.date().is_between(LAST - timedelta(days=6), LAST - timedelta(days=1)))
    told = found(filled).log_loss
    assert told is not None
    assert told.value == pytest.approx(log_loss(mine.get_column("label"), mine.get_column("probability")))
    assert told.lower < told.value < told.upper


def test_too_few_days_with_outcomes_have_no_loss(filled: Path) -> None:
    assert found(filled, last=FIRST + timedelta(days=2)).log_loss is None
    assert found(filled, last=FIRST + timedelta(days=3)).log_loss is not None


@pytest.mark.parametrize(
    ("last", "usual"),
    [
        (FIRST + timedelta(days=RULES.days + 5), None),  # six days before the window: nobody knows yet what is usual
        (FIRST + timedelta(days=RULES.days + 6), PER_DAY),
        (LAST + timedelta(days=18), PER_DAY),  # silent since, for less than half of the days before
        (LAST + timedelta(days=25), 0.0),  # and for more than half
    ],
)
def test_what_is_usual_is_the_median_of_the_days_before(filled: Path, last: date, usual: float | None) -> None:
    assert found(filled, last=last).usual_per_day == usual


def test_a_log_that_fell_silent_long_ago_is_no_empty_log(filled: Path) -> None:
    told = found(filled, last=LAST + timedelta(days=200))
    assert (told.predictions, told.per_day, told.newest_at) == (0, [0] * 7, ASKED.get_column("at").max())
    (problem,) = problems(told, AS_OF + timedelta(days=200), RULES, 100)
    assert (problem.name, problem.runbook) == ("no predictions", "operations/runbook.md#no-predictions")


def test_what_was_asked_since_the_last_whole_day_is_fresh_and_not_counted(filled: Path) -> None:
    told = found(filled, last=LAST - timedelta(days=1))
    assert told.predictions == 7 * PER_DAY
    assert told.newest_at == ASKED.get_column("at").max()


def test_a_prediction_that_two_others_scored_counts_once(folder: Path) -> None:
    import json

    from tasks.serving.collect import collect
    from tasks.serving.journal import Journal

    journal = Journal(folder / "log", 10**9, 10**9)
    ids = SEEN.get_column("prediction_id").to_list()
    for version in (4, 5):
        line = {"kind": "shadow", "at": AS_OF.isoformat(), "revision": 1, "version": version, "package": "b" * 12}
        journal.write(json.dumps(line | {"scores": [[id, 0.5] for id in ids]}).encode())
    journal.close()
    collect(str(folder / "lake"), folder, logged.COLUMNS, known())
    assert (found(folder).predictions, found(folder).compared) == (7 * PER_DAY, 7 * PER_DAY)


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_a_feature_made_in_another_way_is_skew(filled: Path) -> None:
    metric = AGAIN.with_columns(pl.when(pl.col("carrier") == "UA").then(pl.col("distance") * 1.6).otherwise(pl.col("distance")))
    told = found(filled, metric)
    of_carrier = SEEN.filter(pl.col("carrier") == "UA").height
    (skew,) = told.skew
    assert (skew.feature, skew.rows, skew.differing) == ("distance", 7 * PER_DAY, of_carrier)
    assert skew.largest == pytest.approx(0.375, abs=1e-6)
    (problem,) = problems(told, AS_OF, RULES, 100)
    assert problem.runbook == "operations/runbook.md#skew"
    assert f"distance in {of_carrier / 140:.1%} of 140 predictions" in problem.told


def test_what_was_asked_at_another_instant_is_not_compared(filled: Path) -> None:
    moved = AGAIN.with_columns(pl.col("predicted_at") + timedelta(minutes=1), distance=pl.lit(0.0, pl.Float32))
    assert (found(filled, moved).compared, found(filled, moved).skew) == (0, [])


def test_a_log_without_the_key_is_not_compared(filled: Path) -> None:
    told = look(str(filled / "lake"), AGAIN.lazy(), LAST, FIELDS, RULES, None, key="tail_number")
    assert told is not None
    assert (told.compared, told.predictions) == (0, 7 * PER_DAY)


def test_outcomes_that_contradict_each_other_are_counted_in_the_window(folder: Path) -> None:
    wrong = {row["prediction_id"]: not row["label"] for row in SEEN.head(10).iter_rows(named=True)}
    right = {row["prediction_id"]: bool(row["label"]) for row in SEEN.slice(10, 10).iter_rows(named=True)}
    before = {ASKED.item(0, "prediction_id"): not ASKED.item(0, "label")}
    logged.write(folder, ASKED.clear(), known(), wrong | right | before)
    told = found(folder)
    assert (told.contradictory, told.with_outcome) == (10, 6 * PER_DAY)
    (problem,) = problems(told, AS_OF, RULES, 100)
    assert (problem.name, "10 of 120 outcomes" in problem.told) == ("contradictory outcomes", True)


def test_inputs_outside_their_contract_are_counted(folder: Path) -> None:
    more = logged.rows(1, 10, LAST, seed=9).with_columns(pl.concat_str(pl.lit("x"), "prediction_id").alias("prediction_id"))
    bad = more.with_columns(distance=pl.lit(9_999.0), carrier=pl.lit("ZZ"))
    logged.write(folder, bad, known())
    told = found(folder)
    assert told.violations == {"distance": 10, "carrier": 10}
    (problem,) = problems(told, AS_OF, RULES, 100)
    assert problem.told == "distance in 6.7%, carrier in 6.7% of 150 predictions"


@pytest.mark.parametrize(
    ("values", "field", "broken"),
    [
        ([50.0, 5_000.0, 49.9, 5_000.1], FIELDS[0], 2),  # both ends are allowed
        ([None, 100.0], FIELDS[0], 1),  # one must be there
        ([None, -1.0], FIELDS[1], 1),  # none is allowed
        (["B6", "ZZ", None], FIELDS[2], 2),  # another value, and none
        (["B6", "b6"], RequestField(name="carrier", kind="string", meaning="", pattern=r"[A-Z0-9]{2}$"), 1),
        (["xB6"], RequestField(name="carrier", kind="string", meaning="", pattern=r"[A-Z0-9]{2}$"), 1),  # from its beginning on
        ([None, None], RequestField(name="wind", kind="number", meaning=""), 2),  # a column of nothing
    ],
)
def test_what_breaks_a_contract(values: list[Any], field: RequestField, broken: int) -> None:
    assert violations(pl.DataFrame({field.name: values}), [field]) == ({field.name: broken} if broken else {})


def test_a_field_that_the_log_lacks() -> None:
    rows = pl.DataFrame({"wind": [1.0, 2.0]})
    assert violations(rows, FIELDS) == {"distance": 2, "carrier": 2}, "but not one that may be left out"
    assert violations(rows.drop("wind"), []) == violations(rows.clear(), FIELDS) == {}


def test_a_feature_that_is_new_is_null_in_the_log(filled: Path) -> None:
    new = RequestField(name="gust", kind="number", meaning="Miles an hour")
    assert found(filled, fields=[*FIELDS, new]).violations == {"gust": 7 * PER_DAY}


# --- problems ---------------------------------------------------------------------------------------------------------


def served(**more: Any) -> Served:
    plain = {
        "window": Window(first_day=LAST - timedelta(days=6), last_day=LAST),
        "predictions": 700,
        "per_day": [100] * 7,
        "usual_per_day": 100.0,
        "newest_at": AS_OF,
        "with_outcome": 600,
        "contradictory": 0,
        "log_loss": None,
        "violations": {},
        "compared": 500,
        "skew": [],
        "level": LEVEL,
    }
    return Served(**plain | more)


def skews(count: int, differing: int) -> list[Skew]:
    return [Skew(feature=f"f{i}", rows=500, differing=differing + i, largest=1.0) for i in range(count)]


@pytest.mark.parametrize(
    ("given", "names", "words"),
    [
        ({}, [], ""),
        ({"newest_at": AS_OF - timedelta(hours=RULES.stale_hours)}, [], ""),  # just fresh
        ({"newest_at": AS_OF - timedelta(hours=50)}, ["no predictions"], "50 hours old"),
        ({"newest_at": AS_OF - timedelta(hours=50), "per_day": [100] * 6 + [0]}, ["no predictions"], "hours old"),  # told once
        ({"newest_at": AS_OF + timedelta(hours=900)}, [], ""),  # a clock that was set back sees what comes later
        ({"per_day": [0] * 6 + [50]}, [], ""),  # half is enough; the days before had nights of their own
        ({"per_day": [100] * 6 + [49]}, ["volume"], "49 predictions"),
        ({"per_day": [100] * 6 + [0], "usual_per_day": None}, [], ""),  # nobody knows what is usual
        ({"violations": {"a": 7}}, [], ""),  # one in a hundred
        ({"violations": {"a": 8}}, ["inputs outside their contract"], "a in 1.1%"),
        ({"predictions": 0, "violations": {}, "skew": [], "compared": 0}, [], ""),  # nothing to divide by
        ({"skew": skews(1, 5)}, [], ""),
        ({"skew": skews(8, 6)}, ["skew"], "f7 in 2.6%, f6 in 2.4%, f5 in 2.2%, f4 in 2.0%, f3 in 1.8% and 3 more"),  # capped
        ({"contradictory": 6}, [], ""),
        ({"contradictory": 7}, ["contradictory outcomes"], "7 of 600"),
        ({"level": None}, [], ""),
        ({"level": LEVEL.model_copy(update={"errors": 11})}, ["service level"], "11 of 1,000 requests failed"),
        ({"level": LEVEL.model_copy(update={"p99_ms": 101.0})}, ["service level"], "up to 101 ms; at most 100"),
        ({"level": LEVEL.model_copy(update={"p99_ms": None, "requests": 0, "errors": 0})}, [], ""),  # nobody asked
        (
            {"violations": {"a": 70}, "skew": skews(1, 90), "contradictory": 600, "per_day": [1] * 7},
            ["volume", "inputs outside their contract", "skew", "contradictory outcomes"],  # all at once
            "",
        ),
    ],
)
def test_problems(given: dict[str, Any], names: list[str], words: str) -> None:
    told = problems(served(**given), AS_OF, RULES, 100)
    assert [problem.name for problem in told] == names
    assert words in " ".join(problem.told for problem in told)
    assert all(problem.runbook == f"operations/runbook.md#{problem.name.replace(' ', '-')}" for problem in told)


def test_a_clock_without_a_zone_is_in_utc() -> None:
    late = served(newest_at=AS_OF - timedelta(hours=50))
    assert problems(late, AS_OF.replace(tzinfo=None), RULES, 100) == problems(late, AS_OF, RULES, 100)


def test_the_limits_are_the_rules() -> None:
    strict = ServedRules(**RULES.model_dump() | {"volume_share": 1.0, "stale_hours": 1.0})
    assert problems(served(per_day=[100] * 6 + [99]), AS_OF, strict, 100)[0].name == "volume"


# --- exploration ------------------------------------------------------------------------------------------------------


def explored(folder: Path, chances: dict[int, float], each: int = 4) -> dict[str, float]:
    """Draw the first predictions of some days of the window at random, choose another beside, and return what is told."""
    day = {row["prediction_id"]: row["at"].date() for row in SEEN.iter_rows(named=True)}
    ids = SEEN.get_column("prediction_id").to_list()
    for n, chance in chances.items():
        own = ids[n * PER_DAY : (n + 1) * PER_DAY]
        queued = [QueuedLabel(prediction_id=id, reason="random", score=0.1, propensity=chance) for id in own[:each]]
        queued.append(QueuedLabel(prediction_id=own[-1], reason="uncertain", score=0.9, propensity=1.0))
        labelling.record(str(folder / "lake"), LabelQueue(night=LAST + timedelta(days=n), candidates=20, queued=queued), day)
    return found(folder).exploration


def weighed(chances: dict[int, float], each: int = 4) -> float:
    drawn = [(SEEN.row(n * PER_DAY + i, named=True), chance) for n, chance in chances.items() for i in range(each)]
    losses = [log_loss([row["label"]], [row["probability"]]) / chance for row, chance in drawn]
    return sum(losses) / sum(1 / chance for _, chance in drawn)


def test_predictions_drawn_at_random_are_weighed_by_their_chance(folder: Path) -> None:
    chances = {0: 0.5, 3: 0.1}
    told = explored(folder, chances | {6: 0.2})  # of the newest day nothing came yet
    loss = pytest.approx(weighed(chances))
    assert told == {"drawn": 12, "rows": 8, "share": pytest.approx(8 / 12), "log_loss": loss}, "of two days without an interval"


def test_of_several_days_the_interval_is_told(folder: Path) -> None:
    chances = {0: 0.5, 1: 0.1, 2: 0.2, 4: 0.2, 5: 0.4}
    told = explored(folder, chances)
    assert told["log_loss"] == pytest.approx(weighed(chances))
    assert told["log_loss_lower"] < told["log_loss"] < told["log_loss_upper"]


def test_where_nothing_came_yet_there_is_no_loss(folder: Path) -> None:
    assert explored(folder, {6: 0.2}) == {"drawn": 4, "rows": 0, "share": 0}


def test_what_the_arm_is_called() -> None:
    from tasks.serving.metrics import ARMS

    assert module.CHAMPION in ARMS
