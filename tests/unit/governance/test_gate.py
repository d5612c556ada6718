"""The gate: each criterion alone, the worst verdict of several, and no threshold taken for granted."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date
from itertools import product
from typing import Any

import pytest

from tasks.artifacts.behaviour import Behaviour, BehaviourKind, BehaviourResult
from tasks.artifacts.evaluation import Decision, Evaluation, ModelMetrics, PairedGain, SegmentMetrics, Verdict, WeakSegments
from tasks.artifacts.fairness import AttributeFairness, Fairness, FairnessLimits, FairnessRules, Grouping
from tasks.artifacts.record import Interval, Window
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.settings import PromotionRules
from tasks.errors import PromotionRefused
from tasks.governance.gate import Terms, decide
from tests.unit.reporting.factory import service

pytestmark = pytest.mark.unit

RULES = PromotionRules(
    lightgbm_log_loss_ratio=1.02,
    logistic_gain=0.005,
    incumbent_gain=0.001,
    segment_loss=0.02,
    segment_days=14,
    segment_rows=500,
    level=0.05,
    review_first_model=False,
    review_changed_features=True,
    review_changed_contract=True,
)
LIMITS = FairnessLimits(equal_opportunity=0.2, equalized_odds=0.25, demographic_parity=0.3, disparate_impact=0.5)
FAIRNESS_RULES = FairnessRules(fewest_rows=50, fewest_days=7, fewest_of_a_class=10, near=0.8, limits={"carrier": LIMITS})
WINDOW = Window(first_day=date(2013, 11, 1), last_day=date(2013, 11, 28))
NOTHING = Interval(value=0, lower=0, upper=0)
SCORES = dict.fromkeys(("auc", "pr_auc", "brier", "calibration_error", "cost"), NOTHING)


def interval(value: float, half: float = 0.001) -> Interval:
    return Interval(value=value, lower=value - half, upper=value + half)


def metrics(model: str, loss: float) -> ModelMetrics:
    return ModelMetrics(model=model, threshold=0.3, log_loss=interval(loss), **SCORES)


def segment(name: str, gain: Interval | None, p: float = 0.5, days: int = 28, rows: int = 2_000) -> SegmentMetrics:
    paired = None if gain is None else PairedGain(gain=gain, worse_p_value=p)
    return SegmentMetrics(segment=name, rows=rows, days=days, positives=20, log_loss=NOTHING, paired=paired, **SCORES)


SOME = [segment("some", NOTHING)]
"""One segment on which both models are alike."""


def evaluation(
    network: float = 0.450,
    lightgbm: float = 0.450,
    logistic_gain: float = 0.02,
    incumbent_gain: Interval | None = None,
    segments: list[SegmentMetrics] | None = None,
) -> Evaluation:
    gains = {"lightgbm": interval(lightgbm - network), "logistic": interval(logistic_gain)}
    if incumbent_gain is not None:
        gains["incumbent"] = incumbent_gain
    return Evaluation(
        candidate_digest="d1",
        incumbent_version=None if incumbent_gain is None else 7,
        window=WINDOW,
        rows=1000,
        base_rate=0.2,
        metrics=[metrics("network", network), metrics("lightgbm", lightgbm)],
        gains=gains,
        segments=[segment("all", NOTHING), *(SOME if segments is None else segments)],
        small_segments=[],
        weak_segments=WeakSegments(searched=WINDOW, confirmed_on=WINDOW, level=0.05, found=[]),
        calibration=[],
        suite=[],
    )


def fairness(
    opportunity: Interval = NOTHING, odds: Interval = NOTHING, parity: Interval = NOTHING, impact: Interval | None = None
) -> Fairness:
    carrier = AttributeFairness(
        grouping=Grouping(name="carrier", column="carrier"),
        groups=[],
        demographic_parity_difference=parity,
        disparate_impact=impact or interval(1.0),
        equal_opportunity_difference=opportunity,
        equalized_odds_difference=odds,
    )
    return Fairness(model_digest="d1", window=WINDOW, rows=1000, days=28, attributes=[carrier])


def behaviour(*passed: int, least: float | None = 0.9) -> Behaviour:
    results = [
        BehaviourResult(
            name=f"test {i}", kind=BehaviourKind.INVARIANCE, meaning="stays", rows=100, passed=n, least_share=least, largest=0.0
        )
        for i, n in enumerate(passed or (100,))
    ]
    return Behaviour(model_digest="d1", window=WINDOW, results=results)


TERMS = Terms("features 1", "contract 1")


def judge(
    given: Evaluation,
    groups: Fairness | None = None,
    acts: Behaviour | None = None,
    champion: Terms | None = None,
    limits: FairnessRules = FAIRNESS_RULES,
    serves: ServiceCheck | None = None,
    **rules: Any,
) -> Decision:
    groups, acts, serves = groups or fairness(), acts or behaviour(), serves or service()
    asked = RULES.model_copy(update=rules)
    return decide(given, groups, acts, serves, TERMS, champion or TERMS, asked, limits, "snap", "flight-operations")


BETTER = Interval(value=0.004, lower=0.002, upper=0.006)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (evaluation(), Verdict.PROMOTE),  # a first model that holds against both baselines
        (evaluation(network=0.459), Verdict.PROMOTE),  # 2 % worse than LightGBM is the limit itself
        (evaluation(network=0.4591), Verdict.HOLD),  # above it
        (evaluation(logistic_gain=0.0051), Verdict.PROMOTE),
        (evaluation(logistic_gain=0.005), Verdict.HOLD),  # the margin itself is not more than the margin
        (evaluation(logistic_gain=-0.01), Verdict.HOLD),
        (evaluation(incumbent_gain=BETTER), Verdict.PROMOTE),
        (evaluation(incumbent_gain=Interval(value=0.01, lower=0.001, upper=0.02)), Verdict.HOLD),  # lower bound at the margin
        (evaluation(incumbent_gain=Interval(value=0.01, lower=-0.001, upper=0.02)), Verdict.HOLD),  # better, but not for certain
        (evaluation(incumbent_gain=Interval(value=-0.01, lower=-0.02, upper=0.0)), Verdict.HOLD),
    ],
)
def test_each_criterion_decides(given: Evaluation, expected: Verdict) -> None:
    assert judge(given).verdict == expected


EQUAL = Interval(value=0.0, lower=-0.019, upper=0.019)
UNSURE = Interval(value=0.0, lower=-0.021, upper=0.021)
STRADDLES = Interval(value=-0.019, lower=-0.025, upper=-0.013)
FINE = segment("fine", EQUAL)
SLIGHTLY_WORSE = Interval(value=-0.01, lower=-0.015, upper=-0.005)
WORSE = Interval(value=-0.05, lower=-0.08, upper=-0.021)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([segment("s", EQUAL)], Verdict.PROMOTE),  # it loses no more than is allowed
        ([segment("s", Interval(value=0, lower=-0.02, upper=0.02))], Verdict.HOLD),  # the limit itself is not within it
        ([segment("s", UNSURE)], Verdict.HOLD),  # it may lose more
        ([segment("s", UNSURE, rows=499), FINE], Verdict.PROMOTE),  # too few rows for that to say anything
        ([segment("s", UNSURE, days=13), FINE], Verdict.PROMOTE),  # too few days
        ([segment("s", UNSURE, rows=499)], Verdict.REVIEW),  # and no other segment that says anything
        ([], Verdict.REVIEW),
        ([segment("s", STRADDLES, p=0.001)], Verdict.HOLD),  # worse for certain, perhaps by too much
        ([segment("s", STRADDLES, p=0.001, rows=499), FINE], Verdict.REVIEW),  # of few rows: a person looks
        ([segment("s", SLIGHTLY_WORSE, p=0.05)], Verdict.REVIEW),  # for certain, by less than is allowed: a person looks
        ([segment("s", SLIGHTLY_WORSE, p=0.051)], Verdict.PROMOTE),  # not for certain, as so many were compared
        ([segment("s", WORSE, p=0.001)], Verdict.HOLD),
        ([segment("s", WORSE, p=0.001, rows=40)], Verdict.HOLD),  # what is certain needs no more rows
        ([segment("s", WORSE, p=0.2, rows=40), FINE], Verdict.PROMOTE),  # what is not, does
        ([segment("s", WORSE, p=0.001, days=13), FINE], Verdict.PROMOTE),
        ([segment("all", WORSE, p=0.001), FINE], Verdict.PROMOTE),  # the whole has its own criterion
        ([segment("s", None), FINE], Verdict.PROMOTE),
        ([segment("good", BETTER), segment("bad", WORSE, p=0.001)], Verdict.HOLD),  # a gain elsewhere is no excuse
    ],
)
def test_segments(segments: list[SegmentMetrics], expected: Verdict) -> None:
    assert judge(evaluation(incumbent_gain=BETTER, segments=segments)).verdict == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"opportunity": Interval(value=0.16, lower=0.1, upper=0.3)}, Verdict.PROMOTE),  # eight tenths of the way to 0.2
        ({"opportunity": Interval(value=0.161, lower=0.1, upper=0.3)}, Verdict.REVIEW),  # nearer
        ({"opportunity": Interval(value=0.5, lower=0.2, upper=0.8)}, Verdict.REVIEW),  # beyond it, not for certain
        ({"opportunity": Interval(value=0.5, lower=0.201, upper=0.8)}, Verdict.HOLD),
        ({"odds": Interval(value=0.5, lower=0.26, upper=0.8)}, Verdict.HOLD),
        ({"parity": Interval(value=0.5, lower=0.31, upper=0.8)}, Verdict.HOLD),
        ({"impact": Interval(value=0.6, lower=0.4, upper=0.8)}, Verdict.PROMOTE),  # eight tenths of the way from 1 to 0.5
        ({"impact": Interval(value=0.59, lower=0.4, upper=0.8)}, Verdict.REVIEW),
        ({"impact": Interval(value=0.3, lower=0.2, upper=0.5)}, Verdict.REVIEW),
        ({"impact": Interval(value=0.3, lower=0.2, upper=0.49)}, Verdict.HOLD),
    ],
)
def test_fairness(given: dict[str, Interval], expected: Verdict) -> None:
    assert judge(evaluation(), groups=fairness(**given)).verdict == expected


def test_fairness_that_is_not_known_waits_for_a_person() -> None:
    unknown = fairness().model_copy(update={"attributes": [], "not_measured": {"carrier": "1 of 2 groups have 100 rows"}})
    decision = judge(evaluation(), groups=unknown)
    assert decision.verdict == Verdict.REVIEW
    assert decision.reasons == ["fairness of carrier is not known (1 of 2 groups have 100 rows): a person must approve"]
    (failed,) = decision.failed
    assert (failed.value, failed.threshold) == (0, 1)


@pytest.mark.parametrize(("passed", "expected"), [((100, 90), Verdict.PROMOTE), ((100, 89), Verdict.HOLD), ((0,), Verdict.HOLD)])
def test_behaviour_is_a_hard_limit(passed: tuple[int, ...], expected: Verdict) -> None:
    assert judge(evaluation(), acts=behaviour(*passed)).verdict == expected


@pytest.mark.parametrize(
    ("serves", "name", "value", "threshold"),
    [
        (service(1.1e-5), "service answers as trained", 1.1e-5, 1e-5),
        (service(statuses=(400, 200)), "service refuses", 1, 2),
        (service(statuses=()), "service refuses", 0, 0),  # nothing bad was sent, so that nothing is known
        (service(ready_seconds=10.5), "service ready", 10.5, 10.0),
        (service(p99_ms=101.0), "service p99", 101.0, 100.0),
        (service(memory_mb=401.0), "service memory", 401.0, 400.0),
    ],
)
def test_a_service_that_is_not_fit_is_a_hard_limit(serves: ServiceCheck, name: str, value: float, threshold: float) -> None:
    decision = judge(evaluation(), serves=serves)
    assert decision.verdict == Verdict.HOLD
    [failed] = decision.failed
    assert (failed.name, failed.value, failed.threshold) == (name, value, threshold)
    assert decision.reasons == [failed.reason]


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        (TERMS, Verdict.PROMOTE),
        (Terms("features 0", "contract 1"), Verdict.REVIEW),
        (Terms("features 1", "contract 0"), Verdict.REVIEW),
        (Terms(None, "contract 1"), Verdict.REVIEW),  # a champion that does not say may have others
    ],
)
def test_a_critical_change_waits_for_a_person(champion: Terms, expected: Verdict) -> None:
    assert judge(evaluation(incumbent_gain=BETTER), champion=champion).verdict == expected
    assert judge(evaluation(), champion=champion).verdict == Verdict.PROMOTE  # a first model changes nothing
    free = {"review_changed_features": False, "review_changed_contract": False}
    assert judge(evaluation(incumbent_gain=BETTER), champion=champion, **free).verdict == Verdict.PROMOTE  # as the policy has it


@pytest.mark.parametrize(("asks", "expected"), [(True, Verdict.REVIEW), (False, Verdict.PROMOTE)])
def test_a_first_model_waits_for_a_person_where_the_policy_says_so(asks: bool, expected: Verdict) -> None:
    assert judge(evaluation(), review_first_model=asks).verdict == expected
    assert judge(evaluation(incumbent_gain=BETTER), review_first_model=asks).verdict == Verdict.PROMOTE  # it is not the first


HOLDS = (
    {"given": evaluation(network=0.5, incumbent_gain=BETTER)},
    {"acts": behaviour(0)},
    {"groups": fairness(parity=interval(0.5))},
    {"serves": service(memory_mb=500.0)},
)
REVIEWS = ({"champion": Terms("features 0", "contract 1")}, {"groups": fairness(opportunity=Interval(value=0.19, lower=0.1, upper=0.3))})


@pytest.mark.parametrize(("hold", "review"), [pair for pair in product(HOLDS, REVIEWS) if not pair[0].keys() & pair[1].keys()])
def test_no_review_softens_a_hold(hold: dict[str, Any], review: dict[str, Any]) -> None:
    given = {"given": evaluation(incumbent_gain=BETTER)}
    assert judge(**(given | review)).verdict == Verdict.REVIEW
    decision = judge(**(given | review | hold))
    assert decision.verdict == Verdict.HOLD
    assert decision.failed[0].decides == Verdict.HOLD  # told first
    assert len(decision.reasons) == len(decision.failed) >= 2


def test_every_failure_is_told_in_words() -> None:
    given = evaluation(network=0.5, incumbent_gain=BETTER, segments=[segment("bad", WORSE, p=0.002)])
    told = judge(given).reasons
    assert told[0].startswith("log-loss is 1.1111 times LightGBM's (0.5000 against 0.4500), above the limit of 1.02")
    assert told[1] == (
        "segment bad gains -5.0% [-8.0%, -2.1%] of the champion's log-loss: "
        "worse for certain (p = 0.002), by more than the 2% that are allowed"
    )


THRESHOLDS = ["lightgbm_log_loss_ratio", "logistic_gain", "incumbent_gain", "segment_loss", "segment_days", "segment_rows", "level"]


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_missing_threshold_refuses_even_where_it_would_not_be_asked(name: str) -> None:
    with pytest.raises(PromotionRefused, match=f"none for {name}") as caught:
        judge(evaluation(), **{name: None})
    assert "tasks/usecase/policy.py" in caught.value.mend


@pytest.mark.parametrize("name", sorted(FairnessLimits.model_fields))
def test_a_missing_limit_of_fairness_refuses(name: str) -> None:
    limits = FAIRNESS_RULES.model_copy(update={"limits": {"carrier": LIMITS.model_copy(update={name: None})}})
    with pytest.raises(PromotionRefused, match=f"none for {name} of carrier"):
        judge(evaluation(), limits=limits)


@pytest.mark.parametrize("not_measured", [False, True])
def test_an_attribute_without_limits_refuses(not_measured: bool) -> None:
    groups = fairness().model_copy(update={"attributes": [], "not_measured": {"carrier": "few"}}) if not_measured else None
    with pytest.raises(PromotionRefused, match="none for fairness of carrier"):
        judge(evaluation(), groups=groups, limits=FAIRNESS_RULES.model_copy(update={"limits": {}}))


def test_a_missing_limit_of_behaviour_refuses() -> None:
    with pytest.raises(PromotionRefused, match="none for behaviour test 0"):
        judge(evaluation(), acts=behaviour(100, least=None))


def test_all_missing_thresholds_are_named_at_once() -> None:
    with pytest.raises(PromotionRefused, match=", ".join([*THRESHOLDS, "behaviour test 0"])):
        judge(evaluation(), acts=behaviour(100, least=None), **dict.fromkeys(THRESHOLDS))


def test_every_threshold_of_the_record_is_known_to_the_gate() -> None:
    """A new threshold must be asked for here too, or a missing one would not refuse."""
    assert {name for name in PromotionRules.model_fields if not name.startswith("review_")} == set(THRESHOLDS)


def test_zero_is_a_threshold_not_a_missing_one() -> None:
    given = evaluation(incumbent_gain=BETTER, segments=[segment("s", BETTER)])
    zero = {"logistic_gain": 0.0, "incumbent_gain": 0.0, "segment_loss": 0.0, "segment_days": 0, "segment_rows": 0, "level": 0.0}
    assert judge(given, **zero).verdict == Verdict.PROMOTE


def test_a_decision_names_candidate_incumbent_values_and_thresholds() -> None:
    decision = judge(evaluation(incumbent_gain=BETTER, segments=[segment("s", EQUAL), segment("t", BETTER)]))
    assert (decision.candidate_digest, decision.incumbent_version, decision.snapshot_hash) == ("d1", 7, "snap")
    assert (decision.evaluation, decision.owner) == (WINDOW, "flight-operations")
    assert (decision.features_digest, decision.contract_digest) == ("features 1", "contract 1")
    values = {c.name: (c.value, c.threshold) for c in decision.criteria}
    assert values["gain over champion 7"] == (0.002, 0.001)
    assert values["log-loss against LightGBM"] == (1.0, 1.02)
    assert values["gain over logistic regression"] == (0.02, 0.005)
    assert values["segment s"] == (-0.019, -0.02)
    assert values["equal opportunity of carrier"] == (0.0, 0.2)
    assert values["behaviour test 0"] == (1.0, 0.9)
    assert values["service p99"] == (4.73, 100.0)
    # A promotion gives its reasons as well, many of a kind as one.
    assert decision.reasons[-4:] == [
        "all 2 segments that are large enough, of 2, are no worse than with the champion",
        "all 1 tests of behaviour pass",
        "all 4 differences between groups are within their limits",
        "all 5 requirements of the service hold",
    ]
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"logistic_gain": 0.02}, "log-loss is 0.0200 below logistic regression's [+0.0190, +0.0210], more than the margin of 0.0050"),
        ({"logistic_gain": 0.003}, "log-loss is 0.0030 below logistic regression's [+0.0020, +0.0040], not more than the margin of 0.0050"),
        ({"logistic_gain": -0.02}, "log-loss is 0.0200 above logistic regression's [-0.0210, -0.0190], not more than the margin of 0.0050"),
        ({"logistic_gain": 0.0}, "log-loss is 0.0000 above logistic regression's [-0.0010, +0.0010], not more than the margin of 0.0050"),
        ({"network": 0.4455}, "log-loss is 0.9900 times LightGBM's (0.4455 against 0.4500), within the limit of 1.02"),
        ({"network": 0.4635}, "log-loss is 1.0300 times LightGBM's (0.4635 against 0.4500), above the limit of 1.02"),
        (
            {"incumbent_gain": BETTER},
            "the paired gain over champion 7 is +0.0040 [+0.0020, +0.0060]; its lower bound is above the margin of 0.0010",
        ),
        (
            {"incumbent_gain": NOTHING},
            "the paired gain over champion 7 is +0.0000 [+0.0000, +0.0000]; its lower bound is not above the margin of 0.0010",
        ),
    ],
)
def test_a_comparison_is_told_with_its_figures_and_which_way_it_goes(given: dict[str, Any], told: str) -> None:
    assert told in [criterion.reason for criterion in judge(evaluation(**given)).criteria]


@pytest.mark.parametrize(
    ("champion", "told"),
    [
        (TERMS, ["the features of champion 7 are the same", "the contract of champion 7 is the same"]),
        (
            Terms("features 0", "contract 0"),
            ["the features of champion 7 are others: a person must approve", "the contract of champion 7 is others: a person must approve"],
        ),
        (
            Terms(None, None),
            [
                "the features of champion 7 are not known: a person must approve",
                "the contract of champion 7 is not known: a person must approve",
            ],
        ),
    ],
)
def test_what_the_champion_was_trained_on_is_told(champion: Terms, told: list[str]) -> None:
    found = judge(evaluation(incumbent_gain=BETTER), champion=champion).criteria
    assert [criterion.reason for criterion in found if criterion.name.startswith("same ")] == told


@pytest.mark.parametrize(
    ("given", "rules", "name", "value", "threshold"),
    [
        (evaluation(), {"review_first_model": True}, "first model", 0, 1),
        (evaluation(incumbent_gain=BETTER, segments=[]), {}, "segments", 0, 1),
        (evaluation(incumbent_gain=BETTER), {}, "same features", 1, 1),
        (evaluation(incumbent_gain=BETTER), {}, "gain over champion 7", 0.002, 0.001),
        (evaluation(incumbent_gain=BETTER), {}, "segment some", 0, -0.02),
        (evaluation(incumbent_gain=BETTER, segments=[segment("s", WORSE, p=0.001)]), {}, "segment s", -0.08, -0.02),
        (evaluation(incumbent_gain=BETTER, segments=[segment("s", STRADDLES, p=0.001)]), {}, "segment s", -0.025, -0.02),
        (evaluation(incumbent_gain=BETTER, segments=[segment("s", UNSURE)]), {}, "segment s", -0.021, -0.02),
        (evaluation(incumbent_gain=BETTER, segments=[segment("s", SLIGHTLY_WORSE, p=0.04)]), {}, "segment s", 0.04, 0.05),
    ],
)
def test_a_criterion_has_the_value_that_was_found_and_the_one_it_needs(
    given: Evaluation, rules: dict[str, Any], name: str, value: float, threshold: float
) -> None:
    (found,) = [criterion for criterion in judge(given, **rules).criteria if criterion.name == name]
    assert (found.value, found.threshold) == (value, threshold)


def test_terms_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        TERMS.features = "others"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("passed", "told"),
    [(95, "test 0: 95.0% of 100 rows pass, at least 90.0%"), (80, "test 0: 80.0% of 100 rows pass, fewer than 90.0%")],
)
def test_a_test_of_behaviour_is_told_with_its_share(passed: int, told: str) -> None:
    assert told in [criterion.reason for criterion in judge(evaluation(), acts=behaviour(passed)).criteria]
