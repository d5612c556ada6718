"""The guard: what a smaller form of a network may give up, overall and on every segment. A missing limit refuses.

The form and the network that it comes from predict the same rows; what counts is the upper bound of their paired
difference over days, so that a form about which little is known is refused as one that is worse.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.compression import Compressed, Compression, CompressionRules, Cost, Form, SegmentGivenUp
from tasks.artifacts.record import Interval, Window
from tasks.evaluation import packaged
from tasks.evaluation.packaged import Packaged
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.model.loss import row_log_loss

log = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]

_ORIGINAL = "float32"


def judge(
    rows: pl.DataFrame,
    original: Packaged,
    forms: Mapping[Form, Packaged],
    segments: Mapping[str, pl.Expr],
    rules: CompressionRules,
    window: Window,
    model_digest: str,
) -> Compression:
    """Measure smaller forms beside the network that they come from, and judge each.

    Args:
        rows: Labelled evaluation rows: the features, `batch_day` and `label`.
        original: The package of the whole network.
        forms: The packages of its smaller forms.
        segments: Name to row predicate over the features.
        rules: What a form may give up.
        window: The evaluation days.
        model_digest: The bundle of the whole network.

    Raises:
        BundleError: If a package is altered or gives a row no probability.
    """
    labels: Array = rows.get_column("label").to_numpy().astype(np.float64)
    days = Days.draw(rows.get_column("batch_day").to_numpy())
    masks = rows.select(expr.fill_null(False).alias(name) for name, expr in segments.items())
    named: dict[str, Mask] = {name: masks.get_column(name).to_numpy() for name in segments}
    costs = packaged.measure({_ORIGINAL: original} | {form.value: package for form, package in forms.items()}, rows)
    whole = original.predict(rows)
    found = [
        compare(form, package.digest, labels, whole, package.predict(rows), days, named, rules, costs[form.value], costs[_ORIGINAL])
        for form, package in forms.items()
    ]
    return Compression(
        model_digest=model_digest,
        window=window,
        rows=len(labels),
        days=days.count,
        machine=packaged.machine(),
        rules=rules,
        forms=found,
    )


def compare(
    form: Form,
    digest: str,
    labels: Array,
    whole: Array,
    smaller: Array,
    days: Days,
    segments: Mapping[str, Mask],
    rules: CompressionRules,
    cost: Cost,
    original_cost: Cost,
) -> Compressed:
    """Judge one form by its probabilities beside those of the whole network.

    Args:
        form: How it was made smaller.
        digest: Its package.
        labels: 0 or 1, shape (n,).
        whole: Probabilities of the whole network, shape (n,).
        smaller: Probabilities of the form, shape (n,).
        days: The day of each row.
        segments: Name to the rows of a segment, each of shape (n,).
        rules: What it may give up.
        cost: What it takes.
        original_cost: What the whole network takes.
    """
    losses, original_losses = row_log_loss(labels, smaller), row_log_loss(labels, whole)
    given_up = losses - original_losses
    overall = bootstrap.mean(given_up, days)
    calibration = bootstrap.calibration_difference(labels, smaller, whole, days)
    by_segment = [_segment(name, mask, given_up, days, rules) for name, mask in segments.items() if mask.any()]
    against = [
        *_missing(rules),
        *_over("log-loss", overall, rules.log_loss),
        *_over("calibration error", calibration, rules.calibration_error),
    ]
    for found in by_segment:
        if found.counts and not found.holds:
            against += _over(f"log-loss of segment {found.segment}", found.log_loss, rules.segment_log_loss)
    log.info("%s: %s log-loss given up, %s", form.value, overall, "refused" if against else "accepted")
    return Compressed(
        form=form,
        package_digest=digest,
        cost=cost,
        original_cost=original_cost,
        log_loss=bootstrap.mean(losses, days),
        original_log_loss=bootstrap.mean(original_losses, days),
        calibration_error=bootstrap.calibration_error(labels, smaller, days),
        original_calibration_error=bootstrap.calibration_error(labels, whole, days),
        log_loss_given_up=overall,
        calibration_error_given_up=calibration,
        segments=by_segment,
        accepted=not against,
        reasons=against or [_in_favour(overall, calibration, by_segment, rules)],
    )


def _missing(rules: CompressionRules) -> list[str]:
    missing = [name for name in CompressionRules.model_fields if getattr(rules, name) is None]
    return [f"no limit is set for {', '.join(missing)}: set it in tasks/usecase/policy.py"] if missing else []


def _over(what: str, given_up: Interval, most: float | None) -> list[str]:
    if most is None or given_up.upper <= most:
        return []
    return [f"{what} may rise by {given_up.upper:.5f} ({given_up.value:+.5f} found), above the limit of {most:g}"]


def _segment(name: str, mask: Mask, given_up: Array, days: Days, rules: CompressionRules) -> SegmentGivenUp:
    interval, seen = bootstrap.mean(given_up, days, mask), len(np.unique(days.index[mask]))
    return SegmentGivenUp(
        segment=name,
        rows=int(mask.sum()),
        days=seen,
        log_loss=interval,
        counts=rules.segment_days is not None and seen >= rules.segment_days,
        holds=rules.segment_log_loss is not None and interval.upper <= rules.segment_log_loss,
    )


def _in_favour(overall: Interval, calibration: Interval, segments: list[SegmentGivenUp], rules: CompressionRules) -> str:
    counted = [found for found in segments if found.counts]
    worst = max(counted, key=lambda found: found.log_loss.upper, default=None)
    told = f"; of {len(counted)} segments the worst is {worst.segment} with {worst.log_loss.upper:.5f} at most" if worst else ""
    return (
        f"log-loss rises by {overall.upper:.5f} at most (limit {rules.log_loss:g}), "
        f"calibration error by {calibration.upper:.5f} (limit {rules.calibration_error:g}){told}"
    )
