"""Records of behaviour: what a model must do under inputs that are renamed, shifted, missing, unseen, noisy, hostile or rare."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Record, Window


class BehaviourKind(StrEnum):
    """What a test asks of a model (Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with CheckList", ACL 2020)."""

    INVARIANCE = "invariance"
    DIRECTION = "direction"
    ROBUSTNESS = "robustness"
    MINIMUM = "minimum"


class BehaviourResult(Record):
    """One test: on how many rows the model does what it must, against the least share."""

    name: str
    kind: BehaviourKind
    meaning: str = Field(description="What must hold on a row, in a sentence with the tolerance")
    rows: int
    passed: int
    least_share: float | None = Field(description="Of rows that must pass; None is missing and refuses a promotion")
    largest: float = Field(description="The largest change against what must hold, in probability")
    example: str = Field("", description="The row that goes furthest against it, without sensitive values; empty if none does")

    @property
    def share(self) -> float:
        """Share of the rows that pass."""
        return self.passed / self.rows

    @property
    def holds(self) -> bool:
        """Whether enough rows pass; never without a limit."""
        return self.least_share is not None and self.share >= self.least_share


class Behaviour(Record):
    """All tests of behaviour on one model."""

    model_digest: str
    window: Window
    results: list[BehaviourResult]
