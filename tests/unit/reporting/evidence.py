"""Realistic records for the tests of the dossier and of its parts: fairness, behaviour, explanation, environment."""

from __future__ import annotations

import numpy as np

from tasks.artifacts.behaviour import Behaviour, BehaviourKind, BehaviourResult
from tasks.artifacts.dossier import Component, Dossier, ModelCard
from tasks.artifacts.evaluation import Verdict
from tasks.artifacts.explanation import FeatureEffect, GlobalExplanation
from tasks.artifacts.fairness import AttributeFairness, Fairness, FairnessLimits, FairnessRules, Grouping, GroupRates
from tasks.artifacts.monitoring import DriftRules, LabellingRules, MonitoringRules, QualityRules, ServedRules, TriggerRules
from tasks.artifacts.settings import Costs
from tests.unit.reporting import factory
from tests.unit.reporting.factory import interval

WINDOW = factory.evaluation().window

CARD = ModelCard(
    purpose="It says whether a flight from New York arrives 15 minutes late or more, two hours before it leaves.",
    intended_uses=["Warn the duty managers early.", "Rank the flights of the next hours."],
    uses_out_of_scope=["Decisions about a passenger.", "Anything that safety rests on."],
    users=["Duty managers of airlines"],
    affected=["Passengers with a connection", "Communities with little air service"],
    human_oversight=["A warning starts a check by a person; no step follows from it by itself."],
    limits=["One year and three airports.", "Cancelled flights have no label."],
    risks=["Missed late flights: a miss counts four times a needless warning.", "Bad data: a contract stops them."],
    rollback_criteria=["Log-loss is for certain more than 0.03 above the evaluation's."],
    provider="Evergreen",
    owner="flight-operations",
    contact="flight-operations@example.com",
)

RULES = FairnessRules(
    fewest_rows=500,
    fewest_days=14,
    fewest_of_a_class=50,
    near=0.8,
    limits={
        name: FairnessLimits(equal_opportunity=0.15, equalized_odds=0.2, demographic_parity=0.3, disparate_impact=0.5)
        for name in ("air service", "carrier")
    },
)

MONITORING = MonitoringRules(
    drift=DriftRules(
        false_alarms_a_year=0.1,
        looks_a_year=100.0,
        windows=[2, 7, 14],
        reference_days=84,
        fewest_reference_days=28,
        permutations=4_000,
        classifier_days=7,
        classifier_rows=20_000,
    ),
    quality=QualityRules(
        days=28,
        fewest_days=7,
        decay_margin=0.03,
        fewest_labelled_share=0.5,
        roll_back_days=14,
        roll_back_margin=0.002,
        roll_back_level=0.001,
    ),
    served=ServedRules(
        days=7,
        stale_hours=48.0,
        volume_share=0.5,
        violations_share=0.01,
        skew_tolerance=1e-4,
        skewed_share=0.01,
        errors_share=0.01,
    ),
    labelling=LabellingRules(budget=50, exploration_share=0.2, unusual_share=0.3),
    trigger=TriggerRules(
        every_days=28,
        new_labelled_days=28,
        oldest_days=56,
        drift_groups=["schedule", "state"],
        alarms_needed=2,
        alarms_of=3,
        cool_down_days=7,
        most_missed_nights=14,
        lease_hours=6.0,
        rolls_back=True,
    ),
)


def group(name: str, rows: int, *, counts: bool = True) -> GroupRates:
    return GroupRates(
        group=name,
        rows=rows,
        days=28,
        positives=rows // 4,
        counts=counts,
        selection_rate=interval(0.34, 0.03),
        true_positive_rate=interval(0.68, 0.05) if rows > 3 else None,
        false_positive_rate=interval(0.22, 0.03),
        log_loss=interval(0.51, 0.04),
        cost=interval(0.6, 0.05),
    )


