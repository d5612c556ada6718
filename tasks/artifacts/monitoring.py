"""What a night's monitoring looks at, by which rules, and what it found."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from tasks.artifacts.record import Interval, Record, Window


class DriftRules(Record):
    """When days are called other than those before: a permutation over whole days of the largest statistic."""

    false_alarms_a_year: float = Field(gt=0, lt=1, description="Chance that any night of a year calls drift where nothing drifts")
    looks_a_year: float = Field(ge=1, description="As many independent looks a year of nights is worth, whose windows overlap")
    windows: list[int] = Field(min_length=1, description="Lengths of the current windows, in days: each ends with the newest day")
    reference_days: int = Field(ge=14, description="Days before a window that it is compared with")
    fewest_reference_days: int = Field(ge=7, description="With fewer there is no test")
    permutations: int = Field(ge=100, description="Most assignments of days that are looked at; all of them if they are fewer")
    classifier_days: int = Field(ge=4, description="Newest days that a classifier has to tell from those before")
    classifier_rows: int = Field(ge=200, description="Rows of a sample that it learns from")
    seed: int = Field(2013, description="Seed of the shuffles, and of the classifier and its sample")


class QualityRules(Record):
    """When the champion is called worse than it was."""

    days: int = Field(ge=1, description="Newest labelled days that are looked at, all after the champion's evaluation")
    fewest_days: int = Field(ge=2, description="Fewer tell nothing")
    decay_margin: float = Field(description="Log-loss above that of the champion's evaluation, by the lower bound of the difference")
    fewest_labelled_share: float = Field(ge=0, le=1, description="Of a day's rows: with fewer its labels are late")
    roll_back_days: int = Field(ge=2, description="Days beside the version before that a rollback rests on, at least")
    roll_back_margin: float = Field(
        ge=0, description="Log-loss above that of the version before, by the lower bound of the paired difference"
    )
    roll_back_level: float = Field(gt=0, lt=0.5, description="Level of that bound: it is looked at every night")


class ServedRules(Record):
    """What the service's predictions and inputs must be like."""

    days: int = Field(ge=1, description="Newest days of predictions that are looked at")
    stale_hours: float = Field(gt=0, description="Age of the newest prediction at which the log is called silent")
    volume_share: float = Field(ge=0, le=1, description="Of the usual number of predictions a day: fewer are an alarm")
    violations_share: float = Field(ge=0, le=1, description="Of predictions with an input outside its contract")
    skew_tolerance: float = Field(ge=0, description="Relative difference of a logged value from the recomputed one that is none")
    skewed_share: float = Field(ge=0, le=1, description="Of predictions with a feature that differs: more are an alarm")
    errors_share: float = Field(ge=0, le=1, description="Of requests that fail by the service's fault")


class LabellingRules(Record):
    """Which predictions are worth a label."""

    budget: int = Field(ge=0, description="Predictions queued a night")
    exploration_share: float = Field(gt=0, le=1, description="Of the budget, drawn at random from all: these labels stay unbiased")
    unusual_share: float = Field(ge=0, le=1, description="Of the rest, for unusual inputs; the others for uncertain predictions")
    seed: int = Field(2013, description="Seed of what is drawn at random")


class TriggerRules(Record):
    """When a challenger is trained."""

    every_days: int = Field(ge=1, description="Days after the newest candidate's last evaluation day at which the next one is due")
    new_labelled_days: int = Field(ge=1, description="Labelled days after the champion's evaluation that are enough to learn from anew")
    oldest_days: int = Field(ge=1, description="Days after the champion's evaluation at which it is stale")
    drift_groups: list[str] = Field(description="Groups whose drift asks for a challenger; that of others alerts")
    alarms_needed: int = Field(ge=1, description="Nights with an alarm, the newest among them, ...")
    alarms_of: int = Field(ge=1, description="... of so many newest nights")
    cool_down_days: int = Field(ge=1, description="Days after the newest candidate in which evidence only alerts")
    most_missed_nights: int = Field(ge=0, description="Missed nights that are caught up; those before are told and left")
    lease_hours: float = Field(gt=0, description="After this a retraining that never ended blocks no other")
    rolls_back: bool = Field(description="Whether a champion worse than the version before for certain goes back by itself")


class MonitoringRules(Record):
    """All rules of a night."""

    drift: DriftRules
    quality: QualityRules
    served: ServedRules
    labelling: LabellingRules
    trigger: TriggerRules


class ColumnDrift(Record):
    """One column, the newest window against the reference; PSI and Wasserstein are for reading, and decide nothing."""

    column: str
    group: str
    days: int = Field(description="Length of the window in which it differs most")
    what: str = Field(description="What of it differs most: level, spread, nulls, a category, ...")
    statistic: float = Field(description="Largest standardised difference of day statistics, signed")
    p_value: float = Field(description="Adjusted for all columns of all groups and for the windows")
    psi: float | None = Field(description="Population stability index over ten equally full bins of the reference")
    wasserstein: float | None = Field(description="In standard deviations of the reference; None for categories")


class GroupDrift(Record):
    """One group of columns: its column that differs most."""

    group: str
    days: int
    column: str
    what: str
    statistic: float
    p_value: float
    is_drifted: bool


