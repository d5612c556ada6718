"""An installation on which every test of the rubric has its evidence: a real lake, a real MLflow, a report of tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.artifacts.audit import Act
from tasks.artifacts.dossier import Dossier
from tasks.artifacts.evaluation import Criterion, Decision, Verdict
from tasks.artifacts.explanation import FeatureEffect
from tasks.artifacts.monitoring import Dependency, NightReport
from tasks.artifacts.readiness import Inventory, Proof, ReadinessRules
from tasks.artifacts.record import Interval
from tasks.artifacts.retraining import Action
from tasks.artifacts.search import FoldScore, Range, Search, SearchConfig, Trial, TrialState
from tasks.artifacts.serving import Arm, Routing
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import FoldResult
from tasks.artifacts.usage import Request, TaskUsage
from tasks.lake import audit, nights, proofs, tables, usage
from tasks.model import bundle
from tasks.readiness import gather, served, trained, watched
from tasks.readiness.installation import Installation, Terms
from tasks.readiness.report import CODE
from tasks.readiness.rubric import RUBRIC
from tasks.registry import inventory, promotion, runs
from tasks.registry.tracking import Tracker
from tasks.registry.versions import Registry
from tasks.usecase import policy
from tests.unit.registry.versions import judged
from tests.unit.reporting import evidence, factory
from tests.unit.reporting import nights as toy

NAME, COMMIT, OF_NOW = "toy", "c" * 40, "code of now"
CONTRACT = "contract of now"
ATTRIBUTES = ("air service",)
RULES: ReadinessRules = policy.READINESS
TERMS = Terms(
    contract_digest=CONTRACT,
    inputs=[*factory.NUMERIC, *factory.CATEGORICAL],
    restricted=frozenset({"tailnum"}),
    raw_tables=frozenset({"flights"}),
    attributes=ATTRIBUTES,
    no_value_log_loss=policy.DATA_VALUE.no_value_log_loss,
    monitoring=policy.MONITORING,
    code=OF_NOW,
)
CRITERIA = (
    *("log-loss against LightGBM", "gain over logistic regression", "segment carrier B6"),
    *("equal opportunity of air service", "service p99", "service memory", "service ready"),
)
NIGHTS = 8
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class House:
    """A home with its lake and registry, read as of an instant."""

    home: Path
    now: datetime
    terms: Terms = TERMS

    @property
    def lake(self) -> str:
        return str(self.home / "lake")

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.home / 'mlflow.db'}"

    def inventory(self) -> Inventory:
        return inventory.take(Registry(self.uri, NAME), Tracker(self.uri, NAME))

    def read(self) -> Installation:
        return gather.gather(self.lake, self.home, self.inventory(), self.terms, RULES, self.now)


def furnish(home: Path) -> House:
    """Fill a home with what a well-kept installation has on record."""
    home.mkdir(parents=True, exist_ok=True)
    house = House(home, datetime.now(UTC))  # MLflow tells when versions were registered by the machine's clock
    _versions(house)
    _search(house)
    _usage(house)
    _nights(house)
    _rollout(house)
    proof = Proof(
        kind=proofs.REPRODUCTION, subject="toy version 2", holds=True, told="the same weights", at=house.now - DAY, run="r", record="{}"
    )
    proofs.add(house.lake, proof)
    tables.overwrite(f"{house.lake}/flights", pl.DataFrame({"tailnum": ["N1"], "origin": ["JFK"]}))
    tables.overwrite(f"{house.lake}/features", pl.DataFrame({"flight_id": ["a"], "humid": [0.5]}))
    report(home / "tests.xml", house.now - HOUR, [name for entry in RUBRIC for look in entry.looks for name in getattr(look, "tests", ())])
    return house


def report(
    path: Path, at: datetime, names: list[str], failed: tuple[str, ...] = (), skipped: tuple[str, ...] = (), code: str = OF_NOW
) -> None:
    """Write a report as pytest does; a file's name stands for a test of two cases in it."""
    cases = []
    for name in dict.fromkeys(names):
        file, _, test = name.partition("::")
        inside = "<failure/>" if name in failed else "<skipped/>" if name in skipped else ""
        for case in [test] if test else ["test_it[one]", "test_it[two]"]:
            cases.append(f'<testcase classname="{file.removesuffix(".py").replace("/", ".")}" name="{case}">{inside}</testcase>')
    told = f'<properties><property name="{CODE}" value="{code}"/></properties>'
    path.write_text(f'<testsuites><testsuite name="pytest" timestamp="{at.isoformat()}">{told}{"".join(cases)}</testsuite></testsuites>')


def dossier(decision: Decision) -> Dossier:
    whole = evidence.dossier()
    (effect, *_) = whole.explanation.features
    worth = Interval(value=0.01, lower=0.008, upper=0.012)
    effects = [FeatureEffect(**(effect.model_dump() | {"feature": name, "permutation": worth})) for name in TERMS.inputs]
    return whole.model_copy(
        update={
            "decision": decision,
            "candidate": whole.candidate.model_copy(update={"losses": [0.5, 0.45]}),
            "explanation": whole.explanation.model_copy(update={"features": effects}),
            "fairness": whole.fairness.model_copy(update={"not_measured": {}}),
        }
    )


