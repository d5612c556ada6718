"""Records of a search for settings: its trials, and what it found."""

from __future__ import annotations

from enum import StrEnum
from math import ceil
from typing import ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from tasks.artifacts.record import Record
from tasks.artifacts.settings import NetworkConfig, Settings, TrainingConfig
from tasks.artifacts.training import FoldResult, Split


class Range(Record):
    """The values of one setting that are tried, both ends included."""

    setting: str = Field(description="Name of a setting of the network")
    low: float
    high: float
    step: float | None = Field(None, gt=0, description="Distance between two values; None for any between")
    is_log: bool = Field(False, description="Whether a factor counts rather than a difference")

    @model_validator(mode="after")
    def _is_of_the_network(self) -> Self:
        """Every value must be one that the network takes."""
        if self.setting not in NetworkConfig.model_fields or self.setting in ("seed", "threads"):
            raise ValueError(f"{self.setting} is no setting of the network to search")
        if not self.low <= self.high:
            raise ValueError(f"{self.setting}: low must not be above high")
        if self.is_log and (self.step is not None or self.low <= 0):
            raise ValueError(f"{self.setting}: a range of factors is above 0 and has no step")
        for value in (self.low, self.high):
            try:
                NetworkConfig.model_validate({self.setting: value})
            except ValidationError as error:
                raise ValueError(f"{self.setting}: {value:g} is not allowed, {error.errors()[0]['msg']}") from error
        return self


class SearchConfig(Settings):
    """How the network's settings are searched."""

    called: ClassVar[str] = "rules"
    stands_in: ClassVar[str] = "tasks/artifacts/search.py"

    trials: int = Field(ge=1, le=1_000, description="Sets of settings that are tried, the base settings first")
    at_once: int = Field(ge=1, le=100, description="Networks that are trained side by side; later trials learn from them")
    fewest_before_pruning: int = Field(ge=1, description="Complete trials before one that does worse than their median is given up")
    space: list[Range] = Field(min_length=1)
    seed: int = Field(ge=0, description="Seed of the sampler")

    def steps(self, folds: int) -> int:
        """The steps that are enough for all trials on all folds: more, if some are given up, are never needed."""
        return ceil(self.trials / self.at_once) * folds


class Fit(Record):
    """One network to train and score: what a trial of the fan-out is given, and what its cache goes by."""

    config: TrainingConfig
    fold: int = Field(ge=0, description="Number of the fold, from 0")


class TrialState(StrEnum):
    """What became of a trial."""

    RUNNING = "running"  # scored on some folds, to be scored on the next
    COMPLETE = "complete"  # scored on every fold
    PRUNED = "pruned"  # given up: what it had scored was worse than what others had


class FoldScore(Record):
    """One network, trained on what was known before one fold, scored on it."""

    result: FoldResult
    losses: list[float] = Field(description="Training log-loss by epoch")
    device: str
    seconds: float


class Trial(Record):
    """One set of settings and how it did, fold by fold."""

    number: int = Field(ge=0)
    config: TrainingConfig
    state: TrialState
    folds: list[FoldScore] = Field(description="Those that it was scored on, in order")

    @property
    def log_loss(self) -> float:
        """The mean log-loss over the folds that it was scored on."""
        return self.log_loss_over(len(self.folds))

    def log_loss_over(self, folds: int) -> float:
        """Return the mean log-loss over the first folds."""
        return sum(fold.result.log_loss for fold in self.folds[:folds]) / folds


class Search(Record):
    """A search for the network's settings on rolling-origin folds, as far as it is."""

    identity: str = Field(description="Of the rows, the split, the base settings, the rules and the code: under it the search goes on")
    features_hash: str
    split: Split
    base: TrainingConfig = Field(description="What the search starts from, and keeps for what it does not vary")
    rules: SearchConfig
    trials: list[Trial]
    best: int | None = Field(None, description="Number of the complete trial with the lowest mean log-loss")

    @property
    def config(self) -> TrainingConfig:
        """What was found: the base settings until a trial is complete."""
        return self.base if self.best is None else self.trials[self.best].config

    @property
    def to_train(self) -> list[Fit]:
        """What is next: of each running trial the first fold that it has no score on."""
        return [Fit(config=t.config, fold=len(t.folds)) for t in self.trials if t.state is TrialState.RUNNING]


class Tracked(Record):
    """Where a search is tracked: a run in MLflow, with one of each trial nested in it."""

    tracking_uri: str
    experiment: str
    run_id: str
    trials: int