class Classifier(Record):
    """How well a classifier tells the newest days from those before, with whole days held out."""

    auc: Interval
    days: int
    reference_days: int


class Drift(Record):
    """What a night's test of drift found."""

    last_day: date
    reference: Window = Field(description="Days that the shortest window is compared with")
    windows: list[int]
    level: float = Field(description="Of this night, over all columns and windows")
    groups: list[GroupDrift]
    columns: list[ColumnDrift] = Field(description="Of every column its largest, by p-value")
    missing: list[str] = Field([], description="Columns that the newest days lack, or have no value of")
    classifier: Classifier | None = None

    @property
    def drifted(self) -> list[GroupDrift]:
        """Groups that are called drifted."""
        return [group for group in self.groups if group.is_drifted]


class DayQuality(Record):
    """The champion on one labelled day."""

    day: date
    rows: int
    log_loss: float


class Estimate(Record):
    """What the champion's own calibrated probabilities let expect, before labels: blind to a change of what they mean."""

    window: Window
    rows: int
    log_loss: Interval
    positives: Interval = Field(description="Expected share of positives")
    reference_log_loss: float = Field(description="Expected on the champion's evaluation days by the same way")


class SegmentQuality(Record):
    """The champion on a segment, beside its own evaluation."""

    segment: str
    rows: int
    days: int
    log_loss: Interval
    reference_log_loss: float | None
    p_value: float | None = Field(description="That it is no worse than at its evaluation, adjusted for all segments")


class Quality(Record):
    """The champion on the newest labelled days."""

    window: Window
    rows: int
    by_day: list[DayQuality]
    log_loss: Interval
    auc: Interval | None
    calibration_error: Interval
    positives: Interval
    cost: Interval
    reference_log_loss: float = Field(description="On the champion's evaluation days")
    decay: Interval = Field(description="Log-loss above that of its evaluation, both over resampled days")
    segments: list[SegmentQuality]
    previous_version: int | None = Field(None, description="The version that was champion before")
    over_previous: Interval | None = Field(None, description="Log-loss above that of the version before, paired, at the rollback's level")


class Skew(Record):
    """A feature of logged predictions that is not what the lake gives for the same rows."""

    feature: str
    rows: int
    differing: int
    largest: float | None = Field(description="Largest relative difference; None for categories")


class ServiceLevel(Record):
    """What the service's metrics tell, since its start."""

    requests: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    predictions: int
    cpu_seconds_per_1000: float | None


class Served(Record):
    """What the prediction log holds of the newest days, and how the service did."""

    window: Window
    predictions: int
    per_day: list[int]
    usual_per_day: float | None
    newest_at: datetime | None
    with_outcome: int
    contradictory: int = Field(description="Outcomes that a client and the source tell otherwise; the source's counts")
    log_loss: Interval | None = Field(description="Realised, of predictions as they were answered; None with too few outcomes")
    violations: dict[str, int] = Field(description="Input to the number of predictions that break its contract")
    compared: int = Field(description="Predictions whose features could be recomputed for the same instant")
    skew: list[Skew]
    level: ServiceLevel | None = Field(description="None where no metrics are in reach")
    exploration: dict[str, float] = Field({}, description="Share, rows and log-loss of predictions that were drawn at random for a label")


class Dependency(Record):
    """Something that the champion depends on and does not hold itself, as it was the time before and as it is now."""

    name: str
    then: str = Field(description="At the night before on record, or when the champion was trained; empty where that is not known")
    now: str

    @property
    def has_changed(self) -> bool:
        """Return whether it is another one than before, as far as both are known."""
        return bool(self.then) and self.then != self.now


class Problem(Record):
    """Something of a night that a person should look at, with its page in the runbook."""

    name: str
    told: str
    runbook: str = Field(description="Page and section below docs/, such as operations/runbook.md#labels-are-late")


class Night(Record):
    """A night to be watched: what was known at an instant."""

    night: date = Field(description="The last local day that was complete")
    as_of: datetime
    is_late: bool = Field(False, description="Caught up after it was missed: it is told, and nothing is done about it")


class NightReport(Record):
    """What one night found."""

    night: date = Field(description="The last local day that was complete")
    as_of: datetime
    champion_version: int
    evaluation: Window = Field(description="Of the champion")
    age_days: int = Field(description="Days since the champion's evaluation")
    days_since_candidate: int
    new_labelled_days: int
    rows: int = Field(description="Of the newest day")
    drift: Drift | None
    quality: Quality | None
    estimate: Estimate | None
    served: Served | None = None
    problems: list[Problem] = Field([])
    is_late: bool = False
    dependencies: list[Dependency] | None = Field(None, description="None of a night that did not look, such as one caught up late")


class QueuedLabel(Record):
    """A prediction that is worth a label."""

    prediction_id: str
    reason: str = Field(description="uncertain, unusual or random")
    score: float
    propensity: float = Field(gt=0, le=1, description="Chance that it was drawn")


class LabelQueue(Record):
    """What a night has queued."""

    night: date
    candidates: int
    queued: list[QueuedLabel]
