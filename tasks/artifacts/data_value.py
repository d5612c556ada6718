"""Records of what data are worth: features by what losing them costs, and history by what more of it would bring."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from tasks.artifacts.record import Interval, Record, Window


class DataValueRules(Record):
    """How the value of features and of history is measured, and from where on it counts."""

    no_value_log_loss: float = Field(ge=0, description="Of no value is what certainly costs at most this to lose")
    least_gain_log_loss: float = Field(ge=0, description="A doubling of the history helps if it certainly gains more than this")
    importance_rows: int = Field(ge=100, description="Most evaluation rows, a like share of every day")
    importance_repeats: int = Field(ge=1, le=100, description="Permutations of each feature")
    history_shares: list[float] = Field(min_length=2, description="Shares of the training days, rising, each twice the one before")
    inner_share: float = Field(gt=0, lt=1, description="Newest share of each history's own days, on which its boosting rounds are chosen")
    seed: int = Field(ge=0, description="Seed of the sample of rows and of the permutations")


class FeatureImportance(Record):
    """What permuting one feature costs; of no value if even the interval's upper bound is at or below the threshold.

    Of a feature that has one value on all rows nothing can be told: it is constant, and not of no value.
    """

    feature: str
    group: str
    increase_log_loss: Interval
    is_constant: bool
    is_of_no_value: bool


class GroupImportance(Record):
    """What permuting all features of a group together costs: what they hide of each other shows here."""

    group: str
    features: list[str]
    increase_log_loss: Interval


class FeatureValue(Record):
    """What each feature is worth to one model on the evaluation days, dearest first."""

    model: str
    model_digest: str
    window: Window
    rows: int
    rows_labelled: int
    days: int
    repeats: int
    seed: int
    no_value_log_loss: float
    log_loss: Interval
    features: list[FeatureImportance]
    groups: list[GroupImportance]
    no_value_together: GroupImportance | None

    @property
    def of_no_value(self) -> list[str]:
        """Names of the features of no value."""
        return [found.feature for found in self.features if found.is_of_no_value]

    @property
    def constant(self) -> list[str]:
        """Names of the features of which these days tell nothing."""
        return [found.feature for found in self.features if found.is_constant]

    def __repr__(self) -> str:
        """Return the features of no value."""
        return f"{len(self.of_no_value)} of {len(self.features)} features of no value: {', '.join(self.of_no_value) or 'none'}"

    __str__ = __repr__


class HistoryScore(Record):
    """One share of the history: its days end where the evaluation days begin."""

    share: float
    first_day: date
    training_days: int
    training_rows: int
    rounds: int
    log_loss_by_day: list[float]


class HistoryScores(Record):
    """A model trained on growing shares of the newest history, and its mean log-loss on each of the same evaluation days."""

    model: str
    window: Window
    days: list[date]
    rows_by_day: list[int]
    histories: list[HistoryScore]


class LearningPoint(Record):
    """One share of the history with its log-loss, and its paired gain over the share before."""

    share: float
    first_day: date
    training_days: int
    training_rows: int
    rounds: int
    log_loss: Interval
    gain_log_loss: Interval | None


class LearningCurve(Record):
    """What more history brought and, if the curve keeps its course, what the next doubling would bring."""

    model: str
    window: Window
    rows: int
    days: int
    least_gain_log_loss: float
    points: list[LearningPoint]
    last_gain_log_loss: Interval
    next_gain_log_loss: float | None = Field(description="By a power law through all gains; None where one is not positive")
    would_help: bool

    def __repr__(self) -> str:
        """Return the verdict."""
        verdict = "more data would help" if self.would_help else "no sign that more data would help"
        return f"{verdict}: the last step brought {self.last_gain_log_loss} log-loss"

    __str__ = __repr__
