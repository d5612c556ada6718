"""The records that cross task edges: frozen, closed, with units in their names.

Every record refuses unknown fields. What is larger than a record travels as a typed frame (`tasks/frames.py`), a
folder, or a reference to a version of a table.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

_SHOWN = 300  # characters of a record that are printed


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields, no values that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr__(self) -> str:
        """Return one short line: a record may hold thousands of values, and `pyflyte run` prints what a workflow returns."""
        text = self.model_dump_json()
        return f"{type(self).__name__} {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"

    __str__ = __repr__


class NetworkConfig(Record):
    """Sizes of the network and how it is trained."""

    k: int = Field(8, ge=1, le=64, description="Members of the ensemble")
    width: int = Field(192, ge=8, le=2048, description="Width of a block")
    blocks: int = Field(3, ge=1, le=8, description="Number of blocks")
    dropout: float = Field(0.15, ge=0, lt=1, description="Dropout rate")
    embedding_width: int = Field(8, ge=1, le=64, description="Width of a numeric feature's embedding")
    bins: int = Field(48, ge=2, le=256, description="Bins of a numeric feature")
    epochs: int = Field(1, ge=1, le=100, description="Passes over the training rows")
    batch_rows: int = Field(256, ge=16, le=65536, description="Rows of a batch")
    learning_rate: float = Field(0.003, gt=0, le=1, description="Peak learning rate of AdamW")
    weight_decay: float = Field(0.0003, ge=0, le=1, description="Weight decay of AdamW")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises")
    averaging_decay: float = Field(0.99, ge=0, lt=1, description="Decay of the moving average of the weights; 0 for none")
    seed: int = Field(2013, ge=0, description="Seed of initial weights, order of rows and dropout")


# --- policy: the forms that `tasks/usecase/policy.py` fills in, value by value with its reason ----------------------------


class Costs(Record):
    """What a wrong decision costs, in any one unit."""

    missed: float = Field(ge=0, description="A positive that was not flagged")
    needless: float = Field(ge=0, description="A negative that was flagged")


class BatchRules(Record):
    """When a snapshot is not fit to train on; shares are of 1."""

    fewest_rows: int
    fewest_days: int
    missing_days_warn: int
    missing_days_stop: int
    thin_day_share_warn: float
    thin_day_share_stop: float
    quarantined_share_warn: float
    quarantined_share_stop: float


class PromotionRules(Record):
    """What a candidate must show. A missing (None) threshold refuses."""

    lightgbm_log_loss_ratio: float | None
    logistic_gain: float | None
    incumbent_gain: float | None
    segment_loss: float | None
    segment_days: int | None
    review_first_model: bool


class MonitoringRules(Record):
    """When the days since training are different enough to act."""

    false_alarm_rate: float = Field(gt=0, lt=1)
    permutations: int = Field(ge=100)
    reference_days: int
    current_days: int
    fewest_current_days: int
    decay_margin: float
    oldest_days: int
    cool_down_days: int


class Interval(Record):
    """A value with its 95 % interval from a bootstrap over whole days."""

    value: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.lower:.4f}, {self.upper:.4f}]"


# --- data -------------------------------------------------------------------------------------------------------------


class TableVersion(Record):
    """One version of one Delta table, as the clock saw it."""

    name: str
    uri: str
    version: int
    rows: int
    content_hash: str


class QuarantineCount(Record):
    """Rows of one table set aside, by reason; a row may have several."""

    table: str
    rows: int
    reasons: dict[str, int]


class DataSnapshot(Record):
    """All data known at an instant: reading it again gives the same rows, whatever was ingested since."""

    source: str
    as_of: datetime
    first_day: date
    last_day: date
    tables: list[TableVersion]
    quarantined: list[QuarantineCount]
    rows_read: int
    content_hash: str

    def table(self, name: str) -> TableVersion:
        """Return one table's version."""
        return next(table for table in self.tables if table.name == name)


class Severity(StrEnum):
    """What a finding, or all findings together, mean for the batch."""

    PASS = "PASS"
    WARN = "WARN"
    STOP = "STOP"


class Finding(Record):
    """One rule about a batch: what was expected and what was found."""

    rule: str
    severity: Severity
    expected: str
    found: str


class ValidationReport(Record):
    """The verdict on a snapshot."""

    snapshot_hash: str
    verdict: Severity
    findings: list[Finding]
    rows_by_day: dict[str, int]


# --- training ---------------------------------------------------------------------------------------------------------


class Window(Record):
    """Consecutive local days, both ends included."""

    first_day: date
    last_day: date

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"


class Split(Record):
    """Training rows, then rolling-origin folds within them, then evaluation days that nothing is fitted on.

    A fold trains on the labels known before its first day; so does the final model before the evaluation days.
    """

    training: Window
    evaluation: Window
    folds: list[Window]


