"""Importance of features to toy models whose reliance on each is known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.data_value import DataValueRules, FeatureValue
from tasks.evaluation import importance
from tasks.model import preprocessing
from tasks.model.loss import log_loss
from tasks.model.trained import LogisticModel, Probabilities
from tasks.usecase import policy

pytestmark = pytest.mark.unit

ROWS, DAYS = 1200, 12
RULES = policy.DATA_VALUE.model_copy(update={"importance_rows": ROWS, "importance_repeats": 2, "no_value_log_loss": 0.0005})
GROUPS = {"used": ["signal", "kind"], "twins": ["left", "right"], "unused": ["ignored", "still", "gaps"]}


def rows(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    signal, twin, kind = generator.normal(size=ROWS), generator.normal(size=ROWS), generator.integers(0, 3, ROWS)
    label = generator.random(ROWS) < 1 / (1 + np.exp(-(2 * signal + kind - 1 + twin)))
    return pl.DataFrame(
        {
            "batch_day": [date(2013, 9, 2) + timedelta(days=int(i)) for i in np.sort(generator.integers(0, DAYS, ROWS))],
            "signal": signal,
            "kind": [f"k{k}" for k in kind],
            "left": twin,
            "right": twin,
            "ignored": generator.normal(size=ROWS),
            "still": np.full(ROWS, 3.0),
            "gaps": [None if i % 10 == 0 else float(i) for i in range(ROWS)],
            "label": label.astype(np.int8),
        }
    )


class Knows:
    """Predicts by the signal, the kind and the twins, as the labels were made."""

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        kind = frame.get_column("kind").str.slice(1).cast(pl.Float64).to_numpy()
        twin = (frame.get_column("left").to_numpy() + frame.get_column("right").to_numpy()) / 2
        result: Probabilities = 1 / (1 + np.exp(-(2 * frame.get_column("signal").to_numpy() + kind - 1 + twin)))
        return result


def measure(rules: DataValueRules = RULES, frame: pl.DataFrame | None = None) -> FeatureValue:
    return importance.measure(rows() if frame is None else frame, Knows(), GROUPS, rules, "toy", "digest")


@pytest.fixture(scope="module")
def found() -> FeatureValue:
    return measure()


def test_what_the_model_ignores_is_of_no_value_and_what_it_uses_is_not(found: FeatureValue) -> None:
    assert found.of_no_value == ["gaps", "ignored"]
    by_name = {f.feature: f for f in found.features}
    for name in ("signal", "kind", "left", "right"):
        assert by_name[name].increase_log_loss.lower > 0.005, name
    assert by_name["ignored"].increase_log_loss.model_dump() == {"value": 0, "lower": 0, "upper": 0}


def test_of_a_constant_feature_nothing_is_told(found: FeatureValue) -> None:
    assert found.constant == ["still"]
    assert "still" not in found.of_no_value


def test_the_dearest_feature_and_group_come_first(found: FeatureValue) -> None:
    assert found.features[0].feature == "signal"
    assert [g.group for g in found.groups] == ["used", "twins", "unused"]
    assert {f.feature: f.group for f in found.features}["left"] == "twins"


def test_the_value_is_the_mean_increase_over_the_orders(found: FeatureValue) -> None:
    frame = rows()
    generator, columns = np.random.default_rng(RULES.seed), frame.drop("batch_day")
    labels = frame["label"].to_numpy()
    losses = [
        log_loss(labels, Knows().predict(columns.with_columns(signal=columns["signal"].gather(generator.permutation(ROWS)))))
        for _ in range(RULES.importance_repeats)
    ]
    assert found.log_loss.value == pytest.approx(log_loss(labels, Knows().predict(columns)))
    assert found.features[0].increase_log_loss.value == pytest.approx(np.mean(losses) - found.log_loss.value)


def test_features_that_stand_in_for_each_other_are_dear_together(found: FeatureValue) -> None:
    """The model takes the mean of the twins: to lose one costs far less than half of what both cost."""
    alone = {f.feature: f.increase_log_loss.value for f in found.features}
    together = next(g for g in found.groups if g.group == "twins").increase_log_loss
    assert max(alone["left"], alone["right"]) < together.value / 2
    assert together.lower > 0


def test_features_of_no_value_are_permuted_together(found: FeatureValue) -> None:
    assert found.no_value_together is not None
    assert set(found.no_value_together.features) == set(found.of_no_value)
    # With a threshold above everything nothing is of value alone, and the record says what all cost together.
    lenient = measure(rules=RULES.model_copy(update={"no_value_log_loss": 5.0}))
    assert lenient.no_value_together is not None
    assert {"left", "right"} <= set(lenient.no_value_together.features)
    assert lenient.no_value_together.increase_log_loss.value > max(f.increase_log_loss.value for f in lenient.features)


def test_without_a_feature_of_no_value_there_is_nothing_to_permute_together() -> None:
    groups = {"used": ["signal", "kind"], "twins": ["left", "right"]}
    assert importance.measure(rows(), Knows(), groups, RULES, "toy", "digest").no_value_together is None


def test_the_threshold_decides_by_the_upper_bound(found: FeatureValue) -> None:
    kind = next(f for f in found.features if f.feature == "kind").increase_log_loss
    at, below = (measure(rules=RULES.model_copy(update={"no_value_log_loss": kind.upper * factor})) for factor in (1.0001, 0.9999))
    assert ["kind" in value.of_no_value for value in (at, below)] == [True, False]


def test_a_sample_keeps_a_like_share_of_every_day() -> None:
    frame = rows()
    value = measure(rules=RULES.model_copy(update={"importance_rows": 300}))
    assert (value.days, value.rows_labelled) == (DAYS, ROWS)
    assert 300 - DAYS <= value.rows <= 300
    kept = importance.thin(frame, 300, seed=1)
    counts = {name: f.group_by("batch_day").len().sort("batch_day")["len"].to_numpy() for name, f in (("all", frame), ("kept", kept))}
    np.testing.assert_array_equal(counts["kept"], counts["all"] // 4)
    assert kept["batch_day"].is_sorted()
    assert kept.join(frame, on=frame.columns, nulls_equal=True, how="semi").height == kept.height


def test_the_same_seed_gives_the_same_record(found: FeatureValue) -> None:
    assert measure() == found
    assert measure(rules=RULES.model_copy(update={"seed": 1})) != found


def test_days_not_rows_are_the_unit() -> None:
    """Two days say less than twelve, though the rows are the same."""
    frame = rows()
    two = frame.with_columns(batch_day=pl.when(pl.int_range(pl.len()) < ROWS // 2).then(date(2013, 9, 2)).otherwise(date(2013, 9, 3)))
    assert (measure(frame=two).days, measure(frame=frame).days) == (2, DAYS)


@pytest.mark.parametrize("height", [1, 40])
def test_few_rows_are_enough_to_run(height: int) -> None:
    value = measure(frame=rows().head(height))
    assert value.rows == height
    assert FeatureValue.model_validate_json(value.model_dump_json()) == value


def test_a_model_with_a_preprocessing_is_measured_alike_and_encodes_once() -> None:
    """Encoded rows are permuted as the rows themselves are: a number with the indicator of its nulls."""
    frame, encodings = rows(), []
    names = ["signal", "left", "right", "ignored", "still", "gaps"]
    fitted = preprocessing.fit(frame, names, ["kind"])
    weights = np.linspace(-1, 1, fitted.width)
    model = LogisticModel(fitted, 0.1, weights.tolist(), [[0.0, -0.5, 0.2, 0.9]])

    class Plain:
        def predict(self, part: pl.DataFrame) -> Probabilities:
            encodings.append(part.height)
            return model.predict(part)

    once, anew = (importance.measure(frame, each, GROUPS, RULES, "toy", "digest") for each in (model, Plain()))
    assert len(encodings) > 10
    for left, right in ((once.features, anew.features), (once.groups, anew.groups)):
        for a, b in zip(sorted(left, key=str), sorted(right, key=str), strict=True):
            assert a.increase_log_loss.value == pytest.approx(b.increase_log_loss.value, abs=1e-9)
    assert next(f for f in once.features if f.feature == "gaps").increase_log_loss.value != 0
    assert next(f for f in once.features if f.feature == "still").increase_log_loss.value == 0, "no input of the model"
