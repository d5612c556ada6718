"""Segments: the candidate on named slices of the rows, each with intervals over days, and beside the incumbent.

A segment with too few rows, or with one class, gets its size and no figure: a metric of noise reads like a metric.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.artifacts.evaluation import PairedGain, Scores, SegmentMetrics, SmallSegment
from tasks.artifacts.settings import SegmentRules
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.evidence.slices import Mask
from tasks.model.loss import row_log_loss

ALL = "all"
"""The overall slice, which stands beside every other."""


def scores(labels: Array, probabilities: Array, costs: Array, days: Days) -> Scores:
    """Return all metrics of some rows.

    Args:
        labels: 0 or 1, shape (n,), both among them.
        probabilities: Shape (n,).
        costs: Of the decision on each row, shape (n,).
        days: The day of each row.
    """
    auc, pr_auc = bootstrap.ranking(labels, probabilities, days)
    return Scores(
        auc=auc,
        pr_auc=pr_auc,
        log_loss=bootstrap.mean(row_log_loss(labels, probabilities), days),
        brier=bootstrap.mean((probabilities - labels) ** 2, days),
        calibration_error=bootstrap.calibration_error(labels, probabilities, days),
        cost=bootstrap.mean(costs, days),
    )


def measure(
    named: Mapping[str, Mask],
    labels: Array,
    probabilities: Array,
    costs: Array,
    incumbent: Array | None,
    days: Days,
    rules: SegmentRules,
) -> tuple[list[SegmentMetrics], list[SmallSegment]]:
    """Measure the candidate on each segment and on all rows.

    Args:
        named: Name to the rows of a segment, each of shape (n,).
        labels: 0 or 1, shape (n,).
        probabilities: Of the candidate, shape (n,).
        costs: Of its decisions, shape (n,).
        incumbent: Probabilities of the champion, shape (n,), None without one.
        days: The day of each row.
        rules: Rows and days that a segment needs to be measured.
    """
    large: dict[str, Mask] = {}
    small: list[SmallSegment] = []
    for name, mask in {ALL: np.ones(len(labels), dtype=np.bool_), **named}.items():
        reason = _too_small(labels[mask], days.of(mask), rules)
        if reason:
            small.append(SmallSegment(segment=name, rows=int(mask.sum()), days=days.of(mask).seen, reason=reason))
        else:
            large[name] = mask
    order = np.argsort(probabilities, kind="stable")  # once: every segment's rows are then sorted too, which its metrics need
    sorted_rows = (labels[order], probabilities[order], costs[order])
    in_order = Days(days.index[order], days.draws)
    paired = pair(labels, probabilities, incumbent, days, large) if incumbent is not None else {}
    found = []
    for name, mask in large.items():
        kept = mask[order]
        its_labels, its_probabilities, its_costs = (values[kept] for values in sorted_rows)
        its_days = in_order.of(kept)
        found.append(
            SegmentMetrics(
                segment=name,
                rows=len(its_labels),
                days=its_days.seen,
                positives=int(its_labels.sum()),
                paired=paired.get(name),
                **dict(scores(its_labels, its_probabilities, its_costs, its_days)),
            )
        )
    return found, small


def _too_small(labels: Array, days: Days, rules: SegmentRules) -> str:
    if len(labels) < rules.fewest_rows:
        return f"fewer than {rules.fewest_rows} rows"
    if days.seen < rules.fewest_days:
        return f"fewer than {rules.fewest_days} days"
    return "one class only" if labels.min() == labels.max() else ""


def pair(labels: Array, probabilities: Array, incumbent: Array, days: Days, named: Mapping[str, Mask]) -> dict[str, PairedGain]:
    """Return the gain over the incumbent as a share of its log-loss, so that easy and hard segments are held to the same.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: Of the candidate, shape (n,).
        incumbent: Of the champion, shape (n,).
        days: The day of each row.
        named: Name to the rows of a segment, each of shape (n,) and with a row; the p-values are adjusted for all but `ALL`.
    """
    theirs = row_log_loss(labels, incumbent)
    gain = theirs - row_log_loss(labels, probabilities)
    worse = bootstrap.adjusted_p_values(-gain, days, [mask for name, mask in named.items() if name != ALL])
    p_values = {ALL: bootstrap.adjusted_p_values(-gain, days, [named[ALL]])[0]} if ALL in named else {}
    p_values |= dict(zip((name for name in named if name != ALL), worse, strict=True))
    return {name: PairedGain(gain=bootstrap.ratio(gain, theirs, days, mask), worse_p_value=p_values[name]) for name, mask in named.items()}
