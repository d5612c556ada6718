"""Records of evaluation: models side by side, and the decision."""

from __future__ import annotations

from enum import StrEnum

from tasks.artifacts.record import Interval, Record, SuiteCondition, Window

MODELS = ("network", "lightgbm", "logistic", "prior")
"""What is trained and scored: the candidate, then its baselines."""


class ModelMetrics(Record):
    """One model on the evaluation rows; cost is the mean cost of a decision at the model's threshold."""

    model: str
    threshold: float
    auc: Interval
    pr_auc: Interval
    log_loss: Interval
    brier: Interval
    calibration_error: Interval
    cost: Interval


class SegmentMetrics(Record):
    """The candidate (and the incumbent, if there is one) on one segment."""

    segment: str
    rows: int
    days: int
    positives: int
    log_loss: Interval
    cost: Interval
    gain_over_incumbent: Interval | None


class CalibrationBin(Record):
    """Rows of similar predicted probability: what was predicted and what came."""

    predicted: float
    observed: float
    rows: int


class Evaluation(Record):
    """All that the decision rests on: models side by side on the same rows of the same days."""

    candidate_digest: str
    incumbent_version: int | None
    window: Window
    rows: int
    base_rate: float
    metrics: list[ModelMetrics]
    gains: dict[str, Interval]
    segments: list[SegmentMetrics]
    calibration: list[CalibrationBin]
    suite: list[SuiteCondition]

    def of(self, model: str) -> ModelMetrics:
        """Return one model's metrics."""
        return next(metrics for metrics in self.metrics if metrics.model == model)


class Verdict(StrEnum):
    """What becomes of a candidate."""

    PROMOTE = "PROMOTE"
    REVIEW = "REVIEW"
    HOLD = "HOLD"


class Criterion(Record):
    """One requirement of the gate: a value against a threshold."""

    name: str
    value: float
    threshold: float
    holds: bool
    decides: Verdict
    reason: str


class Decision(Record):
    """The verdict on a candidate, with everything that it rests on."""

    verdict: Verdict
    candidate_digest: str
    incumbent_version: int | None
    snapshot_hash: str
    criteria: list[Criterion]
    reasons: list[str]
