"""The decision threshold: the probability from which acting costs less, chosen on rows that were not trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cheapest(labels: npt.ArrayLike, probabilities: npt.ArrayLike, missed: float, needless: float) -> float:
    """Return the threshold that minimises the total cost.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: Shape (n,); a row is flagged when its probability is at least the threshold.
        missed: Cost of a positive that is not flagged.
        needless: Cost of a negative that is flagged.

    Returns:
        One of the probabilities; where flagging nothing is cheapest 1.0, or the next number above if a probability is 1.
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    order = np.argsort(-p, kind="stable")
    p, y = p[order], y[order]
    # Cost of flagging the i highest, for i = 1..n; only ends of runs of equal probabilities can be thresholds.
    cost = missed * (y.sum() - np.cumsum(y)) + needless * np.cumsum(1 - y)
    is_end = np.append(p[1:] != p[:-1], True)
    best = int(np.argmin(np.where(is_end, cost, np.inf)))
    return float(p[best]) if cost[best] < missed * y.sum() else max(1.0, float(np.nextafter(p[0], np.inf)))
