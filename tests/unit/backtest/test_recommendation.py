"""The rule of the recommendation: who meets all criteria, who meets them by luck, and what is left where nobody does."""

from __future__ import annotations

import pytest

from tasks.artifacts.backtest import Phases, PolicyKind, PolicyResult
from tasks.artifacts.record import Interval
from tasks.backtest.recommendation import recommend
from tests.unit.backtest.toy import RULES

pytestmark = pytest.mark.unit


def result(name: str, kind: PolicyKind, share: float | None, promotions: int, beaten: float | None, loss: float = 0.5) -> PolicyResult:
    nothing = Interval(value=0, lower=0, upper=0)
    return PolicyResult(
        name=name,
        kind=kind,
        log_loss=Interval(value=loss, lower=loss, upper=loss),
        auc=0.7,
        calibration_error=0.01,
        cost=0.5,
        retrains=promotions,
        promotions=promotions,
        train_seconds=0,
        train_cost=0,
        over_never=nothing,
        over_shortest=nothing,
        gain_share=share,
        gain_share_by_half=[share, share],
        regret=0,
        regret_of_as_many=0,
        beaten_by_random=beaten,
        weeks=[],
        promoted=[],
    )


@pytest.mark.parametrize(
    ("ours", "policy", "meets_all"),
    [
        (result("ours", PolicyKind.OURS, 0.95, 6, 0.01), "ours", True),
        (result("ours", PolicyKind.OURS, 0.89, 6, 0.01), "weekly", False),  # keeps too little
        (result("ours", PolicyKind.OURS, 0.95, 13, 0.01), "weekly", False),  # promotes too often
        (result("ours", PolicyKind.OURS, 0.95, 6, 0.06), "weekly", False),  # no better than chance
        (result("ours", PolicyKind.OURS, None, 6, 0.01), "weekly", False),  # nothing to keep
        (result("oracle", PolicyKind.ORACLE, 1.2, 3, None), "weekly", False),  # nobody can follow it
    ],
)
def test_the_rule_of_the_recommendation(ours: PolicyResult, policy: str, meets_all: bool) -> None:
    peers = [
        result("never", PolicyKind.FIXED, 0.0, 0, None, 0.52),
        result("weekly", PolicyKind.FIXED, 1.0, 36, None, 0.48),
        result("every 4 weeks", PolicyKind.FIXED, 0.8, 9, 0.4, 0.49),
    ]
    found = recommend([*peers, ours], "weekly", RULES)
    assert (found.policy, found.meets_all) == (policy, meets_all)
    assert found.reasons


def test_of_two_good_ones_the_one_with_fewer_promotions() -> None:
    weekly = result("weekly", PolicyKind.FIXED, 1.0, 36, None)
    few, many = (result(f"with {n}", PolicyKind.OURS, 0.95, n, 0.01, loss) for n, loss in ((4, 0.5), (8, 0.49)))
    assert recommend([weekly, many, few], "weekly", RULES).policy == "with 4"


def test_a_policy_that_is_good_in_one_phase_alone_is_not_recommended() -> None:
    lucky = result("lucky", PolicyKind.FIXED, 1.0, 2, 0.0, 0.47)
    good = {"gain_share": 0.95, "least_gain_share": 0.9, "promotions": 6.0, "shortest_promotions": 30.0, "beaten_by_random": 0.01}
    steady = result("steady", PolicyKind.OURS, 0.95, 6, 0.01).model_copy(update={"phases": Phases(**good)})
    weekly = result("weekly", PolicyKind.FIXED, 1.0, 36, None, 0.48)
    for bad in ({"gain_share": 0.6}, {"promotions": 11.0}, {"beaten_by_random": 0.2}):
        one = lucky.model_copy(update={"phases": Phases(**good | {"promotions": 2.0} | bad)})
        assert recommend([weekly, one, steady], "weekly", RULES).policy == "steady"
