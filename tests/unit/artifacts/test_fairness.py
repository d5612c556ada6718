"""Records of fairness: what a grouping must name, and where a difference stands to its limit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.artifacts.fairness import AttributeFairness, FairnessLimits, FairnessRules, Grouping, Standing
from tasks.artifacts.record import Interval

pytestmark = pytest.mark.unit

LIMITS = FairnessLimits(equal_opportunity=0.2, equalized_odds=0.2, demographic_parity=0.2, disparate_impact=0.5)


def rules(limits: FairnessLimits | None = LIMITS) -> FairnessRules:
    return FairnessRules(fewest_rows=1, fewest_days=2, fewest_of_a_class=1, near=0.8, limits={} if limits is None else {"kind": limits})


def standings(difference: Interval, impact: Interval, limits: FairnessLimits | None = LIMITS) -> list[str]:
    found = AttributeFairness(
        grouping=Grouping(name="kind", column="kind"),
        groups=[],
        demographic_parity_difference=difference,
        disparate_impact=impact,
        equal_opportunity_difference=difference,
        equalized_odds_difference=difference,
    )
    return [one.standing.value for one in found.measured(rules(limits))]


@pytest.mark.parametrize(
    ("difference", "impact", "standing"),
    [
        ((0.1, 0.0, 0.3), (0.7, 0.4, 0.9), "within"),  # a wide interval alone is no reason
        ((0.16, 0.1, 0.3), (0.6, 0.4, 0.9), "within"),  # exactly at the near end
        ((0.17, 0.1, 0.3), (0.59, 0.4, 0.9), "near"),
        ((0.3, 0.2, 0.4), (0.4, 0.3, 0.5), "near"),  # beyond it, though not for certain
        ((0.3, 0.21, 0.4), (0.4, 0.3, 0.49), "beyond"),
    ],
)
def test_a_difference_stands_to_its_limit(difference: tuple[float, ...], impact: tuple[float, ...], standing: str) -> None:
    names = ("value", "lower", "upper")
    intervals = [Interval(**dict(zip(names, values, strict=True))) for values in (difference, impact)]
    assert standings(*intervals) == [standing] * 4


@pytest.mark.parametrize("limits", [None, FairnessLimits.model_construct(**dict.fromkeys(FairnessLimits.model_fields))])
def test_a_limit_that_is_not_set_is_told(limits: FairnessLimits | None) -> None:
    exact = Interval(value=0.0, lower=0.0, upper=0.0)
    assert standings(exact, exact, limits) == [Standing.UNSET.value] * 4


@pytest.mark.parametrize(
    "fields",
    [{"cut": 3.0}, {"cut": 3.0, "below": "few"}, {"below": "few", "above": "many"}],  # a cut without names, and names without one
)
def test_a_grouping_names_its_groups_if_it_cuts(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="must name both of its groups"):
        Grouping(name="n", column="c", **fields)
