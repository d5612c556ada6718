"""Records of fairness: sensitive attributes, how the decisions treat their groups, and what may be given up for less difference."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from tasks.artifacts.record import Interval, Record, Window


class Grouping(Record):
    """A sensitive attribute: each value of a categorical feature is a group, or a numeric one is cut in two.

    Plain data, so that a package can carry it to where decisions are made.
    """

    name: str
    column: str
    cut: float | None = Field(None, description="None for the values of a categorical column")
    below: str = Field("", description="Name of the group below the cut")
    above: str = Field("", description="Name of the group from the cut upwards")

    @model_validator(mode="after")
    def _named(self) -> Grouping:
        if {bool(self.below), bool(self.above)} != {self.cut is not None}:
            raise ValueError("a grouping by a cut must name both of its groups, and one without a cut none")
        return self


class FairnessLimits(Record):
    """What an attribute's groups may differ by. A missing (None) limit refuses a promotion."""

    equal_opportunity: float | None = Field(description="Most difference between true positive rates")
    equalized_odds: float | None = Field(description="Most difference between true positive, or between false positive rates")
    demographic_parity: float | None = Field(description="Most difference between selection rates")
    disparate_impact: float | None = Field(description="Least ratio of the lowest selection rate to the highest")


_NO_LIMITS = FairnessLimits(equal_opportunity=None, equalized_odds=None, demographic_parity=None, disparate_impact=None)


class FairnessRules(Record):
    """Which groups count, and the limits of each attribute."""

    fewest_rows: int = Field(ge=1, description="Of a group; a smaller one is shown, and left out of the differences")
    fewest_days: int = Field(ge=2, description="Of a group, likewise")
    fewest_of_a_class: int = Field(ge=1, description="Rows of each label; a rate over fewer is chance")
    near: float = Field(ge=0, le=1, description="Share of the way to a limit from which on a person must look")
    limits: dict[str, FairnessLimits] = Field(description="By attribute")

    def is_large(self, rows: Any, days: Any, least: Any) -> Any:
        """Return whether a group counts, by its rows, its days and the rows of its rarer label: numbers, or expressions of them."""
        return (rows >= self.fewest_rows) & (days >= self.fewest_days) & (least >= self.fewest_of_a_class)

    @property
    def large(self) -> str:
        """Return in words what a group needs to count."""
        return f"{self.fewest_rows} rows, {self.fewest_days} days and {self.fewest_of_a_class} labels of each class"


class GroupRates(Record):
    """How the decisions treat one group."""

    group: str
    rows: int
    days: int
    positives: int
    counts: bool = Field(description="Whether it has enough rows, days and labels of each class for the differences")
    selection_rate: Interval
    true_positive_rate: Interval | None = Field(description="None without a positive")
    false_positive_rate: Interval | None = Field(description="None without a negative")
    log_loss: Interval
    cost: Interval


class Standing(StrEnum):
    """Where a difference stands to its limit."""

    WITHIN = "within"
    NEAR = "near"
    BEYOND = "beyond"
    UNSET = "no limit"


class Measured(Record):
    """One kind of difference beside its limit."""

    name: str
    found: Interval
    limit: float | None
    standing: Standing = Field(description="Beyond only for certain; near also where it is beyond by chance, perhaps")


class AttributeFairness(Record):
    """One sensitive attribute: its groups, and the largest differences between those that count."""

    grouping: Grouping
    groups: list[GroupRates]
    demographic_parity_difference: Interval
    disparate_impact: Interval = Field(description="Lowest selection rate over the highest; 1 is equal")
    equal_opportunity_difference: Interval
    equalized_odds_difference: Interval

    @property
    def left_out(self) -> list[str]:
        """Names of the groups that are too small for the differences."""
        return [group.group for group in self.groups if not group.counts]

    def measured(self, rules: FairnessRules) -> list[Measured]:
        """Return each difference beside the attribute's limit: one rule for the gate and for what is shown."""
        limits = rules.limits.get(self.grouping.name) or _NO_LIMITS
        found = [
            _difference("equal opportunity", self.equal_opportunity_difference, limits.equal_opportunity, rules.near),
            _difference("equalised odds", self.equalized_odds_difference, limits.equalized_odds, rules.near),
            _difference("demographic parity", self.demographic_parity_difference, limits.demographic_parity, rules.near),
        ]
        return [*found, _ratio("disparate impact", self.disparate_impact, limits.disparate_impact, rules.near)]


def _difference(name: str, found: Interval, limit: float | None, near: float) -> Measured:
    """Judge what should be small."""
    if limit is None:
        return Measured(name=name, found=found, limit=None, standing=Standing.UNSET)
    standing = Standing.BEYOND if found.lower > limit else Standing.NEAR if found.value > near * limit else Standing.WITHIN
    return Measured(name=name, found=found, limit=limit, standing=standing)


def _ratio(name: str, found: Interval, limit: float | None, near: float) -> Measured:
    """Judge what should be 1: its distance from there is what should be small."""
    distance = Interval(value=1 - found.value, lower=1 - found.upper, upper=1 - found.lower)
    standing = _difference(name, distance, None if limit is None else 1 - limit, near).standing
    return Measured(name=name, found=found, limit=limit, standing=standing)


class Fairness(Record):
    """How one model's decisions treat the groups of every sensitive attribute, on the evaluation days."""

    model_digest: str
    window: Window
    rows: int
    days: int
    attributes: list[AttributeFairness]
    not_measured: dict[str, str] = Field({}, description="Attribute to why its groups cannot be compared: fewer than two are large enough")


class MitigationResult(Record):
    """One way to decide, with its quality and its fairness on the same evaluation rows."""

    name: str = Field(description="none, reweighing, group thresholds")
    log_loss: Interval
    auc: Interval
    cost: Interval
    price_log_loss: Interval | None = Field(description="Paired, against no mitigation; above 0 is worse. None for that itself")
    price_cost: Interval | None
    fairness: AttributeFairness


class Mitigation(Record):
    """Ways to less difference between the groups of one attribute, side by side, with what each costs."""

    attribute: str
    window: Window
    rows: int
    results: list[MitigationResult]

    def __repr__(self) -> str:
        """Return the ways, a line each."""
        lines = [
            f"  {r.name:<18}log-loss {r.log_loss.value:.4f}, cost {r.cost.value:.4f}, difference of true positive rates "
            f"{r.fairness.equal_opportunity_difference}, disparate impact {r.fairness.disparate_impact}"
            for r in self.results
        ]
        return "\n".join(["", *lines])

    __str__ = __repr__
