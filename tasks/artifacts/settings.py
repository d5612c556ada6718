"""Forms of settings and policy, which `tasks/usecase/policy.py` fills in, value by value with its reason."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from tasks.artifacts.record import Record
from tasks.errors import ConfigError


class Settings(Record):
    """Base of settings that are typed by hand: what is wrong with them is told by its place."""

    called: ClassVar[str]
    stands_in: ClassVar[str] = "tasks/artifacts/settings.py"

    @model_validator(mode="wrap")
    @classmethod
    def _told(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Say what is allowed."""
        try:
            return validate(given)
        except ValidationError as error:
            told = [cls._explained(found["loc"], found["type"], found["msg"], found["input"]) for found in error.errors()]
            mend = f"every setting with its range stands in {cls.stands_in}; `--help` shows the same"
            raise ConfigError(f"{cls.called} must have known settings with allowed values", "; ".join(told), mend) from error

    @classmethod
    def _explained(cls, place: tuple[int | str, ...], kind: str, message: str, given: object) -> str:
        """Return one line on what is wrong with one setting."""
        name = ".".join(map(str, place))
        if kind != "extra_forbidden":
            return f"{name or cls.called} = {given!r:.80}: {message[:1].lower()}{message[1:]}"
        form: Any = cls
        for part in place[:-1]:
            form = get_args(form)[0] if isinstance(part, int) else form.model_fields[part].annotation
        near = get_close_matches(str(place[-1]), form.model_fields, n=1)
        return f"{name}: no such setting; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(form.model_fields)}")


Device = Literal["auto", "cpu", "cuda"]


class NetworkConfig(Record):
    """Sizes of the network and how it is trained; the defaults are what the search in `docs/searches/` found."""

    k: int = Field(8, ge=1, le=64, description="Members of the ensemble")
    width: int = Field(112, ge=8, le=2048, description="Width of a block")
    blocks: int = Field(1, ge=1, le=8, description="Number of blocks")
    dropout: float = Field(0.168, ge=0, lt=1, description="Dropout rate")
    embedding_width: int = Field(6, ge=1, le=64, description="Width of a numeric feature's embedding")
    bins: int = Field(48, ge=2, le=256, description="Bins of a numeric feature")
    epochs: int = Field(3, ge=1, le=100, description="Passes over the training rows")
    batch_rows: int = Field(214, ge=16, le=65536, description="Rows of a batch")
    learning_rate: float = Field(0.00207, gt=0, le=1, description="Peak learning rate of AdamW")
    weight_decay: float = Field(0.000403, ge=0, le=1, description="Weight decay of AdamW")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises")
    averaging_decay: float = Field(0.9954, ge=0, lt=1, description="Decay of the moving average of the weights; 0 for none")
    outcome_weight: float = Field(
        5.48, ge=0, le=100, description="Weight of the losses on the further outcomes together, that on the label being 1; 0 for none"
    )
    seed: int = Field(2013, ge=0, description="Seed of initial weights, order of rows and dropout")
    threads: int = Field(1, ge=1, le=256, description="Threads of a fit on a CPU; as many fits go on side by side as there are cores for")


class BaselineConfig(Record):
    """How the baselines are trained."""

    lightgbm_rounds: int = Field(300, ge=1, le=10_000, description="Most boosting rounds; folds choose how many")
    lightgbm_learning_rate: float = Field(0.05, gt=0, le=1, description="Share of a tree that is added to the sum")
    lightgbm_leaves: int = Field(31, ge=2, le=1024, description="Most leaves of a tree")
    logistic_c: float = Field(0.1, gt=0, description="Inverse strength of the L2 penalty")
    threads: int = Field(2, ge=1, le=64, description="Threads of LightGBM")
    seed: int = Field(2013, ge=0, description="Seed of LightGBM")


class TrainingConfig(Settings):
    """Everything about training that is a choice."""

    called: ClassVar[str] = "config"

    network: NetworkConfig = NetworkConfig()
    baselines: BaselineConfig = BaselineConfig()
    device: Device = Field("auto", description="Where the network is trained; auto takes a GPU if there is one")
    lightgbm_share: float = Field(0.0, ge=0, lt=1, description="Share of LightGBM in the candidate's probability; 0 for the network alone")
    evaluation_days: int = Field(28, ge=7, le=366, description="Last labelled days held out for evaluation")
    folds: int = Field(2, ge=1, le=12, description="Rolling-origin folds before them")
    fold_days: int = Field(28, ge=7, le=366, description="Days of a fold")
    training_days: int = Field(28, ge=7, le=3660, description="Fewest days before the first fold")
    evaluation_rows: int = Field(200, ge=50, description="Fewest labelled rows in every fold and in the evaluation days")
    rows_in_memory: int | None = Field(
        None, ge=65_536, description="Most training rows in memory at once, of all folds; the others wait on disk"
    )
    reweigh: str = Field("", description="Sensitive attribute whose groups and labels are made independent by weights; empty for none")
    group_thresholds: str = Field("", description="Sensitive attribute whose groups get a threshold each; empty for one for all")


class LoadRules(Record):
    """How a lake is filled by several pods: into which blocks the days are cut, and how many blocks are under way at once."""

    ingest_days: int = Field(ge=1, description="Most days of a block that a pod ingests and profiles")
    feature_days: int = Field(ge=1, description="Most days of a block whose features a pod builds")
    at_once: int = Field(ge=1, description="Most pods at once, of each map")


