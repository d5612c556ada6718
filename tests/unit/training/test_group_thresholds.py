"""Thresholds by group: true positive rates alike on the folds, for groups that are large enough there."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts.fairness import FairnessRules, Grouping
from tasks.artifacts.record import Window
from tasks.errors import ConfigError, SplitError
from tasks.training.group_thresholds import on_folds
from tasks.training.threshold import of_equal_opportunity

pytestmark = pytest.mark.unit

KIND = Grouping(name="kind", column="kind")
RULES = FairnessRules(fewest_rows=20, fewest_days=4, fewest_of_a_class=5, near=0.8, limits={})
FIRST = date(2013, 3, 1)
FOLDS = [Window(first_day=FIRST + timedelta(days=n), last_day=FIRST + timedelta(days=n + 2)) for n in (0, 3)]
ROWS = pl.DataFrame(
    {
        "batch_day": [FIRST + timedelta(days=i % 7) for i in range(700)],
        "kind": ["rare" if i % 50 == 0 else "ab"[i % 2] for i in range(700)],
        "label": [None if i % 35 == 3 else int(i % 4 < 2) for i in range(700)],
    },
    schema_overrides={"label": pl.Int8},
)


@given(seed=st.integers(0, 1_000), threshold=st.floats(0, 1.01), levels=st.sampled_from([5, 10_000]))
def test_no_threshold_of_a_group_comes_nearer(seed: int, threshold: float, levels: int) -> None:
    generator = np.random.default_rng(seed)
    labels, groups = generator.integers(0, 2, 200), generator.choice(["a", "b"], 200)
    probabilities = generator.integers(0, levels, 200) / levels  # of five levels most rows tie
    wanted = (probabilities[labels == 1] >= threshold).mean()
    for name, own in of_equal_opportunity(labels, probabilities, groups, ["a", "b"], threshold).items():
        positives = probabilities[(labels == 1) & (groups == name)]
        away = abs((positives >= own).mean() - wanted)
        assert all(away <= abs((positives >= other).mean() - wanted) + 1e-12 for other in (*positives, 2.0))


def test_a_single_group_keeps_the_rate_that_all_have() -> None:
    labels, probabilities = np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.6, 0.2, 0.7, 0.1])
    assert of_equal_opportunity(labels, probabilities, ["a"] * 5, ["a"], 0.5) == {"a": 0.6}
    none = of_equal_opportunity(labels, probabilities, ["a"] * 5, ["a"], 0.95)["a"]
    assert 0.9 < none < 0.9 + 1e-9, "nobody is flagged"


def test_groups_of_the_folds_rows_in_their_order() -> None:
    found = on_folds(ROWS.lazy(), FOLDS, ["kind"], KIND, RULES)
    labelled = ROWS.filter(pl.col("label").is_not_null())
    parts = [labelled.filter(pl.col("batch_day").is_between(f.first_day, f.last_day)) for f in FOLDS]
    assert found.of_rows.to_list() == pl.concat(parts).get_column("kind").to_list()
    assert found.large == ["a", "b"], "rare has 12 rows"
    update = found.thresholds(pl.concat(parts)["label"], np.linspace(0, 1, len(found.of_rows)), 0.5)
    assert update["grouping"] == KIND
    assert list(update["group_thresholds"]) == ["a", "b"]


@pytest.mark.parametrize("update", [{"fewest_rows": 500}, {"fewest_days": 7}, {"fewest_of_a_class": 300}])  # rows, days, labels
def test_fewer_than_two_large_groups_are_told(update: dict[str, int]) -> None:
    with pytest.raises(SplitError, match=r"at least two groups of attribute 'kind' must have .* got 0 of 3 groups"):
        on_folds(ROWS.lazy(), FOLDS, ["kind"], KIND, RULES.model_copy(update=update))


def test_what_the_service_does_not_know_cannot_decide() -> None:
    with pytest.raises(ConfigError, match=r"must name an attribute whose column is a feature.* got 'kind' by kind"):
        on_folds(ROWS.lazy(), FOLDS, ["other"], KIND, RULES)


def test_without_rules_nothing_is_large_enough() -> None:
    with pytest.raises(ConfigError, match="needs rules that say which groups are large enough"):
        on_folds(ROWS.lazy(), FOLDS, ["kind"], KIND, None)
