"""Calibration on days that a model was not trained on: one temperature for its logits.

Guo et al., "On calibration of modern neural networks" (ICML 2017). One number keeps the order of rows, so that no AUC changes,
and cannot follow the base rate of the folds, which is not that of the days to come.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from tasks.model.loss import log_loss

_COOLEST, _HOTTEST = 0.5, 2.0
"""A temperature beyond these would hide a model that is broken."""

_CLIP = 1e-6


def soften(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Return probabilities whose logits are divided by a temperature, as `Probability` in `tasks/model/network.py` does it."""
    p = np.clip(np.asarray(probabilities, np.float64), _CLIP, 1 - _CLIP)
    softened: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.log(p / (1 - p)) / temperature))
    return softened


def temperature(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the temperature of least log-loss, between 0.5 and 2.

    Args:
        labels: 0 or 1, shape (n,), of rows that the model was not trained on.
        probabilities: Of a model without temperature, shape (n,).
    """
    found = minimize_scalar(
        lambda log_t: log_loss(labels, soften(probabilities, float(np.exp(log_t)))),
        bounds=(np.log(_COOLEST), np.log(_HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))