def attribute(name: str, groups: list[GroupRates]) -> AttributeFairness:
    is_cut = name == "air service"
    grouping = Grouping(
        name=name,
        column="arrivals_dest_28d_n" if is_cut else name,
        cut=28 if is_cut else None,
        below="small community" if is_cut else "",
        above="well served" if is_cut else "",
    )
    return AttributeFairness(
        grouping=grouping,
        groups=groups,
        demographic_parity_difference=interval(0.08, 0.03),
        disparate_impact=interval(0.79, 0.06),
        equal_opportunity_difference=interval(0.06, 0.04),
        equalized_odds_difference=interval(0.09, 0.05),
    )


def fairness(carriers: int = 12) -> Fairness:
    by_carrier = [group(f"carrier {n}", 600 + 150 * n) for n in range(carriers)]
    return Fairness(
        model_digest=factory.CANDIDATE_DIGEST,
        window=WINDOW,
        rows=26_123,
        days=28,
        attributes=[
            attribute("air service", [group("small community", 1_404), group("well served", 24_719)]),
            attribute("carrier", [*by_carrier, group("OO", 3, counts=False)]),
        ],
    )


def behaviour(passed: int = 1_990) -> Behaviour:
    tests = {
        "renamed flight numbers": (BehaviourKind.INVARIANCE, 1.0),
        "more delay upstream": (BehaviourKind.DIRECTION, 0.95),
        "no weather": (BehaviourKind.ROBUSTNESS, 0.9),
        "rare storms": (BehaviourKind.MINIMUM, 0.9),
    }
    return Behaviour(
        model_digest=factory.CANDIDATE_DIGEST,
        window=WINDOW,
        results=[
            BehaviourResult(
                name=name,
                kind=kind,
                meaning=f"with {name}, the probability moves by at most 0.05",
                rows=2_000,
                passed=2_000 if share == 1 else passed,
                least_share=share,
                largest=0.0 if share == 1 else 0.0712,
                example="" if share == 1 else "2013-06-12, JFK to BOS, hour 18",
            )
            for name, (kind, share) in tests.items()
        ],
    )


def explanation() -> GlobalExplanation:
    rng = np.random.default_rng(factory.RNG_SEED)
    sizes = np.sort(rng.exponential(0.01, len(factory.NUMERIC)))[::-1]
    return GlobalExplanation(
        model_digest=factory.CANDIDATE_DIGEST,
        window=WINDOW,
        rows=3_000,
        days=28,
        features=[
            FeatureEffect(
                feature=name,
                group="weather" if name in {"humid", "visib", "precip"} else "states",
                meaning=f"Meaning of {name}",
                permutation=interval(float(size), 0.002),
                attribution=interval(float(8 * size), 0.01),
            )
            for name, size in zip(factory.NUMERIC, sizes, strict=True)
        ],
        rank_correlation=0.83,
    )


def components(packages: int = 330) -> list[Component]:
    licences = ["MIT", "Apache-2.0", "BSD-3-Clause", "AGPL-3.0-or-later", "unknown"]
    return [
        Component(name=f"package-{n:03}", version=f"1.{n}.0", licence=licences[min(n % 7, 4)], is_direct=n % 10 == 0)
        for n in range(packages)
    ]


def dossier(
    verdict: Verdict = Verdict.PROMOTE, champion: int | None = 2, extra_segments: int = 0, carriers: int = 12, packages: int = 330
) -> Dossier:
    *baselines, candidate = factory.models()
    return Dossier(
        use_case="nyc-late-flights",
        card=CARD,
        costs=Costs(missed=4.0, needless=1.0),
        fairness_rules=RULES,
        monitoring=MONITORING,
        decision=factory.decision(verdict, champion),
        candidate=candidate,
        baselines=baselines,
        evaluation=factory.evaluation(champion, extra_segments),
        fairness=fairness(carriers),
        behaviour=behaviour(),
        explanation=explanation(),
        snapshot=factory.snapshot(),
        validation=factory.validation(),
        service=factory.service(),
        package_digest=factory.digest(5),
        code_commit="c" * 40,
        lock_hash=factory.digest(6),
        components=components(packages),
    )
