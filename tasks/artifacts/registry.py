"""Records of the package, the registry and the run."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness, Grouping
from tasks.artifacts.record import Record, Window
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.training import TrainedModel
from tasks.artifacts.usage import Prices, ResourceAdvice, TaskUsage


class Incumbent(Record):
    """The model to beat: the champion when the candidate was first judged, or none."""

    version: int | None
    bundle_uri: str | None
    bundle_digest: str | None
    threshold: float | None
    features_digest: str | None = Field(None, description="Of the features' definitions when it was trained; None if that was not kept")
    contract_digest: str | None = Field(None, description="Of the data contract at that time")
    grouping: Grouping | None = Field(None, description="If it decides by the thresholds of groups: of which")
    group_thresholds: dict[str, float] = Field({}, description="Group to threshold; others take `threshold`")


class RegisteredModel(Record):
    """A version in the registry."""

    name: str
    version: int
    aliases: list[str]
    package_digest: str
    run_id: str
    dossier_digest: str = Field("", description="Of its dossier.json: an approval must name it")


class StageCost(Record):
    """What one stage used in this run."""

    stage: str
    seconds: float
    peak_memory_mb: float
    tasks: int
    cached: int
    cpu_seconds: float = 0.0
    device_seconds: float = 0.0
    energy_joules: float | None = Field(None, description="Of the tasks whose energy a counter told")
    cost: float = Field(0.0, description="By the policy's price list")


class RunSummary(Record):
    """One run, as it is printed, kept as JSON and shown in the report."""

    run_id: str
    use_case: str
    as_of: datetime
    snapshot: DataSnapshot
    validation: ValidationReport
    models: list[TrainedModel]
    evaluation: Evaluation
    fairness: Fairness
    behaviour: Behaviour
    explanation: GlobalExplanation
    decision: Decision
    service: ServiceCheck
    registered: RegisteredModel
    stages: list[StageCost]
    seconds: float
    peak_memory_mb: float
    report: str
    cpu_seconds: float = 0.0
    device_seconds: float = 0.0
    peak_device_mb: float | None = None
    energy_joules: float | None = None
    cost: float = Field(0.0, description="In the currency of the prices")
    cost_as_suggested: float = Field(0.0, description="Had each task asked for what its runs suggest")
    prices: Prices | None = Field(None, description="The policy's, at the time of the run")
    tasks: list[TaskUsage] = Field([], description="What each task used, in the order in which they ended")
    advice: list[ResourceAdvice] = Field([], description="What each task should ask for")

    def __repr__(self) -> str:
        """Return the outcome of the run."""
        return f"{self.decision.verdict.value}: {self.registered.name} version {self.registered.version}, {self.report}"

    __str__ = __repr__


class ChampionState(Record):
    """The champion, as the monitor needs it."""

    version: int
    bundle_uri: str
    bundle_digest: str
    evaluation: Window
    log_loss: float
    newest_candidate_day: date = Field(description="Last evaluation day of the newest version, promoted or not")
    threshold: float = 0.5
    previous_version: int | None = Field(None, description="The version that was champion before, if there is one")
    previous_uri: str = ""
    previous_digest: str = ""
    dependencies: dict[str, str] = Field({}, description="What it was trained with: packages, data contract, features, source")
