"""Policy, segments, behaviour and card of the applications belong together: nothing is without a limit, or limits nothing."""

from __future__ import annotations

import polars as pl
import pytest

from tasks.contracts import columns, inputs
from tasks.rows import REASONS, parse
from tasks.usecase import behaviour, defaults, features, policy, segments, source
from tasks.usecase.card import CARD
from tasks.usecase.contract import APPLICATIONS
from tasks.usecase.features import Features

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def whole() -> pl.DataFrame:
    rows = parse(source.read(source.PACKAGED, APPLICATIONS), APPLICATIONS)
    return features.build({"applications": rows.filter(pl.col(REASONS).list.len() == 0).drop(REASONS).lazy()}).collect()


def test_every_threshold_of_a_promotion_is_set() -> None:
    assert None not in policy.PROMOTION.model_dump().values()


def test_every_attribute_stands_beside_the_features_and_has_all_its_limits() -> None:
    assert {grouping.column for grouping in segments.SENSITIVE} <= set(columns(Features, "segment"))
    assert set(policy.FAIRNESS.limits) == {grouping.name for grouping in segments.SENSITIVE}
    assert all(None not in limits.model_dump().values() for limits in policy.FAIRNESS.limits.values())


def test_every_expectation_has_its_limit_and_changes_inputs_alone() -> None:
    assert {test.name for test in behaviour.EXPECTATIONS} == set(policy.BEHAVIOUR.limits)
    assert [(test.name, name) for test in behaviour.EXPECTATIONS for name in test.columns if name not in inputs(Features)] == []
    assert behaviour.RENAMED in policy.BEHAVIOUR.limits


def test_every_segment_has_rows_enough_to_be_told(whole: pl.DataFrame) -> None:
    evaluated = whole.tail(policy.TRAINING.evaluation_days * source.A_DAY)
    sizes = {name: evaluated.filter(found).height for name, found in segments.SEGMENTS.items()}
    assert {name: rows for name, rows in sizes.items() if not policy.SEGMENT_RULES.fewest_rows <= rows < evaluated.height} == {}


def test_the_default_clocks_have_the_days_that_they_need(whole: pl.DataFrame) -> None:
    config = policy.TRAINING
    needed = config.training_days + config.folds * config.fold_days + config.evaluation_days
    decided = whole.filter(pl.col("label_known_at") < defaults.AS_OF).get_column("batch_day").n_unique()
    assert decided >= needed
    assert defaults.AS_OF < defaults.NIGHT < defaults.BACKTEST_AS_OF
    assert whole.get_column("label_known_at").max() < defaults.BACKTEST_AS_OF  # type: ignore[operator]  # an instant


def test_labels_are_complete_when_the_policy_says() -> None:
    assert source.DECIDED_AFTER.total_seconds() <= policy.LABELS_COMPLETE_AFTER_HOURS * 3_600
    assert policy.BATCH.late_days >= source.DECIDED_AFTER.days
    assert policy.MONITORING.trigger.drift_groups == [
        group
        for group in dict.fromkeys(Features.to_schema().columns[name].metadata["group"] for name in inputs(Features))
        if group != "lender"
    ]


@pytest.mark.parametrize("name", list(type(CARD).model_fields))
def test_nothing_of_the_card_is_left_empty(name: str) -> None:
    value = getattr(CARD, name)
    assert value
    assert all(len(words) > 20 and words[0].isupper() for words in value if isinstance(value, list))
