"""Groups that get a decision threshold each: those large enough on the folds, on whose rows no network was trained."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import polars as pl

from tasks.artifacts.fairness import FairnessRules, Grouping
from tasks.artifacts.record import Window
from tasks.clock import labelled_in
from tasks.errors import ConfigError, SplitError
from tasks.model import groups
from tasks.training import threshold

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ByGroup:
    """The groups of the folds' rows.

    Attributes:
        grouping: The sensitive attribute.
        of_rows: The group of each row, fold after fold.
        large: Those that get a threshold of their own, in order.
    """

    grouping: Grouping
    of_rows: pl.Series
    large: list[str]

    def thresholds(self, labels: npt.ArrayLike, probabilities: npt.ArrayLike, single: float) -> dict[str, Any]:
        """Return what a trained model is known by: the attribute and the threshold of each large group.

        Args:
            labels: 0 or 1, of the folds' rows in their order, shape (n,).
            probabilities: Out of time, shape (n,).
            single: The threshold of all others, whose true positive rate each large group is to have.
        """
        found = threshold.of_equal_opportunity(labels, probabilities, self.of_rows.to_numpy(), self.large, single)
        log.info("thresholds by %s: %s", self.grouping.name, ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        return {"grouping": self.grouping, "group_thresholds": found}


def on_folds(
    features: pl.LazyFrame, folds: Sequence[Window], columns: Sequence[str], grouping: Grouping, rules: FairnessRules | None
) -> ByGroup:
    """Return the groups of the folds' rows.

    Args:
        features: Rows with `batch_day`, `label` and the attribute's column.
        folds: The windows whose rows count, in order.
        columns: What the model reads: the service knows nothing else of a row.
        grouping: The sensitive attribute.
        rules: Which groups are large enough; None where nobody said so.

    Raises:
        ConfigError: If the model does not read the attribute's column, or there are no rules.
        SplitError: If fewer than two groups are large enough.
    """
    if grouping.column not in columns:
        raise ConfigError(
            "group_thresholds must name an attribute whose column is a feature: the service decides by it",
            f"{grouping.name!r} by {grouping.column}",
            "choose another attribute, or make the column a feature in tasks/usecase/features.py",
        )
    if rules is None:
        raise ConfigError("group_thresholds needs rules that say which groups are large enough", "none", "set FAIRNESS in the policy")
    parts = [
        labelled_in(features, window.first_day, window.last_day)
        .select(groups.group(grouping).alias("group"), "batch_day", pl.col("label").cast(pl.Int64))
        .collect()
        for window in folds
    ]
    rows = pl.concat(parts)
    positives = pl.col("label").sum()
    sizes = rows.group_by("group").agg(
        pl.len().alias("rows"),
        pl.col("batch_day").n_unique().alias("days"),
        pl.min_horizontal(positives, pl.len() - positives).alias("least"),
    )
    is_large = rules.is_large(pl.col("rows"), pl.col("days"), pl.col("least"))
    large = sizes.filter(is_large).get_column("group").sort().to_list()
    if len(large) < 2:
        raise SplitError(
            f"at least two groups of attribute {grouping.name!r} must have {rules.large} on the folds",
            f"{len(large)} of {sizes.height} groups",
            "choose more or longer folds in TRAINING, or mend FAIRNESS in tasks/usecase/policy.py",
        )
    return ByGroup(grouping, rows.get_column("group"), large)
