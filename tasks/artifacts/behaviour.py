"""Records of behaviour: what a model must do under inputs that are renamed, shifted, missing, unseen, noisy, hostile or rare.

What must hold is declared as data (`Expectation` and its kinds), by the use case; the limits are the policy's; what came
of it is `Behaviour`.
"""

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


class Expectation(Record):
    """What must hold on a row. `{tolerance}` in its meaning stands for the limit's."""

    name: str
    kind: BehaviourKind
    meaning: str

    @property
    def columns(self) -> list[str]:
        """Names of the features that it changes or looks at."""
        return []


class Rebuilt(Expectation):
    """The same rows, made again from raw data in which something changed that must not matter."""


class Changed(Expectation):
    """Rows with changed features: the probability must stay, or, for a direction, must not fall."""

    add: dict[str, float] = Field({}, description="Feature to what is added; a null stays null")
    at_most: dict[str, float] = Field({}, description="Feature to its largest possible value, where it has one")
    missing: list[str] = Field([], description="Features that become null")
    values: dict[str, str] = Field({}, description="Categorical feature to its new value")
    noisy: list[str] = Field([], description="Features that Gaussian noise is added to")
    noise: float = Field(0.0, ge=0, description="Deviation of the noise, in standard deviations of the feature")

    @property
    def columns(self) -> list[str]:
        """Names of the features that it changes."""
        return [*self.add, *self.missing, *self.values, *self.noisy]


class Hostile(Expectation):
    """Rows moved against their label by the sign of the gradient: the decision must stay."""

    step: float = Field(gt=0, description="Of every numeric input, in standard deviations")


class Rare(Expectation):
    """Rows with a feature beyond a quantile of all rows: the model must be no worse there than a guess."""

    extreme: list[str] = Field(min_length=1, description="Features, of which one beyond the quantile is enough")
    quantile: float = Field(gt=0, lt=1)

    @property
    def columns(self) -> list[str]:
        """Names of the features that it looks at."""
        return self.extreme


class BehaviourLimit(Record):
    """How far a row may go against an expectation, and on how many rows."""

    tolerance: float = Field(ge=0, description="In probability; for a minimum, in log-loss")
    least_share: float | None = Field(ge=0, le=1, description="Of rows that must pass; None is missing and refuses a promotion")


class BehaviourRules(Record):
    """How many rows are examined, and the limit of each expectation."""

    rows: int = Field(ge=100, description="Most evaluation rows, a like share of every day; rebuilt and rare rows are all taken")
    seed: int = Field(ge=0, description="Seed of the sample of rows and of the noise")
    limits: dict[str, BehaviourLimit] = Field(description="By name of the expectation; one without a limit does not hold")


class BehaviourResult(Record):
    """One test: on how many rows the model does what it must, against the least share."""

    name: str
    kind: BehaviourKind
    meaning: str = Field(description="What must hold on a row, in a sentence with the tolerance")
    rows: int = Field(ge=1)
    passed: int = Field(ge=0)
    least_share: float | None = Field(description="Of rows that must pass; None is missing and refuses a promotion")
    largest: float = Field(description="The largest change against what must hold, in probability; for a minimum, in log-loss")
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

    @property
    def broken(self) -> list[BehaviourResult]:
        """The tests that do not hold."""
        return [result for result in self.results if not result.holds]

    def __repr__(self) -> str:
        """Return how many hold, and the names of those that do not."""
        failed = ", ".join(f"{result.name} ({result.share:.1%})" for result in self.broken)
        return f"{len(self.results) - len(self.broken)} of {len(self.results)} tests of behaviour hold{f'; not {failed}' if failed else ''}"

    __str__ = __repr__
