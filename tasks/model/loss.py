"""The log-loss, one definition for training, evaluation and monitoring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
