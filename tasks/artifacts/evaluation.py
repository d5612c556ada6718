"""Records of evaluation: models side by side, and the decision."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from tasks.artifacts.record import Interval, Record, SuiteCondition, Window

MODELS = ("network", "lightgbm", "logistic", "prior")
"""What is trained and scored: the candidate, then its baselines."""


class Scores(Record):
    """Quality on some rows; cost is the mean cost of a decision at the model's threshold."""

    auc: Interval
    pr_auc: Interval
    log_loss: Interval
    brier: Interval
    calibration_error: Interval
    cost: Interval


class ModelMetrics(Scores):
    """One model on the evaluation rows."""

    model: str
    threshold: float


class PairedGain(Record):
    """How far the candidate's log-loss lies below the incumbent's on a segment, as a share of the incumbent's."""

    gain: Interval = Field(description="Above 0 is better; 0.01 is 1 % less log-loss")
    worse_p_value: float = Field(description="That it is no worse, adjusted for all segments that were compared")


class SegmentMetrics(Scores):
    """The candidate on one segment, and its gain over the incumbent, if there is one."""

    segment: str
    rows: int
    days: int
    positives: int
    paired: PairedGain | None = None


class SmallSegment(Record):
    """A segment of which nothing is said but its size."""

    segment: str
    rows: int
    days: int
    reason: str


class Bound(Record):
    """One condition of a segment that was found by search: a range of numbers, or some values of a category."""

    feature: str
    above: float | None = Field(None, description="Values must be above it")
    upto: float | None = Field(None, description="Values must be at most it")
    values: list[str] = Field([], description="One of them")


class WeakSegment(Record):
    """Where the candidate's loss was above what it expected itself, found on some days and looked at again on others."""

    segment: str
    bounds: list[Bound]
    rows: int = Field(description="Of the days on which it was looked at again, as all that follows")
    days: int
    log_loss: Interval
    expected_log_loss: float = Field(description="Were the candidate's probabilities right")
    excess: Interval = Field(description="Log-loss above the expected")
    p_value: float = Field(description="That there is no excess, adjusted for all segments that were found")
    is_confirmed: bool


class WeakSegments(Record):
    """What the search for weak segments found, and how much of it held on days that it had not seen."""

    searched: Window
    confirmed_on: Window
    level: float = Field(description="Chance that any segment is called weak where none is")
    found: list[WeakSegment]

    @property
    def confirmed(self) -> list[WeakSegment]:
        """Return the segments that are weak on unseen days too."""
        return [segment for segment in self.found if segment.is_confirmed]


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
    gains: dict[str, Interval] = Field(description="Model to the paired gain of the candidate over it, in log-loss")
    segments: list[SegmentMetrics]
    small_segments: list[SmallSegment]
    weak_segments: WeakSegments
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
    """One requirement of the gate: a value against a threshold, and what it decides where it does not hold."""

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
    evaluation: Window
    owner: str
    features_digest: str = Field(description="Of the features' definitions")
    contract_digest: str = Field(description="Of the data contract")
    criteria: list[Criterion]
    reasons: list[str] = Field(description="Of the criteria that do not hold, or of all")

    @property
    def failed(self) -> list[Criterion]:
        """Return the requirements that do not hold, the hard ones first."""
        return sorted((c for c in self.criteria if not c.holds), key=lambda c: c.decides is not Verdict.HOLD)
