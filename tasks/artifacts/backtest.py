"""What a backtest replays, by which rules, and what it found."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.artifacts.record import Interval, Record, Window
from tasks.artifacts.training import Split

Learner = Literal["lightgbm", "network"]


class BacktestRules(Record):
    """How policies of retraining are replayed, and when one is recommended."""

    learner: Learner = Field(description="Trained at every start: LightGBM in seconds, or the network that is served, in minutes")
    start_every_days: int = Field(ge=1, description="Days between the starts at which a model may be trained")
    serving_delay_days: int = Field(ge=0, description="Days from a start to the first whole day that its model serves")
    cadences: list[int] = Field(min_length=1, description="Fixed policies: a model every so many starts, the shortest first")
    psi: float = Field(gt=0, description="Naive drift alarm: any column above this population stability index, the usual rule of thumb")
    naive_days: int = Field(ge=1, description="Naive drift alarm: newest days that are compared with the champion's evaluation")
    residual_days: int = Field(ge=2, description="Residual trigger: newest labelled days whose mean residual is tested")
    residual_z: float = Field(gt=0, description="Residual trigger: standard errors over rows from which it fires")
    cool_down_days: int = Field(ge=1, description="Peers with an alarm rest for so long after a training, as ours do")
    gate_margin: float = Field(description="Gain in log-loss over the champion that the paired gain's lower bound must be above")
    phases: int = Field(ge=1, description="Replays that begin at the first start, at the second, ...: a cadence's luck lies in its phase")
    random_schedules: int = Field(ge=100, description="Random schedules with as many promotions as a policy")
    least_gain_share: float = Field(gt=0, le=1, description="Recommended: of the gain of the shortest cadence over never, at least")
    most_promotions_share: float = Field(gt=0, le=1, description="Recommended: of its promotions, at most")
    most_beaten_share: float = Field(gt=0, le=1, description="Recommended: of the random schedules, those that do better, at most")
    seed: int = Field(2013, description="Seed of the random schedules")


class Start(Record):
    """A day on which a model may be trained, with what the pipeline would train it on that day."""

    number: int = Field(ge=0)
    day: date = Field(description="The labels of all days before it are known, as far as they ever will be")
    learner: Learner
    split: Split


class PolicyKind(StrEnum):
    """What drives a policy."""

    FIXED = "fixed"
    PEER = "peer"
    OURS = "ours"
    ORACLE = "oracle"


class Promotion(Record):
    """A model that went live."""

    start: int
    first_day: date = Field(description="The first day that it served")
    reason: str


class WeekScore(Record):
    """A policy in one week of serving."""

    first_day: date
    rows: int
    log_loss: float
    auc: float | None = Field(description="None in a week with one class only")
    calibration_error: float
    cost: float = Field(description="Of decisions, by row")
    serving: int = Field(description="The start whose model served the last day of the week")


class Phases(Record):
    """A policy in replays that begin at one start after another, each with another first model."""

    gain_share: float | None = Field(description="Of the gain of the shortest cadence over never, both summed over all replays")
    least_gain_share: float | None = Field(description="In the replay where it is least; None where a replay has no gain to share")
    promotions: float = Field(description="Mean")
    shortest_promotions: float = Field(description="Mean of the shortest cadence")
    beaten_by_random: float | None = Field(description="Mean share of random schedules with as many promotions that do better")


class PolicyResult(Record):
    """What a policy brought."""

    name: str
    kind: PolicyKind
    log_loss: Interval
    auc: float
    calibration_error: float
    cost: float = Field(description="Of decisions, by row")
    retrains: int = Field(description="Models trained after the first")
    promotions: int = Field(description="Models that went live after the first")
    train_seconds: float
    train_cost: float = Field(description="By the policy's price list")
    over_never: Interval = Field(description="Log-loss less than with the first model for ever, paired by days")
    over_shortest: Interval = Field(description="Log-loss less than at the shortest cadence, paired by days")
    gain_share: float | None = Field(description="Of the gain of the shortest cadence over never; None where that is none")
    gain_share_by_half: list[float | None] = Field(description="The same in the first and in the second half of the days")
    regret: float = Field(description="Log-loss above that of the hindsight oracle without a limit on promotions")
    regret_of_as_many: float = Field(description="Log-loss above that of the hindsight oracle with as many promotions")
    beaten_by_random: float | None = Field(description="Share of random schedules with as many promotions that do better; None with none")
    phases: Phases | None = Field(None, description="None for what knows the future")
    weeks: list[WeekScore]
    promoted: list[Promotion]


class Recommendation(Record):
    """Which policy, and by which of the written criteria."""

    policy: str
    meets_all: bool
    reasons: list[str]


class Backtest(Record):
    """Policies of retraining, replayed over history."""

    window: Window = Field(description="The days that were served")
    rows: int
    starts: int
    learner: Learner
    shortest: str = Field(description="Name of the fixed policy with the shortest cadence")
    policies: list[PolicyResult]
    recommendation: Recommendation
    rules: BacktestRules
    seconds: dict[str, float] = Field({}, description="Of each part of the replay")
