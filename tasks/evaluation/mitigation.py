"""Ways to less difference between the groups of one attribute, side by side on the same rows, with what each costs.

The network as it is; the same trained on reweighed rows; and the first with a threshold for each group. Prices are paired:
the difference on each row to the network as it is, so that days which are hard for all do not hide them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.fairness import FairnessRules, Grouping, Mitigation, MitigationResult
from tasks.artifacts.record import Window
from tasks.artifacts.settings import Costs
from tasks.artifacts.training import TrainedModel
from tasks.errors import EvaluationError
from tasks.evaluation import fairness
from tasks.evaluation.fairness import Decisions
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Days
from tasks.model.groups import row_thresholds
from tasks.model.loss import row_log_loss
from tasks.model.trained import Predictor

log = logging.getLogger(__name__)

NONE, REWEIGHING, GROUP_THRESHOLDS = "none", "reweighing", "group thresholds"


@dataclass(frozen=True)
class Way:
    """One way to decide.

    Attributes:
        name: What is done.
        probabilities: Shape (n,).
        thresholds: From which each row is flagged, shape (n,).
    """

    name: str
    probabilities: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]


def judge(
    rows: pl.DataFrame,
    network: Predictor,
    model: TrainedModel,
    reweighed: Predictor,
    reweighed_model: TrainedModel,
    grouping: Grouping,
    rules: FairnessRules,
    costs: Costs,
    window: Window,
) -> Mitigation:
    """Decide in the three ways and compare them.

    Args:
        rows: Labelled evaluation rows: the features, `batch_day` and `label`.
        network: The network as it is.
        model: What is known of it, with thresholds by group beside the single one.
        reweighed: The network that was trained on reweighed rows.
        reweighed_model: What is known of that.
        grouping: The sensitive attribute.
        rules: Which groups count.
        costs: Cost of a missed and of a needless flag.
        window: The evaluation days.

    Raises:
        EvaluationError: If the network has no thresholds by group of this attribute, or its groups cannot be compared.
    """
    if model.grouping != grouping:
        found = f"those of {model.grouping.name!r}" if model.grouping else "none"
        mend = "train it with group_thresholds set to the attribute's name"
        raise EvaluationError(f"the network must have thresholds by group of {grouping.name!r}", found, mend)
    plain = network.predict(rows)
    ways = [
        Way(NONE, plain, row_thresholds(rows, model.threshold)),
        Way(REWEIGHING, reweighed.predict(rows), row_thresholds(rows, reweighed_model.threshold)),
        Way(GROUP_THRESHOLDS, plain, row_thresholds(rows, model.threshold, grouping, model.group_thresholds)),
    ]
    return compare(rows, ways, grouping, rules, costs, window)


def compare(rows: pl.DataFrame, ways: Sequence[Way], grouping: Grouping, rules: FairnessRules, costs: Costs, window: Window) -> Mitigation:
    """Measure quality and fairness of each way, and what it costs beside the first.

    Args:
        rows: Labelled rows with `batch_day`, `label` and the attribute's column.
        ways: The first is that without mitigation.
        grouping: The sensitive attribute.
        rules: Which groups count.
        costs: Cost of a missed and of a needless flag.
        window: The evaluation days.

    Raises:
        EvaluationError: If the groups cannot be compared.
    """
    labels = rows.get_column("label").to_numpy().astype(np.float64)
    days = Days.draw(rows.get_column("batch_day").to_numpy())
    few = fairness.require(rows, labels, days, [grouping], rules)
    if few:
        mend = "evaluate on more days, or mend FAIRNESS in tasks/usecase/policy.py or SENSITIVE in tasks/usecase/segments.py"
        raise EvaluationError(f"at least two groups of {grouping.name!r} must be large enough", few[grouping.name], mend)
    decided = [Decisions.of(labels, way.probabilities, way.thresholds, days, costs) for way in ways]
    losses = [row_log_loss(labels, way.probabilities) for way in ways]
    found = [
        MitigationResult(
            name=way.name,
            log_loss=bootstrap.mean(loss, days),
            auc=bootstrap.auc(labels, way.probabilities, days),
            cost=bootstrap.mean(decisions.costs, days),
            price_log_loss=bootstrap.mean(loss - losses[0], days) if number else None,
            price_cost=bootstrap.mean(decisions.costs - decided[0].costs, days) if number else None,
            fairness=fairness.attribute(rows, decisions, grouping, rules),
        )
        for number, (way, decisions, loss) in enumerate(zip(ways, decided, losses, strict=True))
    ]
    log.info("mitigation: %d ways on %s rows of %d days", len(found), f"{len(labels):,}", days.count)
    return Mitigation(attribute=grouping.name, window=window, rows=len(labels), results=found)
