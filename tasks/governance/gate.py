"""The gate: what a candidate must show to become the champion. A missing threshold refuses.

Promoting asks for evidence on every count at once (an intersection-union test: Berger, Technometrics 24, 1982), each at its
own level, so that many segments make a wrong promotion less likely and not more. Calling one of them worse for certain is
another matter: there the p-values are adjusted for all that were compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.evaluation import Criterion, Decision, Evaluation, SegmentMetrics, Verdict
from tasks.artifacts.fairness import AttributeFairness, Fairness, FairnessRules, Measured, Standing
from tasks.artifacts.record import Interval, Record
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.settings import PromotionRules
from tasks.errors import PromotionRefused

_ALL = "all"


@dataclass(frozen=True)
class Terms:
    """What a model is made by, as digests: columns and code of its features, and the data contract. None where it is not known."""

    features: str | None
    contract: str | None


def decide(
    evaluation: Evaluation,
    fairness: Fairness,
    behaviour: Behaviour,
    service: ServiceCheck,
    terms: Terms,
    incumbent: Terms,
    rules: PromotionRules,
    fairness_rules: FairnessRules,
    snapshot_hash: str,
    owner: str,
) -> Decision:
    """Judge a candidate. The worst verdict of a criterion that does not hold decides.

    Args:
        evaluation: All models side by side.
        fairness: How its decisions treat groups.
        behaviour: What it does under odd inputs.
        service: What its Bento did as a server, with the limits that it must keep.
        terms: What the candidate is made by.
        incumbent: What the champion was made by; not looked at without one.
        rules: Margins and limits.
        fairness_rules: Limits of differences between groups.
        snapshot_hash: The data that it rests on.
        owner: Who answers for it.

    Raises:
        PromotionRefused: If a threshold is missing, naming all that are.
    """
    _require_thresholds(rules, fairness_rules, fairness, behaviour)
    groups = {
        "": [*_against_baselines(evaluation, rules), *_of_change(evaluation, terms, incumbent, rules)],
        f"segments that are large enough, of {len(evaluation.segments) - 1}, are no worse than with the champion": _of_segments(
            evaluation, rules
        ),
        "tests of behaviour pass": [_of_behaviour(behaviour, place) for place in range(len(behaviour.results))],
        "differences between groups are within their limits": [
            *(criterion for attribute in fairness.attributes for criterion in _of_fairness(attribute, fairness_rules)),
            *(_not_measured(name, why) for name, why in fairness.not_measured.items()),
        ],
        "requirements of the service hold": [_criterion(*required[:4], Verdict.HOLD, required.reason) for required in service.requirements],
    }
    criteria = [criterion for group in groups.values() for criterion in group]
    in_favour = [c.reason for c in groups.pop("")] + [f"all {len(group)} {what}" for what, group in groups.items() if group]
    decision = Decision(
        verdict=verdict(criteria),
        candidate_digest=evaluation.candidate_digest,
        incumbent_version=evaluation.incumbent_version,
        snapshot_hash=snapshot_hash,
        evaluation=evaluation.window,
        owner=owner,
        features_digest=f"{terms.features}",
        contract_digest=f"{terms.contract}",
        criteria=criteria,
        reasons=in_favour,
    )
    failed = [criterion.reason for criterion in decision.failed]
    return decision.model_copy(update={"reasons": failed}) if failed else decision


def against_incumbent(evaluation: Evaluation, terms: Terms, incumbent: Terms, rules: PromotionRules) -> list[Criterion]:
    """Return what a candidate must show beside the champion, overall and on every segment."""
    return [*_of_change(evaluation, terms, incumbent, rules), *_of_segments(evaluation, rules)]


def verdict(criteria: Sequence[Criterion]) -> Verdict:
    """Return the worst that the criteria which do not hold decide."""
    failed = {criterion.decides for criterion in criteria if not criterion.holds}
    return next((v for v in (Verdict.HOLD, Verdict.REVIEW) if v in failed), Verdict.PROMOTE)


def _require_thresholds(rules: PromotionRules, fairness_rules: FairnessRules, fairness: Fairness, behaviour: Behaviour) -> None:
    missing = _unset(rules)
    for attribute in (*(a.grouping.name for a in fairness.attributes), *fairness.not_measured):
        limits = fairness_rules.limits.get(attribute)
        missing += [f"fairness of {attribute}"] if limits is None else [f"{name} of {attribute}" for name in _unset(limits)]
    missing += [f"behaviour {result.name}" for result in behaviour.results if result.least_share is None]
    if missing:
        found, mend = f"none for {', '.join(missing)}", "set it in tasks/usecase/policy.py"
        raise PromotionRefused("every threshold of the gate must be set", found, mend)


def _unset(rules: Record) -> list[str]:
    return [name for name in type(rules).model_fields if getattr(rules, name) is None]


def _criterion(name: str, value: float, threshold: float, holds: bool, decides: Verdict, reason: str) -> Criterion:
    return Criterion(name=name, value=value, threshold=threshold, holds=holds, decides=decides, reason=reason)


def _against_baselines(evaluation: Evaluation, rules: PromotionRules) -> list[Criterion]:
    network, lightgbm = evaluation.of("network").log_loss.value, evaluation.of("lightgbm").log_loss.value
    most, least = rules.lightgbm_log_loss_ratio, rules.logistic_gain
    assert most is not None
    assert least is not None
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


def _of_change(evaluation: Evaluation, terms: Terms, incumbent: Terms, rules: PromotionRules) -> list[Criterion]:
    """Return whether it gains on the champion, and what a person must look at: a first model, other features, another contract."""
    if evaluation.incumbent_version is None:
        reason = "there is no champion to compare with: a person must approve"
        return [_criterion("first model", 0, 1, False, Verdict.REVIEW, reason)] if rules.review_first_model else []
    margin = rules.incumbent_gain
    assert margin is not None
    gain, champion = evaluation.gains["incumbent"], f"champion {evaluation.incumbent_version}"
    better = gain.lower > margin
    told = f"the paired gain over {champion} is {_signed(gain)}; its lower bound is {'above' if better else 'not above'} the margin"
    found = [_criterion(f"gain over {champion}", gain.lower, margin, better, Verdict.HOLD, f"{told} of {margin:.4f}")]
    watched = {
        "features": (terms.features, incumbent.features, rules.review_changed_features),
        "contract": (terms.contract, incumbent.contract, rules.review_changed_contract),
    }
    for what, (now, then, counts) in watched.items():
        if counts:
            same = now == then
            verb = "is" if what == "contract" else "are"
            told = f"the {what} of {champion} {verb} {'the same' if same else 'not known' if then is None else 'others'}"
            asks = "" if same else ": a person must approve"
            found.append(_criterion(f"same {what}", float(same), 1, same, Verdict.REVIEW, f"{told}{asks}"))
    return found


def _of_segments(evaluation: Evaluation, rules: PromotionRules) -> list[Criterion]:
    if evaluation.incumbent_version is None:
        return []
    named = [segment for segment in evaluation.segments if segment.segment != _ALL]
    found = [criterion for segment in named for criterion in _of_segment(segment, rules)]
    if found:
        return found
    reason = f"none of {len(named)} segments is large enough to say that it is no worse than with the champion: a person must approve"
    return [_criterion("segments", 0, 1, False, Verdict.REVIEW, reason)]


def _of_segment(segment: SegmentMetrics, rules: PromotionRules) -> list[Criterion]:
    """Return what one segment says: no worse by more than is allowed, or worse for certain; nothing of one too small for either."""
    allowed, days, rows, level = rules.segment_loss, rules.segment_days, rules.segment_rows, rules.level
    assert allowed is not None
    assert days is not None
    assert rows is not None
    assert level is not None
    paired, name = segment.paired, f"segment {segment.segment}"
    if paired is None or segment.days < days:
        return []
    gain, is_worse = paired.gain, paired.worse_p_value <= level
    told = f"{name} gains {gain.value:+.1%} [{gain.lower:+.1%}, {gain.upper:+.1%}] of the champion's log-loss"
    if gain.lower > -allowed and not is_worse:
        return [_criterion(name, gain.lower, -allowed, True, Verdict.HOLD, f"{told}, and loses no more than {allowed:.0%}")]
    if gain.lower > -allowed:
        reason = f"{told}: worse for certain (p = {paired.worse_p_value:.3f}), by less than the {allowed:.0%} that are allowed"
        return [_criterion(name, paired.worse_p_value, level, False, Verdict.REVIEW, reason)]
    if is_worse and gain.value < -allowed:
        reason = f"{told}: worse for certain (p = {paired.worse_p_value:.3f}), by more than the {allowed:.0%} that are allowed"
        return [_criterion(name, gain.lower, -allowed, False, Verdict.HOLD, reason)]
    if is_worse:
        reason = f"{told}: worse for certain (p = {paired.worse_p_value:.3f}), perhaps by more than the {allowed:.0%} that are allowed"
        return [_criterion(name, gain.lower, -allowed, False, Verdict.REVIEW if segment.rows < rows else Verdict.HOLD, reason)]
    if segment.rows < rows:
        return []
    return [_criterion(name, gain.lower, -allowed, False, Verdict.HOLD, f"{told}: it may lose more than {allowed:.0%}")]


def _of_behaviour(behaviour: Behaviour, place: int) -> Criterion:
    result = behaviour.results[place]
    assert result.least_share is not None
    told = f"{result.name}: {result.share:.1%} of {result.rows:,} rows pass, {'at least' if result.holds else 'fewer than'}"
    return _criterion(
        f"behaviour {result.name}", result.share, result.least_share, result.holds, Verdict.HOLD, f"{told} {result.least_share:.1%}"
    )


def _of_fairness(attribute: AttributeFairness, rules: FairnessRules) -> list[Criterion]:
    """Return whether each difference is within its limit: beyond it for certain holds the candidate, near it a person looks."""
    return [_within(f"{measured.name} of {attribute.grouping.name}", measured) for measured in attribute.measured(rules)]


def _not_measured(name: str, why: str) -> Criterion:
    """Return that the groups of an attribute cannot be compared: nobody knows, so a person must say."""
    return _criterion(f"fairness of {name}", 0, 1, False, Verdict.REVIEW, f"fairness of {name} is not known ({why}): a person must approve")


def _within(name: str, measured: Measured) -> Criterion:
    assert measured.limit is not None
    value, limit, standing = measured.found, measured.limit, measured.standing
    told = f"{name} is {value.value:.3f} [{value.lower:.3f}, {value.upper:.3f}]"
    if standing is Standing.BEYOND:
        return _criterion(name, value.value, limit, False, Verdict.HOLD, f"{told}, beyond the limit of {limit:g} for certain")
    if standing is Standing.NEAR:
        reason = f"{told}, near the limit of {limit:g} or beyond it: a person must approve"
        return _criterion(name, value.value, limit, False, Verdict.REVIEW, reason)
    return _criterion(name, value.value, limit, True, Verdict.HOLD, f"{told}, within the limit of {limit:g}")


def _signed(gain: Interval) -> str:
    return f"{gain.value:+.4f} [{gain.lower:+.4f}, {gain.upper:+.4f}]"
