"""Records of training: the split by time and what is known of a trained model."""

from __future__ import annotations

from pydantic import Field

from tasks.artifacts.fairness import Grouping
from tasks.artifacts.record import Record, Window
from tasks.artifacts.settings import TrainingConfig


class Split(Record):
    """Training rows, then rolling-origin folds within them, then evaluation days that nothing is fitted on.

    A fold trains on the labels known before its first day; so does the final model before the evaluation days.
    """

    training: Window
    evaluation: Window
    folds: list[Window]


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
    config: TrainingConfig
    training_rows: int
    sampled_from: int | None = Field(None, description="If the training rows are an even sample: of how many")
    numeric_features: list[str]
    categorical_features: list[str]
    threshold: float
    grouping: Grouping | None = Field(None, description="Sensitive attribute whose groups have thresholds of their own")
    group_thresholds: dict[str, float] = Field({}, description="Group to threshold; a group that is not here takes that of all")
    temperature: float = Field(1.0, description="Divides the logits; fitted on the folds, which have it applied")
    folds: list[FoldResult]
    losses: list[float]
    device: str
    precision: str
    train_seconds: float
    seed: int
    rows_per_second: float = Field(
        0.0, description="Rows of all steps, of the folds and the final fit; by second, for the network with reading them"
    )
    device_seconds: float = Field(0.0, description="Seconds of training for which a GPU was held")
    peak_device_mb: float | None = Field(None, description="None without a GPU")


VARIES = frozenset({"train_seconds", "rows_per_second", "device_seconds", "peak_device_mb"})
"""What differs between two trainings of the same model: how long it took does not change what it is."""
