"""Ways to less difference side by side: prices are paired with the first, and thresholds by group decide."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.training import TrainedModel
from tasks.errors import EvaluationError
from tasks.evaluation import mitigation
from tasks.evaluation.mitigation import GROUP_THRESHOLDS, NONE, REWEIGHING
from tasks.model.trained import Probabilities
from tests.unit.evaluation.test_fairness import COSTS, KIND, RULES, SIZE, WINDOW, rows
from tests.unit.reporting import factory

pytestmark = pytest.mark.unit


class Shifted:
    """Gives the rows' own probabilities, moved."""

    def __init__(self, by: float) -> None:
        self.by = by

    def predict(self, frame: pl.DataFrame) -> Probabilities:
        return np.clip(frame.get_column("probability").to_numpy() + self.by, 0.001, 0.999)


def model(**update: object) -> TrainedModel:
    return factory.model("network").model_copy(update={"threshold": 0.35, **update})


BY_KIND = model(grouping=KIND, group_thresholds={"c": 0.5})


def test_three_ways_with_their_prices() -> None:
    found = mitigation.judge(rows(), Shifted(0), BY_KIND, Shifted(0.1), model(), KIND, RULES, COSTS, WINDOW)
    none, reweighed, thresholds = found.results
    assert [result.name for result in found.results] == [NONE, REWEIGHING, GROUP_THRESHOLDS]
    assert (none.price_log_loss, none.price_cost) == (None, None)
    assert reweighed.price_log_loss is not None
    assert reweighed.price_log_loss.value == pytest.approx(reweighed.log_loss.value - none.log_loss.value)
    assert reweighed.price_log_loss.upper - reweighed.price_log_loss.lower < none.log_loss.upper - none.log_loss.lower, "paired"
    assert thresholds.price_log_loss is not None
    assert thresholds.price_cost is not None
    assert (thresholds.price_log_loss.value, thresholds.auc) == (0, none.auc), "the same probabilities"
    assert thresholds.price_cost.value == pytest.approx(thresholds.cost.value - none.cost.value)
    flagged = [[group.selection_rate.value for group in result.fairness.groups] for result in (none, thresholds)]
    assert [a == b for a, b in zip(*flagged, strict=True)] == [True, True, False, True], "of c alone"


@pytest.mark.parametrize(("trained", "found"), [(model(), "none"), (BY_KIND.model_copy(update={"grouping": SIZE}), "those of 'size'")])
def test_a_network_without_thresholds_of_the_attribute_is_refused(trained: TrainedModel, found: str) -> None:
    with pytest.raises(EvaluationError, match=f"must have thresholds by group of 'kind'; got {found}"):
        mitigation.judge(rows(), Shifted(0), trained, Shifted(0), model(), KIND, RULES, COSTS, WINDOW)


def test_groups_that_cannot_be_compared_are_told() -> None:
    rules = RULES.model_copy(update={"fewest_rows": 10_000})
    with pytest.raises(EvaluationError, match="at least two groups"):
        mitigation.judge(rows(), Shifted(0), BY_KIND, Shifted(0), model(), KIND, rules, COSTS, WINDOW)
