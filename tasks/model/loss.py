"""The log-loss and the cost of decisions, one definition for training, evaluation, monitoring and backtest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.artifacts.settings import Costs

Array = npt.NDArray[np.float64]

_CLIP = 1e-7  # a probability of 0 or 1 that was wrong must cost much, not infinitely much


def row_log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the log-loss of each row, shape (n,), probabilities clipped to 1e-7 from 0 and 1."""
    p = np.clip(np.asarray(probabilities, np.float64), _CLIP, 1 - _CLIP)
    y = np.asarray(labels, np.float64)
    losses: npt.NDArray[np.float64] = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean log-loss."""
    return float(row_log_loss(labels, probabilities).mean())


def row_cost(labels: Array, probabilities: Array, threshold: float | Array, costs: Costs) -> Array:
    """Return the cost of the decision on each row, shape (n,): flagged from the threshold, one or one a row, upwards."""
    flagged = probabilities >= threshold
    return np.where(flagged, costs.needless * (1 - labels), costs.missed * labels)
