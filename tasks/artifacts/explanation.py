"""Records of explanation: which features matter to a model, and why one prediction came out as it did."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tasks.artifacts.record import Interval, Record, Window


class FeatureEffect(Record):
    """One feature by two methods that need not agree."""

    feature: str
    group: str
    meaning: str
    permutation: Interval = Field(description="Increase of log-loss when its values are permuted")
    attribution: Interval = Field(description="Mean size of its integrated gradient, in logits")


class GlobalExplanation(Record):
    """Which features matter to a model on the evaluation days, dearest by permutation first."""

    model_digest: str
    window: Window
    rows: int
    days: int
    features: list[FeatureEffect]
    rank_correlation: float = Field(ge=-1, le=1, description="Spearman's, between the two methods")


class Contribution(Record):
    """What one feature did to one prediction."""

    feature: str
    meaning: str
    value: str = Field(description="As the row has it, with its unit in `meaning`; masked if sensitive")
    typical: str = Field(description="What it is compared with: the median or the most frequent value of training rows")
    logits: float = Field(description="Above 0 raises the probability")


class LocalExplanation(Record):
    """Why one prediction came out as it did: from a typical row to this one, by feature (integrated gradients)."""

    row: str = Field(description="Id of the row")
    predicted_at: datetime
    model: str
    model_digest: str
    probability: float
    typical_probability: float = Field(description="Of the typical row")
    threshold: float
    flagged: bool
    label: int | None
    contributions: list[Contribution] = Field(description="All features, the largest size first")
    remainder: float = Field(description="Logits that the contributions leave unexplained: the error of the path's steps")
    words: list[str] = Field(description="The reasons in sentences, the strongest first")

    def __repr__(self) -> str:
        """Return the decision and its reasons."""
        head = f"{self.row}: {self.probability:.1%}, {'flagged' if self.flagged else 'not flagged'} (threshold {self.threshold:.1%})"
        return "\n".join(["", f"  {head}", *(f"  - {reason}" for reason in self.words)])

    __str__ = __repr__
