"""Which policy is recommended, by a written rule: the criteria stand in the rules of the backtest."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.artifacts.backtest import BacktestRules, PolicyKind, PolicyResult, Recommendation

NEVER = "never"
"""Name of the policy that keeps the first model: what the others gain is measured from it."""


def recommend(results: Sequence[PolicyResult], shortest: str, rules: BacktestRules) -> Recommendation:
    """Return the policy that is recommended.

    Of those that keep enough of the shortest cadence's gain with few enough promotions and that few random schedules beat, over
    all days and in the mean of all phases, the one with the fewest promotions over the phases, then the least log-loss. If there
    is none: the fixed cadence of the least log-loss.

    Args:
        results: Of all policies.
        shortest: Name of the shortest cadence.
        rules: The criteria.
    """
    most = next(r.promotions for r in results if r.name == shortest)
    real = [r for r in results if r.kind != PolicyKind.ORACLE and r.name != NEVER]
    found = {r.name: _judged(r, most, shortest, rules) for r in real}
    good = [r for r in real if all(holds for _, holds in found[r.name])]
    if good:
        best = min(good, key=lambda r: (_usual_promotions(r), r.log_loss.value, r.kind != PolicyKind.OURS))
        return Recommendation(policy=best.name, meets_all=True, reasons=[told for told, _ in found[best.name]])
    best = min((r for r in real if r.kind == PolicyKind.FIXED), key=lambda r: (r.log_loss.value, r.promotions))
    reasons = [f"no policy meets all criteria, so the fixed cadence of the least log-loss is recommended: {best.name}"]
    reasons += [f"{r.name}: {'; '.join(told for told, holds in found[r.name] if not holds)}" for r in real if r.kind == PolicyKind.OURS]
    return Recommendation(policy=best.name, meets_all=False, reasons=reasons)


def _usual_promotions(result: PolicyResult) -> float:
    return float(result.promotions) if result.phases is None else result.phases.promotions


def _judged(result: PolicyResult, most: int, shortest: str, rules: BacktestRules) -> list[tuple[str, bool]]:
    """Return what is said of a policy by each criterion, and whether that holds."""
    found = _criteria("over all days", result.gain_share, result.promotions, most, result.beaten_by_random, shortest, rules)
    if (phases := result.phases) is None:
        return found
    where = f"in the mean of {rules.phases} phases"
    told = phases.gain_share, phases.promotions, phases.shortest_promotions, phases.beaten_by_random
    return found + _criteria(where, *told, shortest, rules)


def _criteria(
    where: str, share: float | None, promotions: float, most: float, beaten: float | None, shortest: str, rules: BacktestRules
) -> list[tuple[str, bool]]:
    kept = "has no gain to keep" if share is None else f"keeps {share:.0%} of the gain of {shortest} over {NEVER}"
    chance = "chance has no say" if beaten is None else f"{beaten:.1%} of random schedules with as many promotions do better"
    limit = most * rules.most_promotions_share
    return [
        (f"{where}, {kept} (at least {rules.least_gain_share:.0%})", share is not None and share >= rules.least_gain_share),
        (f"{where}, {promotions:.3g} promotions of {most:.3g} (at most {limit:.1f})", promotions <= limit),
        (f"{where}, {chance} (at most {rules.most_beaten_share:.0%})", beaten is None or beaten <= rules.most_beaten_share),
    ]
