"""Records of the dossier: everything that a decision rests on, in one document that an auditor can follow."""

from __future__ import annotations

from pydantic import Field

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness, FairnessRules
from tasks.artifacts.monitoring import MonitoringRules
from tasks.artifacts.record import Record
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.settings import Costs
from tasks.artifacts.training import TrainedModel


class ModelCard(Record):
    """What people must know and no measurement says; the use case writes it in `tasks/usecase/policy.py`."""

    purpose: str = Field(description="What the model predicts, for whom")
    intended_uses: list[str]
    uses_out_of_scope: list[str]
    users: list[str]
    affected: list[str] = Field(description="Who is touched by its decisions")
    human_oversight: list[str]
    limits: list[str]
    risks: list[str] = Field(description="Each with what is done about it")
    rollback_criteria: list[str]
    provider: str
    owner: str
    contact: str


class Component(Record):
    """One package of the environment."""

    name: str
    version: str
    licence: str
    is_direct: bool = Field(description="Named in pyproject.toml, rather than needed by one that is")


class Dossier(Record):
    """All of it: the same facts as the HTML beside it."""

    use_case: str
    card: ModelCard
    costs: Costs = Field(description="What the threshold of the decision weighs")
    fairness_rules: FairnessRules = Field(description="What the groups may differ by")
    monitoring: MonitoringRules = Field(description="When the model is called drifted, decayed or old once it is in use")
    decision: Decision
    candidate: TrainedModel
    baselines: list[TrainedModel]
    evaluation: Evaluation
    fairness: Fairness
    behaviour: Behaviour
    explanation: GlobalExplanation
    snapshot: DataSnapshot
    validation: ValidationReport
    service: ServiceCheck
    package_digest: str
    code_commit: str
    lock_hash: str
    components: list[Component]
