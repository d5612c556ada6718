"""How decisions treat the groups of each sensitive attribute: rates by group, and the largest differences between groups.

Selection rate (demographic parity, disparate impact), true positive rate (equal opportunity) and true and false positive
rates together (equalised odds: Hardt, Price and Srebro, "Equality of opportunity in supervised learning", NIPS 2016). Point
values are fairlearn's, intervals from the bootstrap over whole days; `differences.py` says how a largest one gets its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)

from tasks.artifacts.fairness import AttributeFairness, Fairness, FairnessRules, Grouping, GroupRates
from tasks.artifacts.record import Window
from tasks.artifacts.settings import Costs
from tasks.errors import EvaluationError
from tasks.evaluation.differences import Rates, largest, least_ratio
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.groups import groups_of
from tasks.model.loss import row_cost, row_log_loss

log = logging.getLogger(__name__)

_MOST_TOLD = 5
"""Groups that an error names."""


@dataclass(frozen=True)
class Decisions:
    """What is decided on each row, and what came of it.

    Attributes:
        labels: 0 or 1, shape (n,).
        probabilities: Shape (n,).
        flagged: Whether a row is flagged, 0 or 1, shape (n,).
        costs: Cost of each decision, shape (n,).
        days: The day of each row, and the resamples.
    """

    labels: Array
    probabilities: Array
    flagged: Array
    costs: Array
    days: Days

    @classmethod
    def of(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, thresholds: npt.ArrayLike, days: Days, costs: Costs) -> Decisions:
        """Decide on rows: flagged from the threshold upwards, which may be another for each; all of shape (n,)."""
        y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
        flagged = (p >= np.asarray(thresholds, np.float64)).astype(np.float64)
        return cls(y, p, flagged, row_cost(y, p, np.asarray(thresholds, np.float64), costs), days)


class _Size(NamedTuple):
    """A group, and how large it is."""

    name: str
    rows: int
    days: int
    positives: int


@dataclass(frozen=True)
class _Table:
    """How many rows of each group have each label and each decision: all that fairlearn needs, in a few weighted rows.

    Attributes:
        group: Number of the group, shape (cells,).
        label: 0 or 1, shape (cells,).
        flagged: 0 or 1, shape (cells,).
        rows: How many rows there are, above 0, shape (cells,).
    """

    group: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    flagged: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, codes: npt.NDArray[np.int64], labels: Array, flagged: Array) -> _Table:
        """Count rows, of which each argument has a value, shape (n,)."""
        rows = np.bincount(codes * 4 + (2 * labels + flagged).astype(np.int64))
        cells = np.flatnonzero(rows)
        return cls(cells // 4, cells // 2 % 2, cells % 2, rows[cells])

    def some(self, groups: npt.NDArray[np.int64]) -> _Table:
        """Return the cells of some groups."""
        kept = np.isin(self.group, groups)
        return _Table(self.group[kept], self.label[kept], self.flagged[kept], self.rows[kept])

    def rates(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return each rate by group; without a row that it is a rate of, fairlearn says 0, which is not used."""
        metrics = {"selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate}
        weights = {name: {"sample_weight": self.rows} for name in metrics}
        frame = MetricFrame(metrics=metrics, y_true=self.label, y_pred=self.flagged, sensitive_features=self.group, sample_params=weights)
        return {rate: {names[group]: float(value) for group, value in column.items()} for rate, column in frame.by_group.items()}

    def differences(self) -> tuple[float, float, float, float]:
        """Return the differences of demographic parity, the ratio of disparate impact, those of equal opportunity and equalised odds."""
        given: dict[str, Any] = {"sensitive_features": self.group, "sample_weight": self.rows}
        y = self.label, self.flagged
        return (
            demographic_parity_difference(*y, **given),
            demographic_parity_ratio(*y, **given) if self.flagged.any() else 1.0,  # nobody is flagged
            equal_opportunity_difference(*y, **given),
            equalized_odds_difference(*y, **given),
        )


def measure(
    frame: pl.DataFrame,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    days: Days,
    groupings: Sequence[Grouping],
    rules: FairnessRules,
    costs: Costs,
    window: Window,
    model_digest: str,
) -> Fairness:
    """Measure how one model's decisions treat the groups of every sensitive attribute.

    Args:
        frame: Rows with the attributes' columns.
        labels: 0 or 1, shape (n,).
        probabilities: Shape (n,).
        thresholds: From which each row is flagged, shape (n,), as `tasks.model.groups.row_thresholds` gives them.
        days: The day of each row, and the resamples.
        groupings: The sensitive attributes.
        rules: Which groups count.
        costs: Cost of a missed and of a needless flag.
        window: The evaluation days.
        model_digest: The bundle of the model.

    Raises:
        EvaluationError: If a column is not there, or a large group has labels of one class alone; all attributes at once. An
            attribute of which fewer than two groups count is no error: it is told as not measured.
    """
    decisions = Decisions.of(labels, probabilities, thresholds, days, costs)
    few = require(frame, decisions.labels, days, groupings, rules)
    attributes = [attribute(frame, decisions, grouping, rules) for grouping in groupings if grouping.name not in few]
    rows = len(decisions.labels)
    log.info("fairness: %d attributes on %s rows of %d days", len(attributes), f"{rows:,}", days.count)
    return Fairness(model_digest=model_digest, window=window, rows=rows, days=days.count, attributes=attributes, not_measured=few)


def require(frame: pl.DataFrame, labels: Array, days: Days, groupings: Sequence[Grouping], rules: FairnessRules) -> dict[str, str]:
    """Require that the rows can tell of every attribute; return those of which too few groups count, with how many do.

    Raises:
        EvaluationError: As `measure` says.
    """
    missing = [f"{g.name} by {g.column}" for g in groupings if g.column not in frame.columns]
    if missing:
        raise EvaluationError(
            "the evaluation rows must have the column of every sensitive attribute",
            f"no column for {', '.join(missing[:_MOST_TOLD])}",
            "keep it among the features, or mend SENSITIVE in tasks/usecase/segments.py",
        )
    single, few = list[str](), dict[str, str]()
    for grouping in groupings:
        sizes = _sizes(*_codes(frame, grouping), labels, days)
        for name, rows, seen, positives in sizes:
            if rows >= rules.fewest_rows and seen >= rules.fewest_days and positives in (0, rows):
                only = "positives" if positives else "negatives"
                single.append(f"group {name!r} of attribute {grouping.name!r}: {rows:,} rows on {seen} days, {only} alone")
        counting = sum(_counts(size, rules) for size in sizes)
        if counting < 2:
            few[grouping.name] = f"{counting} of {len(sizes)} groups have {rules.large}"
    if single:
        raise EvaluationError(
            "a group that is large enough must have labels of both classes",
            "; ".join(single[:_MOST_TOLD]),
            "look at the labels of these rows; if they are right, raise fewest_rows in FAIRNESS of tasks/usecase/policy.py",
        )
    return few


def attribute(frame: pl.DataFrame, decisions: Decisions, grouping: Grouping, rules: FairnessRules) -> AttributeFairness:
    """Measure one sensitive attribute, of which at least two groups count; arguments as in `measure`."""
    days, labels, flagged = decisions.days, decisions.labels, decisions.flagged
    names, codes = _codes(frame, grouping)
    count = len(names)
    sizes = _sizes(names, codes, labels, days)
    counts = [_counts(size, rules) for size in sizes]
    selected = Rates.of(codes, count, flagged, np.ones_like(labels), days)
    found = Rates.of(codes, count, flagged, labels, days)
    needless = Rates.of(codes, count, flagged, 1 - labels, days)
    table = _Table.of(codes, labels, flagged)
    points = table.rates(names)
    losses = row_log_loss(labels, decisions.probabilities)
    groups = [
        GroupRates(
            group=name,
            rows=rows,
            days=seen,
            positives=positives,
            counts=counts[i],
            selection_rate=selected.interval(i, points["selection_rate"][name]),
            true_positive_rate=found.interval(i, points["true_positive_rate"][name]) if positives else None,
            false_positive_rate=needless.interval(i, points["false_positive_rate"][name]) if positives < rows else None,
            log_loss=bootstrap.mean(losses, days, codes == i),
            cost=bootstrap.mean(decisions.costs, days, codes == i),
        )
        for i, (name, rows, seen, positives) in enumerate(sizes)
    ]
    kept = np.flatnonzero(counts)
    selected, found, needless = selected.some(kept), found.some(kept), needless.some(kept)
    parity, impact, opportunity, odds = table.some(kept).differences()
    return AttributeFairness(
        grouping=grouping,
        groups=groups,
        demographic_parity_difference=largest(parity, [selected], days),
        disparate_impact=least_ratio(impact, selected, days),
        equal_opportunity_difference=largest(opportunity, [found], days),
        equalized_odds_difference=largest(odds, [found, needless], days),
    )


def _codes(frame: pl.DataFrame, grouping: Grouping) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the names of the groups in order, and the number of each row's."""
    names, codes = np.unique(groups_of(frame, grouping).to_numpy().astype(str), return_inverse=True)
    return names.tolist(), codes.astype(np.int64)


def _sizes(names: Sequence[str], codes: npt.NDArray[np.int64], labels: Array, days: Days) -> list[_Size]:
    """Return the size of each group."""
    rows = days.histogram(codes, len(names), np.ones_like(labels))
    positives = np.bincount(codes, weights=labels, minlength=len(names))
    return [_Size(name, int(rows[:, i].sum()), int((rows[:, i] > 0).sum()), round(float(positives[i]))) for i, name in enumerate(names)]


def _counts(size: _Size, rules: FairnessRules) -> bool:
    """Return whether a group is large enough for the differences."""
    least = min(size.positives, size.rows - size.positives)
    return bool(rules.is_large(size.rows, size.days, least))
