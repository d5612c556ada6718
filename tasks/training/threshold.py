"""The decision threshold: the probability from which acting costs less, chosen on rows that were not trained on.

Either one for all, or one for each group of a sensitive attribute, so that their true positive rates are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def of_equal_opportunity(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, groups: npt.ArrayLike, large: Sequence[str], threshold: float
) -> dict[str, float]:
    """Return a threshold for each large group by which its true positive rate is that of all rows at a single threshold.

    Hardt, Price and Srebro, "Equality of opportunity in supervised learning" (NIPS 2016), section 4, without its random
    decisions: a group's rate comes as near as its rows allow.

    Args:
        labels: 0 or 1, shape (n,), of rows that were not trained on.
        probabilities: Shape (n,).
        groups: The group of each row, texts, shape (n,).
        large: Groups that have enough rows; each has a positive.
        threshold: The single one.

    Returns:
        Group to threshold: one of its positives' probabilities, or the next number above the highest where none is to be
        flagged. Of two that come equally near it is the higher one, which flags fewer.
    """
    y, p, group = np.asarray(labels) == 1, np.asarray(probabilities, np.float64), np.asarray(groups)
    wanted = float((p[y] >= threshold).mean())
    chosen = {}
    for name in large:
        scores, counts = np.unique(p[y & (group == name)], return_counts=True)
        candidates = np.append(scores, np.nextafter(scores[-1], np.inf))[::-1]  # from the one that flags none downwards
        rates = np.append(0, np.cumsum(counts[::-1])) / counts.sum()
        chosen[name] = float(candidates[int(np.argmin(np.abs(rates - wanted)))])
    return chosen
