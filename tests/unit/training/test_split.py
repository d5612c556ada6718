"""The split by time: windows follow each other, no row is trained on before its label, too little is refused."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.record import Window
from tasks.artifacts.settings import TrainingConfig
from tasks.clock import labelled_before, labelled_in, start_of
from tasks.errors import SplitError
from tasks.training.split import plan

pytestmark = pytest.mark.unit

ZONE = "America/New_York"
FIRST = date(2013, 2, 1)
CONFIG = TrainingConfig(evaluation_days=7, folds=2, fold_days=7, training_days=14, evaluation_rows=50)
NEEDED = 14 + 2 * 7 + 7


def features(days: int = NEEDED, rows_a_day: int = 10, hours_to_label: int = 30) -> pl.DataFrame:
    """Return rows at two-hour steps from each local midnight, every third positive, labelled hours later."""
    begins = [(FIRST + timedelta(days=d), i) for d in range(days) for i in range(rows_a_day)]
    predicted = [start_of(day, ZONE) + timedelta(hours=2 * i) for day, i in begins]
    return pl.DataFrame(
        {
            "batch_day": [day for day, _ in begins],
            "predicted_at": predicted,
            "label_known_at": [at + timedelta(hours=hours_to_label) for at in predicted],
            "label": [int(i % 3 == 0) for _, i in begins],
        },
        schema={
            "batch_day": pl.Date,
            "predicted_at": pl.Datetime("us", "UTC"),
            "label_known_at": pl.Datetime("us", "UTC"),
            "label": pl.Int8,
        },
    )


def last(days: int = NEEDED) -> date:
    return FIRST + timedelta(days=days - 1)


def test_windows_end_with_the_last_day_and_follow_each_other() -> None:
    split = plan(features(NEEDED + 3).lazy(), last(NEEDED + 3), CONFIG, ZONE)
    assert split.evaluation == Window(first_day=date(2013, 3, 4), last_day=date(2013, 3, 10))
    assert split.folds == [
        Window(first_day=date(2013, 2, 18), last_day=date(2013, 2, 24)),
        Window(first_day=date(2013, 2, 25), last_day=date(2013, 3, 3)),
    ]
    assert split.training == Window(first_day=FIRST, last_day=date(2013, 3, 3))


def test_the_days_needed_are_enough_and_one_less_is_not() -> None:
    assert plan(features().lazy(), last(), CONFIG, ZONE).training.first_day == FIRST
    with pytest.raises(SplitError, match=rf"training needs {NEEDED} labelled days .*; got {NEEDED - 1}") as caught:
        plan(features(NEEDED - 1).lazy(), last(NEEDED - 1), CONFIG, ZONE)
    assert "choose a later --as_of" in caught.value.mend


@pytest.mark.parametrize("rows", [features().head(0), features().tail(1)], ids=["none", "one"])
def test_hardly_any_rows_are_refused(rows: pl.DataFrame) -> None:
    with pytest.raises(SplitError, match="labelled days"):
        plan(rows.lazy(), last(), CONFIG, ZONE)


@given(st.integers(0, 8), st.integers(1, 200))
def test_no_training_row_has_a_label_from_the_window_or_later(more_days: int, hours: int) -> None:
    """However late labels come, what trains for a window was known before the window began."""
    days = NEEDED + more_days
    frame = features(days, hours_to_label=hours).lazy()
    split = plan(frame, last(days), CONFIG.model_copy(update={"evaluation_rows": 50}), ZONE)
    for window in (*split.folds, split.evaluation):
        begin = start_of(window.first_day, ZONE)
        train = labelled_before(frame, window.first_day, ZONE).collect()
        test = labelled_in(frame, window.first_day, window.last_day).collect()
        assert train.get_column("label_known_at").max() < begin
        assert train.get_column("batch_day").max() < window.first_day
        assert test.get_column("batch_day").is_between(window.first_day, window.last_day).all()
        # ... and nothing that was known is left out.
        assert train.height == features(days, hours_to_label=hours).filter(pl.col("label_known_at") < begin).height


def test_yesterdays_flight_that_lands_today_is_not_trained_on() -> None:
    frame = features(hours_to_label=1)
    evaluation = plan(frame.lazy(), last(), CONFIG, ZONE).evaluation
    eve = frame.get_column("batch_day") == evaluation.first_day - timedelta(days=1)
    late = frame.with_columns(
        label_known_at=pl.when(eve).then(pl.lit(start_of(evaluation.first_day, ZONE))).otherwise(pl.col("label_known_at"))
    )
    train = labelled_before(late.lazy(), evaluation.first_day, ZONE).collect()
    assert train.get_column("batch_day").max() == evaluation.first_day - timedelta(days=2)


WINDOWS = [date(2013, 2, 15), date(2013, 2, 22), date(2013, 3, 1)]


@pytest.mark.parametrize(
    ("label", "where", "message"),
    [
        (0, pl.lit(True), r"training rows before 2013-02-15 must have labels of both classes; got 0 positive of 1\d\d"),
        (1, pl.lit(True), "both classes"),
        (0, pl.col("batch_day") >= WINDOWS[2], "rows of 2013-03-01 to 2013-03-07 must have labels of both classes; got 0 positive of 70"),
        (
            1,
            pl.col("batch_day").is_between(WINDOWS[0], WINDOWS[1], closed="left"),
            "rows of 2013-02-15 to 2013-02-21 must have labels of both",
        ),
        (None, pl.col("batch_day") >= WINDOWS[2], "rows of 2013-03-01 to 2013-03-07 must be at least 50; got 0"),  # nothing landed
        (None, pl.lit(True), "training rows before 2013-02-15 must be at least 50; got 0"),
    ],
)
def test_one_class_or_too_few_rows_in_a_window(label: int | None, where: pl.Expr, message: str) -> None:
    frame = features().with_columns(label=pl.when(where).then(pl.lit(label, pl.Int8)).otherwise("label"))
    with pytest.raises(SplitError, match=message):
        plan(frame.lazy(), last(), CONFIG, ZONE)
