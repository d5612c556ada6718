"""What a champion's own probabilities let expect, before labels are known.

Confidence-based performance estimation (NannyML's CBPE; Guillory et al., "Predicting with confidence on unseen distributions", ICCV
2021, for the idea): where probabilities are calibrated, they tell how often they are wrong. They are calibrated first on days whose
labels are known, by isotonic regression (Zadrozny and Elkan, KDD 2002). It sees that rows became harder, as in a storm that the inputs
tell of. It is blind to a change of what inputs mean (concept drift), and to anything that inputs do not tell: such an estimate stays
good while the champion gets worse. Nothing may be decided by it alone.

Both the days of the calibration and those of the estimate are drawn anew, so that the interval has the uncertainty of both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.artifacts.monitoring import Estimate
from tasks.artifacts.record import Window
from tasks.errors import EvaluationError
from tasks.evidence import bootstrap, windows
from tasks.evidence.bootstrap import Array, Days

_BINS = 128  # equally full ones of the reference, within which the calibration is flat: finer than four weeks can tell
_CLIP = 1e-7  # as of `tasks/model/loss.py`, which a test holds this to: statistics know of no model
_RESAMPLES = 400  # of which each fits a calibration: an end of the interval moves by a tenth of its width


def expected(
    reference_labels: npt.ArrayLike,
    reference_probabilities: npt.ArrayLike,
    reference_days: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    days: npt.ArrayLike,
    window: Window,
) -> Estimate:
    """Return the log-loss and the share of positives to expect.

    Args:
        reference_labels: 0 or 1, of the champion's evaluation days, shape (m,), both among them.
        reference_probabilities: The champion's, shape (m,).
        reference_days: The day of each, shape (m,).
        probabilities: The champion's on the days in question, shape (n,); no label is looked at.
        days: The day of each, shape (n,).
        window: What the days in question are called.

    Raises:
        EvaluationError: If there are no rows, the reference has one label only, or a probability is not finite.
    """
    labels, reference = (np.asarray(values, np.float64) for values in (reference_labels, reference_probabilities))
    found = np.asarray(probabilities, np.float64)
    _require(labels, reference, found)
    then, now = (Days.draw(names, _RESAMPLES, seed) for names, seed in zip((reference_days, days), windows.SEEDS, strict=True))
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins, count = np.searchsorted(edges, reference, side="right"), len(edges) + 1
    positives, rows = then.histogram(bins, count, labels), then.histogram(bins, count, np.ones(len(labels)))
    curve = _isotonic(positives.sum(0), rows.sum(0))
    curves = np.stack([_isotonic(of_bin, number) for of_bin, number in zip(then.draws @ positives, then.draws @ rows, strict=True)])
    # By day and bin: rows, and what they lose where the label is 1 and where it is 0. All that is wanted is a sum of these.
    placed = np.searchsorted(edges, found, side="right")
    number = now.histogram(placed, count, np.ones(len(found)))
    if_positive, if_negative = (now.histogram(placed, count, losses) for losses in _losses(found))
    share, loss = _means(curve[None], number.sum(0)[None], if_positive.sum(0)[None], if_negative.sum(0)[None])
    shares, losses = _means(curves, now.draws @ number, now.draws @ if_positive, now.draws @ if_negative)
    own, (as_positive, as_negative) = curve[bins], _losses(reference)
    return Estimate(
        window=window,
        rows=len(found),
        log_loss=bootstrap.interval(float(loss[0]), losses, now.seen),
        positives=bootstrap.interval(float(share[0]), shares, now.seen),
        reference_log_loss=float((own * as_positive + (1 - own) * as_negative).mean()),
    )


def _losses(probabilities: Array) -> tuple[Array, Array]:
    """Return the log-loss of each row were its label 1, and were it 0, each of shape (n,)."""
    p = np.clip(probabilities, _CLIP, 1 - _CLIP)
    return -np.log(p), -np.log1p(-p)


def _means(curves: Array, number: Array, if_positive: Array, if_negative: Array) -> tuple[Array, Array]:
    """Return the share of positives and the log-loss of each resample, shape (r,), from sums by bin, shape (r, bins)."""
    rows = number.sum(axis=1)
    share = (curves * number).sum(axis=1) / rows
    return share, (curves * if_positive + (1 - curves) * if_negative).sum(axis=1) / rows


def _isotonic(positives: Array, rows: Array) -> Array:
    """Return the share of positives of each bin, never falling from bin to bin; of bins without rows as between their neighbours."""
    from scipy.optimize import isotonic_regression

    filled = rows > 0
    fitted = isotonic_regression(positives[filled] / rows[filled], weights=rows[filled]).x
    curve: Array = np.interp(np.arange(len(rows)), np.flatnonzero(filled), np.clip(fitted, 0, 1))  # rounding goes beyond
    return curve


def _require(labels: Array, reference: Array, found: Array) -> None:
    expected = "an estimate must have rows, and a reference with both labels"
    if not len(found) or not len(labels) or labels.min() == labels.max():
        told = f"{len(found):,} rows, and {len(labels):,} of the reference with {int(labels.sum()):,} positives"
        raise EvaluationError(expected, told, "ingest the champion's evaluation days again, or choose later days")
    wrong = int((~np.isfinite(reference)).sum() + (~np.isfinite(found)).sum())
    if wrong:
        raise EvaluationError("every row of an estimate must have a probability", f"{wrong:,} have none", "score the days again")
