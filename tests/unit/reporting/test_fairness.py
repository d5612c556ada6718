"""The sections on fairness and its mitigation: the verdict first, every group, every price."""

from __future__ import annotations

import pytest

from tasks.artifacts.fairness import (
    AttributeFairness,
    Fairness,
    FairnessLimits,
    FairnessRules,
    Grouping,
    GroupRates,
    Mitigation,
    MitigationResult,
)
from tasks.artifacts.record import Interval
from tasks.reporting import fairness, fairness_plots
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

WINDOW = factory.evaluation().window
LIMITS = FairnessLimits(equal_opportunity=0.3, equalized_odds=0.3, demographic_parity=0.3, disparate_impact=0.3)


def rules(**limits: FairnessLimits) -> FairnessRules:
    return FairnessRules(fewest_rows=100, fewest_days=10, fewest_of_a_class=20, near=0.9, limits=limits or {"service": LIMITS})


def group(name: str, rows: int, rate: float = 0.3, *, counts: bool = True) -> GroupRates:
    return GroupRates(
        group=name,
        rows=rows,
        days=28,
        positives=rows // 5,
        counts=counts,
        selection_rate=factory.interval(rate, 0.05),
        true_positive_rate=factory.interval(rate * 2, 0.1) if counts else None,
        false_positive_rate=factory.interval(rate / 2, 0.04),
        log_loss=factory.interval(0.4, 0.02),
        cost=factory.interval(0.5, 0.03),
    )


def attribute(difference: Interval, groups: list[GroupRates] | None = None, name: str = "service") -> AttributeFairness:
    return AttributeFairness(
        grouping=Grouping(name=name, column="arrivals", cut=28, below="small", above="large"),
        groups=groups or [group("small", 259, 0.37), group("large", 25_198, 0.18), group("unknown", 12, counts=False)],
        demographic_parity_difference=factory.interval(0.19, 0.05),
        disparate_impact=factory.interval(0.48, 0.1),
        equal_opportunity_difference=difference,
        equalized_odds_difference=factory.interval(0.21, 0.1),
    )


def record(*attributes: AttributeFairness) -> Fairness:
    return Fairness(model_digest=factory.CANDIDATE_DIGEST, window=WINDOW, rows=25_469, days=28, attributes=list(attributes))


SMALL, NEAR, LARGE = factory.interval(0.1, 0.05), factory.interval(0.29, 0.05), factory.interval(0.5, 0.05)


@pytest.mark.parametrize(
    ("difference", "badge", "told"),
    [
        (SMALL, "✓ PASS", "the groups of service by no more than the limits allow"),
        (NEAR, "! REVIEW", "near the limit, or beyond it by chance: equal opportunity by service"),
        (LARGE, "✗ FAIL", "beyond the limit for certain: equal opportunity by service"),
    ],
)
def test_the_verdict_comes_first(difference: Interval, badge: str, told: str) -> None:
    shown = require_sound(fairness.fairness(record(attribute(difference)), rules())).text
    assert shown.startswith(badge)
    assert told in shown
    assert told in fairness.sentence(record(attribute(difference)), rules())


def test_every_group_and_limit_is_shown_the_small_ones_last() -> None:
    shown = require_sound(fairness.fairness(record(attribute(NEAR)), rules())).text
    facts = [
        "cut at 28",
        "0.290 [0.240, 0.345]",
        "0.480 [0.380, 0.590]",
        "25,198",
        "too small",
        "Too small to count, and shown all the same: unknown",
    ]
    assert [fact for fact in facts if fact not in shown] == []
    assert shown.index("large 25,198") < shown.index("small 259") < shown.index("unknown 12")


def test_an_attribute_without_limits_is_refused() -> None:
    shown = require_sound(fairness.fairness(record(attribute(SMALL)), rules(other=LIMITS))).text
    assert shown.startswith("✗ FAIL")
    assert "without a limit: equal opportunity by service" in shown
    assert "none set: refused" in shown


def test_hundreds_of_groups_and_hostile_names_stay_small_and_text() -> None:
    many = [group(f"{HOSTILE} {n}", 200 + n, counts=n % 2 == 0) for n in range(400)]
    assert "alert(" in require_sound(fairness.fairness(record(attribute(SMALL, many, HOSTILE)), rules())).text


def test_no_attribute_is_sound_too() -> None:
    require_sound(fairness.fairness(record(), rules()))


def way(name: str, difference: float, price: float | None) -> MitigationResult:
    prices = None if price is None else factory.interval(price, 0.001)
    return MitigationResult(
        name=name,
        log_loss=factory.interval(0.34, 0.03),
        auc=factory.interval(0.74, 0.02),
        cost=factory.interval(0.41, 0.05),
        price_log_loss=prices,
        price_cost=prices,
        fairness=attribute(factory.interval(difference, 0.05)),
    )


def mitigation(*results: MitigationResult) -> Mitigation:
    return Mitigation(attribute="service", window=WINDOW, rows=25_469, results=list(results))


def test_the_ways_side_by_side() -> None:
    made = mitigation(way("none", 0.2, None), way("reweighing", 0.15, 0.002), way("group thresholds", 0.05, 0.0001))
    shown = require_sound(fairness.mitigation(made)).text
    assert shown.startswith(
        "Of 2 ways group thresholds leaves the least difference of true positive rates by service: 0.050 in place of 0.200. Its decisions "
        "cost +0.0001 [-0.0009, +0.0012] a row, not certainly more or less;"
    )
    facts = ["0.150 [0.100, 0.205]", "+0.0020 [+0.0010, +0.0031]", "reweighing", "small group thresholds", "25,469"]
    assert [fact for fact in facts if fact not in shown] == []
    assert "unknown" not in shown, "too small a group shows chance"


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([], "No way was tried."),
        ([way("none", 0.2, None)], "Without mitigation the true positive rates differ by 0.200"),
        ([way("none", 0.2, None), way("reweighing", 0.2, 0.0)], "No way brings the true positive rates by service nearer"),
        ([way("none", 0.2, None), way("reweighing", 0.1, 0.01)], "for certain more"),
        ([way("none", 0.2, None), way("reweighing", 0.1, -0.01)], "for certain less"),
    ],
)
def test_the_sentence_says_what_was_found(results: list[MitigationResult], told: str) -> None:
    assert told in require_sound(fairness.mitigation(mitigation(*results))).text


def test_plots_say_what_they_show() -> None:
    (tag,) = require_sound(fairness_plots.rates(attribute(SMALL))).of("img")
    assert "Rates by service. large · 25,198 rows: flagged, share of all 0.1800 [0.1300, 0.2350]" in str(tag["alt"])
    (tag,) = require_sound(fairness_plots.ways(mitigation(way("none", 0.2, None), way("reweighing", 0.1, 0.002)))).of("img")
    assert "reweighing: difference of true positive rates 0.1000 [0.0500, 0.1550], price" in str(tag["alt"])
    assert fairness_plots.ways(mitigation()) == ""
    assert fairness_plots.rates(attribute(SMALL)) == fairness_plots.rates(attribute(SMALL)), "to the byte"


def test_what_is_not_known_is_said_and_asks_for_a_person() -> None:
    unknown = record().model_copy(update={"not_measured": {"air service": "1 of 2 groups have 100 rows"}})
    shown = require_sound(fairness.fairness(unknown, rules())).text
    assert shown.startswith("! REVIEW")
    assert "not known: air service (1 of 2 groups have 100 rows)" in shown
