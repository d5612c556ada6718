"""Fairness of decisions: point values are fairlearn's on all rows, groups that are too small do not count, bad input is told."""

from __future__ import annotations

import re
from datetime import date, timedelta

import fairlearn.metrics as peer
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.fairness import Fairness, FairnessRules, Grouping
from tasks.artifacts.record import Window
from tasks.artifacts.settings import Costs
from tasks.errors import EvaluationError
from tasks.evaluation import fairness
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Days
from tasks.model.groups import groups_of, row_thresholds
from tasks.model.loss import row_log_loss

pytestmark = pytest.mark.unit

KIND = Grouping(name="kind", column="kind")
SIZE = Grouping(name="size", column="size", cut=10, below="small", above="large")
RULES = FairnessRules(fewest_rows=40, fewest_days=5, fewest_of_a_class=5, near=0.8, limits={})
COSTS = Costs(missed=4, needless=1)
WINDOW = Window(first_day=date(2013, 9, 1), last_day=date(2013, 9, 14))


def rows(count: int = 2_000, seed: int = 0) -> pl.DataFrame:
    """Return rows of fourteen days: kind `c` is flagged and late more often, and `rare` has few rows."""
    generator = np.random.default_rng(seed)
    kind = generator.choice(["a", "b", "c", "rare"], count, p=[0.4, 0.3, 0.29, 0.01])
    shift = np.where(kind == "c", 0.15, 0.0)
    probability = np.clip(generator.beta(2, 5, count) + shift, 0, 1)
    return pl.DataFrame(
        {
            "kind": kind,
            "size": [None if i % 9 == 0 else float(v) for i, v in enumerate(generator.integers(0, 20, count))],
            "label": (generator.random(count) < probability).astype(np.int8),
            "probability": probability,
            "batch_day": [WINDOW.first_day + timedelta(days=int(d)) for d in generator.integers(0, 14, count)],
        }
    )


def measured(frame: pl.DataFrame, *groupings: Grouping, rules: FairnessRules = RULES, threshold: float = 0.35) -> Fairness:
    days = Days.draw(frame.get_column("batch_day").to_numpy(), resamples=200)
    labels, probabilities = frame.get_column("label").to_numpy(), frame.get_column("probability").to_numpy()
    thresholds = row_thresholds(frame, threshold)
    return fairness.measure(frame, labels, probabilities, thresholds, days, groupings, rules, COSTS, WINDOW, "digest")


@settings(max_examples=15)  # fairlearn takes its time
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.2, 0.6))
def test_values_are_those_of_fairlearn_on_the_rows_that_count(seed: int, threshold: float) -> None:
    frame = rows(1_500, seed)
    for attribute in measured(frame, KIND, SIZE, threshold=threshold).attributes:
        groups = groups_of(frame, attribute.grouping)
        flagged = (frame["probability"] >= threshold).cast(pl.Int8)
        by_group = peer.MetricFrame(
            metrics={"s": peer.selection_rate, "t": peer.true_positive_rate, "f": peer.false_positive_rate},
            y_true=frame["label"].to_numpy(),
            y_pred=flagged.to_numpy(),
            sensitive_features=groups.to_numpy(),
        ).by_group
        for group in attribute.groups:
            expected = by_group.loc[group.group]
            assert group.selection_rate.value == pytest.approx(expected["s"])
            assert group.true_positive_rate is None or group.true_positive_rate.value == pytest.approx(expected["t"])
            assert group.false_positive_rate is None or group.false_positive_rate.value == pytest.approx(expected["f"])
        kept = groups.is_in([group.group for group in attribute.groups if group.counts])
        given_ = frame.filter(kept)["label"].to_numpy(), flagged.filter(kept).to_numpy()
        sensitive = groups.filter(kept).to_numpy()
        for metric, found in (
            (peer.demographic_parity_difference, attribute.demographic_parity_difference),
            (peer.demographic_parity_ratio, attribute.disparate_impact),
            (peer.equal_opportunity_difference, attribute.equal_opportunity_difference),
            (peer.equalized_odds_difference, attribute.equalized_odds_difference),
        ):
            assert found.value == pytest.approx(metric(*given_, sensitive_features=sensitive))
            assert found.lower <= found.value <= found.upper