class BaselineConfig(Record):
    """How the baselines are trained."""

    lightgbm_rounds: int = Field(300, ge=1, le=10_000, description="Most boosting rounds; folds choose how many")
    lightgbm_learning_rate: float = Field(0.05, gt=0, le=1)
    lightgbm_leaves: int = Field(31, ge=2, le=1024)
    logistic_c: float = Field(0.1, gt=0, description="Inverse strength of the L2 penalty")
    threads: int = Field(2, ge=1, le=64, description="Threads of LightGBM")
    seed: int = Field(2013, ge=0)


class TrainingConfig(Record):
    """Everything about training that is a choice."""

    network: NetworkConfig = NetworkConfig()
    baselines: BaselineConfig = BaselineConfig()
    evaluation_days: int = Field(28, ge=7, le=366, description="Last labelled days held out for evaluation")
    folds: int = Field(2, ge=1, le=12, description="Rolling-origin folds before them")
    fold_days: int = Field(28, ge=7, le=366, description="Days of a fold")
    training_days: int = Field(28, ge=7, le=3660, description="Fewest days before the first fold")
    evaluation_rows: int = Field(200, ge=50, description="Fewest labelled rows in every fold and in the evaluation days")


class FoldResult(Record):
    """A model on one fold: trained on what was known before it, scored on it."""

    window: Window
    rows: int
    log_loss: float


class TrainedModel(Record):
    """What is known of a trained model, beside its bundle."""

    name: str
    bundle_digest: str
    features_hash: str
    split: Split
    training_rows: int
    numeric_features: list[str]
    categorical_features: list[str]
    threshold: float
    folds: list[FoldResult]
    losses: list[float]
    device: str
    precision: str
    train_seconds: float
    seed: int


# --- evaluation -------------------------------------------------------------------------------------------------------


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


class SuiteCondition(Record):
    """One condition of the deepchecks suite on training against evaluation data."""

    check: str
    condition: str
    passed: bool
    details: str


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


# --- registry and packaging -------------------------------------------------------------------------------------------


class Incumbent(Record):
    """The model to beat: the champion when the candidate was first judged, or none."""

    version: int | None
    bundle_uri: str | None
    bundle_digest: str | None
    threshold: float | None


class PackageCheck(Record):
    """The Bento, loaded in a fresh process, against the training code on golden rows."""

    bento_tag: str
    golden_rows: int
    largest_difference: float
    tolerance: float
    start_seconds: float
    imported_torch: bool


class RegisteredModel(Record):
    """A version in the registry."""

    name: str
    version: int
    aliases: list[str]
    package_digest: str
    run_id: str


class StageCost(Record):
    """What one stage used in this run."""

    stage: str
    seconds: float
    peak_memory_mb: float
    tasks: int
    cached: int


class RunSummary(Record):
    """One run, as it is printed, kept as JSON and shown in the report."""

    run_id: str
    use_case: str
    as_of: datetime
    snapshot: DataSnapshot
    validation: ValidationReport
    models: list[TrainedModel]
    evaluation: Evaluation
    decision: Decision
    package: PackageCheck
    registered: RegisteredModel
    stages: list[StageCost]
    seconds: float
    peak_memory_mb: float
    report: str

    def __repr__(self) -> str:
        """Return the outcome of the run."""
        return f"{self.decision.verdict.value}: {self.registered.name} version {self.registered.version}, {self.report}"

    __str__ = __repr__


# --- monitoring -------------------------------------------------------------------------------------------------------


class ChampionState(Record):
    """The champion, as the monitor needs it."""

    version: int
    bundle_uri: str
    bundle_digest: str
    evaluation: Window
    log_loss: float
    newest_candidate_day: date = Field(description="Last evaluation day of the newest version, promoted or not")


class GroupDrift(Record):
    """One group of features, days since training against reference days."""

    group: str
    statistic: float
    p_value: float
    column: str
    is_drifted: bool


class DayQuality(Record):
    """The champion on one labelled day."""

    day: date
    rows: int
    log_loss: float


class MonitoringReport(Record):
    """What the days since the champion's training look like; without `current` they are too few to tell."""

    champion_version: int
    reference: Window
    current: Window | None
    age_days: int
    days_since_candidate: int
    drift: list[GroupDrift]
    quality: list[DayQuality]
    reference_log_loss: float
    current_log_loss: Interval | None


class Action(StrEnum):
    """What the monitor asks for."""

    NONE = "NONE"
    ALERT = "ALERT"
    CHALLENGE = "CHALLENGE"


class TriggerDecision(Record):
    """Whether to train a challenger now, and on what evidence."""

    action: Action
    reasons: list[str]
    champion_version: int
    retrain: bool
