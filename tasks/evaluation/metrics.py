"""Models side by side on the same rows: metrics, paired gains and segments, each with its interval over days."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.evaluation import MODELS, CalibrationBin, Evaluation, ModelMetrics, Scores, WeakSegments
from tasks.artifacts.record import SuiteCondition, Window
from tasks.artifacts.settings import Costs, SegmentRules
from tasks.errors import EvaluationError
from tasks.evaluation import segments
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.loss import row_cost, row_log_loss

log = logging.getLogger(__name__)

CANDIDATE, INCUMBENT = "network", "incumbent"


def require_aligned(scored: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Raise unless scored rows and rows of features are the same rows in the same order, by their days and labels.

    Raises:
        EvaluationError: If they are not: segments and groups would be of other rows than the probabilities.
    """
    days = [frame.get_column("batch_day").cast(pl.Date) for frame in (scored, rows)]
    labels = [frame.get_column("label").cast(pl.Int64) for frame in (scored, rows)]
    if not (days[0].equals(days[1]) and labels[0].equals(labels[1])):
        found = f"{scored.height:,} and {rows.height:,} rows of other days or labels"
        raise EvaluationError(
            "scored rows must be the evaluation rows, in their order", found, "run again; remove the cached outputs if it stays"
        )


def evaluate(
    scored: pl.DataFrame,
    named: Mapping[str, npt.NDArray[np.bool_]],
    thresholds: Mapping[str, float],
    costs: Costs,
    rules: SegmentRules,
    window: Window,
    candidate_digest: str,
    incumbent_version: int | None,
    suite: Sequence[SuiteCondition],
    weak: WeakSegments,
    by_row: Mapping[str, Array] | None = None,
) -> Evaluation:
    """Evaluate all models on the scored rows.

    Args:
        scored: n rows with `batch_day`, `label` and a column of probabilities for each model.
        named: Segment to its rows, each of shape (n,).
        thresholds: Model to decision threshold.
        costs: Cost of a missed and of a needless flag.
        rules: What a segment needs to be measured.
        window: The evaluation days.
        candidate_digest: The candidate's bundle.
        incumbent_version: Version of the champion, None without one.
        suite: Conditions of the deepchecks suite.
        weak: What the search for weak segments found.
        by_row: Model to the threshold of each row, shape (n,), where groups have their own.

    Raises:
        EvaluationError: If all rows have one label.
    """
    labels = scored.get_column("label").to_numpy().astype(np.float64)
    if len(labels) == 0 or labels.min() == labels.max():
        found = "none" if len(labels) == 0 else f"{len(labels):,} rows with label {labels[0]:.0f}"
        raise EvaluationError(
            f"the evaluation days {window} must have rows of both labels", found, "choose a later as_of, or mend the labels"
        )
    days = Days.draw(scored.get_column("batch_day").to_numpy())
    models = [m for m in (*MODELS, INCUMBENT) if m != INCUMBENT or incumbent_version is not None]
    probabilities = {m: scored.get_column(m).to_numpy().astype(np.float64) for m in models}
    losses = {m: row_log_loss(labels, p) for m, p in probabilities.items()}
    costed = {m: row_cost(labels, p, (by_row or {}).get(m, thresholds[m]), costs) for m, p in probabilities.items()}
    measured, small = segments.measure(
        named, labels, probabilities[CANDIDATE], costed[CANDIDATE], probabilities.get(INCUMBENT), days, rules
    )
    whole = next((segment for segment in measured if segment.segment == segments.ALL), None)  # measured once
    scores = {
        m: whole if m == CANDIDATE and whole is not None else segments.scores(labels, p, costed[m], days) for m, p in probabilities.items()
    }
    metrics = [
        ModelMetrics(model=m, threshold=thresholds[m], **{name: getattr(found, name) for name in Scores.model_fields})
        for m, found in scores.items()
    ]
    log.info("%d models on %s rows of %d days, %d segments", len(models), f"{len(labels):,}", days.count, len(measured))
    return Evaluation(
        candidate_digest=candidate_digest,
        incumbent_version=incumbent_version,
        window=window,
        rows=len(labels),
        base_rate=float(labels.mean()),
        metrics=metrics,
        gains={m: bootstrap.mean(losses[m] - losses[CANDIDATE], days) for m in models if m != CANDIDATE},
        segments=measured,
        small_segments=small,
        weak_segments=weak,
        calibration=[
            CalibrationBin(predicted=p, observed=o, rows=n) for p, o, n in bootstrap.calibration_curve(labels, probabilities[CANDIDATE])
        ],
        suite=list(suite),
    )