def test_intervals_of_a_group_are_those_of_a_mean_over_its_rows() -> None:
    frame = rows()
    (attribute,) = measured(frame, KIND).attributes
    days = Days.draw(frame["batch_day"].to_numpy(), resamples=200)
    labels, probabilities = frame["label"].to_numpy().astype(float), frame["probability"].to_numpy()
    flagged = (probabilities >= 0.35).astype(float)
    for group in attribute.groups:
        mask = (frame["kind"] == group.group).to_numpy()
        for found, expected in (
            (group.selection_rate, bootstrap.mean(flagged, days, mask)),
            (group.true_positive_rate, bootstrap.mean(flagged, days, mask & (labels == 1))),
            (group.false_positive_rate, bootstrap.mean(flagged, days, mask & (labels == 0))),
            (group.log_loss, bootstrap.mean(row_log_loss(labels, probabilities), days, mask)),
        ):
            assert found is not None
            assert found.model_dump() == pytest.approx(expected.model_dump())
        assert (group.rows, group.positives) == (mask.sum(), labels[mask].sum())


def test_the_cost_of_a_group_is_that_of_its_decisions() -> None:
    frame = rows()
    (attribute,) = measured(frame, KIND).attributes
    a = frame.filter(pl.col("kind") == "a")
    missed = ((a["label"] == 1) & (a["probability"] < 0.35)).sum()
    needless = ((a["label"] == 0) & (a["probability"] >= 0.35)).sum()
    assert attribute.groups[0].cost.value == pytest.approx((4 * missed + needless) / a.height)


def test_a_small_group_is_shown_and_left_out_of_the_differences() -> None:
    frame = rows()
    extreme = frame.with_columns(probability=pl.when(pl.col("kind") == "rare").then(1.0).otherwise("probability"))
    (usual,), (found,) = (measured(one, KIND).attributes for one in (frame, extreme))
    assert usual.left_out == found.left_out == ["rare"]
    assert found.groups[-1].selection_rate.value == 1
    assert found.demographic_parity_difference == usual.demographic_parity_difference


def test_a_value_that_is_not_known_is_a_group() -> None:
    (attribute,) = measured(rows(), SIZE).attributes
    assert [group.group for group in attribute.groups] == ["large", "small", "unknown"]


def test_thresholds_by_row_decide() -> None:
    frame = rows()
    days = Days.draw(frame["batch_day"].to_numpy(), resamples=50)
    own = row_thresholds(frame, 0.35, KIND, {"c": 2.0})
    found = fairness.measure(frame, frame["label"], frame["probability"], own, days, [KIND], RULES, COSTS, WINDOW, "digest")
    assert found.attributes[0].groups[2].selection_rate.value == 0
    assert found.attributes[0].disparate_impact.value == 0


def test_where_nobody_is_flagged_all_are_treated_alike() -> None:
    (attribute,) = measured(rows(), KIND, threshold=2.0).attributes
    assert attribute.disparate_impact.value == attribute.disparate_impact.upper == 1
    assert attribute.equalized_odds_difference.value == attribute.equalized_odds_difference.lower == 0


def test_columns_that_are_not_there_are_named_together() -> None:
    other = Grouping(name="colour", column="hue")
    with pytest.raises(EvaluationError, match="no column for size by size, colour by hue"):
        measured(rows().drop("size"), SIZE, KIND, other)


@pytest.mark.parametrize(("label", "only"), [(1, "positives"), (0, "negatives")])
def test_a_large_group_of_one_class_is_named(label: int, only: str) -> None:
    frame = rows().with_columns(label=pl.when(pl.col("kind") == "b").then(label).otherwise("label").cast(pl.Int8))
    with pytest.raises(EvaluationError, match=rf"group 'b' of attribute 'kind': \d+ rows on 14 days, {only} alone"):
        measured(frame, KIND)


def test_a_small_group_of_one_class_is_no_error_and_has_no_rate_of_the_other() -> None:
    frame = rows().with_columns(label=pl.when(pl.col("kind") == "rare").then(0).otherwise("label").cast(pl.Int8))
    (attribute,) = measured(frame, KIND).attributes
    assert attribute.groups[-1].true_positive_rate is None
    assert attribute.groups[-1].false_positive_rate is not None


@pytest.mark.parametrize(
    "update",
    [{"fewest_rows": 750}, {"fewest_days": 15}, {"fewest_of_a_class": 250}],  # rows, days or labels of one group at most are enough
)
def test_an_attribute_with_fewer_than_two_groups_that_count_is_told_and_not_measured(update: dict[str, int]) -> None:
    """A young model has few rows of a small group: that is for a person to weigh, and no reason to end a run."""
    found = measured(rows(), KIND, KIND.model_copy(update={"name": "again"}), rules=RULES.model_copy(update=update))
    assert found.attributes == []
    assert list(found.not_measured) == ["kind", "again"]
    assert re.fullmatch(r"[01] of 4 groups have \d+ rows, \d+ days and \d+ labels of each class", found.not_measured["kind"])
