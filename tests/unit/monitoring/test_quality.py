"""The champion's quality: what rows count, both windows drawn by days, segments adjusted, and the version before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.monitoring import Quality, QualityRules
from tasks.artifacts.record import Window
from tasks.artifacts.registry import ChampionState
from tasks.artifacts.settings import Costs
from tasks.errors import EvaluationError
from tasks.model.loss import log_loss, row_cost
from tasks.monitoring import quality
from tasks.usecase import policy

pytestmark = pytest.mark.unit

RULES = policy.MONITORING.quality
END = date(2013, 6, 28)
CHAMPION = ChampionState(
    version=3,
    bundle_uri="there",
    bundle_digest="d",
    evaluation=Window(first_day=END - timedelta(days=27), last_day=END),
    log_loss=0.4,
    newest_candidate_day=END,
    previous_version=2,
)
KINDS = {f"kind {i}": pl.col("kind") == i for i in range(4)}


def frame(first: date, days: int, seed: int, *, rows: int = 30, effect: float = 0.3, worse: float = 0.0) -> pl.DataFrame:
    """Return rows of days that differ by their weather; `worse` is added to the logits that labels of kind 0 come from."""
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    kind = generator.integers(0, 4, len(day))
    logit = generator.normal(-1, 1, len(day))
    truth = logit + generator.normal(0, effect, days)[day] + worse * (kind == 0)
    return pl.DataFrame(
        {
            "batch_day": [first + timedelta(days=int(i)) for i in day],
            "label": (generator.random(len(day)) < 1 / (1 + np.exp(-truth))).astype(np.int8),
            "probability": 1 / (1 + np.exp(-logit)),
            "kind": kind,
        }
    )


REFERENCE = frame(CHAMPION.evaluation.first_day, 28, 0)


def newest(days: int = 28, seed: int = 1, **more: Any) -> pl.DataFrame:
    return frame(END + timedelta(days=1), days, seed, **more)


def measure(rows: pl.DataFrame, previous: Any = None, rules: QualityRules = RULES, reference: pl.DataFrame = REFERENCE) -> Quality | None:
    return quality.measure(
        rows, reference, previous, KINDS, 0.3, Costs(missed=4, needless=1), rules, policy.SEGMENT_RULES, champion=CHAMPION
    )


def found(*given: Any, **more: Any) -> Quality:
    measured = measure(*given, **more)
    assert measured is not None
    return measured


# --- labels that are late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "late"),
    [
        ([[1, 0], [0, 0]], []),  # all there
        ([[1, None], [0, 0]], []),  # half of them: just enough
        ([[1, None, None], [0, 0]], [0]),  # fewer
        ([[None], [0], [None, None]], [0, 2]),  # none at all, in order
        ([], []),  # no rows
    ],
)
def test_days_with_too_few_labels_are_late(labels: list[list[int | None]], late: list[int]) -> None:
    days = [END + timedelta(days=i) for i, of_day in enumerate(labels) for _ in of_day]
    rows = pl.DataFrame(
        {"batch_day": days, "label": [label for of_day in labels for label in of_day]}, schema={"batch_day": pl.Date, "label": pl.Int8}
    )
    assert quality.late_days(rows.reverse(), RULES) == [END + timedelta(days=i) for i in late]


# --- which rows count -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 1, RULES.fewest_days - 1])
def test_too_few_days_tell_nothing(days: int) -> None:
    assert measure(newest(days)) is None


def test_what_does_not_count_changes_nothing() -> None:
    rows = newest(RULES.days + 5, seed=4)
    kept = rows.filter(pl.col("batch_day") > END + timedelta(days=5))
    unlabelled = kept.head(50).with_columns(label=pl.lit(None, pl.Int8), probability=0.9)
    of_evaluation = REFERENCE.head(200).with_columns(probability=0.99)
    mixed = pl.concat([unlabelled, rows, of_evaluation])
    previous = np.linspace(0.1, 0.9, mixed.height)
    expected = found(kept, previous[50 + 150 : 50 + rows.height])
    assert found(mixed, previous) == expected
    assert (expected.window.first_day, len(expected.by_day)) == (END + timedelta(days=6), RULES.days)


def test_figures_are_those_of_the_rows() -> None:
    rows = newest(10)
    labels, probabilities = (rows.get_column(name).to_numpy() for name in ("label", "probability"))
    told = found(rows)
    assert told.rows == sum(day.rows for day in told.by_day) == rows.height
    assert told.log_loss.value == pytest.approx(log_loss(labels, probabilities))
    assert told.positives.value == pytest.approx(labels.mean())
    assert told.cost.value == pytest.approx(row_cost(labels, probabilities, 0.3, Costs(missed=4, needless=1)).mean())
    of_reference = log_loss(REFERENCE.get_column("label"), REFERENCE.get_column("probability"))
    assert told.reference_log_loss == pytest.approx(of_reference)
    assert told.decay.value == pytest.approx(told.log_loss.value - of_reference)
    first = rows.filter(pl.col("batch_day") == told.by_day[0].day)
    assert told.by_day[0].log_loss == pytest.approx(log_loss(first.get_column("label"), first.get_column("probability")))


def test_a_threshold_a_row_follows_its_row() -> None:
    rows = pl.concat([newest(3).with_columns(label=pl.lit(None, pl.Int8)), newest(10)])
    thresholds = np.concatenate([np.full(90, 2.0), np.full(300, 0.3)])
    told = quality.measure(rows, REFERENCE, None, {}, thresholds, Costs(missed=4, needless=1), RULES, policy.SEGMENT_RULES, CHAMPION)
    assert told is not None
    assert told.cost == found(newest(10)).cost


def test_one_class_has_no_auc() -> None:
    assert found(newest(10).with_columns(label=pl.lit(0, pl.Int8))).auc is None


@pytest.mark.parametrize(
    ("rows", "reference", "words"),
    [
        (newest(10), REFERENCE.clear(), "must have labelled rows"),  # the champion's days are gone
        (newest(10), REFERENCE.with_columns(label=pl.lit(None, pl.Int8)), "must have labelled rows"),  # or their labels
        (newest(10).with_columns(probability=pl.lit(None, pl.Float64)), REFERENCE, "300 have none"),  # nothing scored
        (newest(10), REFERENCE.with_columns(probability=float("nan")), "rows of the evaluation days must have"),  # no number
    ],
)
def test_what_cannot_be_measured_is_told(rows: pl.DataFrame, reference: pl.DataFrame, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        measure(rows, reference=reference)


# --- two windows ------------------------------------------------------------------------------------------------------


def test_a_champion_that_got_worse_is_found() -> None:
    told = found(newest(28, worse=2.5))
    assert told.decay.lower > 0
    assert found(newest(28)).decay.lower < 0 < found(newest(28)).decay.upper


# --- the version before -----------------------------------------------------------------------------------------------


def test_the_version_before_is_compared_on_the_same_rows() -> None:
    rows = newest(20, worse=2.5)
    better = rows.select(pl.when(pl.col("kind") == 0).then(0.7).otherwise(pl.col("probability"))).to_series().to_numpy()
    over = found(rows, better).over_previous
    assert over is not None
    labels = rows.get_column("label").to_numpy()
    assert over.value == pytest.approx(log_loss(labels, rows.get_column("probability")) - log_loss(labels, better))
    assert 0 < over.lower < over.value < over.upper
    mild = found(rows, better, RULES.model_copy(update={"roll_back_level": 0.05})).over_previous
    assert mild is not None
    assert mild.lower > over.lower, "the rarer it may be wrong, the further out the bound"


@pytest.mark.parametrize("days", [RULES.fewest_days, RULES.roll_back_days - 1])
def test_too_few_days_say_nothing_of_the_version_before(days: int) -> None:
    rows = newest(days)
    assert found(rows, np.full(rows.height, 0.5)).over_previous is None


def test_without_a_version_before_there_is_no_comparison() -> None:
    assert found(newest(20)).over_previous is None


# --- segments ---------------------------------------------------------------------------------------------------------


def test_the_segment_that_got_worse_is_found_among_the_others() -> None:
    told = {segment.segment: segment for segment in found(newest(28, worse=2.0)).segments}
    assert list(told) == list(KINDS)
    p_values = [segment.p_value for segment in told.values()]
    assert p_values[0] is not None
    assert p_values[0] < 0.02
    assert all(p is not None and p > 0.1 for p in p_values[1:])
    rows = REFERENCE.filter(KINDS["kind 0"])
    assert told["kind 0"].reference_log_loss == pytest.approx(log_loss(rows.get_column("label"), rows.get_column("probability")))


def test_small_segments_are_left_out_or_stand_alone() -> None:
    rows, gone = newest(10), pl.col("kind") != 1
    few = rows.filter((pl.col("kind") != 2) | (pl.col("batch_day") < END + timedelta(days=5)))
    told = {segment.segment: segment for segment in found(few, reference=REFERENCE.filter(gone)).segments}
    assert list(told) == ["kind 0", "kind 1", "kind 3"], "of four days nothing is said"
    assert (told["kind 1"].reference_log_loss, told["kind 1"].p_value) == (None, None), "its evaluation had none of it"


def test_without_any_spread_nothing_is_in_doubt() -> None:
    flat = newest(10).with_columns(label=pl.lit(0, pl.Int8), probability=0.5)
    told = found(flat, reference=REFERENCE.with_columns(label=pl.lit(0, pl.Int8), probability=0.4))
    assert [segment.p_value for segment in told.segments] == [0.0] * 4, "every row of every day is worse"
    assert told.decay.lower == pytest.approx(told.decay.value)
