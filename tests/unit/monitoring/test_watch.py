"""A night's report holds what was known at its clock, of the days that matter, and says what is late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from tasks.artifacts.monitoring import Night, NightReport
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.settings import Costs, SegmentRules
from tasks.monitoring.watch import FIT, LABEL, PREDICTION, Watched, scored, watch
from tasks.usecase.policy import MONITORING

pytestmark = pytest.mark.unit

FIRST, ROWS = date(2013, 6, 1), 60
EVALUATION = Window(first_day=date(2013, 9, 1), last_day=date(2013, 9, 28))
CHAMPION = ChampionState(
    version=3,
    bundle_uri="",
    bundle_digest="",
    evaluation=EVALUATION,
    log_loss=0.5,
    newest_candidate_day=date(2013, 9, 28),
    previous_version=2,
)
RULES = MONITORING.model_copy(update={"drift": MONITORING.drift.model_copy(update={"permutations": 400, "classifier_rows": 2_000})})
SEGMENTS = SegmentRules(
    fewest_rows=30, fewest_days=7, search_rows=100, search_features=2, smallest_share=0.1, least_excess=0, most_found=1, level=0.05
)


class Model:
    """Knows the risk, or the risk the other way round."""

    def __init__(self, is_right: bool) -> None:
        self.is_right = is_right

    def predict(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        risk = frame.get_column("risk").to_numpy()
        return risk if self.is_right else 1 - risk


def history(days: int = 140) -> pl.DataFrame:
    """Days of flights whose risk is known; labels come at noon of the next day."""
    generator = np.random.default_rng(7)
    frames = []
    for n in range(days):
        day = FIRST + timedelta(days=n)
        risk = np.clip(generator.beta(2, 5, ROWS) + generator.normal(0, 0.03), 0.01, 0.99)
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        frames.append(
            pl.DataFrame(
                {
                    "batch_day": [day] * ROWS,
                    "predicted_at": [at] * ROWS,
                    "label_known_at": [at + timedelta(days=1)] * ROWS,
                    "label": pl.Series(generator.random(ROWS) < risk).cast(pl.Int8),
                    "risk": risk,
                    "origin": ["EWR", "JFK"] * (ROWS // 2),
                },
                schema_overrides={"predicted_at": pl.Datetime("us", "UTC"), "label_known_at": pl.Datetime("us", "UTC")},
            )
        )
    return pl.concat(frames)


HISTORY = history()


def watched(rows: pl.DataFrame = HISTORY, previous: Model | None = None, is_right: bool = True) -> Watched:
    return Watched(
        read=lambda first, last: rows.filter(pl.col("batch_day").is_between(first, last)),
        champion=CHAMPION,
        model=Model(is_right),
        previous=previous,
        groups={"state": ["risk"], "schedule": ["origin"]},
        segments={"risky": pl.col("risk") > 0.3},
        by_value=("origin",),
        costs=Costs(missed=4, needless=1),
        rules=RULES,
        segment_rules=SEGMENTS,
    )


def night(day: date, is_late: bool = False) -> Night:
    return Night(night=day, as_of=datetime(day.year, day.month, day.day, 18, tzinfo=UTC) + timedelta(days=1), is_late=is_late)


def tonight(given: Watched, day: date = date(2013, 10, 14)) -> NightReport:
    return watch([night(day)], given)[-1]


def test_a_calm_night_has_every_part_and_no_problem() -> None:
    report = tonight(watched())
    assert (report.age_days, report.new_labelled_days, report.rows) == (16, 16, ROWS)
    assert report.drift is not None and not report.drift.drifted and report.drift.classifier is not None
    assert {group.group for group in report.drift.groups} == {"state", "schedule", PREDICTION, LABEL, FIT}
    assert report.quality is not None and report.quality.window == Window(first_day=date(2013, 9, 29), last_day=date(2013, 10, 14))
    assert {segment.segment for segment in report.quality.segments} == {"origin EWR", "origin JFK", "risky"}
    assert report.estimate is not None and report.estimate.window.last_day == date(2013, 10, 15), "the running day is estimated"
    assert report.problems == []


def test_what_was_not_known_at_the_clock_does_not_exist() -> None:
    """Each night of several is what it would have been, had it been watched in time."""
    days = [date(2013, 10, 10), date(2013, 10, 14)]
    together = watch([night(days[0], is_late=True), night(days[1])], watched())
    until = HISTORY.filter(pl.col("batch_day") <= days[0] + timedelta(days=1))
    hidden = pl.when(pl.col("label_known_at") <= night(days[0]).as_of).then("label").alias("label")
    alone = watch([night(days[0], is_late=True)], watched(until.with_columns(hidden)))
    assert together[0] == alone[0]
    assert [report.is_late for report in together] == [True, False]


def test_late_labels_are_told_and_count_for_nothing() -> None:
    late = pl.col("batch_day").is_between(date(2013, 10, 12), date(2013, 10, 14))
    report = tonight(watched(HISTORY.with_columns(pl.when(~late).then("label").alias("label"))))
    assert [(problem.name, problem.runbook.split("#")[1]) for problem in report.problems] == [("late labels", "labels-are-late")]
    assert "3 days, the newest 2013-10-14" in report.problems[0].told
    assert report.new_labelled_days == 13
    assert report.quality is not None and report.quality.window.last_day == date(2013, 10, 11)


def test_without_labels_a_worse_outlook_is_told() -> None:
    """More rows in doubt: the probabilities themselves say so, though no label has come."""
    new = pl.col("batch_day") > EVALUATION.last_day
    doubtful = HISTORY.with_columns(
        pl.when(~new).then("label").alias("label"), pl.when(new).then(0.5 + (pl.col("risk") - 0.3) / 10).otherwise("risk").alias("risk")
    )
    report = tonight(watched(doubtful))
    assert [problem.name for problem in report.problems] == ["late labels", "estimate rises"]
    assert report.quality is None


def test_a_day_without_rows_is_told() -> None:
    report = tonight(watched(HISTORY.filter(pl.col("batch_day") != date(2013, 10, 14))))
    assert report.rows == 0
    assert [problem.name for problem in report.problems] == ["no rows"]


def test_the_version_before_is_scored_on_the_same_days() -> None:
    report = tonight(watched(previous=Model(is_right=True), is_right=False))
    assert report.quality is not None and report.quality.over_previous is not None
    assert report.quality.over_previous.lower > 0
    assert report.drift is not None


def test_too_few_days_tell_nothing() -> None:
    report = tonight(watched(), date(2013, 10, 2))
    assert report.quality is None
    assert report.new_labelled_days == 4


def test_rows_without_any_are_scored_too() -> None:
    assert scored(HISTORY.head(0), Model(is_right=True)).height == 0