def decided(digest: str, champion: int | None) -> Decision:
    """Return a decision of REVIEW, as the contract is another one, in which all else holds."""
    held = [Criterion(name=name, value=1, threshold=0, holds=True, decides=Verdict.HOLD, reason=f"{name} holds") for name in CRITERIA]
    other = Criterion(name="same contract", value=0, threshold=1, holds=False, decides=Verdict.REVIEW, reason="the contract is another")
    update = {"candidate_digest": digest, "criteria": [*held, other], "contract_digest": CONTRACT}
    whole: Decision = factory.decision(Verdict.REVIEW, champion).model_copy(update=update)
    return whole


def _versions(house: House) -> None:
    """Register two versions, each approved by a person; then go back to the first, and to the second again."""
    registry = Registry(house.uri, NAME)
    for digest, before in (("a", None), ("b", 1)):
        decision = decided(digest, before)
        found = judged(registry, house.home / "made", digest, Verdict.REVIEW, decision)
        place, text = house.home / "made" / f"dossier-{digest}", dossier(decision).model_dump_json()
        bundle.write(place, lambda inside, text=text: (inside / "dossier.json").write_text(text))
        lineage = {"owner": "x", "code_commit": COMMIT, "lock_hash": "lock", "source": "s"}
        found = replace(found, dossier=place, dossier_digest=promotion.dossier_digest(place), lineage=lineage)
        number, at = registry.register(found).version, house.now - 5 * HOUR
        promotion.record_decision(registry, house.lake, number, decision, "a task", at)
        promotion.approve(registry, house.lake, number, "Ada Example", "read and sound", found.dossier_digest[:12], at, 72)
        promotion.promote(registry, house.lake, number, "a task", at)
    for number in (1, 2):
        promotion.roll_back(registry, house.lake, number, "Ada Example", "to practise", house.now - 4 * HOUR)


def _search(house: House) -> None:
    config = TrainingConfig()
    fold = FoldScore(
        result=FoldResult(window=factory.model("network").split.folds[0], rows=9, log_loss=0.5), losses=[0.5], device="cpu", seconds=1
    )
    rules = SearchConfig(trials=1, at_once=1, fewest_before_pruning=1, space=[Range(setting="k", low=2, high=8)], seed=1)
    search = Search(
        identity="s",
        features_hash="h",
        split=factory.model("network").split,
        base=config,
        rules=rules,
        trials=[Trial(number=0, config=config, state=TrialState.COMPLETE, folds=[fold, fold])],
        best=0,
    )
    runs.log_search(Tracker(house.uri, NAME), NAME, search)


def used(task: str, run: str, started: datetime, seconds: float = 1.5) -> TaskUsage:
    return TaskUsage(run=run, task=task, started=started, asked=Request(cpu=1, mem_mb=100), seconds=seconds)


def _usage(house: House) -> None:
    for task in (trained.REGISTER, *trained.FEATURES, watched.ADMIT, served.JUDGE, served.EXPLAIN):
        for hour, run in ((2, "first"), (1, "second")):
            usage.add(house.lake, used(task, run, house.now - hour * HOUR))


def night(number: int, **more: Any) -> NightReport:
    """Return a night that is well: the higher its number, the higher both losses."""
    day = date(2013, 10, 1) + timedelta(days=number)
    whole = toy.calm(day)
    assert whole.quality is not None
    assert whole.served is not None
    offline = factory.interval(0.49 + number / 1000, 0.01)
    online = factory.interval(0.48 + number / 500, 0.01)
    decay = Interval(value=0.0, lower=-0.01, upper=0.01)
    update = {
        "quality": whole.quality.model_copy(update={"log_loss": offline, "decay": decay}),
        "served": whole.served.model_copy(update={"log_loss": online, "violations": {}, "skew": [], "predictions": 900, "compared": 900}),
        "dependencies": [Dependency(name="packages", then="lock", now="lock")],
    }
    return whole.model_copy(update=update | more)


def _nights(house: House) -> None:
    for number in range(NIGHTS):
        found = night(number)
        at = house.now - (NIGHTS - number) * HOUR
        nights.record(house.lake, [found], [toy.decision(Action.NONE, found.night)], f"night {number}", at)


def _rollout(house: House) -> None:
    old, new = Arm(version=1, package_digest="1" * 64), Arm(version=2, package_digest="2" * 64)
    steps = (
        Routing(revision=1, champion=old, by="Ada", reason="r", changed_at=house.now - 4 * HOUR),
        Routing(revision=2, champion=old, canary=new, share=0.1, by="Ada", reason="r", changed_at=house.now - 3 * HOUR),
        Routing(revision=3, champion=new, by="Ada", reason="r", changed_at=house.now - HOUR),
    )
    for step in steps:
        audit.append(house.lake, Act.ROUTING, "Ada", f"{NAME} routing {step.revision}", "r", step.model_dump_json(), step.changed_at)