class Processes(Record):
    """How many processes train the network together; more than one run under torchrun, on a cluster by Kubeflow's operator."""

    nodes: int = Field(1, ge=1, description="Machines, each with as many processes")
    per_node: int = Field(1, ge=1, description="A GPU each")

    @property
    def count(self) -> int:
        """All of them."""
        return self.nodes * self.per_node


class Outcome(Record):
    """A number that is known with the label and tells more than it: the network learns whether it reaches each threshold."""

    column: str
    thresholds: list[float] = Field(min_length=1)


class Costs(Record):
    """What a wrong decision costs, in any one unit."""

    missed: float = Field(ge=0, description="A positive that was not flagged")
    needless: float = Field(ge=0, description="A negative that was flagged")


class BatchRules(Record):
    """When a snapshot is not fit to train on; shares are of 1, and what a rule means stands in `tasks/validation/`."""

    weeks: int = Field(ge=1, description="Weeks before a day with which it is compared")
    fewest_weeks: int = Field(ge=1, description="Fewest of them that make a comparison")
    fewest_rows_a_day: int = Field(ge=1, description="Fewest rows of a usual day that make a comparison")
    missing_days_warn: int = Field(description="Days without a row, or days that the newest is late, from which on it warns")
    missing_days_stop: int = Field(description="The same, from which on it stops")
    thin_day_share_warn: float = Field(description="A day's rows over the median of its weekday: at or below it warns")
    thin_day_share_stop: float = Field(description="The same: at or below it stops")
    full_day_share_warn: float = Field(description="A day's rows over the median of its weekday: at or above it warns")
    full_day_share_stop: float = Field(description="The same: at or above it stops")
    null_rise_warn: float = Field(description="Share of nulls of a column above the most that the same weekdays had: at or above it warns")
    null_rise_stop: float = Field(description="The same: at or above it stops")
    late_days: int = Field(0, ge=0, description="Days before the newest in which columns may still fill: a rise of nulls is none there")
    fewest_values: int = Field(ge=2, description="A column that never had fewer distinct values a day must not be constant")
    scale_warn: float = Field(
        description="How far the logarithm of a column's deviation leaves its range, in widths of that: at or above it warns"
    )
    scale_stop: float = Field(description="The same: at or above it stops")
    level_warn: float = Field(description="How far a column's median leaves its range, in widths of that: at or above it warns")
    level_stop: float = Field(description="The same, on one day: at or above it stops")
    level_days: int = Field(ge=2, description="Days in a row for which a level stays away")
    held_level_stop: float = Field(description="The same, on each of `level_days` in a row: at or above it stops")
    new_values_stop: int = Field(description="Categories of a column that no day before had: as many on one day stop")
    few_values: int = Field(description="Columns with no more categories than this warn when one that every day had is gone")
    label_correlation: float = Field(gt=0, lt=1, description="Columns that usually go with the label by more are watched")
    label_share_warn: float = Field(description="Correlation of such a column with the label over the usual: at or below it warns")
    label_share_stop: float = Field(description="The same: at or below it stops")
    repeated_share_stop: float = Field(description="Rows of a day that repeat a key: at or above it stops; any warns")
    gap_readings_warn: int = Field(description="Instants of a day without a reading, against the usual: as many warn")
    stale_hours_warn: float = Field(description="Age of the newest reading at the clock from which on it warns")
    stale_hours_stop: float = Field(description="The same, from which on it stops")
    newest_share_warn: float = Field(
        description="Readings that came since the day before the newest, over those that are due: below it warns"
    )
    quarantined_share_warn: float = Field(description="Rows set aside of all that were read: at or above it warns")
    quarantined_share_stop: float = Field(description="The same: at or above it stops")
    quarantined_day_share_warn: float = Field(description="Rows set aside of those of one day: at or above it warns")
    quarantined_day_share_stop: float = Field(description="The same: at or above it stops")


class SegmentRules(Record):
    """How segments are measured, and how weak ones are searched for."""

    fewest_rows: int = Field(ge=10, description="Of a segment; of fewer only the size is told")
    fewest_days: int = Field(ge=2, description="Of each half of the evaluation days; with fewer no weak segment is searched")
    search_rows: int = Field(ge=100, description="Most rows that trees are grown on")
    search_features: int = Field(ge=2, description="Dearest features of which pairs are tried")
    smallest_share: float = Field(gt=0, lt=0.5, description="Of the rows that a weak segment has")
    least_excess: float = Field(ge=0, description="Log-loss above the expected from which a segment is looked at again")
    most_found: int = Field(ge=1, description="Segments that are looked at again")
    level: float = Field(gt=0, lt=1, description="Chance that any is confirmed where none is weak")


class PromotionRules(Record):
    """What a candidate must show. A missing (None) threshold refuses."""

    lightgbm_log_loss_ratio: float | None = Field(description="The candidate's log-loss over LightGBM's, at most")
    logistic_gain: float | None = Field(description="Log-loss below logistic regression's; the gain must be above it")
    incumbent_gain: float | None = Field(description="Log-loss; the lower bound of the paired gain must be above it")
    segment_loss: float | None = Field(description="Share of the champion's log-loss by which a segment may be worse")
    segment_days: int | None = Field(description="Fewest days of a segment that decides")
    segment_rows: int | None = Field(description="Fewest rows of a segment that decides by not being shown no worse")
    level: float | None = Field(description="Chance that any segment is called worse for certain where none is")
    review_first_model: bool = Field(description="Whether a person must approve a model that has no champion to be held against")
    review_changed_features: bool = Field(description="Whether a person must approve other features than the champion's")
    review_changed_contract: bool = Field(description="Whether a person must approve another data contract than the champion's")
