"""The gate: what a candidate must show to become the champion. A missing threshold refuses."""

from __future__ import annotations

from tasks.artifacts.evaluation import Criterion, Decision, Evaluation, Verdict
from tasks.artifacts.settings import PromotionRules
from tasks.errors import PromotionRefused


def decide(evaluation: Evaluation, snapshot_hash: str, thresholds: PromotionRules) -> Decision:
    """Judge a candidate on its evaluation.

    Against the baselines its log-loss must be within a ratio of LightGBM's and below logistic regression's. Against
    the champion the lower bound of the paired gain must exceed the margin, and no segment with enough days may be
    worse for certain. The worst verdict of a failed criterion decides.

    Raises:
        PromotionRefused: If a threshold is missing.
    """
    names = ("lightgbm_log_loss_ratio", "logistic_gain", "incumbent_gain", "segment_loss", "segment_days")
    missing = [name for name in names if getattr(thresholds, name) is None]
    if missing:
        raise PromotionRefused(
            "every threshold of the gate must be set", f"none for {', '.join(missing)}", "set it in tasks/usecase/policy.py"
        )
    criteria = [*_against_baselines(evaluation, thresholds)]
    if evaluation.incumbent_version is None:
        if thresholds.review_first_model:
            criteria.append(
                _criterion("first model", 0, 1, False, Verdict.REVIEW, "there is no champion to compare with: a person must approve")
            )
    else:
        criteria += _against_incumbent(evaluation, thresholds)
    failed = [c for c in criteria if not c.holds]
    verdict = next((v for v in (Verdict.HOLD, Verdict.REVIEW) if any(c.decides == v for c in failed)), Verdict.PROMOTE)
    return Decision(
        verdict=verdict,
        candidate_digest=evaluation.candidate_digest,
        incumbent_version=evaluation.incumbent_version,
        snapshot_hash=snapshot_hash,
        criteria=criteria,
        reasons=[c.reason for c in (failed or criteria)],
    )


def _criterion(name: str, value: float, threshold: float, holds: bool, decides: Verdict, reason: str) -> Criterion:
    return Criterion(name=name, value=value, threshold=threshold, holds=holds, decides=decides, reason=reason)


def _against_baselines(evaluation: Evaluation, thresholds: PromotionRules) -> list[Criterion]:
    network, lightgbm = evaluation.of("network").log_loss.value, evaluation.of("lightgbm").log_loss.value
    most, least = thresholds.lightgbm_log_loss_ratio, thresholds.logistic_gain
    assert most is not None and least is not None
    ratio, gain = network / lightgbm, evaluation.gains["logistic"]
    within = ratio <= most
    beats = gain.value > least
    return [
        _criterion(
            "log-loss against LightGBM",
            ratio,
            most,
            within,
            Verdict.HOLD,
            f"log-loss is {ratio:.4f} times LightGBM's ({network:.4f} against {lightgbm:.4f}), "
            f"{'within' if within else 'above'} the limit of {most:.2f}",
        ),
        _criterion(
            "gain over logistic regression",
            gain.value,
            least,
            beats,
            Verdict.HOLD,
            f"log-loss is {abs(gain.value):.4f} {'below' if gain.value > 0 else 'above'} logistic regression's "
            f"[{gain.lower:+.4f}, {gain.upper:+.4f}], {'more' if beats else 'not more'} than the margin of {least:.4f}",
        ),
    ]


def _against_incumbent(evaluation: Evaluation, thresholds: PromotionRules) -> list[Criterion]:
    margin, worst, fewest = thresholds.incumbent_gain, thresholds.segment_loss, thresholds.segment_days
    assert margin is not None and worst is not None and fewest is not None
    gain = evaluation.gains["incumbent"]
    better = gain.lower > margin
    found = [
        _criterion(
            f"gain over champion {evaluation.incumbent_version}",
            gain.lower,
            margin,
            better,
            Verdict.HOLD,
            f"the paired gain over champion {evaluation.incumbent_version} is {gain.value:+.4f} [{gain.lower:+.4f}, {gain.upper:+.4f}]; "
            f"its lower bound is {'above' if better else 'not above'} the margin of {margin:.4f}",
        )
    ]
    for segment in evaluation.segments:
        paired = segment.gain_over_incumbent
        if paired is None or segment.segment == "all" or segment.days < fewest:
            continue
        if paired.upper < -worst:
            found.append(
                _criterion(
                    f"segment {segment.segment}",
                    paired.upper,
                    -worst,
                    False,
                    Verdict.REVIEW,
                    f"segment {segment.segment} is worse than the champion: {paired.value:+.4f} [{paired.lower:+.4f}, {paired.upper:+.4f}]",
                )
            )
    return found
