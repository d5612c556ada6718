"""The gate: each criterion alone, the worst verdict of several, and no threshold taken for granted."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tasks.artifacts.evaluation import Decision, Evaluation, ModelMetrics, SegmentMetrics, Verdict
from tasks.artifacts.record import Interval, Window
from tasks.artifacts.settings import PromotionRules
from tasks.errors import PromotionRefused
from tasks.evaluation.gate import decide

pytestmark = pytest.mark.unit

RULES = PromotionRules(
    lightgbm_log_loss_ratio=1.02,
    logistic_gain=0.005,
    incumbent_gain=0.001,
    segment_loss=0.02,
    segment_days=14,
    review_first_model=False,
)
NOTHING = Interval(value=0, lower=0, upper=0)


def interval(value: float, half: float = 0.001) -> Interval:
    return Interval(value=value, lower=value - half, upper=value + half)


def metrics(model: str, loss: float) -> ModelMetrics:
    return ModelMetrics(
        model=model,
        threshold=0.3,
        auc=NOTHING,
        pr_auc=NOTHING,
        log_loss=interval(loss),
        brier=NOTHING,
        calibration_error=NOTHING,
        cost=NOTHING,
    )


def segment(name: str, gain: Interval | None, days: int = 28) -> SegmentMetrics:
    return SegmentMetrics(segment=name, rows=100, days=days, positives=20, log_loss=NOTHING, cost=NOTHING, gain_over_incumbent=gain)


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
        window=Window(first_day=date(2013, 11, 1), last_day=date(2013, 11, 28)),
        rows=1000,
        base_rate=0.2,
        metrics=[metrics("network", network), metrics("lightgbm", lightgbm)],
        gains=gains,
        segments=segments or [],
        calibration=[],
        suite=[],
    )


def verdict(given: Evaluation, **rules: Any) -> Verdict:
    return decide(given, "snap", RULES.model_copy(update=rules)).verdict


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
    assert verdict(given) == expected


CERTAIN_LOSS = Interval(value=-0.05, lower=-0.08, upper=-0.021)


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([segment("small communities", CERTAIN_LOSS)], Verdict.REVIEW),  # worse for certain: a person looks
        ([segment("small communities", CERTAIN_LOSS, days=14)], Verdict.REVIEW),  # just enough days
        ([segment("small communities", CERTAIN_LOSS, days=13)], Verdict.PROMOTE),  # too few to tell
        ([segment("s", Interval(value=-0.05, lower=-0.08, upper=-0.02))], Verdict.PROMOTE),  # the limit itself
        ([segment("s", Interval(value=-0.05, lower=-0.08, upper=0.01))], Verdict.PROMOTE),  # not for certain
        ([segment("all", CERTAIN_LOSS)], Verdict.PROMOTE),  # the whole has its own criterion
        ([segment("s", None)], Verdict.PROMOTE),
        ([segment("good", BETTER), segment("bad", CERTAIN_LOSS)], Verdict.REVIEW),  # a gain elsewhere is no excuse
    ],
)
def test_segments(segments: list[SegmentMetrics], expected: Verdict) -> None:
    assert verdict(evaluation(incumbent_gain=BETTER, segments=segments)) == expected


def test_hold_is_worse_than_review_and_every_failure_is_told() -> None:
    given = evaluation(network=0.5, incumbent_gain=BETTER, segments=[segment("bad", CERTAIN_LOSS)])
    decision = decide(given, "snap", RULES)
    assert decision.verdict == Verdict.HOLD
    assert [c.name for c in decision.criteria if not c.holds] == ["log-loss against LightGBM", "segment bad"]
    assert len(decision.reasons) == 2
    assert "1.1111 times LightGBM's (0.5000 against 0.4500), above the limit of 1.02" in decision.reasons[0]
    assert "segment bad is worse than the champion: -0.0500 [-0.0800, -0.0210]" in decision.reasons[1]


@pytest.mark.parametrize(("asks", "expected"), [(True, Verdict.REVIEW), (False, Verdict.PROMOTE)])
def test_a_first_model_waits_for_a_person_where_the_policy_says_so(asks: bool, expected: Verdict) -> None:
    assert verdict(evaluation(), review_first_model=asks) == expected
    assert verdict(evaluation(incumbent_gain=BETTER), review_first_model=asks) == Verdict.PROMOTE  # it is not the first


def test_a_first_model_that_fails_is_held_not_reviewed() -> None:
    assert verdict(evaluation(network=0.5), review_first_model=True) == Verdict.HOLD


THRESHOLDS = ["lightgbm_log_loss_ratio", "logistic_gain", "incumbent_gain", "segment_loss", "segment_days"]


@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_missing_threshold_refuses_even_where_it_would_not_be_asked(name: str) -> None:
    with pytest.raises(PromotionRefused, match=f"none for {name}") as caught:
        verdict(evaluation(), **{name: None})
    assert "tasks/usecase/policy.py" in caught.value.mend


def test_all_missing_thresholds_are_named_at_once() -> None:
    with pytest.raises(PromotionRefused, match=", ".join(THRESHOLDS)):
        verdict(evaluation(), **dict.fromkeys(THRESHOLDS))


def test_every_threshold_of_the_record_is_known_to_the_gate() -> None:
    """A new threshold must be asked for here too, or a missing one would not refuse."""
    assert {name for name in PromotionRules.model_fields if name != "review_first_model"} == set(THRESHOLDS)


def test_zero_is_a_threshold_not_a_missing_one() -> None:
    given = evaluation(incumbent_gain=BETTER)
    assert verdict(given, logistic_gain=0.0, incumbent_gain=0.0, segment_loss=0.0, segment_days=0) == Verdict.PROMOTE


def test_a_decision_names_candidate_incumbent_values_and_thresholds() -> None:
    decision = decide(evaluation(incumbent_gain=BETTER), "snap", RULES)
    assert (decision.candidate_digest, decision.incumbent_version, decision.snapshot_hash) == ("d1", 7, "snap")
    values = {c.name: (c.value, c.threshold) for c in decision.criteria}
    assert values["gain over champion 7"] == (0.002, 0.001)
    assert values["log-loss against LightGBM"] == (1.0, 1.02)
    assert values["gain over logistic regression"] == (0.02, 0.005)
    assert len(decision.reasons) == 3  # a promotion gives its reasons as well
    assert Decision.model_validate_json(decision.model_dump_json()) == decision
